# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read datasets in the form of COCO: JSON files with `images`, `annotations` and `categories`.

The classes are ordered by the ids of the categories. A box is [x, y, width, height] in pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
import json
from pathlib import Path
from typing import Any

from fcos_ros.core.resize import Size
from fcos_ros.evaluation.datasets.dataset import (
    UNKNOWN,
    Dataset,
    DatasetError,
    LabelledImage,
    LabelledObject,
    part_of,
)
from fcos_ros.evaluation.datasets.findings import Finding
from fcos_ros.evaluation.datasets.values import numbers

FORMAT = 'COCO'
ACCEPTED = ('a .json file, or a folder with .json files in it or in annotations/; images beside '
            'the file, in images/, or in a folder named like the part (train, val2017, ...)')

_LISTS = ('images', 'annotations', 'categories')

_OTHER_TASKS = ('captions', 'image_info', 'panoptic', 'person_keypoints', 'stuff')
"""The first words of COCO's files for other tasks."""


def recognises(path: Path) -> bool:
    """Return whether the path is a JSON file, or a folder with some in the usual places."""
    return bool(_label_files(path))


def read(path: Path) -> Dataset:
    """
    Read the label files; one for each part.

    :raises DatasetError: a file is not COCO, or the files do not belong together.
    """
    files = _label_files(path)
    root = _root(path)
    parts = _parts(path, files)
    documents = {file: _load(file) for file in files}
    classes = _classes(documents)
    images: list[LabelledImage] = []
    findings: list[Finding] = []
    for file, document in documents.items():
        reader = _DocumentReader(file, document, list(classes))
        images += reader.images(root, parts[file])
        findings += reader.findings
    return Dataset(root, FORMAT, tuple(classes.values()), tuple(images), tuple(findings))


def _root(path: Path) -> Path:
    if path.is_dir():
        return path
    return path.parents[1] if path.parent.name == 'annotations' else path.parent


def _label_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() == '.json' else []
    found = sorted([*path.glob('*.json'), *path.glob('annotations/*.json'),
                    *path.glob('*/_annotations.coco.json')])
    return [file for file in found if not file.name.startswith(_OTHER_TASKS)]


def _parts(path: Path, files: Sequence[Path]) -> dict[Path, str]:
    """Return the part of each file, by the name of the file or its folder."""
    parts = {file: part_of(file.stem) or part_of(file.relative_to(path).parent.as_posix())
             for file in files if path.is_dir()}
    if len(set(parts.values())) < len(parts):
        names = ', '.join(str(file) for file in files)
        raise DatasetError(f'{path} has several label files for the same part: {names}; accepted: '
                           'one for each of train, val and test; give the path of one file')
    return parts if path.is_dir() else {path: ''}


def _load(file: Path) -> Mapping[str, list[Any]]:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f'{file} cannot be read as JSON: {error}') from error
    if not isinstance(document, dict) or not all(
            isinstance(document.get(key), list) for key in _LISTS):
        keys = ', '.join(document) if isinstance(document, dict) else type(document).__name__
        raise DatasetError(f'{file} has [{keys[:200]}]; accepted: an object with the lists '
                           f'{", ".join(_LISTS)}, as COCO has them')
    return document


def _classes(documents: Mapping[Path, Mapping[str, list[Any]]]) -> dict[int, str]:
    """Return the names of the classes by the ids of their categories, ascending."""
    classes: dict[int, str] | None = None
    for file, document in documents.items():
        own = _categories(file, document['categories'])
        if classes not in (None, own):
            raise DatasetError(f'{file} has other categories than {next(iter(documents))}; '
                               'accepted: the same ids and names in all files')
        classes = own
    return classes or {}


def _categories(file: Path, categories: list[Any]) -> dict[int, str]:
    named = {entry['id']: entry['name'] for entry in categories if isinstance(entry, dict)
             and isinstance(entry.get('id'), int) and isinstance(entry.get('name'), str)}
    if not named or len(set(named.values())) < len(categories):
        raise DatasetError(f'{file} has categories without id or name, or two of the same; '
                           'accepted: objects with an integer id and a name, at least one')
    return dict(sorted(named.items()))


