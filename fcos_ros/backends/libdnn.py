# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run compiled models on the BPU of RDK X3 and X5 by `libdnn.so`, the vendor's C runtime.

It is called through ctypes. In contrast to the vendor's Python binding, other Python threads run
during an inference, and any version of numpy is accepted. Frames are written into the BPU's memory
and outputs are read from there, both without a copy.
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

from fcos_ros.backends import libdnn_abi as abi
from fcos_ros.backends.base import DEFAULT_OPTIONS, LoadOptions, TensorInfo
from fcos_ros.backends.compiled import (
    NO_MEMORY,
    explain_refusal,
    nv12_input,
    require_same_size,
    require_tensor,
)
from fcos_ros.backends.description import describe, reporting_tensors
from fcos_ros.backends.errors import InferenceError, LateError, ModelError
from fcos_ros.backends.metadata import Metadata
from fcos_ros.backends.metadata_files import read_metadata
from fcos_ros.backends.probe import examine, probe_tensor
from fcos_ros.core.arrays import Array
from fcos_ros.core.head import OutputSpec
from fcos_ros.core.preprocess import InputSpec

MAX_LATE = 8
"""Maximum number of late inferences; each keeps up to 7 MB for the published models."""

INFERENCE_TIMEOUT = 1.0
"""Seconds for one inference; the slowest of the published models takes 0.03 s."""

MIN_TIMEOUT_MS = 1
"""Milliseconds; libdnn waits without limit for 0."""


class InferenceTimeout(LateError):
    """The BPU has not finished an inference in time."""


class LibdnnBackend:
    """
    A compiled model in `libdnn`; `infer` releases the GIL, and several threads may call it.

    Each thread that calls `infer` has a slot: memory for one inference. Each array of `new_input`
    also has a slot, and is part of its memory. `close` frees the memory that no array uses. The
    rest is freed with the last array that uses it, so that no array ever refers to freed memory.

    The memory of an inference that times out can be neither reused nor freed, because the BPU may
    still write to it. Its slot is set aside until the BPU has finished, and other inferences use
    other slots. While `MAX_LATE` slots are set aside, no inference is started. If the BPU never
    finishes, slot and model keep their memory until the process ends.

    :ivar inference_timeout: seconds for one inference, including the wait for a BPU core.

    :param path: a `.bin` file. The first of several packed models is used.
    :raises ModelError: libdnn is missing, has another version or refuses the file, or the model is
        not an FCOS network with an NV12 input.
    """

    name = 'libdnn'
    suffixes: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    crash_advice = ''
    commands: tuple[str, ...] = ()
    uses_bpu = True
    concurrent = True
    holds_gil = False

    def __init__(
        self, path: Path, options: LoadOptions = DEFAULT_OPTIONS,
        inference_timeout: float = INFERENCE_TIMEOUT,
    ) -> None:
        self.inference_timeout = inference_timeout
        self._lock = Lock()
        self._slots: dict[tuple[str, int], _InferenceSlot] = {}
        self._late: list[_InferenceSlot] = []
        self._library = abi.load_library()
        self._packed: c_void_p | None = _load(self._library, path)
        try:
            metadata = options.metadata or read_metadata(path)
            self._model = _Model.read_first(path, self._library, self._packed, metadata)
            require_same_size(path, self._model.input.spec.size, options.input_size)
            self._describe(path, metadata)
        except ModelError:
            self.close()
            raise
        except InferenceError as error:
            self.close()
            raise ModelError(f'{path} does not run: {error}') from error

    def new_input(self) -> Array:
        """Allocate an array in memory that the BPU reads; see `Backend.new_input`."""
        with self._lock:
            slot = self._new_slot()
            self._slots['input', _address(slot.input)] = slot
            return slot.input

    def infer(self, tensor: Array) -> Sequence[Array]:
        """
        Run the model on one input; see `Backend.infer`.

        :returns: read-only views of the BPU's memory, which may be padded.
        :raises LateError: the inference timed out.
        """
        require_tensor(tensor, self.info.input)
        slot = self._slot_for(tensor)
        try:
            return slot.infer(tensor, self._timeout_ms)
        except InferenceTimeout:
            self._set_aside(slot)
            raise

    def close(self) -> None:
        """Wait for the inferences in work, then release the model and its memory."""
        with self._lock:
            packed, self._packed = self._packed, None
            slots, late = list(self._slots.values()), self._late
            self._slots, self._late = {}, []
        finished = [*(slot.close(self._timeout_ms) for slot in slots),
                    *(slot.close(MIN_TIMEOUT_MS) for slot in late)]
        if packed and all(finished):
            self._library.hbDNNRelease(packed)

    def _describe(self, path: Path, metadata: Metadata) -> None:
        """Describe the model, and compare its outputs for a picture with the description."""
        model = self._model
        specs = [output.spec for output in model.outputs]
        with reporting_tensors(path, [TensorInfo.of(model.input.spec)],
                               list(map(TensorInfo.of, specs))):
            self.info = describe(path, self.name, model.name, model.input.spec, specs, metadata)
            self.info = examine(self.info, self.infer(probe_tensor(self.info.input)))
        with self._lock:
            slot = self._slots.pop(('thread', get_ident()))
        slot.close(self._timeout_ms)

    @property
    def _timeout_ms(self) -> int:
        return max(MIN_TIMEOUT_MS, round(self.inference_timeout * 1000))

    def _slot_for(self, tensor: Array) -> _InferenceSlot:
        """Return the slot that the tensor is part of, or else that of the calling thread."""
        own = 'thread', get_ident()
        with self._lock:
            slot = self._slots.get(('input', _address(tensor))) or self._slots.get(own)
            if slot is None:
                slot = self._slots[own] = self._new_slot()
            return slot

    def _new_slot(self) -> _InferenceSlot:
        if self._packed is None:
            raise InferenceError(f'{self.info.path} was closed; load it again')
        self._late = [slot for slot in self._late if not slot.close_if_finished()]
        if len(self._late) >= MAX_LATE:
            raise LateError(f'the BPU has not finished {len(self._late)} inferences, and no more '
                            'are started before it does; if that lasts, end all programs that '
                            'use the BPU, or restart the board')
        return _InferenceSlot(self._library, self._model)

    def _set_aside(self, slot: _InferenceSlot) -> None:
        """Stop using a slot whose memory the BPU still uses."""
        with self._lock:
            if slot in self._slots.values():  # else `close` has removed it
                self._slots = {key: one for key, one in self._slots.items() if one is not slot}
                self._late.append(slot)


