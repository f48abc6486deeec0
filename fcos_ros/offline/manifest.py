# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The manifest of a folder of results: which jobs are done, of which inputs, with which outputs.

It is a file of JSON lines, one for each finished job. A line is only added, so that a run that is
interrupted loses nothing. The last line of a job counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
import hashlib
import json
from pathlib import Path
from typing import Any

from fcos_ros.offline.files import output_errors
from fcos_ros.offline.frames import SourceError
from fcos_ros.offline.jobs import Job, JobReport

NAME = 'manifest.jsonl'

BLOCK_SIZE = 1 << 20
"""Bytes that are read at once."""


@dataclass(frozen=True)
class JobRecord:
    """
    A finished job.

    :ivar key: a digest of all that decides the result: the content of the inputs and the settings.
    :ivar outputs: the SHA-256 of each file, by its path.
    :ivar summary: that of its report.
    """

    key: str
    outputs: Mapping[str, str]
    summary: Mapping[str, Any]

    @classmethod
    def of(cls, key: str, report: JobReport) -> JobRecord:
        """Describe a job that has just finished; its outputs are read."""
        return cls(key, {str(path): file_digest(path) for path in report.outputs}, report.summary)

    @property
    def report(self) -> JobReport:
        """The report of the job."""
        return JobReport(tuple(map(Path, self.outputs)), self.summary)

    def is_valid(self, key: str) -> bool:
        """Return whether the job is done: its inputs and outputs are unchanged."""
        try:
            return self.key == key and all(
                file_digest(Path(path)) == digest for path, digest in self.outputs.items())
        except OSError:  # an output was removed
            return False


class Manifest:
    """The manifest of a folder; one process writes it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._records = dict(_read(self._path))

    def record(self, name: str) -> JobRecord | None:
        """Return the record of a job; None if it was never finished."""
        return self._records.get(name)

    def add(self, name: str, record: JobRecord) -> None:
        """
        Add a finished job.

        :raises OutputError: the file cannot be written.
        """
        self._records[name] = record
        line = json.dumps({'job': name, **asdict(record)}, ensure_ascii=False)
        with output_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open('a', encoding='utf-8') as file:
                # The last line may be incomplete: the disk was full, or the power failed.
                file.write(f'\n{line}' if file.tell() else line)


def job_key(job: Job, version: str) -> str:
    """
    Return a digest of all that decides the result of a job; its inputs are read.

    :param version: of this package.
    :raises SourceError: an input cannot be read.
    """
    parts = [version, repr(job)]
    for path in job.inputs():
        try:
            parts += [file_digest(file) for file in _files(path)]
        except OSError as error:
            raise SourceError(f'{path} cannot be read: {error.strerror}') from error
    return hashlib.sha256('\0'.join(parts).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """
    Return the SHA-256 of a file.

    :raises OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(BLOCK_SIZE):
            digest.update(block)
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    """Return the files of an input, which may be a folder, such as a recording of ROS 2."""
    return sorted(file for file in path.rglob('*') if file.is_file()) if path.is_dir() else [path]


def _read(path: Path) -> Iterable[tuple[str, JobRecord]]:
    """Yield the finished jobs; a line that is not complete was never finished."""
    try:
        lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
    except OSError:
        return
    for line in lines:
        try:
            values = json.loads(line)
            yield str(values.pop('job')), JobRecord(**values)
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