class _DocumentReader:
    """
    Reads one label file.

    :param category_ids: the ids of the categories, in the order of the classes.
    :ivar findings: the problems, complete after `images`.
    """

    def __init__(self, file: Path, document: Mapping[str, list[Any]],
                 category_ids: Sequence[int]) -> None:
        self._file, self._document = file, document
        self._class_ids = {key: index for index, key in enumerate(category_ids)}
        self.findings: list[Finding] = []

    def images(self, root: Path, part: str) -> Iterator[LabelledImage]:
        """Yield all images with their objects."""
        entries = self._image_entries()
        objects: dict[Any, list[LabelledObject]] = {key: [] for key in entries}
        for key, found in self._objects(entries):
            objects[key].append(found)
        names = {key: entry['file_name'].replace('\\', '/') for key, entry in entries.items()}
        folder = _image_folder(self._file, root, list(names.values()))
        for key, entry in entries.items():
            yield LabelledImage.of(
                folder / names[key], root, objects[key], _stated_size(entry), part)

    def _image_entries(self) -> dict[Any, dict[str, Any]]:
        """Return the entries of the images by their ids."""
        entries: dict[Any, dict[str, Any]] = {}
        for position, entry in enumerate(self._document['images']):
            if not isinstance(entry, dict) or not isinstance(entry.get('id'), (int, str)) \
                    or not isinstance(entry.get('file_name'), str):
                self._note('malformed label', f'images[{position}]',
                           'accepted: an object with id and file_name')
            elif entry['id'] in entries:
                self._note('duplicate id', f'image {entry["id"]}', entry['file_name'])
            else:
                entries[entry['id']] = entry
        return entries

    def _objects(self, images: Iterable[Any]) -> Iterator[tuple[Any, LabelledObject]]:
        """Yield the id of its image and each object."""
        known, used = set(images), set()
        for position, entry in enumerate(self._document['annotations']):
            values = entry if isinstance(entry, dict) else {}
            place = f'annotation {values.get("id", f"[{position}]")}'
            box = numbers(values.get('bbox'), 4)
            if box is None:
                self._note('malformed label', place, f'bbox is {values.get("bbox")!r:.80}; '
                           'accepted: [x, y, width, height]')
            elif not isinstance(values.get('image_id'), (int, str)) \
                    or values['image_id'] not in known:
                self._note('labels without image', place,
                           f'image_id is {values.get("image_id")!r:.80}')
            elif 'id' in values and repr(values['id']) in used:
                self._note('duplicate id', place)
            else:
                used.add(repr(values.get('id')))
                yield values['image_id'], self._object(place, values, box)

    def _object(self, place: str, values: Mapping[str, Any],
                box: Sequence[float]) -> LabelledObject:
        category = values.get('category_id')
        class_id = (self._class_ids.get(category, UNKNOWN) if isinstance(category, int)
                    else UNKNOWN)
        if class_id == UNKNOWN:
            self._note('unknown class', place, f'category_id is {category!r:.80}; '
                       f'accepted: {_shown(self._class_ids)}')
        x, y, width, height = box
        return LabelledObject((x, y, x + width, y + height), class_id,
                              bool(values.get('iscrowd')))

    def _note(self, kind: str, place: str, detail: str = '') -> None:
        self.findings.append(Finding(kind, f'{self._file}: {place}', detail))


def _image_folder(file: Path, root: Path, names: Sequence[str]) -> Path:
    """
    Return the first of the usual folders that has one of the first images.

    :raises DatasetError: none has.
    """
    stem = file.stem.removeprefix('instances_')
    starts = dict.fromkeys((file.parent, root))
    folders = [start / below for start in starts
               for below in ('', 'images', stem, f'images/{stem}')]
    for folder in folders:
        if not names or any((folder / name).is_file() for name in names[:10]):
            return folder
    raise DatasetError(f'{file} has images such as {names[0]!r:.80}, which were not found; looked '
                       f'in: {", ".join(map(str, folders))}')


def _stated_size(entry: Mapping[str, Any]) -> Size | None:
    sides = numbers([entry.get('width'), entry.get('height')], 2)
    return None if sides is None or min(sides) < 1 else Size(*map(int, sides))


def _shown(ids: Iterable[int]) -> str:
    texts = [str(key) for key in ids]
    return ', '.join(texts[:10]) + (', ...' if len(texts) > 10 else '')
