# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The C interface of `libdnn.so`, the vendor's runtime of RDK X3 and X5, for ctypes.

Structures have the vendor's names without the prefix hbDNN or hb. Their fields have the names and
the order of the vendor's headers, versions 1.18 to 1.24. A library with other structures would
read and write outside of them, so the version is checked.

The library is searched for in `LIBRARY_PATHS`, unless the environment variable `FCOS_LIBDNN` names
its path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import ctypes
from ctypes import POINTER, c_char_p, c_int32, c_uint8, c_void_p
import os
import re
from typing import Any

import numpy as np

from fcos_ros.backends.errors import EngineMissingError, InferenceError, ModelError

LIBRARY_VARIABLE = 'FCOS_LIBDNN'
"""The environment variable with the path of the library."""

LIBRARY_PATHS = ('libdnn.so', '/usr/hobot/lib/libdnn.so', '/usr/lib/hbbpu/libdnn.so')
"""The name for the system's loader, then the paths on the boards' system images."""

MIN_VERSION = (1, 18)
"""The first version with the structures below."""

END_VERSION = (2, 0)
"""The first version that may have other structures; it is not accepted."""


class SysMem(ctypes.Structure):
    """A block of memory that CPU and BPU share."""

    _fields_ = (
        ('phyAddr', ctypes.c_uint64),
        ('virAddr', c_void_p),
        ('memSize', ctypes.c_uint32),
    )


class TensorShape(ctypes.Structure):
    """Up to eight dimensions; iteration yields those in use."""

    _fields_ = (
        ('dimensionSize', c_int32 * 8),
        ('numDimensions', c_int32),
    )

    def __iter__(self) -> Iterator[int]:
        return iter(self.dimensionSize[:self.numDimensions])


class QuantiShift(ctypes.Structure):
    """Quantisation by powers of two."""

    _fields_ = (
        ('shiftLen', c_int32),
        ('shiftData', POINTER(c_uint8)),
    )


class QuantiScale(ctypes.Structure):
    """Quantisation by factors: one for each channel, or one for all."""

    _fields_ = (
        ('scaleLen', c_int32),
        ('scaleData', POINTER(ctypes.c_float)),
        ('zeroPointLen', c_int32),
        ('zeroPointData', POINTER(ctypes.c_int8)),
    )


class TensorProperties(ctypes.Structure):
    """The description of a tensor; `stride` and `alignedByteSize` are in bytes."""

    _fields_ = (
        ('validShape', TensorShape),
        ('alignedShape', TensorShape),
        ('tensorLayout', c_int32),
        ('tensorType', c_int32),
        ('shift', QuantiShift),
        ('scale', QuantiScale),
        ('quantiType', c_int32),
        ('quantizeAxis', c_int32),
        ('alignedByteSize', c_int32),
        ('stride', c_int32 * 8),
    )


class Tensor(ctypes.Structure):
    """A tensor and its memory; most tensors use only the first block."""

    _fields_ = (
        ('sysMem', SysMem * 4),
        ('properties', TensorProperties),
    )


class InferCtrlParam(ctypes.Structure):
    """Options of a task; zeros mean any BPU core and the lowest priority."""

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
"""Values of `tensorType` for the inputs that are accepted."""

IMAGE_TYPES: Mapping[int, str] = {
    0: 'Y', NV12: 'NV12', NV12_SEPARATE: 'NV12_SEPARATE', 3: 'YUV444', 4: 'RGB', 5: 'BGR'}
"""The vendor's names of image types, by `tensorType`."""

DTYPES: Mapping[int, type[np.generic]] = {
    8: np.int8, 9: np.uint8, 10: np.float16, 11: np.int16, 12: np.uint16, 13: np.float32,
    14: np.int32, 15: np.uint32,
}
"""The types of outputs, by `tensorType`."""

INVALIDATE, CLEAN = 1, 2
"""Flags of a cache flush: before the CPU reads memory, and after it has written memory."""

TIMEOUT_CODE = -6000008
OUT_OF_MEMORY_CODES = -6000007, -6000130

