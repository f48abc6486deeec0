# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The names of the classes of a network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import difflib


@dataclass(frozen=True)
class Labels:
    """
    Class names, in the order of the network's class channels.

    :ivar names: one name for each class index.
    """

    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def name(self, class_id: int) -> str:
        """Return the name of a class; its decimal index if it has no name."""
        return self.names[class_id] if 0 <= class_id < len(self.names) else str(class_id)

    def ids(self, classes: Iterable[str | int]) -> tuple[int, ...]:
        """
        Return the indices of classes, without duplicates, in the given order.

        :param classes: names, or indices as numbers or decimal text. Names have priority over
            indices.
        :raises ValueError: a class does not exist. The message lists similar names.
        """
        return tuple(dict.fromkeys(self._id(entry) for entry in classes))

    def _id(self, entry: str | int) -> int:
        if entry in self.names:
            return self.names.index(str(entry))
        text = str(entry).strip()
        if text.isdecimal() and int(text) < len(self.names):
            return int(text)
        near = difflib.get_close_matches(text, self.names)
        hint = f'did you mean {" or ".join(map(repr, near))}?' if near else self._accepted()
        raise ValueError(f'unknown class {entry!r}; {hint}')

    def _accepted(self) -> str:
        if not self.names:
            return 'the network has no named classes'
        shown = ', '.join(self.names[:5]) + (', ...' if len(self.names) > 5 else '')
        return f'accepted: a name ({shown}) or an index from 0 to {len(self.names) - 1}'


COCO = Labels((
    'person', 'bicycle', 'car', 'motorcycle', 'airplane', 'bus', 'train', 'truck', 'boat',
    'traffic light', 'fire hydrant', 'stop sign', 'parking meter', 'bench', 'bird', 'cat', 'dog',
    'horse', 'sheep', 'cow', 'elephant', 'bear', 'zebra', 'giraffe', 'backpack', 'umbrella',
    'handbag', 'tie', 'suitcase', 'frisbee', 'skis', 'snowboard', 'sports ball', 'kite',
    'baseball bat', 'baseball glove', 'skateboard', 'surfboard', 'tennis racket', 'bottle',
    'wine glass', 'cup', 'fork', 'knife', 'spoon', 'bowl', 'banana', 'apple', 'sandwich',
    'orange', 'broccoli', 'carrot', 'hot dog', 'pizza', 'donut', 'cake', 'chair', 'couch',
    'potted plant', 'bed', 'dining table', 'toilet', 'tv', 'laptop', 'mouse', 'remote',
    'keyboard', 'cell phone', 'microwave', 'oven', 'toaster', 'sink', 'refrigerator', 'book',
    'clock', 'vase', 'scissors', 'teddy bear', 'hair drier', 'toothbrush',
))
"""The 80 classes of the COCO detection task."""


def default_labels(num_classes: int) -> Labels:
    """Return labels for a model without its own: COCO names for 80 classes, else numbers."""
    return COCO if num_classes == len(COCO) else Labels(tuple(map(str, range(num_classes))))