class _InferenceSlot:
    """
    Memory for one inference at a time.

    :ivar input: the input tensor, part of the memory.
    """

    def __init__(self, library: ctypes.CDLL, model: _Model) -> None:
        self._library = library
        self._model = model
        self._busy = Lock()
        self._task = c_void_p()
        self._options = abi.InferCtrlParam()
        self._inputs = (abi.Tensor * 1)()
        self._outputs = (abi.Tensor * len(model.outputs))()
        self._first_output = ctypes.cast(self._outputs, POINTER(abi.Tensor))
        self._finalizers: list[weakref.finalize[..., Any]] = []
        try:
            self.input = self._allocate(self._inputs[0], model.input.memory)
            self._views = tuple(
                self._allocate(tensor, output.memory)
                for tensor, output in zip(self._outputs, model.outputs))
        except InferenceError:
            for free in self._finalizers:
                free()
            raise
        for view in self._views:
            view.flags.writeable = False

    def infer(self, tensor: Array, timeout_ms: int) -> Sequence[Array]:
        """
        Run the model on a tensor.

        :raises InferenceTimeout: this inference timed out, or an earlier one has not finished.
        :raises InferenceError: the inference failed, or the model was closed.
        """
        with self._busy:
            if not self._finalizers:
                raise InferenceError('the model was closed; load it again')
            if self._task:
                raise InferenceTimeout('the BPU has not finished an earlier inference, which '
                                       'uses the memory of this input')
            if _address(tensor) != _address(self.input):
                np.copyto(self.input, tensor)
            self._flush(self._inputs, abi.CLEAN)
            self._submit_task()
            self._finish_task(timeout_ms)
            return self._views

    def close_if_finished(self) -> bool:
        """Return whether the BPU has finished a late inference; if so, release the memory."""
        with self._busy:
            try:
                self._finish_task(MIN_TIMEOUT_MS)
            except InferenceTimeout:
                return False
            except abi.LibdnnError:
                pass  # the inference failed, so it has finished
        return self.close(MIN_TIMEOUT_MS)

    def close(self, timeout_ms: int) -> bool:
        """
        Release the memory, or leave it to the BPU if an inference does not finish in time.

        :returns: whether the BPU has finished.
        """
        with self._busy:
            try:
                if self._task:
                    self._finish_task(timeout_ms)
            except InferenceTimeout:
                self._release_task()
                for free in self._finalizers:
                    free.detach()
                return False
            except abi.LibdnnError:
                pass  # the inference failed, so it has finished
            finally:
                self._finalizers.clear()
                self._views = ()
                self.input = np.empty(0, np.uint8)
            return True

    def _allocate(self, tensor: abi.Tensor, memory: _TensorMemory) -> Array:
        """
        Allocate the memory of a tensor.

        :returns: an array in this memory. The last array that uses the memory frees it.
        """
        block = tensor.sysMem[0]
        self._library.hbSysAllocCachedMem(byref(block), memory.size)
        buffer: Any = (c_uint8 * memory.size).from_address(block.virAddr)
        free = weakref.finalize(
            buffer, self._library.hbSysFreeMem, byref(abi.SysMem.from_buffer_copy(block)))
        # At exit, other threads may still use the memory; the system frees it.
        free.atexit = False
        self._finalizers.append(free)
        tensor.properties = memory.properties
        array: Array = np.ndarray(memory.shape, memory.dtype, buffer, strides=memory.strides)
        return array

    def _submit_task(self) -> None:
        """Submit a task; release the handle of a task that the library refuses."""
        try:
            self._library.hbDNNInfer(
                byref(self._task), byref(self._first_output), self._inputs,
                self._model.handle, byref(self._options))
        except abi.LibdnnError:
            if self._task:
                self._release_task()
            raise

    def _finish_task(self, timeout_ms: int) -> None:
        """
        Wait for the task, make its outputs visible to the CPU, and release it.

        :raises InferenceTimeout: the task has not finished; it is not released.
        :raises LibdnnError: the task has failed; it is released.
        """
        try:
            self._library.hbDNNWaitTaskDone(self._task, timeout_ms)
            self._flush(self._outputs, abi.INVALIDATE)
        except abi.LibdnnError as error:
            if error.code == abi.TIMEOUT_CODE:
                raise InferenceTimeout(str(error)) from error
            self._release_task()
            raise
        self._release_task()

    def _release_task(self) -> None:
        task, self._task = self._task, c_void_p()
        self._library.hbDNNReleaseTask(task)

    def _flush(self, tensors: ctypes.Array[abi.Tensor], direction: int) -> None:
        for tensor in tensors:
            self._library.hbSysFlushMem(byref(tensor.sysMem[0]), direction)