ERROR_TEXTS: Mapping[int, str] = {
    -6000001: 'invalid argument',
    -6000002: 'invalid model',
    -6000003: 'too many models',
    -6000004: 'invalid packed handle',
    -6000005: 'invalid handle',
    -6000006: 'the file cannot be opened',
    -6000007: 'out of memory',
    TIMEOUT_CODE: 'not done in time: the BPU hangs, or other programs keep it busy',
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
"""The meaning of each return code."""

_CHECKED_FUNCTIONS: Mapping[str, tuple[Any, ...]] = {
    'hbDNNInitializeFromFiles': (POINTER(c_void_p), POINTER(c_char_p), c_int32),
    'hbDNNGetModelNameList': (POINTER(POINTER(c_char_p)), POINTER(c_int32), c_void_p),
    'hbDNNGetModelHandle': (POINTER(c_void_p), c_void_p, c_char_p),
    'hbDNNGetInputCount': (POINTER(c_int32), c_void_p),
    'hbDNNGetInputName': (POINTER(c_char_p), c_void_p, c_int32),
    'hbDNNGetInputTensorProperties': (POINTER(TensorProperties), c_void_p, c_int32),
    'hbDNNGetOutputCount': (POINTER(c_int32), c_void_p),
    'hbDNNGetOutputName': (POINTER(c_char_p), c_void_p, c_int32),
    'hbDNNGetOutputTensorProperties': (POINTER(TensorProperties), c_void_p, c_int32),
    'hbDNNInfer': (POINTER(c_void_p), POINTER(POINTER(Tensor)), POINTER(Tensor), c_void_p,
                   POINTER(InferCtrlParam)),
    'hbDNNWaitTaskDone': (c_void_p, c_int32),
    'hbSysAllocCachedMem': (POINTER(SysMem), ctypes.c_uint32),
    'hbSysFlushMem': (POINTER(SysMem), c_int32),
}
"""Functions whose return code is checked, with their arguments."""

_UNCHECKED_FUNCTIONS: Mapping[str, tuple[Any, ...]] = {
    'hbDNNRelease': (c_void_p,),
    'hbDNNReleaseTask': (c_void_p,),
    'hbSysFreeMem': (POINTER(SysMem),),
}
"""Functions that release something, with their arguments; their failure has no remedy."""


class LibdnnError(InferenceError):
    """
    A function of the library returned a code other than 0.

    :ivar code: the return code.
    """

    def __init__(self, function: str, code: int) -> None:
        super().__init__(f'{function} returned {code} ({ERROR_TEXTS.get(code, "unknown code")})')
        self.code = code


def type_name(number: int) -> str:
    """Return the name of a `tensorType`."""
    if number in DTYPES:
        return str(np.dtype(DTYPES[number]))
    return IMAGE_TYPES.get(number, f'type {number}')


def to_text(name: bytes | None) -> str:
    """Convert a C string to text; NULL is empty. Bytes that are not UTF-8 are escaped."""
    return (name or b'').decode(errors='backslashreplace')


def load_library() -> ctypes.CDLL:
    """
    Load the library. Its functions raise `LibdnnError` for a return code other than 0.

    :raises ModelError: the library is not found, is another library, or has another version.
    """
    given = os.environ.get(LIBRARY_VARIABLE)
    reasons = []
    for path in [given] if given else LIBRARY_PATHS:
        try:
            library = ctypes.CDLL(path)
        except OSError as error:
            reasons.append(str(error))
        else:
            _declare_functions(library, path)
            return library
    raise EngineMissingError(
        'libdnn, the C runtime of RDK X3 and X5, cannot be loaded; tried:\n  '
        + '\n  '.join(reasons)
        + f'\nSet {LIBRARY_VARIABLE} to the path of libdnn.so, or choose another backend')


def _declare_functions(library: ctypes.CDLL, path: str) -> None:
    """
    Declare arguments and results of the functions.

    :raises ModelError: a function is missing, or the version is not accepted.
    """
    try:
        library.hbDNNGetVersion.restype = c_char_p
        version = to_text(library.hbDNNGetVersion())
        for name, arguments in {**_CHECKED_FUNCTIONS, **_UNCHECKED_FUNCTIONS}.items():
            function = getattr(library, name)
            function.argtypes = arguments
            function.restype = c_int32
            if name in _CHECKED_FUNCTIONS:
                function.errcheck = _check_code
    except AttributeError as error:
        raise ModelError(f'{path} is not the libdnn of RDK X3 and X5: {error}') from error
    numbers = re.search(r'(\d+)\.(\d+)', version)
    if not numbers or not MIN_VERSION <= tuple(map(int, numbers.groups())) < END_VERSION:
        first, end = ('.'.join(map(str, limit)) for limit in (MIN_VERSION, END_VERSION))
        raise ModelError(f'{path} is libdnn {version}; accepted: from {first} to below {end}, as '
                         'other versions may have other structures; choose another backend')


def _check_code(code: Any, function: Any, _: object) -> Any:
    """
    Return the code of a successful call.

    :raises LibdnnError: the call failed.
    """
    if code:
        raise LibdnnError(function.__name__, code)
    return code
