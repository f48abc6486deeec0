# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write frames to a recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fcos_ros.recording.format import (
    event_message,
    frame_message,
    image_message,
    session_message,
    settings_message,
)
from fcos_ros.recording.mcap_file import McapWriter, Message
from fcos_ros.recording.schemas import SCHEMAS
from fcos_ros.recording.values import (
    SUFFIX,
    RecordedEvent,
    RecordedFrame,
    RecordingError,
    Session,
)
from fcos_ros.settings.schema import Settings


class Entry(NamedTuple):
    """
    A frame as it is written.

    :ivar arrived: in nanoseconds of UTC.
    :ivar messages: its image, if there is one, and the frame.
    """

    session: Session
    settings: Settings
    camera: str
    arrived: int
    messages: Sequence[Message]

    @classmethod
    def of(cls, frame: RecordedFrame) -> Entry:
        """Convert a frame."""
        image = [image_message(frame)] if frame.image else []
        return cls(frame.session, frame.settings, frame.camera, frame.arrived,
                   [*image, frame_message(frame)])

    @property
    def size(self) -> int:
        """Bytes of the messages."""
        return sum(len(message.data) for message in self.messages)


class RecordingWriter:
    """
    A new recording. It can be read while it is written, as far as it was flushed.

    The session and the settings of a camera precede the first frame to which they apply, so each
    file can be read without the others.

    :raises RecordingError: `mcap` is missing.
    :raises OSError: the file exists, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frames = 0
        self._file = McapWriter(path, SCHEMAS)
        self._session: Session | None = None
        self._settings: dict[str, Settings] = {}

    @property
    def size(self) -> int:
        """Bytes of the file, up to the last flush."""
        return self._file.size

    def write(self, entry: Entry) -> None:
        """Add a frame; raise OSError if the disk is full or failed."""
        if entry.session != self._session:
            self._session = entry.session
            self._file.write(session_message(entry.session, entry.arrived))
        # Comparing identities first is fast: settings are replaced when they change.
        known = self._settings.get(entry.camera)
        if entry.settings is not known:
            self._settings[entry.camera] = entry.settings
            if entry.settings != known:
                self._file.write(settings_message(entry.settings, entry.camera, entry.arrived))
        for message in entry.messages:
            self._file.write(message)
        self.frames += 1

    def remark(self, event: RecordedEvent) -> None:
        """Add a remark; raise OSError if the disk is full or failed."""
        self._file.write(event_message(event))

    def flush(self) -> None:
        """Hand all data over to the system; raise OSError if the disk is full or failed."""
        self._file.flush()

    def close(self) -> None:
        """Write the index and close the file; raise OSError if the disk is full or failed."""
        self._file.close()

    def abandon(self) -> None:
        """Close the file without an index; what was flushed can be read."""
        self._file.abandon()


@contextmanager
def new_recording(path: Path) -> Iterator[RecordingWriter]:
    """
    Write a recording that a user has named; at the end of the block, it is complete.

    An error in the block leaves the frames so far, which can be read.

    :raises RecordingError: the file exists or cannot be written, or its name is not accepted.
    """
    if path.suffix != SUFFIX:
        raise RecordingError(f'the recording is {path}; accepted: a name that ends in {SUFFIX}')
    try:
        writer = RecordingWriter(path)
        try:
            yield writer
        finally:
            writer.close()
    except FileExistsError:
        raise RecordingError(f'{path} exists; accepted: a new file; delete it, or give another '
                             'name') from None
    except OSError as error:
        raise RecordingError(f'{path} cannot be written: {error.strerror}; free disk space, or '
                             'give another path') from error
