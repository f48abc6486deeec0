# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Models of RDK X3 and X5 (`.bin`) by the vendor's C runtime, `libdnn.so`, through ctypes.

Unlike the vendor's Python binding, this lets other Python threads run during an inference, works
with any numpy, writes the frame straight into the BPU's memory and reads the outputs where the
BPU wrote them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import ctypes
from ctypes import POINTER, byref, c_char_p, c_int32, c_uint8, c_void_p
from dataclasses import dataclass
from itertools import accumulate
import operator
import os
from pathlib import Path
from threading import Lock, get_ident
from typing import Any
import weakref

import numpy as np
from numpy.typing import NDArray

from fcos_ros.backends import libdnn_abi as abi
from fcos_ros.backends.base import (
    InferenceError,
    LateError,
    ModelError,
    ModelInfo,
    TensorFacts,
    UnfitModelError,
)
from fcos_ros.backends.compiled import describe
from fcos_ros.core.head import OutputSpec
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.resize import Size

Array = NDArray[Any]

MOST_LATE = 8
"""Inferences that are left to the BPU; each keeps up to 7 MB, by the published models."""

TIME_LIMIT = 1.0
"""Seconds; the slowest of the published models takes 0.03."""

AT_ONCE = 1
"""Milliseconds; none would mean for ever."""


class LibdnnBackend:
    """
    A model on the BPU; `infer` releases the GIL and may run concurrently.

    Each thread that calls `infer` has memory of its own for one inference, and so has each array
    that `new_input` gives. `close` frees what no array shows; the rest is freed with the last
    array that shows it, so that no array ever shows freed memory.

    While an inference takes longer than allowed, its memory can neither be used again nor freed:
    the BPU may still write there. It is left to the BPU, and others go on with other memory. When
    `MOST_LATE` inferences are late at a time, the BPU is given no more until one of them ends.
    What it never ends keeps its memory, and the model, until the process ends.

    :ivar time_limit: seconds for one inference, time spent waiting for a core included.

    :param path: the `.bin` file; of several models in it, the first is taken.
    :param threads: without meaning here.
    :raises ModelError: libdnn is not here or has other structures, it refuses the file, or the
        model is not an FCOS that takes NV12.
    """

    concurrent = True
    holds_gil = False

    def __init__(self, path: Path, threads: int = 1, time_limit: float = TIME_LIMIT) -> None:
        self.time_limit = time_limit
        self._lock = Lock()
        self._seats: dict[tuple[str, int], _Seat] = {}
        self._late: list[_Seat] = []
        self._library = abi.open_library()
        self._packed: c_void_p | None = _load(self._library, path)
        try:
            self._network = _Network.first(self._library, self._packed)
            self.info = _describe(path, self._network)
        except (InferenceError, ValueError) as error:
            self.close()
            if isinstance(error, ModelError):
                raise
            raise _refusal(path, error) from error

    def new_input(self) -> Array:
        """Allocate an array in memory that the BPU reads; see `Backend.new_input`."""
        with self._lock:
            seat = self._new_seat()
            self._seats['input', _address(seat.input)] = seat
            return seat.input

    def infer(self, tensor: Array) -> Sequence[Array]:
        """
        Run the model once; see `Backend.infer`.

        :returns: read-only views of the BPU's memory, which it may have padded.
        :raises LateError: when it takes longer than allowed.
        """
        spec = self.info.input
        if tensor.shape != spec.shape or tensor.dtype != spec.dtype:
            raise InferenceError(f'the input is {tensor.dtype}{list(tensor.shape)}: '
                                 f'the model takes {spec.dtype}{list(spec.shape)}')
        seat = self._seat_for(tensor)
        try:
            return seat.infer(tensor, self._milliseconds)
        except _Late:
            self._leave(seat)
            raise

    def close(self) -> None:
        """Free the model and its memory, after the inferences under way."""
        with self._lock:
            packed, self._packed = self._packed, None
            seats, late = list(self._seats.values()), self._late
            self._seats, self._late = {}, []
        ended = [*(seat.close(self._milliseconds) for seat in seats),
                 *(seat.close(AT_ONCE) for seat in late)]
        if packed and all(ended):
            self._library.hbDNNRelease(packed)

    @property
    def _milliseconds(self) -> int:
        # Zero would mean for ever.
        return max(AT_ONCE, round(self.time_limit * 1000))

    def _seat_for(self, tensor: Array) -> _Seat:
        """Find the memory that the tensor is part of, else that of the calling thread."""
        own = 'thread', get_ident()
        with self._lock:
            seat = self._seats.get(('input', _address(tensor))) or self._seats.get(own)
            if seat is None:
                seat = self._seats[own] = self._new_seat()
            return seat

    def _new_seat(self) -> _Seat:
        if self._packed is None:
            raise InferenceError(f'{self.info.path} was closed: load it again')
        self._late = [seat for seat in self._late if not seat.ended()]
        if len(self._late) >= MOST_LATE:
            raise LateError(f'the BPU has not ended {len(self._late)} inferences: it gets no more '
                            'before it does; if it never does, end all programs that use it, or '
                            'restart the board')
        return _Seat(self._library, self._network)

    def _leave(self, seat: _Seat) -> None:
        """Use a seat no more, but keep its memory for the BPU."""
        with self._lock:
            if seat in self._seats.values():  # else the model was closed meanwhile
                self._seats = {key: one for key, one in self._seats.items() if one is not seat}
                self._late.append(seat)