@dataclass(frozen=True)
class _TensorMemory:
    """
    The layout of a tensor in memory.

    :ivar properties: the library's description of the tensor.
    :ivar strides: bytes from one element to the next, for each axis.
    :ivar size: bytes of memory.
    """

    properties: abi.TensorProperties
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class _InputTensor:
    """The NV12 input and its memory: both planes in one block, without padding."""

    spec: InputSpec
    memory: _TensorMemory

    @classmethod
    def read(cls, path: Path, name: str, properties: abi.TensorProperties,
             metadata: Metadata) -> _InputTensor:
        shape = tuple(properties.validShape)
        spec = nv12_input(path, name, abi.type_name(properties.tensorType), shape, metadata)
        size, = spec.shape
        packed = abi.TensorProperties.from_buffer_copy(properties)
        # The library takes one block without padding when these two are set so.
        packed.tensorType = abi.NV12
        packed.alignedShape = properties.validShape
        return cls(spec, _TensorMemory(packed, spec.dtype, (size,), (1,),
                                       max(size, properties.alignedByteSize)))


@dataclass(frozen=True)
class _OutputTensor:
    """An output and its memory, which may be padded."""

    spec: OutputSpec
    memory: _TensorMemory

    @classmethod
    def read(cls, path: Path, name: str, properties: abi.TensorProperties) -> _OutputTensor:
        if properties.tensorType not in abi.DTYPES:
            raise ModelError(f'{path}: output {name} is '
                             f'{abi.type_name(properties.tensorType)}; accepted: '
                             f'{", ".join(map(abi.type_name, abi.DTYPES))}')
        scale = properties.scale
        dtype: np.dtype[Any] = np.dtype(abi.DTYPES[properties.tensorType])
        if dtype.kind != 'f' and any(scale.zeroPointData[:scale.zeroPointLen]):
            raise ModelError(f'{path}: output {name} has zero points other than 0; compile the '
                             'model with symmetric quantisation')
        shape = tuple(properties.validShape)
        strides, size = _strides(properties, dtype), properties.alignedByteSize
        needed = dtype.itemsize + sum((n - 1) * step for n, step in zip(shape, strides))
        valid = shape and len(strides) == len(shape) and min(*shape, *strides) > 0
        # The last check also finds strides in another unit than bytes.
        if not valid or needed > size or any(step % dtype.itemsize for step in strides):
            raise ModelError(f'{path}: output {name} of {dtype}, shape {shape} and strides of '
                             f'{strides} bytes does not fit into its {size} bytes of memory')
        spec = OutputSpec(name, shape, dtype,
                          np.array(scale.scaleData[:scale.scaleLen], np.float32))
        return cls(spec, _TensorMemory(properties, dtype, shape, strides, size))


