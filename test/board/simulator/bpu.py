# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The processor of a simulated board: loads model files, takes its time, gives recorded outputs.

Each folder of `images` has the packages of one image of a board; with one of them on PYTHONPATH a
program finds the vendor's modules as it would there, and `model_file` writes what they load.

Processes take turns on the cores by locks on the files `core0`, `core1` in the folder that the
environment variable FCOS_SIM_DIR names. While an inference waits for a core and while it runs,
the GIL is held, as by the vendor's bindings: all waiting is done in C by calls that keep it.

FCOS_SIM_FAULT, read when a model is loaded, makes that fail by `load`, or inferences by `raise`,
`none`, `hang`, `crash` or `nan`; with `:N` only the N-th inference of the model. `import`, read
when a binding is imported, makes it fail as beside numpy 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import ctypes
from ctypes import byref, c_long
from dataclasses import dataclass
import fcntl
from functools import partial
from itertools import cycle
from math import prod
from operator import methodcaller
import os
from pathlib import Path
import signal
import tempfile
from typing import Any

from model_file import LAYOUTS, TYPES, fnv1a64, read_header
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# PyDLL, unlike CDLL, does not release the GIL around a call.
LIBC = ctypes.PyDLL(None)

CLOCK_MONOTONIC, PR_SET_TIMERSLACK = 1, 29
CALL = methodcaller('__call__')

LOOK = 30
"""Microseconds between two looks for a free core."""

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM)
"""Signals that Python programs have handlers for."""

LOADS: list[str] = []
"""The path of every file that was loaded, in order."""

TYPE_NAMES = {
    0: 'Y', 1: 'NV12', 2: 'NV12_SEPARATE', 3: 'YUV444', 4: 'RGB', 5: 'BGR',
    **{number: name for name, number in TYPES.items()}}
IMAGES = range(6)
LAYOUT_NAMES = {number: name for name, number in LAYOUTS.items()}


class BpuError(Exception):
    """What the runtime library would answer with an error code."""


@dataclass(frozen=True, eq=False)
class Description:
    """A tensor; `memory` is its aligned shape."""

    name: str
    kind: int
    layout: int
    shape: tuple[int, ...]
    memory: tuple[int, ...]
    scale: NDArray[np.float32]
    axis: int

    @property
    def tensor_type(self) -> str:
        return TYPE_NAMES[self.kind]

    @property
    def dtype(self) -> str:
        return 'uint8' if self.kind in IMAGES else self.tensor_type

    @property
    def input_bytes(self) -> int:
        """Bytes of an NV12 image, or of three channels of any other."""
        count = prod(self.shape)
        return count // 2 if self.tensor_type.startswith('NV12') else count


class Network:
    """
    A model in the memory of the board.

    :raises BpuError: the file is missing, is no model, or is one for another board.
    """

    def __init__(self, path: str, board: str) -> None:
        self._fault = _Fault.planned()
        if self._fault and self._fault.kind == 'load':
            raise BpuError('load fault')
        try:
            lines, start = read_header(Path(path).read_bytes())
        except (OSError, ValueError) as error:
            raise BpuError(str(error)) from error
        self._data = np.fromfile(path, np.uint8, offset=start)
        facts = {words[0]: words[1:] for words in lines}
        if facts['board'] != [board]:
            raise BpuError(f'model is for {facts["board"][0]}, this is {board}')
        self.name = facts['name'][0]
        self.input = _input(facts['input'])
        self.outputs = [self._output(words[1:]) for words in lines if words[0] == 'output']
        self._answers = [(int(words[1], 16), [int(offset) for offset in words[2:]])
                         for words in lines if words[0] == 'answer']
        self._cores = int(facts['cores'][0])
        self._service = int(facts['service_us'][0])
        self._before = int(facts['cpu_us'][0])
        self._runs = 0
        self._folder = Path(os.environ.get('FCOS_SIM_DIR')
                            or Path(tempfile.gettempdir(), f'fcos_sim_{os.getuid()}'))
        self._folder.mkdir(parents=True, exist_ok=True)
        LOADS.append(path)

    def run(self, content: bytes | Array, core_id: int = 0) -> list[Array] | None:
        """
        Answer an input.

        :param core_id: 0 for any core, else that core, from 1.
        :returns: for each output what its memory holds, of its aligned shape; None by a fault.
        :raises BpuError: by a fault.
        """
        self._runs += 1
        favourite = core_id - 1 if core_id else os.getpid()
        cores = [self._folder / f'core{(favourite + n) % self._cores}'
                 for n in range(1 if core_id else self._cores)]
        _occupy(cores, self._before, self._service)
        outputs = self._answer(content)
        if self._fault and self._fault.strikes(self._runs):
            return self._fault.spoil(outputs)
        return outputs

    def _answer(self, content: bytes | Array) -> list[Array]:
        offsets = self._answers[0][1]
        if len(self._answers) > 1:
            offsets = dict(reversed(self._answers)).get(fnv1a64(bytes(content)), offsets)
        return [self._read(offset, output.dtype, output.memory)
                for output, offset in zip(self.outputs, offsets)]

    def _output(self, words: list[str]) -> Description:
        name = words[0]
        kind, layout, *sides, scales, offset, axis = map(int, words[1:])
        scale = self._read(offset, 'float32', (scales,)).copy()
        return Description(name, kind, layout, tuple(sides[:4]), tuple(sides[4:]), scale, axis)

    def _read(self, offset: int, dtype: str, shape: tuple[int, ...]) -> Array:
        size = prod(shape) * np.dtype(dtype).itemsize
        return self._data[offset:offset + size].view(dtype).reshape(shape)