class _Seat:
    """Memory for one inference at a time; `input` is part of it."""

    def __init__(self, library: ctypes.CDLL, network: _Network) -> None:
        self._library = library
        self._network = network
        self._busy = Lock()
        self._task = c_void_p()
        self._control = abi.Control()
        self._inputs = (abi.Tensor * 1)()
        self._outputs = (abi.Tensor * len(network.outputs))()
        self._first_output = ctypes.cast(self._outputs, POINTER(abi.Tensor))
        self._frees: list[weakref.finalize[..., Any]] = []
        try:
            self.input = self._allocate(self._inputs[0], network.input)
            self._views = tuple(
                self._allocate(*pair) for pair in zip(self._outputs, network.outputs))
        except InferenceError:
            for free in self._frees:
                free()
            raise
        for view in self._views:
            view.flags.writeable = False

    def infer(self, tensor: Array, milliseconds: int) -> Sequence[Array]:
        with self._busy:
            if not self._frees:
                raise InferenceError('the model was closed meanwhile: load it again')
            if self._task:
                raise _Late('the BPU has not ended an inference before in the memory of this one')
            if _address(tensor) != _address(self.input):
                np.copyto(self.input, tensor)
            self._flush(self._inputs, abi.CLEAN)
            self._submit()
            self._complete(milliseconds)
            return self._views

    def ended(self) -> bool:
        """Tell whether the BPU has ended a late inference; if so, let go of the memory."""
        with self._busy:
            try:
                self._complete(AT_ONCE)
            except _Late:
                return False
            except abi.Failure:
                pass
        return self.close(AT_ONCE)

    def close(self, milliseconds: int) -> bool:
        """Let go of the memory; tell whether the BPU has, too."""
        with self._busy:
            try:
                if self._task:
                    self._complete(milliseconds)
            except _Late:
                self._release()
                for free in self._frees:
                    free.detach()
                return False
            except abi.Failure:
                pass  # It has ended, which is all that is asked.
            finally:
                self._frees.clear()
                self._views = ()
                self.input = np.empty(0, np.uint8)
            return True

    def _allocate(self, tensor: abi.Tensor, layout: _Layout) -> Array:
        """Give a tensor memory, which is freed with the last array that shows it."""
        memory = tensor.sysMem[0]
        self._library.hbSysAllocCachedMem(byref(memory), layout.size)
        buffer: Any = (c_uint8 * layout.size).from_address(memory.virAddr)
        free = weakref.finalize(
            buffer, self._library.hbSysFreeMem, byref(abi.Memory.from_buffer_copy(memory)))
        # At exit the system frees it all, and threads may still be at work.
        free.atexit = False
        self._frees.append(free)
        tensor.properties = layout.properties
        array: Array = np.ndarray(layout.shape, layout.dtype, buffer, strides=layout.strides)
        return array

    def _submit(self) -> None:
        """Give the task to the BPU; one that it refused is no task, even if it has a handle."""
        try:
            self._library.hbDNNInfer(
                byref(self._task), byref(self._first_output), self._inputs,
                self._network.handle, byref(self._control))
        except abi.Failure:
            if self._task:
                self._release()
            raise

    def _complete(self, milliseconds: int) -> None:
        """
        Wait for the task, make its outputs visible and release it.

        :raises _Late: it has not ended, and is not released.
        :raises Failure: it has ended badly.
        """
        try:
            self._library.hbDNNWaitTaskDone(self._task, milliseconds)
            self._flush(self._outputs, abi.INVALIDATE)
        except abi.Failure as failure:
            if failure.code == abi.TIMEOUT:
                raise _Late(str(failure)) from failure
            self._release()
            raise
        self._release()

    def _release(self) -> None:
        task, self._task = self._task, c_void_p()
        self._library.hbDNNReleaseTask(task)

    def _flush(self, tensors: ctypes.Array[abi.Tensor], direction: int) -> None:
        for tensor in tensors:
            self._library.hbSysFlushMem(byref(tensor.sysMem[0]), direction)


