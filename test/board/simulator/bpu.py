# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The processor of a simulated board: loads model files, takes its time, gives recorded outputs.

Each folder of `images` has the packages of one image of a board; with one of them on PYTHONPATH a
program finds the vendor's modules as it would there, and `model_file` writes what they load.

Processes take turns on the cores by the file `cores` in the folder that the environment variable
FCOS_SIM_DIR names: for each core the nanosecond of the monotonic clock at which it will be free.
While an inference waits for a core and while it runs, the GIL is held, as by the vendor's
bindings: all waiting is done in C by calls that keep it.

FCOS_SIM_FAULT, read when a model is loaded, makes that fail by `load`, or inferences by `raise`,
`none`, `hang`, `crash` or `nan`; with `:N` only the N-th inference of the model. The process then
leaves a file such as `hang-PID` beside `cores`, for which tests can wait. `import`, read when a
binding is imported, makes it fail as beside numpy 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import ctypes
from ctypes import byref, c_long
from dataclasses import dataclass
import fcntl
from functools import partial
from itertools import chain, starmap, tee
from math import prod
from mmap import mmap
from operator import add, methodcaller
import os
from pathlib import Path
import signal
import tempfile
from time import monotonic_ns
from typing import Any

from model_file import LAYOUTS, TYPES, fnv1a64, read_header
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# PyDLL, unlike CDLL, does not release the GIL around a call.
LIBC = ctypes.PyDLL(None)

CLOCK_MONOTONIC, TIMER_ABSTIME, PR_SET_TIMERSLACK = 1, 1, 29
CALL = methodcaller('__call__')

SECOND = 10**9
"""In nanoseconds."""

MOST_CORES = 8
"""That the file of bookings has room for."""

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
        cores = range(core_id - 1, core_id) if core_id else range(self._cores)
        _occupy(self._folder, cores, self._before, self._service)
        outputs = self._answer(content)
        if self._fault and self._fault.strikes(self._runs):
            (self._folder / f'{self._fault.kind}-{os.getpid()}').touch()
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


def _occupy(folder: Path, cores: range, before: int, service: int) -> None:
    """
    Work for some microseconds anywhere and then for some on a core, as one call of C.

    Who comes books the core that is free first, and sleeps until the end of the booking: a BPU
    begins its next inference by itself, whenever Linux may wake whoever waits for the last one.
    With a lock held for as long as an inference takes, cores stood still for 0.34 ms of 11.8
    while others waited for them (three workers on two CPUs).

    Python may pass the GIL on between any two steps of a function, so there are none here: `map`
    and its likes are C, and compute when they are asked for their next value.
    """
    # Linux wakes a thread up to 50 microseconds late unless told that it matters.
    LIBC.prctl(PR_SET_TIMERSLACK, c_long(1))
    with _bookings(folder) as (file, free), _signals_later():
        lock, unlock = (partial(LIBC.flock, file, how) for how in (fcntl.LOCK_EX, fcntl.LOCK_UN))
        core, same_core = tee(map(partial(min, key=free.__getitem__), [cores]))
        start = map(max, map(free.__getitem__, core), map(CALL, [monotonic_ns]))
        end, same_end = tee(map(add, start, [service * 1000]))
        moment = map(byref, starmap(_Timespec, map(divmod, end, [SECOND])))
        wait = map(LIBC.clock_nanosleep, [CLOCK_MONOTONIC], [TIMER_ABSTIME], moment, [None])
        list(chain(map(CALL, [_waiting(before), lock]),
                   map(free.__setitem__, same_core, same_end), map(CALL, [unlock]), wait))


def _waiting(microseconds: int) -> partial[int]:
    time = _Timespec(*divmod(microseconds * 1000, SECOND))
    return partial(LIBC.clock_nanosleep, CLOCK_MONOTONIC, 0, byref(time), None)


@contextmanager
def _bookings(folder: Path) -> Iterator[tuple[int, memoryview]]:
    """Open the file that all processes lock and read and write: when each core will be free."""
    file = os.open(folder / 'cores', os.O_RDWR | os.O_CREAT, 0o666)
    try:
        os.ftruncate(file, 8 * MOST_CORES)
        with mmap(file, 0) as content, memoryview(content) as plain, plain.cast('q') as free:
            yield file, free
    finally:
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