def _strides(properties: abi.TensorProperties, dtype: np.dtype[Any]) -> tuple[int, ...]:
    """Return the strides in bytes; old libraries report only the aligned shape."""
    strides = tuple(properties.stride[:len(tuple(properties.validShape))])
    if all(strides):
        return strides
    steps = accumulate(
        reversed(list(properties.alignedShape)[1:]), operator.mul, initial=dtype.itemsize)
    return tuple(reversed(list(steps)))


@dataclass(frozen=True)
class _Model:
    """A model that the library has loaded."""

    handle: c_void_p
    name: str
    input: _InputTensor
    outputs: tuple[_OutputTensor, ...]

    @classmethod
    def read_first(cls, path: Path, library: ctypes.CDLL, packed: c_void_p,
                   metadata: Metadata) -> _Model:
        """Read the description of the first model of a file."""
        names, count, handle = POINTER(c_char_p)(), c_int32(), c_void_p()
        library.hbDNNGetModelNameList(byref(names), byref(count), packed)
        if count.value < 1:
            raise ModelError(f'{path} holds no model; give the path of another file')
        library.hbDNNGetModelHandle(byref(handle), packed, names[0])
        inputs, outputs = (list(_tensors(library, handle, side)) for side in ('Input', 'Output'))
        with reporting_tensors(path, [_tensor_info(*tensor) for tensor in inputs],
                               [_tensor_info(*tensor) for tensor in outputs]):
            if len(inputs) != 1:
                raise ModelError(f'{path} takes {len(inputs)} inputs; accepted: one')
            return cls(handle, abi.to_text(names[0]),
                       _InputTensor.read(path, *inputs[0], metadata),
                       tuple(_OutputTensor.read(path, *tensor) for tensor in outputs))


def _load(library: ctypes.CDLL, path: Path) -> c_void_p:
    """Return the handle of a loaded file."""
    packed = c_void_p()
    try:
        library.hbDNNInitializeFromFiles(byref(packed), (c_char_p * 1)(os.fsencode(path)), 1)
    except abi.LibdnnError as error:
        cause = NO_MEMORY if error.code in abi.OUT_OF_MEMORY_CODES else explain_refusal(path)
        raise ModelError(f'libdnn cannot load {path} ({error}): {cause}') from error
    return packed


def _tensors(
    library: ctypes.CDLL, handle: c_void_p, side: str,
) -> Iterator[tuple[str, abi.TensorProperties]]:
    """
    Yield name and properties of each tensor of one side.

    :param side: 'Input' or 'Output'.
    """
    count, name = c_int32(), c_char_p()
    getattr(library, f'hbDNNGet{side}Count')(byref(count), handle)
    for index in range(count.value):
        properties = abi.TensorProperties()
        getattr(library, f'hbDNNGet{side}Name')(byref(name), handle, index)
        getattr(library, f'hbDNNGet{side}TensorProperties')(byref(properties), handle, index)
        yield abi.to_text(name.value), properties


def _tensor_info(name: str, properties: abi.TensorProperties) -> TensorInfo:
    scale = properties.scale
    return TensorInfo(name, abi.type_name(properties.tensorType), tuple(properties.validShape),
                      tuple(scale.scaleData[:scale.scaleLen]))


def _address(array: Array) -> int:
    address: int = array.__array_interface__['data'][0]
    return address
