# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Labelled images in the forms of COCO, YOLO and Pascal VOC: `open_dataset`, then `check`.

Only numpy, OpenCV and PyYAML are needed. Training and evaluation use the same readers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from fcos_ros.evaluation.datasets import coco, voc, yolo
from fcos_ros.evaluation.datasets.checking import check, usable
from fcos_ros.evaluation.datasets.dataset import (
    Dataset,
    DatasetError,
    LabelledImage,
    fingerprint,
    split,
)
from fcos_ros.evaluation.datasets.findings import Finding, errors, report

__all__ = ['Dataset', 'DatasetError', 'Finding', 'LabelledImage', 'check', 'errors',
           'fingerprint', 'open_dataset', 'report', 'split', 'usable']


class Reader(Protocol):
    """
    A module that reads one form.

    :ivar FORMAT: the name of the form.
    :ivar ACCEPTED: the accepted files and folders, in words.
    """

    FORMAT: str
    ACCEPTED: str

    def recognises(self, path: Path) -> bool:
        """Return whether the path looks like this form; it exists."""
        ...

    def read(self, path: Path) -> Dataset:
        """
        Read the labels.

        :raises DatasetError: they cannot be read at all.
        """
        ...


READERS: tuple[Reader, ...] = (voc, yolo, coco)
"""In this order, as a folder of VOC may also have classes.txt, and any folder some JSON file."""


def open_dataset(path: Path) -> Dataset:
    """
    Read the labels of a dataset of any known form; no pixels are read.

    :param path: a folder, a JSON file of COCO, or a YAML file of YOLO.
    :raises DatasetError: the path does not exist, has no known form, or its labels cannot be
        read at all, or it has no images.
    """
    if not path.exists():
        raise DatasetError(f'{path} does not exist; accepted: {_ACCEPTED}')
    for reader in READERS:
        if reader.recognises(path):
            dataset = reader.read(path)
            if not dataset.images:
                raise DatasetError(f'{path} has no images; accepted: {reader.FORMAT}: '
                                   f'{reader.ACCEPTED}')
            return dataset
    raise DatasetError(f'{path} is no dataset of a known form; accepted: {_ACCEPTED}')


_ACCEPTED = '\n'.join(['', *(f'  {reader.FORMAT}: {reader.ACCEPTED}' for reader in READERS)])
