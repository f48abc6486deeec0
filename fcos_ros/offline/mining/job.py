# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the hard frames of a bag, and write them as pictures with pre-labels."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import tee
import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.image_file import FORMATS
from fcos_ros.core.labels import Labels
from fcos_ros.offline.bags.cameras import BagSource, ImageContext
from fcos_ros.offline.files import OutputError, write_file
from fcos_ros.offline.frames import SourceError, SourceFrame
from fcos_ros.offline.jobs import Advance, Detectors, JobReport
from fcos_ros.offline.mining.hardness import MIN_SCORE, CameraFacts, FrameFacts
from fcos_ros.offline.mining.selection import choose, is_duplicate, picture_hash
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.offline.runner import FrameResult, OfflineDetector
from fcos_ros.offline.tally import FrameTally
from fcos_ros.settings.criteria import ActiveCriteria, to_tracker_settings

IMAGES, PARTS = 'images', 'parts'
"""Folders of the pictures, and of the labels of each bag."""

JPEG_QUALITY = 95
"""Quality of pictures that were no image files; the network is trained with them."""


@dataclass(frozen=True)
class MineJob:
    """
    Find the hard frames of a bag; see `jobs.Job`.

    :ivar label: names the pictures and labels of the bag in the folder of results.
    :ivar second: with another model, to find where the two disagree.
    :ivar topics: see `choose_cameras`.
    :ivar count: maximum number of frames of each camera.
    :ivar even: whether intervals of time without a hard frame give a frame, too.
    """

    path: Path
    label: str
    folder: Path
    plan: DetectionPlan
    second: DetectionPlan | None = None
    topics: tuple[str, ...] = ()
    count: int = 100
    even: bool = False

    @property
    def name(self) -> str:
        """The path of the bag."""
        return str(self.path)

    @cached_property  # a bag or a video is opened for it
    def frames(self) -> int:
        """The number of images, as far as the bag states it; 0 if it cannot be read."""
        with suppress(SourceError):
            return self._source().count or 0
        return 0

    def inputs(self) -> Sequence[Path]:
        """Return the models and the bag."""
        second = self.second.files if self.second else ()
        return *self.plan.files, *second, self.path

    def run(self, detectors: Detectors, advance: Advance) -> JobReport:
        """
        Write the pictures of the hard frames, and their labels.

        :raises SourceError: the bag cannot be read, or has no such images.
        :raises OutputError: a file cannot be written.
        """
        detector = detectors.open(_with_low_thresholds(self.plan))
        other = detectors.open(self.second) if self.second else None
        source = self._source()
        tally = FrameTally()
        facts = self._facts(source, detector, other, tally, advance)
        chosen = [candidates for frames in facts.values()
                  for candidates in choose(frames, self.count, self.even)]
        labels = detector.info.labels
        files, images = self._write_pictures(chosen)
        part = self.folder / PARTS / f'{self.label}.json'
        write_file(part, json.dumps(images, ensure_ascii=False).encode())
        return JobReport((part, *files), {
            'frames': tally.frames, 'failed': tally.failed, 'errors': tally.errors,
            'chosen': len(images), 'labels': list(labels.names),
            'problems': list(source.problems)})

    def _source(self) -> BagSource:
        return BagSource(self.path, self.topics, self.plan.cameras)

    def _facts(self, source: BagSource, detector: OfflineDetector,
               other: OfflineDetector | None, tally: FrameTally, advance: Advance,
               ) -> Mapping[str, list[FrameFacts]]:
        """Return the facts about the frames of each camera, and count the frames."""
        collectors: dict[str, CameraFacts] = {}
        with closing(_run(detector, other, source.frames())) as results:
            for result, second in results:
                advance(1)
                frame = result.frame
                if result.detections is None or isinstance(frame.image, FrameError):
                    tally.add_failed(frame.name, result.error)
                    continue
                tally.add()
                if frame.camera not in collectors:
                    collectors[frame.camera] = self._collector(frame.camera, detector)
                context: ImageContext = frame.context
                theirs = second.detections if second else None
                collectors[frame.camera].add(
                    _number(frame), context.time, context.stamp, frame.image.size,
                    result.detections,
                    (theirs, other.info.labels) if other and theirs is not None else None)
        return {camera: list(collector.finish()) for camera, collector in collectors.items()}

    def _collector(self, camera: str, detector: OfflineDetector) -> CameraFacts:
        settings = self.plan.settings_of(camera)
        active = ActiveCriteria.of(settings, detector.info)
        return CameraFacts(camera, active.wanted, detector.info.labels,
                           to_tracker_settings(settings))

    def _write_pictures(self, chosen: Sequence[Sequence[FrameFacts]],
                        ) -> tuple[list[Path], list[dict[str, Any]]]:
        """Write the first picture of each interval that is no duplicate; return all entries."""
        hashes: list[int] = []
        files: list[Path] = []
        entries: list[dict[str, Any]] = []
        for candidates in self._read_again(chosen):
            for facts, frame in candidates:
                picture = _picture(frame)
                if picture is None or is_duplicate(picture.hash, hashes):
                    continue
                name = f'{IMAGES}/{self.label}/{facts.camera or "image"}_{facts.number}'
                files.append(self.folder / f'{name}{picture.suffix}')
                write_file(files[-1], picture.content)
                hashes.append(picture.hash)
                entries.append(_entry(f'{name}{picture.suffix}', frame, facts, picture.hash,
                                      self.name))
                break
        return files, entries

    def _read_again(self, chosen: Sequence[Sequence[FrameFacts]],
                    ) -> Iterator[list[tuple[FrameFacts, SourceFrame]]]:
        """Yield the candidates of each interval with their frames, when all of them were read."""
        waiting = {(facts.camera, facts.number): (interval, facts)
                   for interval, candidates in enumerate(chosen) for facts in candidates}
        read: list[list[tuple[FrameFacts, SourceFrame]]] = [[] for _ in chosen]
        for frame in self._source().frames():
            interval, facts = waiting.get((frame.camera, _number(frame)), (-1, None))
            if facts is None:
                continue
            read[interval].append((facts, frame))
            if len(read[interval]) == len(chosen[interval]):
                yield sorted(read[interval], key=lambda pair: -pair[0].hardness)
                read[interval] = []  # the frames hold megabytes


