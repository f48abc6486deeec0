# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the detections and objects of an image in a short form, and draw random ones."""

from collections.abc import Callable

from hypothesis import strategies as st
import numpy as np

from fcos_ros.core.detections import Detections


def image(*objects):
    """Return detections from (box, class) or (box, class, score)."""
    boxes = np.array([o[0] for o in objects], np.float32).reshape(-1, 4)
    scores = np.array([o[2] if len(o) > 2 else 1 for o in objects], np.float32)
    return Detections(boxes, scores, np.array([o[1] for o in objects], np.int32))


def shifted(box, pixels):
    return box[0] + pixels, box[1], box[2] + pixels, box[3]


# Boxes of all three sizes of COCO: their borders are 1024 and 9216 square pixels.
SIDES = st.sampled_from((8, 32, 33, 64, 96, 97, 144))
CORNERS = st.integers(0, 12).map(lambda step: 16 * step)
BOXES = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), CORNERS, CORNERS, SIDES, SIDES)
CLASSES = st.integers(0, 2)
# No two scores are equal, as COCO does not define their order.
SCORES = st.permutations([round(0.02 * i, 2) for i in range(1, 40)])


@st.composite
def scenes(draw: Callable, most_crowds: int = 2):
    """Draw detections, objects and crowds of some images; most detections are near an object."""
    truths = draw(st.lists(st.lists(st.tuples(BOXES, CLASSES), max_size=4), min_size=1,
                           max_size=3))
    crowds = [draw(st.lists(st.tuples(BOXES, CLASSES), max_size=most_crowds)) for _ in truths]
    scores = iter(draw(SCORES))
    found = []
    for objects in zip(truths, crowds):
        known = [*objects[0], *objects[1]]
        near = st.builds(
            lambda one, dx, dw, label: (
                (one[0][0] + dx, one[0][1], one[0][2] + dx + dw, one[0][3]), label),
            st.sampled_from(known), st.integers(-4, 4), st.integers(0, 8), CLASSES,
        ) if known else st.tuples(BOXES, CLASSES)
        candidates = draw(st.lists(st.one_of(near, st.tuples(BOXES, CLASSES)), max_size=6))
        found.append(image(*((*candidate, next(scores)) for candidate in candidates)))
    return found, [image(*truth) for truth in truths], [image(*crowd) for crowd in crowds]
