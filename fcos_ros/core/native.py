# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Call the compiled part of decoding, `decode.c`.

It is optional: without it, numpy does the same. It is used for int8, int16, int32 and float32
outputs. `ctypes` releases the GIL during a call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
import ctypes
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Array, Boxes, Indices
from fcos_ros.core.head import Head, Part

FOLDER = Path(__file__).parent
"""The folder of the compiled library."""

VERSION = 1
"""The version of `decode.c` whose structs are declared here."""

MAX_RIVALS = 500
"""
Mean number of candidates of the same class up to which NMS takes less time in C than in numpy,
which compares near boxes only; see benchmarks/nms.py.
"""

HIT = np.dtype([('value', 'f8'), ('centerness', 'f8'), ('box', 'f4', 4), ('cell', 'i8'),
                ('class_id', 'i8')])

_KINDS = {np.dtype(name): kind
          for kind, name in enumerate(('int8', 'int16', 'int32', 'float32'))}


class _Part(ctypes.Structure):
    _fields_ = (
        ('output', ctypes.c_int32), ('kind', ctypes.c_int32), ('first', ctypes.c_int64),
        ('cell_step', ctypes.c_int64), ('channel_step', ctypes.c_int64),
        ('scales', ctypes.c_void_p), ('gates', ctypes.c_void_p))


class _Level(ctypes.Structure):
    _fields_ = (
        ('width', ctypes.c_int64), ('cells', ctypes.c_int64), ('first_cell', ctypes.c_int64),
        ('spacing_x', ctypes.c_double), ('spacing_y', ctypes.c_double),
        ('offset', ctypes.c_double), ('unit', ctypes.c_double),
        ('classes', _Part), ('box', _Part), ('centerness', _Part))


class _Head(ctypes.Structure):
    _fields_ = (
        ('levels', ctypes.c_int32), ('classes', ctypes.c_int32),
        ('has_centerness', ctypes.c_int32), ('has_logarithms', ctypes.c_int32),
        ('has_logits', ctypes.c_int32), ('one_class_per_cell', ctypes.c_int32),
        ('lowest_product', ctypes.c_double), ('ids', ctypes.c_void_p), ('values', ctypes.c_void_p))


class _Suppression(ctypes.Structure):
    _fields_ = (
        ('next', ctypes.c_int64), ('count', ctypes.c_int64), ('kept', ctypes.c_void_p),
        ('last', ctypes.c_void_p), ('previous', ctypes.c_void_p))


