# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The BPU of a simulated board: it loads model files, takes time, and returns recorded outputs.

Each folder of `images` holds the packages of one system image. With one of them on PYTHONPATH, a
program imports the vendor's modules as on that board. `model_file` writes the files for them.

Processes take turns on the cores by the file `cores` in the folder that the environment variable
FCOS_SIM_DIR names. It holds, for each core, the nanosecond of the monotonic clock until which the
core is reserved. An inference holds the GIL while it waits for a core and while it runs, as the
vendor's bindings do: all waiting is done in C, by calls that do not release the GIL.

An inference takes time, and nearly no CPU, as a BPU writes its outputs by DMA: the memory of the
outputs is that of the recorded ones, which nothing changes.

The environment variable FCOS_SIM_FAULT is read when a model is loaded. `load` makes loading fail,
and `memory` as on a board whose BPU has no memory left. `raise`, `none`, `hang`, `crash` and `nan`
make inferences fail, with `:N` only the N-th inference of the model. The process then makes a file
such as `hang-PID` beside `cores`, for which tests can wait. `import` and `library` are read when a
binding is imported. They make that fail as it does with numpy 2, and without the board's
libraries.
"""

from __future__ import annotations

import _signal  # the functions of `signal` without their slow conversion to enumerations
from collections.abc import Iterator
from contextlib import contextmanager
import ctypes
from ctypes import byref, c_long
from dataclasses import dataclass
import fcntl
from functools import cached_property, partial
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
"""One second, in nanoseconds."""

MAX_CORES = 8
"""Number of cores that the file `cores` has room for."""

HANDLED = tuple(map(int, (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM)))
"""Signals for which Python programs may have handlers."""

LOADS: list[str] = []
"""The paths of the loaded files, in order."""

TYPE_NAMES = {
    0: 'Y', 1: 'NV12', 2: 'NV12_SEPARATE', 3: 'YUV444', 4: 'RGB', 5: 'BGR',
    **{number: name for name, number in TYPES.items()}}
IMAGES = range(6)
LAYOUT_NAMES = {number: name for name, number in LAYOUTS.items()}


class BpuError(Exception):
    """An error for which the runtime library would return an error code."""


class MemoryExhausted(BpuError):
    """The memory of the BPU is used up."""


class FailedWait(BpuError):
    """
    The BPU has computed, but waiting for the task fails.

    :ivar outputs: the memory of each output.
    """

    def __init__(self, text: str, outputs: list[Array]) -> None:
        super().__init__(text)
        self.outputs = outputs


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

    @cached_property
    def tensor_type(self) -> str:
        return TYPE_NAMES[self.kind]

    @cached_property
    def dtype(self) -> str:
        return 'uint8' if self.kind in IMAGES else self.tensor_type

    @cached_property
    def name_bytes(self) -> int:
        """Length of the name."""
        return len(os.fsencode(self.name))

    @property
    def input_bytes(self) -> int:
        """Number of bytes of an NV12 image, or of three channels of any other image."""
        count = prod(self.shape)
        return count // 2 if self.tensor_type.startswith('NV12') else count


class Network:
    """
    A model in the memory of the board.

    :raises BpuError: the file is missing, is not a model, or is for another board.
    """

    def __init__(self, path: str, board: str) -> None:
        self._fault = _Fault.planned()
        if self._fault and self._fault.kind == 'load':
            raise BpuError('load fault')
        if self._fault and self._fault.kind == 'memory':
            raise MemoryExhausted('hbSysAllocCachedMem failed')
        try:
            lines, start = read_header(Path(path).read_bytes())
        except (OSError, ValueError) as error:
            raise BpuError(str(error)) from error
        self._data = np.fromfile(path, np.uint8, offset=start)
        self._data.flags.writeable = False
        facts = {words[0]: words[1:] for words in lines}
        if facts['board'] != [board]:
            raise BpuError(f'model is for {facts["board"][0]}, this is {board}')
        self.name = facts['name'][0]
        self.input = _input(facts['input'])
        self.outputs = [self._output(words[1:]) for words in lines if words[0] == 'output']
        answers = [words[1:] for words in lines if words[0] == 'answer']
        self._first = self._memories(answers[0])
        self._answers = {int(words[0], 16): self._memories(words) for words in reversed(answers)}
        self._cores = int(facts['cores'][0])
        self._service = int(facts['service_us'][0])
        self._before = int(facts['cpu_us'][0])
        self._runs = 0
        self._folder = Path(os.environ.get('FCOS_SIM_DIR')
                            or Path(tempfile.gettempdir(), f'fcos_sim_{os.getuid()}'))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._reservations = _Reservations(self._folder)
        LOADS.append(path)

    def run(self, content: bytes | Array, core_id: int = 0) -> list[Array] | None:
        """
        Run an inference.

        :param core_id: 0 for any core, else the number of a core, from 1.
        :returns: the read-only memory of each output, in its aligned shape; None if the fault is
            `none`.
        :raises BpuError: the fault is `raise`, or there is no such core.
        """
        self._runs += 1
        if not 0 <= core_id <= self._cores:
            raise BpuError(f'bpuCoreId is {core_id}')
        cores = range(core_id - 1, core_id) if core_id else range(self._cores)
        _occupy(self._reservations, cores, self._before, self._service)
        outputs = self._answer(content)
        if self._fault and self._fault.strikes(self._runs):
            (self._folder / f'{self._fault.kind}-{os.getpid()}').touch()
            return self._fault.spoil(outputs)
        return outputs

    def _answer(self, content: bytes | Array) -> list[Array]:
        # The hash takes long, and is not needed for a single answer.
        if len(self._answers) == 1:
            return self._first
        return self._answers.get(fnv1a64(bytes(content)), self._first)

    def _memories(self, answer: list[str]) -> list[Array]:
        return [self._read(int(offset), output.dtype, output.memory)
                for output, offset in zip(self.outputs, answer[1:])]

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
    """A simulated fault, and the number of the inference that fails; 0 for every inference."""

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
            raise FailedWait('raise fault', outputs)
        if self.kind == 'hang':
            with _delayed_signals():
                LIBC.pause()
        if self.kind == 'crash':
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.kind == 'nan':
            # Most conversions of NaN to an integer return the minimum.
            return [np.full_like(output, np.nan if output.dtype.kind == 'f'
                                 else np.iinfo(output.dtype).min) for output in outputs]
        return None if self.kind == 'none' else outputs


def _input(words: list[str]) -> Description:
    name = words[0]
    kind, layout, *shape = map(int, words[1:])
    return Description(name, kind, layout, tuple(shape), tuple(shape), np.empty(0, np.float32), 0)


class _Timespec(ctypes.Structure):
    _fields_ = (('seconds', c_long), ('nanoseconds', c_long))


class _Reservations:
    """The file `cores`, which all processes lock, read and write; see the module."""

    def __init__(self, folder: Path) -> None:
        self.file = os.open(folder / 'cores', os.O_RDWR | os.O_CREAT, 0o666)
        os.ftruncate(self.file, 8 * MAX_CORES)
        self._content = mmap(self.file, 0)
        self.free = memoryview(self._content).cast('q')

    def __del__(self) -> None:
        if hasattr(self, 'file'):
            os.close(self.file)


def _occupy(reservations: _Reservations, cores: range, before: int, service: int) -> None:
    """
    Wait for `before` microseconds, and then for `service` microseconds on a core.

    An inference reserves the core that is free first, and sleeps once, until the end of the
    reservation: waking costs CPU. A BPU begins its next inference by itself, no matter when Linux
    wakes the process that waits for the last one. With a lock held during each inference, cores
    were idle for 0.34 ms of 11.8 while other inferences waited for them (three workers on two
    CPUs).

    Python may release the GIL between any two steps of a function. The steps are therefore one
    call of C: `map` and similar functions compute a value when it is requested.
    """
    # By default, Linux may wake a thread up to 50 microseconds late.
    LIBC.prctl(PR_SET_TIMERSLACK, c_long(1))
    free = reservations.free
    with _delayed_signals():
        lock, unlock = (partial(LIBC.flock, reservations.file, how)
                        for how in (fcntl.LOCK_EX, fcntl.LOCK_UN))
        core, same_core = tee(map(partial(min, key=free.__getitem__), [cores]))
        ready = map(add, map(CALL, [monotonic_ns]), [before * 1000])
        start = map(max, map(free.__getitem__, core), ready)
        end, same_end = tee(map(add, start, [service * 1000]))
        moment = map(byref, starmap(_Timespec, map(divmod, end, [SECOND])))
        wait = map(LIBC.clock_nanosleep, [CLOCK_MONOTONIC], [TIMER_ABSTIME], moment, [None])
        list(chain(map(CALL, [lock]), map(free.__setitem__, same_core, same_end),
                   map(CALL, [unlock]), wait))


@contextmanager
def _delayed_signals() -> Iterator[None]:
    """Delay signals with Python handlers, as C code that waits in the kernel does."""
    handled = {number for number in HANDLED if callable(_signal.getsignal(number))}
    former = _signal.pthread_sigmask(_signal.SIG_BLOCK, handled)
    try:
        yield
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, former)


def fail_import() -> None:
    """Raise as a module for numpy 1 does with numpy 2, or as one whose library is missing."""
    fault = os.environ.get('FCOS_SIM_FAULT')
    if fault == 'import':
        raise ImportError('numpy.core.multiarray failed to import')
    if fault == 'library':
        raise ImportError('libhbspdev.so: cannot open shared object file: No such file or '
                          'directory')


def to_text(name: str) -> str:
    """
    Convert a name as C code does.

    :raises UnicodeDecodeError: its bytes are not UTF-8.
    """
    return os.fsencode(name).decode()


def subtract_128(array: Array) -> None:
    """Change pixels in place, also those of a read-only array; what is below 0 becomes 0."""
    count = array.size
    values = np.maximum(np.frombuffer(raw_bytes(array, count), np.uint8), 128) - 128
    ctypes.memmove(array.ctypes.data, values.ctypes.data, count)


def raw_bytes(array: Array, count: int) -> bytes:
    """Read memory as `copy_raw` does."""
    content = np.empty(count, np.uint8)
    copy_raw(content, array)
    return content.tobytes()


def copy_raw(target: Array, array: Array) -> None:
    """
    Copy memory from the first value of an array on; ignore strides and dtype.

    Bytes beyond the memory that the array is part of are 0xA5.

    :param target: uint8, contiguous; all of it is filled.
    """
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    end = owner.ctypes.data + owner.itemsize + sum(
        (side - 1) * stride for side, stride in zip(owner.shape, owner.strides) if stride > 0)
    start = array.ctypes.data
    length = max(0, min(target.size, end - start))
    ctypes.memmove(target.ctypes.data, start, length)
    target[length:] = 0xA5


def print_in_c(stream: int, text: str) -> None:
    """Print to a file descriptor as C code does, not through Python's streams."""
    os.write(stream, f'{text}\n'.encode())
