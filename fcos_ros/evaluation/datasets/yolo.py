# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read datasets in the form of YOLO: a text file for each image, in labels/ instead of images/.

A line is `class x y width height`: the middle of the box and its sides, as fractions of the image.
More numbers are the corners of a polygon, whose extent becomes the box. Names and parts come from
a YAML file; without one, from `classes.txt` and the names of the folders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
import re
from typing import Any, NamedTuple

import yaml

from fcos_ros.core.errors import FrameError
from fcos_ros.evaluation.datasets.dataset import (
    UNKNOWN,
    Dataset,
    DatasetError,
    LabelledImage,
    LabelledObject,
    part_of,
)
from fcos_ros.evaluation.datasets.findings import Finding
from fcos_ros.evaluation.datasets.pixels import SUFFIXES, read_size
from fcos_ros.evaluation.datasets.values import parsed, read_lines

FORMAT = 'YOLO'
ACCEPTED = ('a .yaml file with names, train and val, a folder with data.yaml, or a folder with '
            'images/ and labels/, perhaps with train/ and val/ in them, and classes.txt')

_YAML_SUFFIXES = ('.yaml', '.yml')
_YAML_KEYS = re.compile(r'^(names|train|val)\s*:', re.MULTILINE)
_NAME_FILES = ('classes.txt', 'labels/classes.txt', 'obj.names')
_PARTS = ('train', 'val', 'test')


class _Layout(NamedTuple):
    """
    Where the images are.

    :ivar sources: pairs of a part and a folder, or a text file that lists images.
    :ivar names: of the classes; empty if they are not stated.
    """

    root: Path
    sources: Sequence[tuple[str, Path]]
    names: Sequence[str]


class _Row(NamedTuple):
    """One line of a label file; the box is x1, y1, x2, y2 in fractions of the image."""

    class_id: int
    box: tuple[float, float, float, float]
    place: str


def recognises(path: Path) -> bool:
    """Return whether the path is a YAML file, or a folder with one or with labels/."""
    return _yaml_file(path) is not None or bool(_folder_sources(path))


def read(path: Path) -> Dataset:
    """
    Read the label files, and the headers of the images for their sizes.

    :raises DatasetError: the YAML file cannot be used, or names folders that do not exist.
    """
    file = _yaml_file(path)
    root, sources, names = _folder_layout(path) if file is None else _yaml_layout(file)
    findings: list[Finding] = []
    labelled = [(part, image, _read_rows(_label_file(image), findings))
                for part, source in sources for image in _image_files(source)]
    if not names:
        findings.append(Finding('no class names', str(root), 'write them to classes.txt'))
        ids = [row.class_id for _, _, rows in labelled for row in rows]
        names = [str(number) for number in range(max(ids, default=-1) + 1)]
    images = tuple(LabelledImage.of(image, root, list(_objects(image, rows, names, findings)),
                                    part=part)
                   for part, image, rows in labelled)
    for _, source in sources:
        findings += _labels_without_image(source)
    return Dataset(root, FORMAT, tuple(names), images, tuple(findings))


