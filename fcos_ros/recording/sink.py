# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Decide which frames are written, and write them: all of them, or those around an event.

One thread at a time may use a sink. Its times are those of `time.monotonic`, in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
import time

from fcos_ros.core.text import shorten
from fcos_ros.recording.options import RecorderOptions
from fcos_ros.recording.ring import RingBuffer
from fcos_ros.recording.triggers import TriggerChecker
from fcos_ros.recording.values import INFO, RecordedEvent, RecordedFrame, RecordingError
from fcos_ros.recording.writer import Entry, RecordingWriter

FLUSH_PERIOD = 1.0
"""Seconds of frames that a killed process may lose."""

RETRY_PERIOD = 10.0
"""Seconds after which recording is tried again when the disk was full or failed."""


@dataclass(frozen=True)
class SinkStatus:
    """
    The state of a sink.

    :ivar path: the newest file; None before the first one.
    :ivar is_recording: whether a file is being written.
    :ivar frames: number of frames that were written, to all files.
    :ivar lost: number of frames that should have been written and were not.
    :ivar fault: why nothing can be recorded at present; '' if it can.
    :ivar event: the last event that started a recording; '' if there was none.
    """

    path: Path | None = None
    is_recording: bool = False
    frames: int = 0
    lost: int = 0
    fault: str = ''
    event: str = ''


class RecorderSink:
    """
    Write frames to the files of a folder; `close` ends the current file.

    A disk that is full or fails is no error: frames are lost, and it is tried again later.
    """

    def __init__(self, options: RecorderOptions) -> None:
        self._options = options
        self._checker = TriggerChecker(options.triggers)
        self._ring = RingBuffer(options.before)
        self._file: RecordingWriter | None = None
        self._is_safe = False  # whether the file has content that was flushed
        self._until = self._retry = self._due = 0.0
        self._path: Path | None = None
        self._frames = self._lost = 0
        self._fault = self._event = ''

    @property
    def status(self) -> SinkStatus:
        """The present state."""
        return SinkStatus(self._path, self._file is not None, self._frames, self._lost,
                          self._fault, self._event)

    def apply(self, options: RecorderOptions) -> None:
        """Use other options from now on. The current file ends."""
        self.close()
        self._options = options
        self._checker = TriggerChecker(options.triggers)
        self._ring.seconds = options.before
        self._until = self._retry = self._due = 0.0
        self._fault = ''
        if options.is_continuous or not options.is_on:
            self._ring.clear()

    def frame(self, frame: RecordedFrame, now: float) -> None:
        """Take a frame."""
        entry = Entry.of(frame)
        if not self._options.is_continuous:
            reason = self._checker.frame_reason(frame)
            if reason:
                self.trigger(reason, now)
            if now >= self._until:
                self._ring.add(entry, now)
                return
        self._write(entry, now)

    def level(self, level: int, now: float) -> None:
        """Take the level of new diagnostics."""
        reason = self._checker.level_reason(level)
        if reason:
            self.trigger(reason, now)

    def trigger(self, reason: str, now: float) -> None:
        """Record the seconds before and after now; if all is recorded, add a remark only."""
        kinds = [text.partition(' ')[0] for text in (reason, self._event)]
        is_news = now >= self._until or kinds[0] != kinds[1]
        self._event, self._until = reason, now + self._options.after
        if is_news:
            event = RecordedEvent(time.time_ns(), INFO, f'recorded because of: {reason}')
            self._put(lambda file: file.remark(event), now)
        for entry in self._ring.take(now):
            self._write(entry, now)

    def tick(self, now: float) -> None:
        """Flush the current file, and end it if its time is over; call it once a second."""
        if now < self._due:
            return
        self._due = now + FLUSH_PERIOD
        if self._file is not None and not self._options.is_continuous and now >= self._until:
            self.close()
        elif self._file is not None:
            self._attempt(self._flush, now)
        elif self._options.is_on and now >= self._retry and self._attempt(self._check, now):
            self._fault, self._retry = '', now + RETRY_PERIOD

    def close(self) -> None:
        """End the current file."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError as error:
            self._fault = _text(error)
            if not self._is_safe:  # it cannot be read
                with suppress(OSError):
                    file.path.unlink()

    def _write(self, entry: Entry, now: float) -> None:
        if self._put(lambda file: file.write(entry), now):
            self._frames += 1
        else:
            self._lost += 1

    def _put(self, write: Callable[[RecordingWriter], None], now: float) -> bool:
        """Write to the current file or to a new one; return whether that was possible."""
        def attempt() -> None:
            file = self._file or self._open()
            write(file)
            if file.size >= self._options.file_size:
                self.close()

        is_possible = self._file is not None or not self._fault or now >= self._retry
        return is_possible and self._attempt(attempt, now)

    def _attempt(self, action: Callable[[], None], now: float) -> bool:
        """Return whether an action succeeded; if not, end the file, and note the reason."""
        try:
            action()
        except (OSError, RecordingError) as error:
            self.close()
            self._fault, self._retry = _text(error), now + RETRY_PERIOD
            return False
        return True

    def _open(self) -> RecordingWriter:
        self._path = self._options.folder.new_file()
        self._file, self._is_safe = RecordingWriter(self._path), False
        return self._file

    def _flush(self) -> None:
        assert self._file is not None
        self._file.flush()
        self._is_safe, self._fault = True, ''
        self._check()

    def _check(self) -> None:
        self._options.folder.check()


def _text(error: Exception) -> str:
    if isinstance(error, OSError):
        place = f'{error.filename}: ' if error.filename else ''
        return shorten(f'cannot write recordings: {place}{error.strerror or error}; free disk '
                       'space, or set recorder_folder to a folder that can be written')
    return shorten(str(error))