@dataclass(frozen=True)
class _Layout:
    """
    A tensor, and how it lies in memory.

    :ivar size: bytes of memory.
    """

    name: str
    properties: abi.Properties
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    size: int

    @classmethod
    def of_output(cls, name: str, properties: abi.Properties) -> _Layout:
        """Read where values lie; in newer libraries strides tell, else the aligned shape."""
        if properties.tensorType not in abi.DTYPES:
            raise ValueError(f'output {name} is of type {properties.tensorType}; accepted: '
                             + ', '.join(f'{number} ({np.dtype(dtype)})'
                                         for number, dtype in abi.DTYPES.items()))
        dtype: np.dtype[Any] = np.dtype(abi.DTYPES[properties.tensorType])
        shape = tuple(properties.validShape)
        strides = tuple(properties.stride[:len(shape)])
        if not all(strides):
            steps = accumulate(
                reversed(list(properties.alignedShape)[1:]), operator.mul, initial=dtype.itemsize)
            strides = tuple(reversed(list(steps)))
        size = properties.alignedByteSize
        reach = dtype.itemsize + sum((n - 1) * step for n, step in zip(shape, strides))
        sane = shape and len(strides) == len(shape) and min(*shape, *strides) > 0
        # Strides that count anything but bytes are caught by the last one.
        if not sane or reach > size or any(step % dtype.itemsize for step in strides):
            raise ValueError(f'output {name} of {dtype}, shape {shape} and strides of {strides} '
                             f'bytes does not fit its {size} bytes')
        return cls(name, properties, dtype, shape, strides, size)

    @classmethod
    def of_input(cls, name: str, properties: abi.Properties) -> _Layout:
        """Read the size of an NV12 picture, which lies in one piece without padding."""
        shape = tuple(properties.validShape)
        picture = len(shape) == 4 and shape[:2] == (1, 3)
        if properties.tensorType not in (abi.NV12, abi.NV12_SEPARATE) or not picture:
            raise ValueError(
                f'input {name} is of type {properties.tensorType} and shape {shape}; '
                f'accepted: type {abi.NV12} or {abi.NV12_SEPARATE} (NV12), '
                'shape (1, 3, height, width)')
        size = 3 * shape[2] * shape[3] // 2
        plain = abi.Properties.from_buffer_copy(properties)
        # This is how the library is told that there is one piece and no padding.
        plain.tensorType = abi.NV12
        plain.alignedShape = properties.validShape
        return cls(name, plain, np.dtype(np.uint8), (size,), (1,),
                   max(size, properties.alignedByteSize))

    @property
    def canvas(self) -> Size:
        """Width and height of an input."""
        _, _, height, width = self.properties.validShape
        return Size(width, height)

    @property
    def spec(self) -> OutputSpec:
        """An output, for those who read its values."""
        scale = self.properties.scale
        if any(scale.zeroPointData[:scale.zeroPointLen]):
            raise ValueError(f'output {self.name} has zero points: only scales are accepted')
        return OutputSpec(self.name, self.shape, self.dtype,
                          np.array(scale.scaleData[:scale.scaleLen], np.float32))


