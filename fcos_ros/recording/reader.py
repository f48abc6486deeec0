# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the frames of a recording, also of one that a crash or a full disk has cut off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from fcos_ros.recording.format import (
    FRAME,
    IMAGE,
    LOG,
    SESSION,
    SETTINGS,
    camera_of,
    read_event,
    read_frame,
    read_image,
    read_session,
    read_settings,
)
from fcos_ros.recording.mcap_file import McapReader, Message
from fcos_ros.recording.values import (
    SUFFIX,
    RecordedEvent,
    RecordedFrame,
    RecordingError,
    Session,
)
from fcos_ros.settings.schema import Settings


class Recording:
    """
    The recording in a file.

    :ivar events: the remarks that were read so far.

    :raises RecordingError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: tuple[RecordedEvent, ...] = ()
        self._file = McapReader(path)
        self._problem = ''

    @property
    def count(self) -> int | None:
        """The number of frames; None if the file has no index, as after a crash."""
        return self._file.count(FRAME)

    @property
    def problem(self) -> str:
        """Why the file was not read to its end; '' if it was, or was not read yet."""
        return self._problem or self._file.problem

    def frames(self) -> Iterator[RecordedFrame]:
        """
        Yield the frames in the order in which they were recorded, up to a damage.

        :raises RecordingError: the file is no recording of this package.
        """
        self.events, self._problem = (), ''
        scan = _Scan()
        try:
            for message in self._file.messages():
                frame = scan.read(message)
                if frame is not None:
                    yield frame
                self.events = scan.events
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._problem = (f'{self.path} ends early: a message cannot be read: '
                             f'{type(error).__name__}: {error}')
        if scan.session is None and not self.problem:
            raise RecordingError(f'{self.path} is no recording of fcos_ros; accepted: files that '
                                 '`fcos record` or the parameter recorder has written')


class _Scan:
    """The session, settings and image that apply to the next frame."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.events: tuple[RecordedEvent, ...] = ()
        self._settings: dict[str, Settings] = {}
        self._images: dict[str, bytes] = {}

    def read(self, message: Message) -> RecordedFrame | None:
        """Take the next message; return its frame if it has one."""
        schema, camera = message.topic.schema, camera_of(message)
        if schema == SESSION:
            self.session = read_session(message)
        elif schema == SETTINGS:
            self._settings[camera] = read_settings(message)
        elif schema == IMAGE:
            self._images[camera] = read_image(message)
        elif schema == LOG:
            self.events = (*self.events, read_event(message))
        elif schema == FRAME and self.session is not None:
            return read_frame(message, self.session, self._settings.get(camera, Settings()),
                              self._images.pop(camera, b''))
        return None


def find_recordings(paths: Iterable[Path]) -> list[Path]:
    """
    Return the recordings among files and in folders, without those in folders below them.

    :raises RecordingError: a path does not exist, or a folder has no recording.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob(f'*{SUFFIX}'))
            if not inside:
                raise RecordingError(f'{path} has no recording; accepted: a folder with '
                                     f'{SUFFIX} files')
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise RecordingError(f'{path} does not exist; accepted: a recording (*{SUFFIX}), or '
                                 'a folder with recordings')
    return found
