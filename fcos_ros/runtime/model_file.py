# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Check that all workers run the same model, also when its file is replaced while they run.

A worker that fails loads the file again, perhaps hours later. With another file, two models would
take turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from fcos_ros.backends import ModelError, ModelInfo

REMEDY = 'put the former file back, or clean up and configure the node to use the new one'

BLOCK_SIZE = 1 << 20
"""Bytes that are read at once."""

WEIGHTS_SUFFIX = '.data'
"""The end of the name of a second file: exporters of PyTorch store large weights there."""


def file_digest(path: Path) -> str:
    """
    Return the SHA-256 of a model file and, if there is one, of its file of weights.

    :raises ModelError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for part in _parts(path):
            with part.open('rb') as file:
                while block := file.read(BLOCK_SIZE):
                    digest.update(block)
    except OSError as error:
        raise ModelError(f'{path} is not a file that can be read: {error.strerror}') from error
    return digest.hexdigest()


@contextmanager
def unchanged_file(path: Path, digest: str) -> Iterator[None]:
    """
    Check a model file before and after it is loaded in the `with` block.

    :param digest: the expected result of `file_digest`; empty for no check.
    :raises ModelError: the file has another content, or was replaced meanwhile.
    """
    if not digest:
        yield
        return
    before = _versions(path)
    if file_digest(path) != digest:
        raise ModelError(f'{path} is another file than the one that was loaded; {REMEDY}')
    yield
    if _versions(path) != before:  # the engine may have read either file
        raise ModelError(f'{path} was replaced while it was loaded; {REMEDY}')


def require_same_model(expected: ModelInfo, found: ModelInfo) -> None:
    """
    Check that a model has the same description each time it is loaded.

    The descriptions of one file differ if its metadata is in a file of its own.

    :raises ModelError: the descriptions differ; the message lists the differences.
    """
    differences = [field.name for field in fields(ModelInfo)
                   if not _same(getattr(expected, field.name), getattr(found, field.name))]
    if differences:
        raise ModelError(f'{found.path} is described by another {", ".join(differences)} than the '
                         f'model that was loaded; {REMEDY}')


def _parts(path: Path) -> list[Path]:
    weights = path.with_name(path.name + WEIGHTS_SUFFIX)
    return [path, weights] if weights.is_file() else [path]


def _versions(path: Path) -> list[tuple[int, ...]]:
    """Return values that change when a file is replaced or written; none if it is missing."""
    try:
        states = [part.stat() for part in _parts(path)]
    except OSError:
        return []
    return [(state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
            for state in states]


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, also in dataclasses that do not compare by value."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if is_dataclass(one):
        return all(_same(getattr(one, field.name), getattr(other, field.name))
                   for field in fields(one))
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
