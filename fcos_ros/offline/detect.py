# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detect objects in one source, and write the results."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cached_property
import os
from pathlib import Path, PurePath

from fcos_ros.core.annotate import Font, draw
from fcos_ros.core.arrays import Pixels
from fcos_ros.core.detections import Detections
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import Labels
from fcos_ros.core.zones import Zones
from fcos_ros.offline.files import open_output, output_errors, write_file
from fcos_ros.offline.frames import SourceFrame
from fcos_ros.offline.jobs import Advance, Detectors, JobInterrupted, JobReport
from fcos_ros.offline.ordered import ordered_map
from fcos_ros.offline.outputs.annotated import VIDEO_SUFFIX, VideoFile, encode_picture
from fcos_ros.offline.outputs.frame_lines import FrameLine
from fcos_ros.offline.outputs.per_frame import crops, yolo_labels
from fcos_ros.offline.pictures import Pictures
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.offline.runner import FrameResult
from fcos_ros.offline.tally import FrameTally
from fcos_ros.offline.video import Video
from fcos_ros.offline.window import WindowClosed, show
from fcos_ros.runtime.fonts import load_label_font
from fcos_ros.settings.schema import Settings

MAX_DRAWING_THREADS = 4
"""Threads that draw and write; more would wait for the GIL, and take cores from the workers."""


@dataclass(frozen=True)
class DetectOutputs:
    """
    The results that are written.

    :ivar folder: of all results.
    :ivar pictures: annotated pictures, and a video for each video.
    :ivar text: labels in the form of YOLO.
    :ivar scores: whether these labels have scores.
    :ivar crops: the objects, cut out.
    :ivar show: also show the annotated frames in a window.
    """

    folder: Path
    pictures: bool = True
    text: bool = False
    scores: bool = False
    crops: bool = False
    show: bool = False

    @property
    def draws(self) -> bool:
        """Whether annotated frames are needed."""
        return self.pictures or self.show

    def lines(self, source: Pictures | Video) -> Path:
        """Return the file with the lines of the frames of a source."""
        label = source.label if isinstance(source, Video) else source.pictures[0].label
        return self.folder / 'frames' / f'{PurePath(label).with_suffix("")}.jsonl'

    def picture(self, label: str) -> Path:
        """Return the annotated picture of a picture file."""
        return self.folder / 'pictures' / label

    def video(self, label: str) -> Path:
        """Return the annotated video of a video or a stream."""
        return (self.folder / 'videos' / label).with_suffix(VIDEO_SUFFIX)

    def labels(self, name: str) -> Path:
        """Return the labels of a frame."""
        return self.folder / 'labels' / f'{_stem(name)}.txt'

    def crop(self, name: str, class_folder: str, number: int) -> Path:
        """Return the file of an object that was cut out."""
        return self.folder / 'crops' / class_folder / f'{_stem(name)}_{number}.jpg'


@dataclass(frozen=True)
class DetectJob:
    """Detect objects in a source; see `jobs.Job`."""

    source: Pictures | Video
    plan: DetectionPlan
    outputs: DetectOutputs

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.source.name

    @cached_property  # a bag or a video is opened for it
    def frames(self) -> int:
        """The number of frames; 0 if it is unknown."""
        return self.source.count or 0

    def inputs(self) -> Sequence[Path]:
        """Return the model and the files of the source."""
        if isinstance(self.source, Video):
            return *self.plan.files, Path(self.source.address)
        return *self.plan.files, *(picture.path for picture in self.source.pictures)

    def run(self, detectors: Detectors, advance: Advance) -> JobReport:
        """
        Write the results of all frames; after an interrupt, those of the frames so far.

        :raises SourceError: the source cannot be opened.
        :raises OutputError: a result cannot be written.
        """
        detector = detectors.open(self.plan)
        active, labels = detector.criteria(), detector.info.labels
        font, warning = load_label_font(labels) if self.outputs.draws else (None, '')
        writer = _FrameWriter(self.outputs, labels, active.settings, active.decoded.zones,
                              isinstance(self.source, Video), font)
        tally = _Tally()

        def report() -> JobReport:
            files = (self.outputs.lines(self.source), *tally.outputs, *self._videos(tally))
            return JobReport(files, {**tally.summary(), 'warning': warning,
                                     'labels': list(labels.names)})
        try:
            self._write_frames(detector.run(self.source.frames()), writer, tally, advance)
        except WindowClosed:
            pass  # the results so far are complete
        except KeyboardInterrupt:
            raise JobInterrupted(report()) from None
        return report()

    def _write_frames(self, results: Generator[FrameResult, None, None], writer: _FrameWriter,
                      tally: _Tally, advance: Advance) -> None:
        path, threads = self.outputs.lines(self.source), _drawing_threads()
        with ExitStack() as stack:
            lines = stack.enter_context(open_output(path))
            video = self._video(stack)
            stack.enter_context(closing(results))
            frames = stack.enter_context(closing(
                ordered_map(writer.write, results, threads, 2 * threads)))
            for frame in frames:
                with output_errors(path):
                    lines.write(frame.line.text())
                tally.add_written(frame)
                if video and frame.drawn is not None:
                    video.write(frame.drawn, frame.rate)
                advance(1)
                if self.outputs.show and frame.drawn is not None:
                    show(frame.drawn)

    def _video(self, stack: ExitStack) -> VideoFile | None:
        """Open the annotated video of a video."""
        if not isinstance(self.source, Video) or not self.outputs.pictures:
            return None
        return stack.enter_context(VideoFile(self.outputs.video(self.source.label)))

    def _videos(self, tally: _Tally) -> tuple[Path, ...]:
        """Return the annotated video, if one was written."""
        if not isinstance(self.source, Video) or not self.outputs.pictures:
            return ()
        return (self.outputs.video(self.source.label),) if tally.frames > tally.failed else ()


