# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the files of a run: each is complete, or keeps its former content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from fcos_ros.backends.atomic import replace_file
from fcos_ros.offline.frames import OfflineError


class OutputError(OfflineError):
    """An output cannot be written."""


def write_file(path: Path, content: bytes) -> None:
    """
    Write a file and its folder.

    :raises OutputError: it cannot be written.
    """
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content, durable=False)


@contextmanager
def open_output(path: Path) -> Iterator[TextIO]:
    """
    Open a text file that gets its name at the end of the block.

    An interrupt or an error leaves a valid file with what was written so far, unless it is an
    error of writing.

    :raises OutputError: it cannot be written.
    """
    part = part_path(path)
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = part.open('w', encoding='utf-8')
    try:
        try:
            yield file
        except OutputError:
            raise
        except BaseException:
            _finish(file, part, path)
            raise
        _finish(file, part, path)
    except OutputError:
        with suppress(OSError):
            file.close()
        part.unlink(missing_ok=True)
        raise


def part_path(path: Path) -> Path:
    """Return the path of a file while it is written; the suffix stays."""
    return path.with_name(f'.part.{path.name}')


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """
    Convert errors of writing a file.

    :raises OutputError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f'{path} cannot be written: {error.strerror or error}; free space, or '
                          'choose another folder with --out') from error


def _finish(file: TextIO, part: Path, path: Path) -> None:
    with output_errors(path):
        file.close()
        part.replace(path)
