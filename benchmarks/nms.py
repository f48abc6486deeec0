# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure NMS in numpy and in C.

Run `python benchmarks/nms.py`; it prints a Markdown table. The boxes lie far apart, so that all
are kept, or in a crowd. Decoding chooses by the number of candidates of each class; the last
column shows its choice.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
import sys
import time

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.tables import Table, note
from common.timing import interleaved_medians

from fcos_ros.core.arrays import Boxes, Indices
from fcos_ros.core.native import load_library, nms_in_c, supports_nms
from fcos_ros.core.nms import nms_batches

COUNTS = (50, 500, 1000, 4000, 16000)
CLASSES = (1, 10, 80)
SPREADS = {'apart': 40_000.0, 'crowd': 300.0}
"""Width and height in pixels of the area that the centres of the boxes are in."""

SIDES = (20.0, 60.0)
"""Minimum and maximum side of a box in pixels."""

IOU_THRESHOLD = 0.6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--counts', type=int, nargs='+', default=COUNTS,
                        help='numbers of candidates')
    options = parser.parse_args()
    if load_library() is None:
        note('not run: the compiled library is missing; install a C compiler, then run make setup')
        return
    table = Table({'candidates': 'd', 'classes': 'd', 'boxes': '', 'numpy, ms': '.2f',
                   'C, ms': '.2f', 'times as fast': '.1f', 'chosen': ''})
    for count, classes, spread in product(options.counts, CLASSES, SPREADS):
        boxes, class_ids = candidates(count, classes, SPREADS[spread])
        plain, compiled = measured(boxes, class_ids)
        chosen = 'C' if supports_nms(class_ids) else 'numpy'
        table.add(count, classes, spread, plain, compiled, plain / compiled, chosen)


def measured(boxes: Boxes, class_ids: Indices) -> list[float]:
    """Return the median milliseconds in numpy and in C."""
    scores = np.random.default_rng(0).random(len(boxes))
    return interleaved_medians(
        lambda: list(nms_batches(boxes, scores, class_ids, IOU_THRESHOLD)),
        lambda: list(nms_in_c(boxes, scores, class_ids, IOU_THRESHOLD, len(boxes))),
        clock=time.thread_time)


def candidates(count: int, classes: int, spread: float) -> tuple[Boxes, Indices]:
    """Return random boxes, (count, 4), and their classes."""
    rng = np.random.default_rng(count)
    corners = rng.uniform(0, spread, (count, 2))
    boxes = np.hstack([corners, corners + rng.uniform(*SIDES, (count, 2))])
    return boxes.astype(np.float32), rng.integers(0, classes, count)


if __name__ == '__main__':
    main()
