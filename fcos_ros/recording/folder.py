# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a node's recordings: names of files, their number, and free space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import errno
import os
from pathlib import Path
import re
import shutil
import time

from fcos_ros.recording.values import SUFFIX, RecordingError

MEGABYTE = 10**6
"""In bytes."""


@dataclass(frozen=True)
class RecordingFolder:
    """
    A folder for recordings.

    :ivar prefix: of the names of the files; other files are never deleted.
    :ivar max_files: the number of recordings; the oldest ones are deleted.
    :ivar free_space: bytes that stay free.
    """

    path: Path
    prefix: str
    max_files: int
    free_space: int

    def new_file(self) -> Path:
        """
        Make room for a recording, and return its path.

        :raises RecordingError: there is too little free space.
        :raises OSError: the folder cannot be written.
        """
        self.check()
        present = sorted(self._recordings(), key=lambda path: path.stat().st_mtime)
        for path in present[:max(0, len(present) - self.max_files + 1)]:
            path.unlink()
        return next(path for path in self._names() if not path.exists())

    def check(self) -> None:
        """
        Make the folder, and check that recordings can be written there.

        :raises RecordingError: there is too little free space.
        :raises OSError: the folder cannot be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.path))
        free = shutil.disk_usage(self.path).free
        if free < self.free_space:
            raise RecordingError(
                f'{self.path} has {free / MEGABYTE:.0f} MB of free space; accepted: '
                f'{self.free_space / MEGABYTE:.0f} MB or more; delete files, or set '
                'recorder_free_space or recorder_folder')

    def _recordings(self) -> Iterator[Path]:
        pattern = re.compile(rf'{re.escape(self.prefix)}_\d{{8}}_\d{{6}}(_\d+)?{SUFFIX}')
        return (path for path in self.path.iterdir() if pattern.fullmatch(path.name))

    def _names(self) -> Iterator[Path]:
        start = f'{self.prefix}_{time.strftime("%Y%m%d_%H%M%S")}'
        yield self.path / f'{start}{SUFFIX}'
        number = 1
        while True:
            number += 1
            yield self.path / f'{start}_{number}{SUFFIX}'


def find_folder(given: str) -> Path:
    """
    Return the folder for recordings.

    :param given: a path; `auto` for the usual folder.
    :raises ValueError: it begins with the home folder of a user who does not exist.
    """
    usual = f'{os.environ.get("ROS_HOME") or "~/.ros"}/recordings'
    path = usual if given.strip() in ('', 'auto') else given
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f'recorder_folder is {path!r}, and there is no such home folder; '
                         'accepted: a path; set recorder_folder') from None