def _yaml_file(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix.lower() in _YAML_SUFFIXES else None
    for file in sorted(path.glob('*.y*ml')):
        if _YAML_KEYS.search(file.read_text(encoding='utf-8', errors='replace')):
            return file
    return None


def _yaml_layout(file: Path) -> _Layout:
    document = _load(file)
    root = file.parent / str(document.get('path') or '')
    if not root.is_dir():
        root = file.parent  # the file was written for another machine
    sources = [(part, _existing(file, root, entry))
               for part in _PARTS for entry in _listed(document.get(part))]
    if not sources:
        raise DatasetError(f'{file} has no train; accepted: a folder with images, a list of '
                           'folders, or a text file that lists images')
    return _Layout(root, sources, _yaml_names(file, document.get('names')))


def _load(file: Path) -> Mapping[str, Any]:
    try:
        # All values stay texts: a class may have the name "no".
        document = yaml.load(file.read_text(encoding='utf-8-sig'), Loader=yaml.BaseLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DatasetError(f'{file} cannot be read as YAML: {error}') from error
    if not isinstance(document, dict):
        raise DatasetError(f'{file} is a {type(document).__name__}; accepted: a mapping with '
                           'names, train and val')
    return document


def _listed(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [entry for entry in values if isinstance(entry, str) and entry]


def _yaml_names(file: Path, names: Any) -> list[str]:
    if isinstance(names, dict) and sorted(names, key=str) == sorted(map(str, range(len(names)))):
        names = [names[str(number)] for number in range(len(names))]
    if not isinstance(names, list) or not names or not all(
            isinstance(name, str) and name for name in names):
        raise DatasetError(f'{file} has the names {names!r:.200}; accepted: a list of the names '
                           'of the classes, or a mapping from 0, 1, 2 ... to them')
    return names


def _existing(file: Path, root: Path, entry: str) -> Path:
    """Return a folder or a list of images, relative to the root or to the YAML file."""
    # Some exporters write ../train/images in a file that lies beside train.
    tried = dict.fromkeys([root / entry, file.parent / entry, file.parent / entry.lstrip('./')])
    for path in tried:
        if path.exists():
            return path
    raise DatasetError(f'{file} names {entry!r}, which was not found; tried: '
                       f'{", ".join(map(str, tried))}')


def _folder_layout(path: Path) -> _Layout:
    for name in _NAME_FILES:
        if (path / name).is_file():
            return _Layout(path, _folder_sources(path), read_lines(path / name))
    return _Layout(path, _folder_sources(path), [])


def _folder_sources(path: Path) -> list[tuple[str, Path]]:
    """Return pairs of part and folder of a dataset without a YAML file; none if it is none."""
    if (path / 'images').is_dir() and (path / 'labels').is_dir():
        folders = [folder for folder in sorted((path / 'images').iterdir())
                   if folder.is_dir() and part_of(folder.name)]
        return [(part_of(folder.name), folder) for folder in folders] or [('', path / 'images')]
    divided = [folder / 'images' for folder in sorted(path.glob('*/')) if part_of(folder.name)
               and (folder / 'images').is_dir() and (folder / 'labels').is_dir()]
    if divided:
        return [(part_of(folder.parent.name), folder) for folder in divided]
    # Some tools write images and labels into one folder.
    return [('', path)] if (path / 'classes.txt').is_file() else []


def _image_files(source: Path) -> list[Path]:
    if source.is_dir():
        return sorted(file for file in source.rglob('*') if file.suffix.lower() in SUFFIXES)
    return [source.parent / line for line in read_lines(source)]


def _label_file(image: Path) -> Path:
    """Return the label file of an image: in labels/ instead of images/, else beside it."""
    parts = list(image.parts)
    for index in reversed(range(len(parts) - 1)):
        if parts[index] == 'images':
            parts[index] = 'labels'
            return Path(*parts).with_suffix('.txt')
    return image.with_suffix('.txt')


def _read_rows(file: Path, findings: list[Finding]) -> list[_Row]:
    """Return the rows of a label file; an image without one has no objects."""
    rows = []
    for number, line in enumerate(_lines(file), 1):
        values = parsed(line.split())
        if not line.split():
            continue
        place = f'{file}:{number}'
        box = _box(values[1:]) if values and values[0].is_integer() else None
        if values is None or box is None:
            findings.append(Finding('malformed label', place, f'{line!r:.80}; accepted: a class '
                                    'number and 4 numbers, or the corners of a polygon'))
        else:
            rows.append(_Row(int(values[0]), box, place))
    return rows


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        return []
    return file.read_text(encoding='utf-8-sig', errors='replace').splitlines()


def _box(values: Sequence[float]) -> tuple[float, float, float, float] | None:
    if len(values) == 4:
        x, y, width, height = values
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(values) < 6 or len(values) % 2:
        return None
    across, along = values[::2], values[1::2]
    return min(across), min(along), max(across), max(along)


def _objects(
    image: Path, rows: Sequence[_Row], names: Sequence[str], findings: list[Finding],
) -> Iterator[LabelledObject]:
    """Yield the objects of an image; none if it cannot be read, which `check` reports."""
    if not rows:
        return
    try:
        width, height = read_size(image)
    except FrameError:
        return
    for class_id, (x1, y1, x2, y2), place in rows:
        known = 0 <= class_id < len(names)
        if not known:
            findings.append(Finding('unknown class', place, f'{class_id}; accepted: 0 to '
                                    f'{len(names) - 1}'))
        yield LabelledObject((x1 * width, y1 * height, x2 * width, y2 * height),
                             class_id if known else UNKNOWN)


def _labels_without_image(source: Path) -> Iterator[Finding]:
    if source.is_dir():
        used = set(map(_label_file, _image_files(source)))
        folder = _label_file(source / 'image').parent
        for file in sorted(folder.rglob('*.txt')):
            if file not in used and file.name not in _NAME_FILES:
                yield Finding('labels without image', str(file))