@dataclass(frozen=True, eq=False)
class _WrittenFrame:
    """
    The line of a frame, and the files that were written for it.

    :ivar drawn: the annotated frame, if it is needed.
    :ivar rate: frames a second of its video.
    """

    line: FrameLine
    outputs: tuple[Path, ...] = ()
    drawn: Pixels | None = None
    rate: float = 0.0


@dataclass(frozen=True)
class _FrameWriter:
    """
    Writes the files of single frames; several threads may call `write`.

    :ivar is_video: whether annotated frames become a video.
    """

    outputs: DetectOutputs
    labels: Labels
    settings: Settings
    zones: Zones
    is_video: bool
    font: Font | None = None

    def write(self, result: FrameResult) -> _WrittenFrame:
        """Write the files of a frame. A frame whose image turns out to be damaged has failed."""
        source, image = result.frame, result.frame.image
        if result.detections is None or isinstance(image, FrameError):
            error = result.error or RuntimeError('there is no result')
            return _WrittenFrame(FrameLine.failed(source, error))
        try:
            return self._write(source, image, result.detections)
        except FrameError as error:
            return _WrittenFrame(FrameLine.failed(source, error))

    def _write(self, source: SourceFrame, image: Frame, found: Detections) -> _WrittenFrame:
        files: dict[Path, bytes] = {}
        drawn = None
        if self.outputs.draws:
            drawn = draw(image, found, self.labels, self.settings.annotated_width, self.zones,
                         self.font)
        if drawn is not None and self.outputs.pictures and not self.is_video:
            files[self.outputs.picture(source.name)] = encode_picture(
                drawn, PurePath(source.name).suffix, self.settings.jpeg_quality)
        if self.outputs.text:
            text = yolo_labels(found, image.size, self.outputs.scores)
            files[self.outputs.labels(source.name)] = text.encode()
        if self.outputs.crops and len(found):
            for number, (folder, content) in enumerate(crops(image.bgr(), found, self.labels)):
                files[self.outputs.crop(source.name, folder, number)] = content
        for path, content in files.items():
            write_file(path, content)
        line = FrameLine.of(source, found, self.labels, image.size)
        return _WrittenFrame(line, tuple(files), drawn, source.context or 0.0)


@dataclass
class _Tally(FrameTally):
    """
    Also collects the files of single frames.

    :ivar outputs: the paths of these files.
    """

    outputs: list[Path] = field(default_factory=list)

    def add_written(self, frame: _WrittenFrame) -> None:
        """Count a frame, and add its files."""
        self.outputs += frame.outputs
        if frame.line.error:
            self.add_failed(frame.line.name, frame.line.error)
        else:
            self.add(found['class'] for found in frame.line.detections)


def _stem(name: str) -> str:
    """Return the name of a frame without the suffix of its file; `a/x.mp4:12` is `a/x_12`."""
    file, colon, number = name.rpartition(':')
    if not colon:
        return str(PurePath(name).with_suffix(''))
    return f'{PurePath(file).with_suffix("")}_{number}'


def _drawing_threads() -> int:
    return max(1, min(MAX_DRAWING_THREADS, len(os.sched_getaffinity(0)) - 1))
