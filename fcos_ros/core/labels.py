# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The names of the classes of a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import difflib
import unicodedata

from fcos_ros.core.text import MAX_QUOTE, shorten

MAX_CLASSES = 1 << 16
"""Maximum number of classes: a class id in `vision_msgs/VisionClass` has 16 bits."""

NO_NAME = 'N/A'
"""The name that COCO's 91 categories have for numbers without a category."""


@dataclass(frozen=True)
class Labels:
    """
    Class names, in the order of the network's class channels.

    :ivar names: one name for each class index. Several classes may have the same name.
    """

    names: tuple[str, ...]

    @classmethod
    def parse(cls, entries: object) -> Labels:
        """
        Read the class names of a model file.

        :param entries: a list of names, or a mapping from class indices to names. A class whose
            name is None, empty or missing in a mapping is named by its index.
        :raises ValueError: there is no entry, or one is not a name of printable characters.
        """
        if isinstance(entries, Mapping):
            entries = _in_order(entries)
        if not isinstance(entries, (list, tuple)) or not 0 < len(entries) <= MAX_CLASSES:
            raise ValueError(f'accepted: a list of 1 to {MAX_CLASSES} class names')
        return cls(tuple(_read_name(index, entry) for index, entry in enumerate(entries)))

    @classmethod
    def from_text(cls, text: str) -> Labels:
        """
        Read a text file with one class name in each line; empty lines may follow the last name.

        :raises ValueError: a line between names is empty, or a name is not accepted.
        """
        unified = text.removeprefix('\ufeff').replace('\r\n', '\n').replace('\r', '\n')
        lines = [line.strip() for line in unified.rstrip().split('\n')]
        if not all(lines):
            raise ValueError(f'line {lines.index("") + 1} is empty; accepted: one class name in '
                             f'each line; write {NO_NAME} for a class without a name')
        return cls.parse(lines)

    def __len__(self) -> int:
        return len(self.names)

    def name(self, class_id: int) -> str:
        """Return the name of a class; its decimal index if it has no name."""
        return self.names[class_id] if 0 <= class_id < len(self.names) else str(class_id)

    def ids(self, classes: Iterable[str | int]) -> tuple[int, ...]:
        """
        Return the indices of classes, without duplicates, in the given order.

        :param classes: names, or indices as numbers or decimal text. Names have priority over
            indices. A name stands for all classes that have it.
        :raises ValueError: a class does not exist. The message lists similar names.
        """
        return tuple(dict.fromkeys(index for entry in classes for index in self._ids(entry)))

    def _ids(self, entry: str | int) -> tuple[int, ...]:
        named = tuple(index for index, name in enumerate(self.names) if name == entry)
        if named:
            return named
        text = str(entry).strip()
        if text.isdecimal() and int(text) < len(self.names):
            return (int(text),)
        near = difflib.get_close_matches(text, self.names)
        hint = f'did you mean {" or ".join(map(repr, near))}?' if near else self._accepted()
        raise ValueError(f'unknown class {shorten(repr(entry), MAX_QUOTE)}; {hint}')

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


_COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""The numbers from 1 to 90 that no category of COCO has."""


def _coco_by_category() -> Labels:
    names = iter(COCO.names)
    return Labels(('__background__', *(
        NO_NAME if number in _COCO_GAPS else next(names) for number in range(1, 91))))


COCO_CATEGORIES = _coco_by_category()
"""The 91 classes of networks that are numbered by COCO's categories, such as torchvision's."""

_DEFAULTS = {len(labels): labels for labels in (COCO, COCO_CATEGORIES)}


def default_labels(num_classes: int) -> Labels:
    """Return labels for a model without its own: COCO's for 80 and 91 classes, else numbers."""
    return _DEFAULTS.get(num_classes) or Labels(tuple(map(str, range(num_classes))))


_JOINERS = '\u200c\u200d'
"""Invisible characters that scripts and emoji need; they do no harm."""


def printable(text: str) -> str:
    """
    Escape the characters of a text that change a terminal or the direction of other text.

    Names in files may contain any characters. Line breaks are escaped, too.
    """
    return ''.join(
        character if unicodedata.category(character) not in _UNPRINTABLE
        or character in _JOINERS else character.encode('unicode_escape').decode()
        for character in text)


_UNPRINTABLE = ('Cc', 'Cf', 'Cs', 'Zl', 'Zp')


def _in_order(entries: Mapping[object, object]) -> list[object]:
    """Convert a mapping from class indices to a list; missing indices have no name."""
    names: dict[int, object] = {}
    for key, name in entries.items():
        text = str(key).strip()
        # Python refuses to convert thousands of digits.
        if not text.isdecimal() or len(text) > 9 or int(text) >= MAX_CLASSES:
            raise ValueError(f'{key!r} is not a class index; accepted: 0 to {MAX_CLASSES - 1}')
        names[int(text)] = name
    return [names.get(index) for index in range(max(names, default=-1) + 1)]


def _read_name(index: int, entry: object) -> str:
    if entry is None:
        return str(index)
    if isinstance(entry, bool) or not isinstance(entry, (str, int)):
        raise ValueError(f'class {index} is {entry!r}; accepted: a name')
    name = str(entry).strip()
    if printable(name) != name:
        raise ValueError(f'class {index} is {name!r}; accepted: a name without control characters')
    return name or str(index)
