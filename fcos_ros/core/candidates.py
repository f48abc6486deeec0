# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The candidates of one image: all boxes that reach a low score, before NMS and all other criteria.

They are a few kB, where the outputs of the network are megabytes. Decoding them gives exactly the
detections of the outputs, for all criteria without a threshold below their `floor`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Boxes, Floats, Indices, Mask
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.native import is_library_used, nms_in_c, supports_nms
from fcos_ros.core.nms import concatenated, nms_batches

Counted = Callable[[Boxes], Mask]
"""Return which boxes in canvas pixels, (N, 4), count towards `Criteria.max_detections`."""

MAX_CANDIDATES = 2048
"""Maximum number of scores in the candidates of one image: 60 kB at most. Scenes have dozens."""

MARGIN = 1e-12
"""
Relative margin below the floor in which scores are also kept: above all rounding errors of scores.
The best class of a cell may have a score that is rounded below that of its next best class.
"""


@dataclass(frozen=True, eq=False)
class Candidates:
    """
    Boxes and the scores of their classes.

    :ivar floor: all scores of at least this value are included; above 1, there may be none.
    :ivar boxes: float32 of shape (N, 4), in canvas pixels, not clipped; one box for each cell of
        the network, in the order of the cells. It may have values that are not finite.
    :ivar counts: int32 of shape (N,), the number of classes of each box, at least 1.
    :ivar class_ids: int32 of shape (M,), the classes of the first box, then of the second, and so
        on; those of one box by falling output of the network, if equal by class.
    :ivar scores: float64 of shape (M,), the scores of these classes, above 0.
    :ivar is_final: whether the network has applied NMS itself. The rows of its output are the
        boxes, and each has one class.
    """

    floor: float
    boxes: Boxes
    counts: NDArray[np.int32]
    class_ids: NDArray[np.int32]
    scores: Floats
    is_final: bool = False

    def __post_init__(self) -> None:
        number, total = len(self.boxes), len(self.scores)
        shapes = self.boxes.shape, self.counts.shape, self.class_ids.shape, self.scores.shape
        if shapes != ((number, 4), (number,), (total,), (total,)):
            raise ValueError(f'boxes, counts, class_ids and scores have the shapes {shapes}; '
                             'accepted: (N, 4), (N,), (M,) and (M,)')
        if np.any(self.counts < 1) or int(self.counts.sum()) != total:
            raise ValueError(f'counts has the sum {int(self.counts.sum())}; accepted: 1 or more '
                             f'for each box, {total} in all, as there are scores')

    @classmethod
    def empty(cls, floor: float) -> Candidates:
        """Return no candidates."""
        return cls(floor, np.empty((0, 4), np.float32), np.empty(0, np.int32),
                   np.empty(0, np.int32), np.empty(0))

    @property
    def cells(self) -> Indices:
        """The index of the box of each score, (M,)."""
        return np.repeat(np.arange(self.counts.size), self.counts)


def decode_candidates(
    candidates: Candidates, num_classes: int, criteria: Criteria, counted: Counted | None = None,
) -> Detections:
    """
    Decode candidates as `Decoder.decode` decodes the outputs of the network.

    The result is the same if no threshold of the criteria is below `Candidates.floor`.

    :param num_classes: the number of classes of the network.
    :param counted: see `Decoder.decode`.
    :returns: detections in canvas pixels, best score first.
    :raises ValueError: the criteria name a class that the network does not have.
    """
    thresholds = criteria.thresholds(num_classes)
    accepted = candidates.scores >= thresholds.take(candidates.class_ids)
    if criteria.one_class_per_cell and not candidates.is_final:
        accepted &= _is_first(candidates.counts)
    chosen = accepted.nonzero()[0]
    cells = candidates.cells.take(chosen)
    class_ids, scores = candidates.class_ids.take(chosen), candidates.scores.take(chosen)
    order = np.lexsort((class_ids, cells, -scores))
    order = order[np.isfinite(candidates.boxes).all(axis=1).take(cells.take(order))]
    chosen, scores, class_ids = chosen.take(order), scores.take(order), class_ids.take(order)
    boxes = candidates.boxes.take(cells.take(order), axis=0)
    if candidates.is_final:
        kept = np.arange(chosen.size)
    else:
        kept, _ = suppress(boxes, scores, class_ids, criteria, counted)
    chosen = chosen.take(kept)
    others = 0 if candidates.is_final else criteria.hypotheses - 1
    alternatives = (_alternatives(candidates, chosen, thresholds, others)
                    if others and chosen.size else None)
    return Detections(boxes.take(kept, axis=0), candidates.scores.take(chosen).astype(np.float32),
                      class_ids.take(kept), alternatives)


def suppress(
    boxes: Boxes, scores: Floats, class_ids: NDArray[Any], criteria: Criteria,
    counted: Counted | None, is_native: bool | None = None,
) -> tuple[Indices, bool]:
    """
    Apply NMS until `max_detections` boxes that count are kept.

    :param boxes: (N, 4), all finite.
    :param is_native: whether to use the compiled library; None uses it if it was built.
    :returns: the indices of the kept boxes, best score first, and whether enough of them count.
    """
    if is_library_used(is_native) and supports_nms(class_ids):
        wanted = scores.size if counted is None else criteria.max_detections
        batches = nms_in_c(boxes, scores, class_ids, criteria.nms_threshold, wanted)
    else:
        batches = nms_batches(boxes, scores, class_ids, criteria.nms_threshold)
    if counted is None:
        return concatenated(list(batches)), False
    kept, missing = [], criteria.max_detections
    for batch in batches:
        kept.append(batch)
        missing -= np.count_nonzero(counted(boxes.take(batch, axis=0)))
        if missing <= 0:
            break
    return concatenated(kept), missing <= 0


def _is_first(counts: NDArray[np.int32]) -> Mask:
    """Return which scores are the first, and therefore the best, of their box."""
    firsts = np.zeros(int(counts.sum()), bool)
    firsts[np.cumsum(counts) - counts] = True
    return firsts


def _alternatives(
    candidates: Candidates, chosen: Indices, thresholds: Floats, count: int,
) -> Alternatives:
    """
    Return the next best classes of detections.

    :param chosen: the scores that became detections, at least one.
    :param count: maximum number of alternatives for each.
    """
    count = min(count, thresholds.size)
    ends = np.cumsum(candidates.counts).take(candidates.cells.take(chosen))
    longest = int((ends - chosen).max())
    places = chosen[:, None] + np.arange(1, longest + count)
    inside = places < ends[:, None]
    places = np.where(inside, places, 0)
    scores, class_ids = candidates.scores.take(places), candidates.class_ids.take(places)
    lowest = min(thresholds.min(), 1.0)
    named = inside & (scores >= lowest) & (thresholds.take(class_ids) < np.inf)
    # A stable sort moves those that are named to the front, and keeps their order.
    ranks = np.argsort(~named, axis=1, kind='stable')[:, :count]
    named, scores, class_ids = (
        np.take_along_axis(array, ranks, axis=1) for array in (named, scores, class_ids))
    return Alternatives(np.where(named, class_ids, -1).astype(np.int32),
                        np.where(named, scores, 0).astype(np.float32))