def write_labels(path: Path, parts: Sequence[Path], labels: Labels) -> tuple[int, int]:
    """
    Write the labels of several bags as one file in the form of COCO.

    :returns: the numbers of images, and of those left out as duplicates of other bags.
    :raises OutputError: it cannot be written.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    hashes: list[int] = []
    left_out = 0
    for part in parts:
        for entry in json.loads(part.read_text(encoding='utf-8')):
            number = int(entry.pop('hash'), 16)
            found = entry.pop('found')
            if is_duplicate(number, hashes):
                left_out += 1  # its file stays: the manifest of a cluster's run has it
                continue
            hashes.append(number)
            images.append({'id': len(images) + 1, **entry})
            annotations += [{'id': len(annotations) + position, 'image_id': len(images), **label}
                            for position, label in enumerate(found, 1)]
    categories = [{'id': index + 1, 'name': name} for index, name in enumerate(labels.names)]
    document = {'images': images, 'annotations': annotations, 'categories': categories}
    write_file(path, json.dumps(document, indent=1, ensure_ascii=False).encode())
    return len(images), left_out


def _run(detector: OfflineDetector, other: OfflineDetector | None,
         frames: Iterator[SourceFrame],
         ) -> Generator[tuple[FrameResult, FrameResult | None], None, None]:
    """Yield the results of one model or two for each frame."""
    if other is None:
        with closing(detector.run(frames)) as results:
            for result in results:
                yield result, None
        return
    first, second = tee(frames)
    with closing(detector.run(first)) as own, closing(other.run(second)) as theirs:
        yield from zip(own, theirs)


def _with_low_thresholds(plan: DetectionPlan) -> DetectionPlan:
    """Return a plan whose detections include objects that the settings do not accept."""
    return replace(plan, settings={
        camera: replace(settings, score_threshold=MIN_SCORE, class_thresholds=('',), track=False,
                        hypotheses=1)
        for camera, settings in plan.settings.items()})


def _number(frame: SourceFrame) -> int:
    return int(frame.name.rpartition(':')[2])


class _Picture(NamedTuple):
    """The content of a picture file, and the hash of the picture."""

    content: bytes
    suffix: str
    hash: int


def _picture(frame: SourceFrame) -> _Picture | None:
    """Return a frame as a picture; None if it is damaged."""
    image = frame.image
    if not isinstance(image, Frame):
        return None
    try:
        bgr = image.bgr()
    except FrameError:
        return None
    if image.encoding in FORMATS and not image.mosaic:
        return _Picture(image.planes[0].tobytes(), f'.{image.encoding}', picture_hash(bgr))
    encoded, file = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded:
        raise OutputError(f'{frame.name} cannot be written as a JPEG file; its size is '
                          f'{image.size}; accepted: sides up to 65500 pixels')
    return _Picture(file.tobytes(), '.jpg', picture_hash(bgr))


def _entry(name: str, frame: SourceFrame, facts: FrameFacts, number: int, bag: str,
           ) -> dict[str, Any]:
    """Return the entry of an image, with its labels."""
    boxes = facts.found.boxes.astype(float).tolist()
    found = [{'category_id': class_id + 1, 'bbox': [x1, y1, x2 - x1, y2 - y1],
              'area': (x2 - x1) * (y2 - y1), 'iscrowd': 0, 'score': round(score, 4)}
             for (x1, y1, x2, y2), score, class_id in zip(
                 boxes, facts.found.scores.tolist(), facts.found.class_ids.tolist())]
    return {'file_name': name, 'width': facts.size.width, 'height': facts.size.height,
            'bag': bag, 'frame': frame.name, 'stamp': frame.stamp, 'reasons': facts.reasons,
            'hash': f'{number:016x}', 'found': found}
