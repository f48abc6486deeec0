# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the detector on a bag, and write a bag with its messages and the detections."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fcos_ros.offline.bags.cameras import BagSource, choose_cameras, read_frame
from fcos_ros.offline.bags.outputs import DetectionMessages, OutputMessage
from fcos_ros.offline.bags.reader import Bag, BagMessage, Topic
from fcos_ros.offline.bags.writer import BagWriter
from fcos_ros.offline.frames import SourceError, SourceFrame
from fcos_ros.offline.jobs import Advance, Detectors, JobInterrupted, JobReport
from fcos_ros.offline.ordered import ordered_map
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.offline.runner import FrameResult
from fcos_ros.offline.tally import FrameTally

Detect = Callable[[Iterable[SourceFrame]], Generator[FrameResult, None, None]]
"""Yields the result of each frame, in order."""

CONVERTED_AHEAD = 4
"""Frames whose results are converted to messages ahead of the writing."""


@dataclass(frozen=True)
class BagJob:
    """
    Detect objects in the images of a bag; see `jobs.Job`.

    :ivar topics: see `choose_cameras`.
    :ivar output: the folder of the new bag.
    :ivar storage: one of `writer.STORAGES`.
    :ivar annotated: whether images with the detections drawn on them are written.
    :ivar images: whether the original images are written.
    :ivar overwrite: whether a bag at `output` is replaced; the result does not depend on it.
    """

    path: Path
    output: Path
    plan: DetectionPlan
    topics: tuple[str, ...] = ()
    storage: str = 'mcap'
    annotated: bool = False
    images: bool = True
    overwrite: bool = field(default=False, repr=False)

    @property
    def name(self) -> str:
        """The path of the bag."""
        return str(self.path)

    @cached_property  # a bag or a video is opened for it
    def frames(self) -> int:
        """The number of images, as far as the bag states it; 0 if it cannot be read."""
        with suppress(SourceError):
            return BagSource(self.path, self.topics, self.plan.cameras).count or 0
        return 0

    def inputs(self) -> Sequence[Path]:
        """Return the model and the bag."""
        return *self.plan.files, self.path

    def run(self, detectors: Detectors, advance: Advance) -> JobReport:
        """
        Write the new bag; after an interrupt, up to the last frame with a result.

        :raises SourceError: the bag cannot be read, or has no such images.
        :raises OutputError: the new bag cannot be written.
        """
        detector = detectors.open(self.plan)
        tally = FrameTally()
        with Bag(self.path) as bag:
            cameras = choose_cameras(bag, self.topics, self.plan.cameras)
            messages = DetectionMessages(detector, cameras, self.annotated)
            copied = self._copied(bag, cameras, messages)
            try:
                with BagWriter(self.output, self.storage, self.overwrite) as writer:
                    for topic in (*copied, *messages.topics):
                        writer.add(topic)
                    run = _Run(bag, cameras, copied, messages, writer, tally)
                    run.write(detector.run, advance)
            except KeyboardInterrupt:
                raise JobInterrupted(self._report(bag, messages, tally)) from None
            return self._report(bag, messages, tally)

    def _copied(self, bag: Bag, cameras: Mapping[str, Topic], messages: DetectionMessages,
                ) -> tuple[Topic, ...]:
        """Return the topics whose messages are copied."""
        written = {topic.name for topic in messages.topics}
        images = set() if self.images else set(cameras.values())
        return tuple(topic for topic in bag.topics
                     if topic.name not in written and topic not in images)

    def _report(self, bag: Bag, messages: DetectionMessages, tally: FrameTally) -> JobReport:
        files = sorted(self.output.iterdir()) if self.output.is_dir() else []
        written = {topic.name for topic in messages.topics}
        return JobReport(tuple(files), {
            **tally.summary(), 'problems': list(bag.problems), 'warning': messages.warning,
            'replaced': sorted({topic.name for topic in bag.topics} & written),
            'output': str(self.output)})


class _Run:
    """
    Copies the messages of a bag, and writes those of each frame after its image.

    The order of the bag is kept: messages that follow an image wait for its detections.
    """

    def __init__(self, bag: Bag, cameras: Mapping[str, Topic], copied: tuple[Topic, ...],
                 messages: DetectionMessages, writer: BagWriter, tally: FrameTally) -> None:
        self._bag, self._copied, self._messages = bag, copied, messages
        self._writer, self._tally = writer, tally
        self._cameras = {topic: camera for camera, topic in cameras.items()}
        self._waiting: deque[tuple[BagMessage, SourceFrame | None]] = deque()

    def write(self, detect: Detect, advance: Advance) -> None:
        """Write the new bag."""
        with closing(detect(self._frames())) as results:
            converted = ordered_map(self._convert, results, 1, CONVERTED_AHEAD)
            with closing(converted):
                for result, messages in converted:
                    self._write_until(result.frame)
                    self._write_all(messages)
                    self._count(result)
                    advance(1)
        self._write_until(None)

    def _frames(self) -> Iterator[SourceFrame]:
        """Yield the frames of all cameras; keep all messages for `_write_until`."""
        numbers = dict.fromkeys(self._cameras, 0)
        wanted = {*self._copied, *self._cameras}
        for position, message in enumerate(self._bag.messages(wanted)):
            if position == 0:
                self._write_all(self._messages.descriptions(message.time))
            camera = self._cameras.get(message.topic)
            frame = None
            if camera is not None:
                frame = read_frame(self._bag, message, camera, numbers[message.topic])
                numbers[message.topic] += 1
            self._waiting.append((message, frame))
            if frame is not None:
                yield frame
            elif len(self._waiting) == 1:  # no frame is in work
                self._write_until(None)

    def _write_until(self, frame: SourceFrame | None) -> None:
        """Copy the waiting messages up to an image; all of them without one."""
        while self._waiting:
            message, waiting = self._waiting.popleft()
            if message.topic in self._copied:
                self._writer.write(*message)
            if frame is not None and waiting is frame:
                return

    def _write_all(self, messages: Iterable[OutputMessage]) -> None:
        for message in messages:
            self._writer.write(*message)

    def _count(self, result: FrameResult) -> None:
        if result.detections is None:
            self._tally.add_failed(result.frame.name, result.error)
        else:
            self._tally.add(self._messages.class_names(result.detections))

    def _convert(self, result: FrameResult) -> tuple[FrameResult, Sequence[OutputMessage]]:
        return result, self._messages.of_frame(result)