@dataclass(frozen=True)
class _Network:
    """A model in the library."""

    handle: c_void_p
    name: str
    inputs: tuple[_Layout, ...]
    outputs: tuple[_Layout, ...]

    @property
    def input(self) -> _Layout:
        """The only input."""
        return self.inputs[0]

    @classmethod
    def first(cls, library: ctypes.CDLL, packed: c_void_p) -> _Network:
        """Describe the first model of a file."""
        names, count, handle = POINTER(c_char_p)(), c_int32(), c_void_p()
        library.hbDNNGetModelNameList(byref(names), byref(count), packed)
        if count.value < 1:
            raise ValueError('there is no model in it')
        library.hbDNNGetModelHandle(byref(handle), packed, names[0])
        inputs, outputs = (list(_tensors(library, handle, side)) for side in ('Input', 'Output'))
        try:
            return cls(handle, abi.text(names[0]),
                       tuple(_Layout.of_input(*tensor) for tensor in inputs),
                       tuple(_Layout.of_output(*tensor) for tensor in outputs))
        except ValueError as error:
            raise _Unfit(str(error), inputs, outputs) from error


_Named = tuple[str, abi.Properties]
"""A tensor's name, and what the library says of it."""


class _Late(LateError):
    """The BPU has not ended in time."""


def _load(library: ctypes.CDLL, path: Path) -> c_void_p:
    if not path.is_file():
        raise ModelError(f'{path} is not a file: give the path of a .bin file')
    packed = c_void_p()
    try:
        library.hbDNNInitializeFromFiles(byref(packed), (c_char_p * 1)(os.fsencode(path)), 1)
    except abi.Failure as failure:
        raise ModelError(f'{path} cannot be loaded: {failure}; accepted: a model compiled for '
                         'this board, those for RDK X3 and X5 differ') from failure
    return packed


def _tensors(
    library: ctypes.CDLL, handle: c_void_p, side: str,
) -> Iterator[tuple[str, abi.Properties]]:
    """Name and describe the tensors of one side, 'Input' or 'Output'."""
    count, name = c_int32(), c_char_p()
    getattr(library, f'hbDNNGet{side}Count')(byref(count), handle)
    for index in range(count.value):
        properties = abi.Properties()
        getattr(library, f'hbDNNGet{side}Name')(byref(name), handle, index)
        getattr(library, f'hbDNNGet{side}TensorProperties')(byref(properties), handle, index)
        yield abi.text(name.value), properties


class _Unfit(ValueError):
    """A model with tensors that cannot be used; each a name and its properties."""

    def __init__(self, complaint: str, inputs: Sequence[_Named],
                 outputs: Sequence[_Named]) -> None:
        super().__init__(complaint)
        self.inputs = [_facts(*tensor) for tensor in inputs]
        self.outputs = [_facts(*tensor) for tensor in outputs]


def _facts(name: str, properties: abi.Properties) -> TensorFacts:
    scale = properties.scale
    return TensorFacts(name, abi.type_name(properties.tensorType), tuple(properties.validShape),
                       tuple(scale.scaleData[:scale.scaleLen]))


def _refusal(path: Path, error: Exception) -> ModelError:
    complaint = f'{path} is not an FCOS for libdnn: {error}'
    if isinstance(error, _Unfit):
        return UnfitModelError(complaint, error.inputs, error.outputs)
    return ModelError(complaint)


def _describe(path: Path, network: _Network) -> ModelInfo:
    try:
        if len(network.inputs) != 1:
            names = ', '.join(layout.name for layout in network.inputs)
            raise ValueError(f'it takes {len(network.inputs)} inputs ({names}); accepted: 1')
        outputs = tuple(layout.spec for layout in network.outputs)
        spec = InputSpec(network.input.name, network.input.canvas, pixels='nv12')
    except ValueError as error:
        raise _Unfit(str(error), *(
            [(layout.name, layout.properties) for layout in layouts]
            for layouts in (network.inputs, network.outputs))) from error
    return describe(path, 'libdnn', network.name, spec, outputs)


def _address(array: Array) -> int:
    address: int = array.__array_interface__['data'][0]
    return address
