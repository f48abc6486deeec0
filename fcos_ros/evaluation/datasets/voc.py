# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read datasets in the form of Pascal VOC: an XML file for each image.

The classes are those of `classes.txt` or `labels.txt`, else all names in alphabetical order. The
first pixel of VOC is (1, 1) and the last pixel of a box belongs to it, so a box of pixels 1 to 10
is 0 to 10 in continuous coordinates. Difficult objects are ignored, as VOC does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from fcos_ros.core.resize import Size
from fcos_ros.evaluation.datasets.dataset import (
    UNKNOWN,
    Dataset,
    DatasetError,
    LabelledImage,
    LabelledObject,
)
from fcos_ros.evaluation.datasets.findings import Finding
from fcos_ros.evaluation.datasets.pixels import SUFFIXES
from fcos_ros.evaluation.datasets.values import parsed, read_lines

FORMAT = 'Pascal VOC'
ACCEPTED = ('a folder with Annotations/*.xml and JPEGImages/, and if it is divided, '
            'ImageSets/Main/train.txt and val.txt; or a folder with images and .xml files')

_CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
_NAME_FILES = ('classes.txt', 'labels.txt')


class _VocObject(NamedTuple):
    """An object, with the name of its class and the place in the label file."""

    box: tuple[float, float, float, float]
    name: str
    difficult: bool
    place: str


class _VocImage(NamedTuple):
    path: Path
    size: Size | None
    objects: Sequence[_VocObject]


def recognises(path: Path) -> bool:
    """Return whether the folder has XML files in the usual places."""
    return path.is_dir() and any(_label_folder(path).glob('*.xml'))


def read(path: Path) -> Dataset:
    """
    Read the label files.

    :raises DatasetError: there is no name of a class.
    """
    findings: list[Finding] = []
    parts = _parts(path)
    images = {file.stem: found for file in sorted(_label_folder(path).glob('*.xml'))
              if (found := _read_file(file, path, findings))}
    names = _class_names(path, images)
    ids = {name: index for index, name in enumerate(names)}
    findings += (Finding('unknown class', found.place, f'{found.name!r:.80}; '
                         f'accepted: {", ".join(names)}')
                 for image in images.values() for found in image.objects if found.name not in ids)
    return Dataset(path, FORMAT, names, tuple(
        LabelledImage.of(image.path, path, [
            LabelledObject(found.box, ids.get(found.name, UNKNOWN), found.difficult)
            for found in image.objects], image.size, parts.get(stem, ''))
        for stem, image in images.items()), tuple(findings))


def _label_folder(path: Path) -> Path:
    folder = path / 'Annotations'
    return folder if folder.is_dir() else path


def _parts(path: Path) -> dict[str, str]:
    """Return the part of each image, by its name without a suffix."""
    parts: dict[str, str] = {}
    for part in ('test', 'train', 'val'):
        file = path / 'ImageSets' / 'Main' / f'{part}.txt'
        if file.is_file():
            parts.update((line.split()[0], part) for line in read_lines(file))
    return parts


def _class_names(path: Path, images: Mapping[str, _VocImage]) -> tuple[str, ...]:
    for name in _NAME_FILES:
        if (path / name).is_file():
            names = read_lines(path / name)
            break
    else:
        names = sorted({found.name for image in images.values() for found in image.objects})
    if not names:
        raise DatasetError(f'{path} has no object, so the names of the classes are unknown; '
                           f'accepted: at least one object, or a file {_NAME_FILES[0]}')
    return tuple(dict.fromkeys(names))


def _read_file(file: Path, root: Path, findings: list[Finding]) -> _VocImage | None:
    try:
        tree = ElementTree.parse(file).getroot()
    except (OSError, ElementTree.ParseError, ValueError) as error:
        findings.append(Finding('malformed label', str(file), f'cannot be read as XML: {error}'))
        return None
    return _VocImage(_image_path(file, root, tree.findtext('filename', '')), _size(tree),
                     list(_objects(file, tree, findings)))


def _image_path(file: Path, root: Path, stated: str) -> Path:
    """Return the image of a label file: the stated one, else one of the same name."""
    folder = root / 'JPEGImages' if (root / 'JPEGImages').is_dir() else file.parent
    if stated and (folder / stated).is_file():
        return folder / stated
    for suffix in sorted(SUFFIXES):
        for path in (folder / f'{file.stem}{suffix}', folder / f'{file.stem}{suffix.upper()}'):
            if path.is_file():
                return path
    return folder / (stated or f'{file.stem}.jpg')


def _size(tree: ElementTree.Element) -> Size | None:
    sides = parsed([tree.findtext(f'size/{side}', '') for side in ('width', 'height')])
    return None if sides is None or min(sides) < 1 else Size(*map(int, sides))


def _objects(
    file: Path, tree: ElementTree.Element, findings: list[Finding],
) -> Iterator[_VocObject]:
    for number, element in enumerate(tree.findall('object'), 1):
        place = f'{file}: object {number}'
        name = element.findtext('name', '').strip()
        corners = parsed([element.findtext(f'bndbox/{corner}', '') for corner in _CORNERS])
        if not name or corners is None:
            findings.append(Finding('malformed label', place, 'accepted: a name, and a bndbox '
                                    f'with {", ".join(_CORNERS)}'))
            continue
        x1, y1, x2, y2 = corners
        difficult = element.findtext('difficult', '').strip() == '1'
        yield _VocObject((x1 - 1, y1 - 1, x2, y2), name, difficult, place)
