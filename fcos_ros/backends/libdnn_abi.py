# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The C interface of `libdnn.so`, the vendor's runtime of RDK X3 and X5, for ctypes.

The structures are those of libdnn 1.18 to 1.24; any other libdnn is refused, as it would read and
write past them.

The environment variable `FCOS_LIBDNN` may name the library; else it is looked for in `PLACES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import ctypes
from ctypes import POINTER, c_char_p, c_int32, c_uint8, c_void_p
import os
import re
from typing import Any

import numpy as np

from fcos_ros.backends.base import InferenceError, ModelError

VARIABLE = 'FCOS_LIBDNN'

PLACES = ('libdnn.so', '/usr/hobot/lib/libdnn.so', '/usr/lib/hbbpu/libdnn.so')
"""Where the system's loader looks, then where the boards' images keep it."""

VERSIONS = ((1, 18), (2, 0))
"""The first libdnn with the structures below, and the first that may have others."""


class Memory(ctypes.Structure):
    """Fields and their order, here and below, as in the vendor's header."""

    _fields_ = (
        ('phyAddr', ctypes.c_uint64),
        ('virAddr', c_void_p),
        ('memSize', ctypes.c_uint32),
    )


class Shape(ctypes.Structure):
    """Up to eight dimensions, of which iteration gives those that count."""

    _fields_ = (
        ('dimensionSize', c_int32 * 8),
        ('numDimensions', c_int32),
    )

    def __iter__(self) -> Iterator[int]:
        return iter(self.dimensionSize[:self.numDimensions])


class Shift(ctypes.Structure):
    """Quantisation by powers of two."""

    _fields_ = (
        ('shiftLen', c_int32),
        ('shiftData', POINTER(c_uint8)),
    )


class Scale(ctypes.Structure):
    """Quantisation by factors: one, or one a channel."""

    _fields_ = (
        ('scaleLen', c_int32),
        ('scaleData', POINTER(ctypes.c_float)),
        ('zeroPointLen', c_int32),
        ('zeroPointData', POINTER(ctypes.c_int8)),
    )


class Properties(ctypes.Structure):
    """What a tensor is; strides and `alignedByteSize` are in bytes."""

    _fields_ = (
        ('validShape', Shape),
        ('alignedShape', Shape),
        ('tensorLayout', c_int32),
        ('tensorType', c_int32),
        ('shift', Shift),
        ('scale', Scale),
        ('quantiType', c_int32),
        ('quantizeAxis', c_int32),
        ('alignedByteSize', c_int32),
        ('stride', c_int32 * 8),
    )


class Tensor(ctypes.Structure):
    """A tensor and its memory, of which most use the first piece only."""

    _fields_ = (
        ('sysMem', Memory * 4),
        ('properties', Properties),
    )


class Control(ctypes.Structure):
    """All zeros: any core, lowest priority."""

    _fields_ = (
        ('bpuCoreId', c_int32),
        ('dspCoreId', c_int32),
        ('priority', c_int32),
        ('more', c_int32),
        ('customId', ctypes.c_int64),
        ('reserved1', c_int32),
        ('reserved2', c_int32),
    )


NV12, NV12_SEPARATE = 1, 2
"""Types of an input."""

IMAGES: Mapping[int, str] = {
    0: 'Y', NV12: 'NV12', NV12_SEPARATE: 'NV12_SEPARATE', 3: 'YUV444', 4: 'RGB', 5: 'BGR'}
"""What types of images are called."""

DTYPES: Mapping[int, type[np.generic]] = {
    8: np.int8, 9: np.uint8, 10: np.float16, 11: np.int16, 12: np.uint16, 13: np.float32,
    14: np.int32, 15: np.uint32,
}
"""Types of an output."""

INVALIDATE, CLEAN = 1, 2
"""Directions of a flush: before the CPU reads, after it has written."""

TIMEOUT = -6000008

MEANINGS: Mapping[int, str] = {
    -6000001: 'invalid argument',
    -6000002: 'invalid model',
    -6000003: 'too many models',
    -6000004: 'invalid packed handle',
    -6000005: 'invalid handle',
    -6000006: 'the file cannot be opened',
    -6000007: 'out of memory',
    TIMEOUT: 'not done in time: the BPU hangs, or other programs keep it busy',
    -6000009: 'too many tasks',
    -6000010: 'batch too large',
    -6000011: 'invalid task',
    -6000012: 'running failed',
    -6000013: 'the model is still running',
    -6000014: 'incompatible model',
    -6000015: 'API misuse',
    -6000016: 'conflict with another process',
    -6000129: 'invalid argument for memory',
    -6000130: 'out of BPU memory',
    -6000131: 'memory cannot be registered',
}
"""What the library's return codes say."""

_CHECKED: Mapping[str, tuple[Any, ...]] = {
    'hbDNNInitializeFromFiles': (POINTER(c_void_p), POINTER(c_char_p), c_int32),
    'hbDNNGetModelNameList': (POINTER(POINTER(c_char_p)), POINTER(c_int32), c_void_p),
    'hbDNNGetModelHandle': (POINTER(c_void_p), c_void_p, c_char_p),
    'hbDNNGetInputCount': (POINTER(c_int32), c_void_p),
    'hbDNNGetInputName': (POINTER(c_char_p), c_void_p, c_int32),
    'hbDNNGetInputTensorProperties': (POINTER(Properties), c_void_p, c_int32),
    'hbDNNGetOutputCount': (POINTER(c_int32), c_void_p),
    'hbDNNGetOutputName': (POINTER(c_char_p), c_void_p, c_int32),
    'hbDNNGetOutputTensorProperties': (POINTER(Properties), c_void_p, c_int32),
    'hbDNNInfer': (POINTER(c_void_p), POINTER(POINTER(Tensor)), POINTER(Tensor), c_void_p,
                   POINTER(Control)),
    'hbDNNWaitTaskDone': (c_void_p, c_int32),
    'hbSysAllocCachedMem': (POINTER(Memory), ctypes.c_uint32),
    'hbSysFlushMem': (POINTER(Memory), c_int32),
}
"""Functions that return a code, and what they take."""

_UNCHECKED: Mapping[str, tuple[Any, ...]] = {
    'hbDNNRelease': (c_void_p,),
    'hbDNNReleaseTask': (c_void_p,),
    'hbSysFreeMem': (POINTER(Memory),),
}
"""Functions that give something back; there is nothing to be done when one fails."""


class Failure(InferenceError):
    """A function of the library returned a code other than 0."""

    def __init__(self, function: str, code: int) -> None:
        super().__init__(f'{function} returned {code} ({MEANINGS.get(code, "unknown code")})')
        self.code = code


def _check(code: Any, function: Any, _: object) -> Any:
    """Raise what a return code stands for."""
    if code:
        raise Failure(function.__name__, code)
    return code


def type_name(number: int) -> str:
    """Say a type of tensor."""
    if number in DTYPES:
        return str(np.dtype(DTYPES[number]))
    return IMAGES.get(number, f'type {number}')


def open_library() -> ctypes.CDLL:
    """
    Load the library; its functions raise `Failure` where they return a code.

    :raises ModelError: it is not here, or is one with other structures.
    """
    named = os.environ.get(VARIABLE)
    complaints = []
    for place in [named] if named else PLACES:
        try:
            return _prepared(ctypes.CDLL(place), place)
        except OSError as error:
            complaints.append(str(error))
    raise ModelError(
        'libdnn, the C runtime of RDK X3 and X5, cannot be loaded. Tried:\n  '
        + '\n  '.join(complaints)
        + f'\nSet {VARIABLE} to the path of libdnn.so, or choose another backend')


def _prepared(library: ctypes.CDLL, place: str) -> ctypes.CDLL:
    """Declare the functions, once it is known that they are those we mean."""
    try:
        library.hbDNNGetVersion.restype = c_char_p
        version = text(library.hbDNNGetVersion())
        for name, arguments in {**_CHECKED, **_UNCHECKED}.items():
            function = getattr(library, name)
            function.argtypes = arguments
            function.restype = c_int32
            if name in _CHECKED:
                function.errcheck = _check
    except AttributeError as error:
        raise ModelError(f'{place} is not the libdnn of RDK X3 and X5: {error}') from error
    numbers = re.search(r'(\d+)\.(\d+)', version)
    least, beyond = VERSIONS
    if not numbers or not least <= tuple(map(int, numbers.groups())) < beyond:
        raise ModelError(f'{place} is libdnn {version}; accepted: from {least[0]}.{least[1]} to '
                         f'below {beyond[0]}.{beyond[1]}, others may lay out memory differently: '
                         'choose another backend')
    return library


def text(name: bytes | None) -> str:
    """Read a name; none is empty."""
    return (name or b'').decode(errors='replace')
