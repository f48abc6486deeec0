# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Detections in the form of COCO's results, made of the lines of all frames.

`detections.json` is a list as `pycocotools` loads it with `loadRes`. `images.json` has the images
and categories to which it refers. Failed frames are listed there, and not among the images. If the
names of all pictures are numbers, as in COCO, these are the ids of the images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
import json
from pathlib import Path, PurePath
from typing import Any, TextIO

from fcos_ros.core.labels import COCO, COCO_CATEGORIES, Labels
from fcos_ros.offline.files import open_output, output_errors
from fcos_ros.offline.outputs.frame_lines import FrameLine, read_lines

DETECTIONS, IMAGES = 'detections.json', 'images.json'

Numbered = Callable[[Callable[[FrameLine], bool]], Iterator[tuple[int, FrameLine]]]
"""Returns the lines that a condition accepts, each with the id of its image."""


def write_coco(folder: Path, lines: Sequence[Path], labels: Labels) -> None:
    """
    Write both files; the lines are read one by one.

    :param lines: the files with the lines of all frames, in order.
    :raises OutputError: a file cannot be written.
    """
    categories, numbered = category_ids(labels), _numbering(lines)
    with (open_output(folder / DETECTIONS) as detections, open_output(folder / IMAGES) as images):
        with output_errors(folder / DETECTIONS):
            _write_list(detections, (entry for image_id, line in numbered(_is_good)
                                     for entry in _entries(image_id, line, categories)))
            detections.flush()
        with output_errors(folder / IMAGES):
            images.write('{"categories":')
            _write_list(images, ({'id': categories[index], 'name': name}
                                 for index, name in enumerate(labels.names)))
            images.write(',"images":')
            _write_list(images, (_image(image_id, line)
                                 for image_id, line in numbered(_is_good)))
            images.write(',"failed":')
            _write_list(images, ({'file_name': line.name, 'error': line.error}
                                 for _, line in numbered(lambda line: bool(line.error))))
            images.write('}\n')
            images.flush()


def category_ids(labels: Labels) -> tuple[int, ...]:
    """Return the category of each class: COCO's own numbers for its classes, else from 1 on."""
    if labels == COCO:
        return tuple(COCO_CATEGORIES.names.index(name) for name in labels.names)
    return tuple(range(1, len(labels) + 1))


def _is_good(line: FrameLine) -> bool:
    return not line.error


def _numbering(files: Sequence[Path]) -> Numbered:
    """Return a function that yields the wanted lines, each with the id of its image."""
    stems = [PurePath(line.name).stem for file in files for line in read_lines(file)]
    own = {int(stem) for stem in stems if stem.isdecimal()}
    are_ids = len(own) == len(stems)

    def numbered(wanted: Callable[[FrameLine], bool]) -> Iterator[tuple[int, FrameLine]]:
        number = 0
        for file in files:
            for line in read_lines(file):
                number += 1
                if wanted(line):
                    yield int(PurePath(line.name).stem) if are_ids else number, line
    return numbered


def _image(image_id: int, line: FrameLine) -> dict[str, Any]:
    return {'id': image_id, 'file_name': line.name, 'width': line.values['width'],
            'height': line.values['height']}


def _entries(
    image_id: int, line: FrameLine, categories: tuple[int, ...],
) -> Iterator[dict[str, Any]]:
    for found in line.detections:
        x1, y1, x2, y2 = found['box']
        yield {'image_id': image_id, 'category_id': categories[found['class_id']],
               'bbox': [x1, y1, round(x2 - x1, 4), round(y2 - y1, 4)], 'score': found['score']}


def _write_list(file: TextIO, entries: Iterable[dict[str, Any]]) -> None:
    """Write a list of JSON, an entry a line."""
    separator = '['
    for entry in entries:
        file.write(f'{separator}\n{json.dumps(entry, ensure_ascii=False)}')
        separator = ','
    file.write('\n]' if separator == ',' else '[]')
