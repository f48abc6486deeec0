# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images of a bag, labelled by a topic with the true objects."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fcos_ros.core.detections import Detections
from fcos_ros.evaluation.truth import Truth
from fcos_ros.offline.bags.cameras import BagSource, choose_cameras
from fcos_ros.offline.bags.reader import Bag
from fcos_ros.offline.bags.types import TypesError
from fcos_ros.offline.frames import SourceError, SourceFrame

TRUTH_TYPE = 'vision_msgs/msg/Detection2DArray'


@dataclass(frozen=True, eq=False)
class LabelledBag:
    """
    The images that have a message with true objects of the same stamp.

    :ivar class_names: as the messages name them; decimal numbers are class indices of the model.
    :ivar truths: by the stamp in nanoseconds.
    :ivar problems: a sentence for each part that cannot be read.
    """

    path: Path
    image_topic: str
    class_names: tuple[str, ...]
    truths: Mapping[int, Truth]
    problems: Sequence[str]

    @classmethod
    def open(cls, path: Path, truth_topic: str = '', image_topic: str = '') -> LabelledBag:
        """
        Read the true objects.

        :param truth_topic: '' if the bag has a single topic of this type.
        :param image_topic: '' if the bag has a single camera.
        :raises SourceError: the bag cannot be read, or a topic is missing or not unique.
        """
        with Bag(path) as bag:
            topic = _truth_topic(bag, truth_topic)
            cameras = choose_cameras(bag, (image_topic,) if image_topic else ())
            if len(cameras) > 1:
                topics = ', '.join(camera.name for camera in cameras.values())
                raise SourceError(f'{path} has several cameras: {topics}; choose: '
                                  '--image-topic TOPIC')
            found: dict[int, Any] = {}
            problems: list[str] = []
            for message in bag.messages((topic,)):
                try:
                    array = bag.deserialise(message)
                except TypesError as error:
                    problems.append(f'{topic.name}: {error}')
                    continue
                found[array.header.stamp.sec * 10**9 + array.header.stamp.nanosec] = array
            problems += bag.problems
        names = sorted({name for array in found.values() for name in _class_texts(array)})
        if not names:
            raise SourceError(f'{path} has no objects on {topic.name}; accepted: '
                              'vision_msgs/Detection2DArray with the true objects')
        ids = {name: index for index, name in enumerate(names)}
        camera, = cameras.values()
        return cls(path, camera.name, tuple(names),
                   {stamp: _truth(array, ids) for stamp, array in found.items()}, problems)

    @property
    def name(self) -> str:
        """The path of the bag."""
        return str(self.path)

    @property
    def count(self) -> int:
        """The number of messages with true objects."""
        return len(self.truths)

    def spread(self, count: int) -> LabelledBag:
        """Return the bag with at most so many of its images, spread over all."""
        stamps = sorted(self.truths)
        chosen = {stamps[int(index)] for index in np.linspace(
            0, len(stamps) - 1, min(len(stamps), count))}
        return replace(self, truths={stamp: self.truths[stamp] for stamp in chosen})

    def frames(self, only: Collection[str] | None = None) -> Iterator[SourceFrame]:
        """Yield the labelled images; see `LabelledSource`."""
        for frame in BagSource(self.path, (self.image_topic,)).frames():
            truth = self.truths.get(frame.stamp)
            if truth is not None and (only is None or frame.name in only):
                yield replace(frame, context=truth)


def _truth_topic(bag: Bag, wanted: str) -> Any:
    known = [topic for topic in bag.topics if topic.type_name == TRUTH_TYPE]
    chosen = [topic for topic in known if wanted in ('', topic.name)]
    if len(chosen) != 1:
        names = ', '.join(topic.name for topic in known) or 'none'
        raise SourceError(f'{bag.path} has {len(chosen)} topics with true objects'
                          f'{f" named {wanted}" if wanted else ""}; accepted: one of type '
                          f'{TRUTH_TYPE}; choose: --truth TOPIC; there are: {names}')
    return chosen[0]


def _class_texts(array: Any) -> Iterator[str]:
    for detection in array.detections:
        if len(detection.results):
            yield str(detection.results[0].hypothesis.class_id)


def _truth(array: Any, ids: Mapping[str, int]) -> Truth:
    known = [detection for detection in array.detections if len(detection.results)]
    boxes = np.array([_corners(detection.bbox) for detection in known], np.float32)
    return Truth(Detections(
        boxes.reshape(-1, 4), np.ones(len(known), np.float32),
        np.array([ids[text] for text in _class_texts(array)], np.int32)), Detections.empty())


def _corners(box: Any) -> tuple[float, float, float, float]:
    x, y = box.center.position.x, box.center.position.y
    return (x - box.size_x / 2, y - box.size_y / 2, x + box.size_x / 2, y + box.size_y / 2)