class HitFinder:
    """
    Finds the hits in outputs of given shapes, strides and dtypes, for given gates.

    It owns scratch memory: give each thread a finder of its own.

    :param outputs: outputs as they will be given to `find`.
    :param class_gates: the lowest raw class values of each level, (C,).
    :param centerness_gates: the lowest raw centerness of each level, (cells,); None if scores do
        not depend on it.
    :param lowest_product: of the probabilities of class and centerness of a hit.
    :param one_class_per_cell: whether only the best class of a cell is a hit.
    :raises UnsupportedError: an output has another dtype, or the library is missing.
    """

    def __init__(
        self, head: Head, outputs: Sequence[Array], class_gates: Sequence[Array],
        centerness_gates: Sequence[Array] | None, lowest_product: float, one_class_per_cell: bool,
    ) -> None:
        library = load_library()
        if library is None or any(output.dtype not in _KINDS for output in outputs):
            raise UnsupportedError
        self._find = library.fcos_find
        self._memory: list[Array] = []  # structs hold addresses only
        self._copied = [index for index, output in enumerate(outputs)
                        if _steps(output, head.layout) is None]
        outputs = self._contiguous(outputs)
        self._head = _Head(
            len(head.levels), head.num_classes, centerness_gates is not None,
            head.box_activation == 'exp', head.activation == 'logits', one_class_per_cell,
            lowest_product,
            self._kept(np.empty(head.num_classes, np.int32)),
            self._kept(np.empty(head.num_classes)))
        self._levels = (_Level * len(head.levels))()
        first_cell = 0
        for index, level in enumerate(head.levels):
            parts = {'classes': (level.classes, class_gates[index]), 'box': (level.box, None)}
            if centerness_gates is not None:
                assert level.centerness is not None
                parts['centerness'] = level.centerness, centerness_gates[index][:1]
            self._levels[index] = _Level(
                level.grid.width, level.cells, first_cell, *level.spacing, head.point_offset,
                level.stride if head.box_unit == 'stride' else 1,
                **{name: self._part(head, part, gates, outputs)
                   for name, (part, gates) in parts.items()})
            first_cell += level.cells
        self._hits = np.empty(first_cell, HIT)
        self._pointers = (ctypes.c_void_p * len(outputs))()
        self._arguments = (
            ctypes.byref(self._head), self._levels, self._pointers, _address(self._hits),
            ctypes.c_int64(first_cell))

    def find(self, outputs: Sequence[Array]) -> NDArray[Any] | None:
        """
        Return the hits, of dtype `HIT`, ascending by cell, then by class.

        Hits whose box is not finite are left out. The array is valid until the next call.

        :returns: None if there are more hits than cells, which numpy handles as fast.
        """
        outputs = self._contiguous(outputs)
        self._pointers[:] = [output.__array_interface__['data'][0] for output in outputs]
        count = self._find(*self._arguments)
        return None if count < 0 else self._hits[:count]

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
        return _Part(
            part.output, _KINDS[output.dtype],
            part.first_cell * cell_step + part.first_channel * channel_step,
            cell_step, channel_step,
            self._kept(np.broadcast_to(scale, part.channels).astype(np.float64)),
            None if gates is None else self._kept(gates))

    def _kept(self, array: Array) -> int:
        """Keep an array alive, and return its address."""
        self._memory.append(np.ascontiguousarray(array))
        return _address(self._memory[-1])


class UnsupportedError(Exception):
    """The compiled library is missing, or does not support the outputs."""


def supports_nms(class_ids: NDArray[Any]) -> bool:
    """Return whether NMS of these candidates takes less time in C than in numpy."""
    count = class_ids.size
    return count <= MAX_RIVALS or int((np.bincount(class_ids) ** 2).sum()) <= MAX_RIVALS * count


def nms_in_c(
    boxes: Boxes, class_ids: NDArray[Any], iou_threshold: float, wanted: int,
) -> Iterator[Indices]:
    """
    Yield the same as `nms.nms_batches`, in parts of up to `wanted` boxes.

    :param boxes: (N, 4), float32, best score first.
    """
    library = load_library()
    assert library is not None
    boxes = np.ascontiguousarray(boxes)
    class_ids = np.ascontiguousarray(class_ids, np.int64)
    count = class_ids.size
    kept, previous = np.empty((2, count), np.int64)
    last = np.full(class_ids.max(initial=0) + 1, -1)
    state = _Suppression(0, 0, _address(kept), _address(last), _address(previous))
    while state.next < count:
        start = state.count
        library.fcos_suppress(_address(boxes), _address(class_ids), count, iou_threshold,
                              start + wanted, ctypes.byref(state))
        yield kept[start:state.count]


@cache
def load_library() -> ctypes.CDLL | None:
    """Return the compiled library; None if it was not built, or is one of another version."""
    for suffix in EXTENSION_SUFFIXES:
        with suppress(OSError, AttributeError):  # no such file, no library, or no such function
            return _declared(ctypes.CDLL(str(FOLDER / f'_decode{suffix}')))
    return None


def _declared(library: ctypes.CDLL) -> ctypes.CDLL | None:
    if library.fcos_version() != VERSION:
        return None
    library.fcos_find.restype = ctypes.c_int64
    library.fcos_find.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int64]
    library.fcos_suppress.restype = None
    library.fcos_suppress.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_double, ctypes.c_int64,
        ctypes.c_void_p]
    return library


def _address(array: Array) -> int:
    address: int = array.__array_interface__['data'][0]
    return address


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
