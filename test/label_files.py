# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write small datasets in the forms of COCO, YOLO and Pascal VOC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import json
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import cv2
import numpy as np

CLASSES = ('ball', 'cube')
"""In alphabetical order, as VOC has no other."""

Box = tuple[float, float, float, float]


class Picture(NamedTuple):
    """
    An image and its objects.

    :ivar size: width and height.
    :ivar objects: pairs of a class name and a box (x1, y1, x2, y2) in pixels.
    :ivar part: 'train', 'val' or ''.
    """

    name: str
    size: tuple[int, int]
    objects: Sequence[tuple[str, Box]]
    part: str = ''

    def pixels(self) -> np.ndarray:
        """Return an image that depends on the name: grey, with noise."""
        width, height = self.size
        rng = np.random.default_rng(list(self.name.encode()))
        return rng.integers(0, 256, (height, width, 3), np.uint8)


PICTURES = (
    Picture('one.png', (60, 40), [('ball', (5, 6, 25, 26)), ('cube', (30, 10, 50, 40))]),
    Picture('two.png', (32, 64), [('cube', (0, 0, 32, 64))]),
    Picture('three.png', (50, 50), []),
)


def write_coco(root: Path, pictures: Sequence[Picture], classes: Sequence[str] = CLASSES) -> Path:
    """Write a folder with annotations/ and images/; one file for each part."""
    (root / 'annotations').mkdir(parents=True)
    for part in {picture.part for picture in pictures}:
        own = [picture for picture in pictures if picture.part == part]
        _write_images(root / 'images', own)
        document = {
            'images': [{'id': number, 'file_name': picture.name, 'width': picture.size[0],
                        'height': picture.size[1]} for number, picture in enumerate(own)],
            # COCO's own ids begin at 1 and have gaps.
            'categories': [{'id': 3 * index + 1, 'name': name}
                           for index, name in enumerate(classes)],
            'annotations': []}
        for number, picture in enumerate(own):
            for name, (x1, y1, x2, y2) in picture.objects:
                document['annotations'].append({
                    'id': len(document['annotations']) + 1, 'image_id': number, 'iscrowd': 0,
                    'category_id': 3 * classes.index(name) + 1,
                    'bbox': [x1, y1, x2 - x1, y2 - y1]})
        name = f'instances_{part}2017.json' if part else 'labels.json'
        (root / 'annotations' / name).write_text(json.dumps(document))
    return root


def write_yolo(root: Path, pictures: Sequence[Picture], classes: Sequence[str] = CLASSES) -> Path:
    """Write a folder with data.yaml, images/ and labels/."""
    for picture in pictures:
        _write_images(root / 'images' / picture.part, [picture])
        rows = [_yolo_row(classes.index(name), box, picture.size) for name, box in picture.objects]
        labels = root / 'labels' / picture.part
        labels.mkdir(parents=True, exist_ok=True)
        (labels / picture.name).with_suffix('.txt').write_text('\n'.join(rows))
    parts = sorted({picture.part for picture in pictures})
    sources = [f'{part or "train"}: images/{part}' for part in parts]
    names = [f'  {index}: {name}' for index, name in enumerate(classes)]
    (root / 'data.yaml').write_text('\n'.join([*sources, 'names:', *names]))
    return root


def write_voc(root: Path, pictures: Sequence[Picture], classes: Sequence[str] = CLASSES) -> Path:
    """Write a folder with Annotations/, JPEGImages/ and ImageSets/."""
    (root / 'Annotations').mkdir(parents=True)
    (root / 'ImageSets' / 'Main').mkdir(parents=True)
    _write_images(root / 'JPEGImages', pictures)
    (root / 'classes.txt').write_text('\n'.join(classes))
    for picture in pictures:
        tree = ElementTree.Element('annotation')
        ElementTree.SubElement(tree, 'filename').text = picture.name
        _add(tree, 'size', dict(zip(('width', 'height'), picture.size)))
        for name, (x1, y1, x2, y2) in picture.objects:
            found = ElementTree.SubElement(tree, 'object')
            ElementTree.SubElement(found, 'name').text = name
            # The first pixel is 1, and the last one belongs to the box.
            _add(found, 'bndbox', {'xmin': x1 + 1, 'ymin': y1 + 1, 'xmax': x2, 'ymax': y2})
        file = root / 'Annotations' / picture.name
        ElementTree.ElementTree(tree).write(file.with_suffix('.xml'))
        if picture.part:
            with (root / 'ImageSets' / 'Main' / f'{picture.part}.txt').open('a') as part:
                part.write(f'{Path(picture.name).stem}\n')
    return root


WRITERS: dict[str, Callable[..., Path]] = {
    'COCO': write_coco, 'YOLO': write_yolo, 'Pascal VOC': write_voc}
"""The writers by the name of the form."""


def _write_images(folder: Path, pictures: Sequence[Picture]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        cv2.imwrite(str(folder / picture.name), picture.pixels())


def _yolo_row(index: int, box: Box, size: tuple[int, int]) -> str:
    x1, y1, x2, y2 = (value / side for value, side in zip(box, size * 2))
    return f'{index} {(x1 + x2) / 2!r} {(y1 + y2) / 2!r} {x2 - x1!r} {y2 - y1!r}'


def _add(parent: ElementTree.Element, name: str, values: dict[str, float]) -> None:
    element = ElementTree.SubElement(parent, name)
    for key, value in values.items():
        ElementTree.SubElement(element, key).text = repr(value)