@dataclass(frozen=True)
class _Fault:
    """What goes wrong, and at which inference; 0 for at each."""

    kind: str
    at: int = 0

    @classmethod
    def planned(cls) -> _Fault | None:
        kind, _, at = os.environ.get('FCOS_SIM_FAULT', '').partition(':')
        return cls(kind, int(at or 0)) if kind else None

    def strikes(self, run: int) -> bool:
        return self.at in (0, run)

    def spoil(self, outputs: list[Array]) -> list[Array] | None:
        if self.kind == 'raise':
            raise BpuError('raise fault')
        if self.kind == 'hang':
            with _signals_later():
                LIBC.pause()
        if self.kind == 'crash':
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.kind == 'nan':
            # A conversion of NaN to integers mostly gives the lowest one.
            return [np.full_like(output, np.nan if output.dtype.kind == 'f'
                                 else np.iinfo(output.dtype).min) for output in outputs]
        return None if self.kind == 'none' else outputs


def _input(words: list[str]) -> Description:
    name = words[0]
    kind, layout, *shape = map(int, words[1:])
    return Description(name, kind, layout, tuple(shape), tuple(shape), np.empty(0, np.float32), 0)


class _Timespec(ctypes.Structure):
    _fields_ = (('seconds', c_long), ('nanoseconds', c_long))


def _occupy(cores: list[Path], before: int, service: int) -> None:
    """
    Work for some microseconds anywhere and then for some on a core, as one call of C.

    Whoever came first gets the first core that is free. Waiting for a lock would not do for that:
    Linux likes to wake the next process on the CPU of the one that gives the lock back, and there
    it waits for that one's copying; a BPU begins the next inference by itself. Hence the looking.
    Python may pass the GIL on between any two steps of a function, so there are none here: `map`,
    `all` and `partial` are C.
    """
    # Linux wakes a thread up to 50 microseconds late unless told that it matters.
    LIBC.prctl(PR_SET_TIMERSLACK, c_long(1))
    queue = cores[0].with_name(f'queue_{"_".join(sorted(core.name for core in cores))}')
    with _opened([queue, *cores]) as (line, *files), _signals_later():
        # flock returns 0, false, when it has the lock: `all` goes on until then.
        looks = [*(partial(LIBC.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB) for file in files),
                 _nap(LOOK)]
        unlocks = [partial(LIBC.flock, file, fcntl.LOCK_UN) for file in files]
        steps = [_waiting(before), partial(LIBC.flock, line, fcntl.LOCK_EX),
                 partial(all, map(CALL, cycle(looks))), partial(LIBC.flock, line, fcntl.LOCK_UN),
                 _waiting(service), *unlocks]
        list(map(CALL, steps))


def _nap(microseconds: int) -> partial[int]:
    """Sleep like `_waiting`, and return what is true: an error, as no signal came."""
    time = _Timespec(0, microseconds * 1000)
    return partial(LIBC.sigtimedwait, (c_long * 16)(), None, byref(time))


def _waiting(microseconds: int) -> partial[int]:
    seconds, rest = divmod(microseconds, 10**6)
    time = _Timespec(seconds, rest * 1000)
    return partial(LIBC.clock_nanosleep, CLOCK_MONOTONIC, 0, byref(time), None)


@contextmanager
def _opened(cores: list[Path]) -> Iterator[list[int]]:
    """Open the files that are the locks of cores; closing them gives the lock back."""
    files = [os.open(core, os.O_RDWR | os.O_CREAT, 0o666) for core in cores]
    try:
        yield files
    finally:
        for file in files:
            os.close(file)


@contextmanager
def _signals_later() -> Iterator[None]:
    """Put off Python's signal handlers, which C code that waits in the kernel does not run."""
    handled = {number for number in HANDLED if callable(signal.getsignal(number))}
    former = signal.pthread_sigmask(signal.SIG_BLOCK, handled)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def refuse_numpy() -> None:
    """Fail, by a fault, as a module compiled for numpy 1 does beside numpy 2."""
    if os.environ.get('FCOS_SIM_FAULT') == 'import':
        raise ImportError('numpy.core.multiarray failed to import')


def raw_bytes(array: Array, count: int) -> bytes:
    """
    Read on from where an array's first value lies, whatever its strides and dtype are.

    Where a binding would read beyond the memory that the array is part of, there are 0xA5.
    """
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    end = owner.ctypes.data + owner.itemsize + sum(
        (side - 1) * stride for side, stride in zip(owner.shape, owner.strides) if stride > 0)
    length = max(0, min(count, end - array.ctypes.data))
    return ctypes.string_at(array.ctypes.data, length).ljust(count, b'\xa5')


def say(stream: int, text: str) -> None:
    """Print as C code does, past Python's streams."""
    os.write(stream, f'{text}\n'.encode())
