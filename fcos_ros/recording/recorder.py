# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The flight recorder of a running detector.

It never delays the detector: frames go through a bounded queue to a thread that writes them.
Frames that find the queue full are lost, and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Condition, Thread
from time import monotonic

from fcos_ros.core.frame import Frame
from fcos_ros.core.text import shorten
from fcos_ros.recording.mcap_file import require_mcap
from fcos_ros.recording.options import RecorderOptions
from fcos_ros.recording.sink import FLUSH_PERIOD, RecorderSink, SinkStatus
from fcos_ros.recording.small_image import small_jpeg
from fcos_ros.recording.values import RecordedFrame

MAX_QUEUE = 256
"""Frames that may wait: 8 s at 30 Hz, for a disk that is slow at times."""

MAX_IMAGES = 2
"""Frames that may wait with the image of the camera, which has megabytes."""


@dataclass(frozen=True)
class RecorderStatus:
    """
    The state of the recorder.

    :ivar mode: the value of the parameter `recorder`.
    :ivar lost: frames that were not recorded because the queue was full, or the disk.
    :ivar fault: why nothing can be recorded at present; '' if it can.
    """

    mode: str
    sink: SinkStatus
    lost: int
    fault: str


class FlightRecorder:
    """
    Record frames on a thread, from construction to `close`. Any thread may call any method.

    :raises RecordingError: `mcap` is missing, and the options ask for recordings.
    """

    def __init__(self, options: RecorderOptions) -> None:
        _check(options)
        self._options = options
        self._sink = RecorderSink(options)
        self._changed = Condition()
        self._tasks: deque[Callable[[], None]] = deque()
        self._frames = self._images = 0  # those that wait
        self._lost = 0
        self._error = ''
        self._due: dict[str, float] = {}
        self._closed = False
        self._thread = Thread(target=self._run, name='fcos-recorder', daemon=True)
        self._thread.start()

    @property
    def is_on(self) -> bool:
        """Whether frames are wanted."""
        return self._options.is_on

    @property
    def description(self) -> str:
        """The effect of a trigger, in words."""
        options = self._options
        if options.is_continuous:
            return f'all frames are recorded in {options.folder.path}'
        return (f'the last {options.before:g} s and the next {options.after:g} s are recorded in '
                f'{options.folder.path}')

    @property
    def status(self) -> RecorderStatus:
        """The present state."""
        sink = self._sink.status
        return RecorderStatus(
            self._options.mode, sink, sink.lost + self._lost, sink.fault or self._error)

    def apply(self, options: RecorderOptions) -> None:
        """
        Use other options from now on.

        :raises RecordingError: `mcap` is missing, and the options ask for recordings.
        """
        _check(options)
        if options == self._options:
            return
        self._options = options
        self._put(lambda: self._sink.apply(options))

    def record(self, frame: RecordedFrame, image: Frame | None = None) -> None:
        """
        Queue a frame; return at once.

        :param image: its image, if there is one. It is reduced and recorded if images are wanted.
        """
        with self._changed:
            if not self.is_on or self._closed:
                return
            if self._frames >= MAX_QUEUE:
                self._lost += 1
                return
            wanted = image if image is not None and self._wants_image(frame.camera) else None
            self._frames += 1
            self._images += wanted is not None
            self._put(lambda: self._take(frame, wanted))

    def trigger(self, reason: str) -> None:
        """Record the seconds before and after now."""
        self._put(lambda: self._sink.trigger(reason, monotonic()))

    def report_level(self, level: int) -> None:
        """Take the level of new diagnostics, which may be a trigger."""
        if self.is_on:
            self._put(lambda: self._sink.level(level, monotonic()))

    def close(self, timeout: float = 5.0) -> bool:
        """
        Write the frames that wait, and end the current file.

        :param timeout: seconds to wait.
        :returns: whether the file was ended in time.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _wants_image(self, camera: str) -> bool:
        """Return whether the next image of a camera is due, and its memory can be held."""
        options, now = self._options, monotonic()
        if not options.image_width or self._images >= MAX_IMAGES or now < self._due.get(camera, 0):
            return False
        self._due[camera] = now + (1 / options.image_rate if options.image_rate else 0)
        return True

    def _put(self, task: Callable[[], None]) -> None:
        with self._changed:
            self._tasks.append(task)
            self._changed.notify()

    def _take(self, frame: RecordedFrame, image: Frame | None) -> None:
        try:
            if image is not None:
                frame = replace(frame, image=small_jpeg(image, self._options.image_width))
        finally:
            with self._changed:
                self._frames -= 1
                self._images -= image is not None
        self._sink.frame(frame, monotonic())

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._tasks or self._closed, FLUSH_PERIOD)
                task = self._tasks.popleft() if self._tasks else None
                if task is None and self._closed:
                    break
            if task is not None:
                self._attempt(task)
            # Drop our reference before waiting again: a frame may hold megabytes of message.
            del task
            self._attempt(lambda: self._sink.tick(monotonic()))
        self._attempt(self._sink.close)

    def _attempt(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:  # noqa: BLE001 - one failure must not end the thread
            self._lost += 1
            self._error = shorten(f'{type(error).__name__}: {error}')


def _check(options: RecorderOptions) -> None:
    if options.is_on:
        require_mcap()
