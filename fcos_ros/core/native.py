# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Decode with the compiled library, `decode.c`.

It is optional: without it, numpy does the same. It is used for int8, int16, int32 and float32
outputs. `ctypes` releases the GIL during a call.

The results are those of numpy bit for bit. Only the last bits of a score can differ, since `exp`
is that of the C library. A score is rounded to float32, and if the difference could matter, numpy
decodes the image: see `_AMBIGUOUS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
import ctypes
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Array, Boxes, Floats, Indices, Mask
from fcos_ros.core.head import Head, Part

FOLDER = Path(__file__).parent
"""The folder of the compiled library."""

VERSION = 5
"""The version of `decode.c` whose structs are declared here."""

MAX_RIVALS = 500
"""
Mean number of candidates of the same class up to which NMS takes less time in C than in numpy,
which compares near boxes only; see benchmarks/nms.py.
"""

_AMBIGUOUS = 1e-12
"""
Relative difference of scores below which their order may differ between C and numpy, which have
functions `exp` of their own. It is far above all rounding errors, and scores are rarely so near.
"""

_ATTRIBUTE = '__array_struct__'
"""The attribute from which C reads the address and form of an array; thrice as fast as Python."""

_TYPES = {np.dtype(name): index
          for index, name in enumerate(('int8', 'int16', 'int32', 'float32'))}

_LANES = 8
"""The class values that C compares at once."""

_POINTER, _INTEGER, _REAL = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
_FUNCTIONS = {
    'fcos_point': ctypes.PYFUNCTYPE(
        ctypes.c_int, _POINTER, ctypes.c_int, ctypes.py_object, ctypes.py_object, _POINTER),
    'fcos_find': ctypes.CFUNCTYPE(_INTEGER, _POINTER, _POINTER),
    'fcos_decode': ctypes.CFUNCTYPE(_INTEGER, _POINTER, _POINTER, _REAL, _INTEGER),
    'fcos_start': ctypes.CFUNCTYPE(_INTEGER, _POINTER, _REAL, _INTEGER),
    'fcos_suppress': ctypes.CFUNCTYPE(_INTEGER, _POINTER, _REAL, _INTEGER)}
"""The types of the result and the arguments. Only `fcos_point` holds the GIL."""


class _Part(ctypes.Structure):
    _fields_ = (
        ('output', ctypes.c_void_p), *((name, ctypes.c_int64) for name in (
            'type', 'size', 'first', 'cell_step', 'channel_step')),
        ('scales', ctypes.c_void_p), ('factors', ctypes.c_void_p), ('gates', ctypes.c_void_p))


class _Level(ctypes.Structure):
    _fields_ = (
        ('width', ctypes.c_int64), ('cells', ctypes.c_int64), ('first_cell', ctypes.c_int64),
        ('spacing_x', ctypes.c_double), ('spacing_y', ctypes.c_double),
        ('offset', ctypes.c_double), ('unit', ctypes.c_double),
        ('classes', _Part), ('box', _Part), ('centerness', _Part))


class _Head(ctypes.Structure):
    _fields_ = (
        ('levels', ctypes.c_void_p), ('end', ctypes.c_void_p), ('classes', ctypes.c_int32),
        ('has_centerness', ctypes.c_int32), ('has_logarithms', ctypes.c_int32),
        ('has_logits', ctypes.c_int32), ('has_root', ctypes.c_int32),
        ('one_class_per_cell', ctypes.c_int32),
        ('lowest_value', ctypes.c_double), ('lowest_sum', ctypes.c_double),
        ('thresholds', ctypes.c_void_p), ('values', ctypes.c_void_p))


class _State(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ('hits', 'heap', 'kept', 'last', 'rivals')),
        *((name, ctypes.c_int64) for name in ('classes', 'room', 'found', 'waiting', 'count')),
        ('ambiguous', ctypes.c_double), ('most_rivals', ctypes.c_double))


_HIT = np.dtype([
    ('value', np.float64), ('centerness', np.float64), ('score', np.float64),
    ('box', np.float32, 4), ('cell', np.int64), ('class_id', np.int32)], align=True)
"""
A class value that may become a detection. The value and the centerness are dequantised, and the
last bits of the score may differ from those of numpy.
"""

_KEPT = np.dtype([
    ('box', np.float32, 4), ('previous', np.uintp), ('hit', np.int64), ('score', np.float32),
    ('class_id', np.int32)], align=True)


class _Nms:
    """
    Hits, and the memory of their NMS.

    :ivar hits: (N,), ascending by cell, then by class.
    :ivar kept: (N,), those that were kept, best first.

    :param room: maximum number of hits.
    :param ambiguous: relative difference of scores below which their order is not reliable.
    """

    def __init__(self, room: int, classes: int, ambiguous: float) -> None:
        self.hits = np.empty(room, _HIT)
        self.kept = np.empty(room, _KEPT)
        self._heap, self._last = np.empty(room, np.uintp), np.empty(classes, np.uintp)
        self._rivals = np.empty(classes, np.int64)
        self.state = _State(
            *map(_address, (self.hits, self._heap, self.kept, self._last, self._rivals)),
            classes, room, ambiguous=ambiguous, most_rivals=MAX_RIVALS)


class Found(NamedTuple):
    """Detections, best first; `values` and `cells` are those of their hits."""

    scores: NDArray[np.float32]
    class_ids: NDArray[np.int32]
    values: Floats
    cells: NDArray[np.int64]
    boxes: Boxes


class Limits(NamedTuple):
    """The lowest values with which a class value may become a hit, or a detection."""

    class_gates: Array
    """Of the raw class values of each level, (levels, C)."""
    centerness_gates: Sequence[Array] | None
    """Of the raw centerness of each level, (cells,); None if scores do not depend on it."""
    value: float
    """Of the class of a hit."""
    total: float
    """Of the sum of class and centerness of a hit."""
    thresholds: Floats
    """Of the score of each class, above 0, (C,)."""


class NativeDecoder:
    """
    Decodes outputs of given shapes, strides and dtypes with given limits.

    It owns scratch memory: give each thread a decoder of its own.

    :param outputs: outputs as they will be decoded.
    :param one_class_per_cell: whether only the best class of a cell is a hit.
    :raises UnsupportedError: an output has another form, or the library is missing.
    """

    def __init__(
        self, head: Head, outputs: Sequence[Array], limits: Limits, one_class_per_cell: bool,
    ) -> None:
        library = load_library()
        if library is None:
            raise UnsupportedError
        self._library = library
        self._memory: list[Any] = []  # structs hold addresses only
        self._copied = [index for index, output in enumerate(outputs)
                        if _steps(output, head.layout) is None]
        outputs = self._contiguous(outputs)
        objects: Any = ctypes.py_object * len(outputs)
        self._forms = objects(*map(_form, outputs))
        self._outputs = (ctypes.c_void_p * len(outputs))()
        levels = (_Level * len(head.levels))(*self._level_structs(head, outputs, limits))
        first, size = self._kept(levels), ctypes.sizeof(levels)
        self._head = _Head(
            first, first + size, head.num_classes, limits.centerness_gates is not None,
            head.box_activation == 'exp', head.activation == 'logits',
            head.score == 'sqrt(cls*ctr)', one_class_per_cell, limits.value, limits.total,
            self._kept(np.ascontiguousarray(limits.thresholds)),
            self._kept(np.full(head.num_classes + _LANES, -np.inf)))
        self._nms = _Nms(sum(level.cells for level in head.levels), head.num_classes,
                         _AMBIGUOUS if head.activation == 'logits' else 0.0)
        self._places = ctypes.addressof(self._head), ctypes.addressof(self._nms.state)

    def point_to(self, outputs: Sequence[Array]) -> bool:
        """Set the outputs of the next image; return False if they have other forms."""
        if len(outputs) != len(self._outputs):
            return False
        self._current = self._contiguous(outputs)  # copies live until the next image
        fitting: int = self._library.fcos_point(
            self._outputs, len(self._outputs), self._current, _ATTRIBUTE, self._forms)
        return fitting == 1

    def decode(
        self, iou_threshold: float, wanted: int, counted: Callable[[Boxes], Mask] | None,
    ) -> Found | None:
        """
        Return the detections after NMS, of the outputs that `point_to` accepted.

        :param wanted: number of boxes that count after which NMS may stop.
        :param counted: which boxes count; None finds all detections.
        :returns: None if numpy has to decode: there are very many hits, or the result depends on
            the last bits of scores.
        """
        nms = self._nms
        step = nms.hits.size if counted is None else wanted
        seen, count = 0, self._library.fcos_decode(*self._places, iou_threshold, step)
        while counted is not None and count == seen + step:  # else no hit is waiting
            wanted -= np.count_nonzero(counted(nms.kept['box'][seen:count]))
            if wanted <= 0:
                break
            seen, count = count, self._library.fcos_suppress(
                self._places[1], iou_threshold, count + step)
        if count < 0:
            return None
        kept = nms.kept[:count]
        return Found(kept['score'].copy(), kept['class_id'].copy(), nms.hits['value'][kept['hit']],
                     nms.hits['cell'][kept['hit']], kept['box'].copy())

    def find(self) -> NDArray[Any] | None:
        """
        Return the hits of the outputs, (N,); those whose box is not finite are left out.

        They are valid until the next call.

        :returns: None if there are more hits than cells, which numpy handles as fast.
        """
        count = self._library.fcos_find(*self._places)
        return None if count < 0 else self._nms.hits[:count]

    def _level_structs(
        self, head: Head, outputs: Sequence[Array], limits: Limits,
    ) -> Iterator[_Level]:
        first_cell = 0
        for index, level in enumerate(head.levels):
            parts = {'classes': (level.classes, limits.class_gates[index]),
                     'box': (level.box, None)}
            if limits.centerness_gates is not None:
                assert level.centerness is not None
                parts['centerness'] = level.centerness, limits.centerness_gates[index][:1]
            yield _Level(
                level.grid.width, level.cells, first_cell, *level.spacing, head.point_offset,
                level.stride if head.box_unit == 'stride' else 1,
                **{name: self._part(head, part, gates, outputs)
                   for name, (part, gates) in parts.items()})
            first_cell += level.cells

    def _contiguous(self, outputs: Sequence[Array]) -> Sequence[Array]:
        if not self._copied:
            return outputs
        outputs = list(outputs)
        for index in self._copied:
            outputs[index] = np.ascontiguousarray(outputs[index])
        return outputs

    def _part(
        self, head: Head, part: Part, gates: Array | None, outputs: Sequence[Array],
    ) -> _Part:
        output = outputs[part.output]
        steps = _steps(output, head.layout)
        assert steps is not None
        cell_step, channel_step = steps
        scale = np.ones(1) if part.scale is None else part.scale
        scales = np.ascontiguousarray(np.broadcast_to(scale, part.channels), np.float64)
        return _Part(
            ctypes.addressof(self._outputs) + part.output * ctypes.sizeof(ctypes.c_void_p),
            _TYPES[output.dtype], output.itemsize,
            part.first_cell * cell_step + part.first_channel * channel_step,
            cell_step, channel_step, self._kept(scales), self._kept(scales.astype(np.float32)),
            None if gates is None else self._kept(gates.astype(output.dtype)))

    def _kept(self, memory: Any) -> int:
        """Keep memory alive, and return its address."""
        self._memory.append(memory)
        return _address(memory)


class UnsupportedError(Exception):
    """The compiled library is missing, or does not support the outputs."""


def supports_nms(class_ids: NDArray[Any]) -> bool:
    """Return whether NMS of these candidates takes less time in C than in numpy."""
    count = class_ids.size
    return count <= MAX_RIVALS or int((np.bincount(class_ids) ** 2).sum()) <= MAX_RIVALS * count


def nms_in_c(
    boxes: Boxes, scores: Floats, class_ids: NDArray[Any], iou_threshold: float, wanted: int,
) -> Iterator[Indices]:
    """
    Yield the same as `nms.nms_batches`, in parts of up to `wanted` boxes.

    :param boxes: float32 of shape (N, 4).
    :param scores: float64 of shape (N,), without NaN.
    """
    library = load_library()
    assert library is not None
    count = class_ids.size
    nms = _Nms(count, int(class_ids.max(initial=0)) + 1, 0.0)
    nms.hits['box'], nms.hits['score'], nms.hits['class_id'] = boxes, scores, class_ids
    nms.state.found = count
    state, seen = ctypes.byref(nms.state), 0
    kept = library.fcos_start(state, iou_threshold, wanted)
    while seen < kept:
        yield nms.kept['hit'][seen:kept]
        seen, kept = kept, library.fcos_suppress(state, iou_threshold, kept + wanted)


@cache
def load_library() -> SimpleNamespace | None:
    """Return the compiled functions; None if none were built, or only those of another version."""
    for suffix in EXTENSION_SUFFIXES:
        with suppress(OSError, AttributeError):  # no such file, no library, or no such function
            library = ctypes.CDLL(str(FOLDER / f'_decode{suffix}'))
            if library.fcos_version() != VERSION:
                return None
            return SimpleNamespace(**{name: declared((name, library))
                                      for name, declared in _FUNCTIONS.items()})
    return None


def is_library_used(wanted: bool | None) -> bool:
    """
    Return whether the compiled library is to be used.

    :param wanted: None uses it if it was built.
    :raises ValueError: it is wanted, and was not built.
    """
    is_built = load_library() is not None
    if wanted and not is_built:
        raise ValueError(
            f'is_native is True and {FOLDER} has no _decode{EXTENSION_SUFFIXES[0]} of version '
            f'{VERSION}; accepted: False or None; or build the library with a C compiler: '
            'install the package again, or run make setup')
    return is_built if wanted is None else wanted


def _address(array: Any) -> int:
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # four times as fast
    except (TypeError, ValueError):  # it is read-only, empty, or not contiguous
        address: int = array.__array_interface__['data'][0]
        return address


def _form(output: Array) -> object:
    """Return the description of arrays of the same form, without keeping the output."""
    if output.dtype not in _TYPES or not output.flags.aligned:
        raise UnsupportedError
    like = np.lib.stride_tricks.as_strided(
        np.empty(1, output.dtype), output.shape, output.strides, writeable=False)
    description: object = like.__array_struct__
    return description


def _steps(output: Array, layout: str) -> tuple[int, int] | None:
    """
    Return the numbers from a cell to the next, and from a channel to the next.

    :returns: None if cells are not at equal distances, or neither step is 1.
    """
    steps = [stride // output.itemsize for stride in output.strides]
    if layout == 'NHWC':
        cells, channels = list(zip(output.shape, steps))[:-1], steps[-1]
    else:
        cells, channels = list(zip(output.shape, steps))[2:], steps[1]
    cells = [(side, step) for side, step in cells if side > 1]
    for (_, outer), (side, step) in pairwise(cells):
        if outer != side * step:
            return None
    cell_step = cells[-1][1] if cells else 1
    if output.shape[-1 if layout == 'NHWC' else 1] == 1:
        channels = 1
    return (cell_step, channels) if 1 in (cell_step, channels) else None
