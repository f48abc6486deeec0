# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The cameras of a bag: their topics, their names, and their frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
import re
from typing import Any, NamedTuple

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.messages.images import SOURCES, check_frame_id
from fcos_ros.offline.bags.reader import Bag, BagMessage, Topic
from fcos_ros.offline.bags.types import TypesError
from fcos_ros.offline.frames import SourceError, SourceFrame

COMPRESSED = '/compressed'
"""The end of the name of a topic with the compressed images of another."""

ANNOTATED = 'annotated_image'
"""The part of the name of a topic on which a detector publishes the camera's image again."""

DEPTH = re.compile('depth', re.IGNORECASE)
"""Found in the names of topics with distances; they have the types and encodings of images."""

GENERIC_NAMES = frozenset({'image', 'image_raw', 'image_color', 'image_mono', 'image_rect',
                           'image_rect_color', 'compressed', 'hbmem_img', 'color', 'rgb'})
"""Parts of the names of topics that do not tell cameras apart."""

ASSIGNED = ':='
"""Between the name of a camera and its topic, as in the remapping of ROS 2."""


class ImageContext(NamedTuple):
    """
    The header of an image, and when it was recorded.

    :ivar time: in nanoseconds.
    """

    time: int
    seconds: int
    nanoseconds: int
    frame_id: str

    @property
    def stamp(self) -> int:
        """The header's stamp in nanoseconds; the time of recording if it was never set."""
        return self.seconds * 10**9 + self.nanoseconds or self.time


def choose_cameras(bag: Bag, wanted: Sequence[str] = (), names: Sequence[str] = (),
                   ) -> Mapping[str, Topic]:
    """
    Return the topic of each camera, by the name of the camera; a single one has the name ''.

    Without a choice of the user, these topics are left out: compressed images beside the same raw
    images, distances, and images with drawn detections.

    :param wanted: topics, or NAME:=TOPIC.
    :param names: of the cameras in the settings; () if they name none.
    :raises SourceError: a topic is missing, has no images, or cannot be assigned to a camera.
    """
    known = {topic.name: topic for topic in bag.topics if topic.type_name in SOURCES}
    if not known:
        raise SourceError(f'{bag.path} has no images; accepted: {", ".join(SOURCES)}; its topics '
                          f'are {", ".join(topic.name for topic in bag.topics) or "none"}')
    if wanted:
        return _wanted_cameras(bag, known, wanted)
    usual = [name for name in known if _is_usual(name, known)] or list(known)
    if names:
        return {name: known[_topic_of(name, usual, bag.path)] for name in names}
    return dict(zip(camera_names(usual), (known[name] for name in usual)))


def camera_names(topics: Sequence[str]) -> list[str]:
    """Return a name for the camera of each topic: letters, digits and _; '' for a single one."""
    if len(topics) == 1:
        return ['']
    short = [_join(part for part in topic.split('/') if part not in GENERIC_NAMES)
             for topic in topics]
    if len(set(short)) < len(short) or '' in short:
        short = [_join(topic.split('/')) for topic in topics]
    return short


def read_frame(bag: Bag, message: BagMessage, camera: str, number: int) -> SourceFrame:
    """
    Return the image in a message, or the reason why it is damaged.

    :param number: of the image on its topic, from 0.
    """
    name = f'{message.topic.name}:{number}'
    source = SOURCES[message.topic.type_name]
    context = ImageContext(message.time, 0, 0, '')
    image: Frame | FrameError
    try:
        fields = bag.deserialise(message)
        stamp = source.stamp(fields)
        context = ImageContext(message.time, int(stamp.sec), int(stamp.nanosec),
                               source.frame_id(fields))
        check_frame_id(context.frame_id)
        image = source.read(fields)
    except TypesError as error:
        image = FrameError(str(error), 'damaged')
    except FrameError as error:
        image = error
    return SourceFrame(name, context.stamp, image, camera, context)


class BagSource:
    """
    The frames of some cameras of a bag; see `frames.Source`.

    :ivar problems: a sentence for each part of the bag that could not be read.
    :param topics: see `choose_cameras`; likewise `names`.
    """

    def __init__(self, path: Path, topics: Sequence[str] = (), names: Sequence[str] = ()) -> None:
        self.name = str(path)
        self.problems: Sequence[str] = ()
        self._path, self._topics, self._names = path, topics, names

    @property
    def count(self) -> int | None:
        """The number of frames, as far as the bag states it."""
        with Bag(self._path) as bag:
            cameras = choose_cameras(bag, self._topics, self._names)
            return sum(topic.count for topic in cameras.values())

    def frames(self) -> Iterator[SourceFrame]:
        """
        Yield the frames of all cameras in the order of the bag.

        :raises SourceError: the bag cannot be read, or has no such images.
        """
        with Bag(self._path) as bag:
            cameras = choose_cameras(bag, self._topics, self._names)
            by_topic = {topic: camera for camera, topic in cameras.items()}
            numbers = dict.fromkeys(by_topic, 0)
            for message in bag.messages(tuple(by_topic)):
                yield read_frame(bag, message, by_topic[message.topic], numbers[message.topic])
                numbers[message.topic] += 1
            self.problems = tuple(bag.problems)


def _wanted_cameras(bag: Bag, known: Mapping[str, Topic], wanted: Sequence[str],
                    ) -> Mapping[str, Topic]:
    pairs = [entry.rpartition(ASSIGNED)[::2] for entry in wanted]
    for _, topic in pairs:
        if topic not in known:
            raise SourceError(f'{bag.path} has no images on {topic}; accepted: '
                              f'{", ".join(known)}')
    names = [name or default
             for (name, _), default in zip(pairs, camera_names([topic for _, topic in pairs]))]
    for name in names:
        if len(names) > 1 and not re.fullmatch('[A-Za-z][A-Za-z0-9_]*', name):
            raise SourceError(f'the name of a camera is {name!r}; accepted: letters, digits and '
                              '_, beginning with a letter')
    if len(set(names)) < len(names):
        raise SourceError(f'two cameras have the same name: {", ".join(names)}; accepted: a '
                          'different NAME:=TOPIC for each')
    return {name: known[topic] for name, (_, topic) in zip(names, pairs)}


def _is_usual(name: str, known: Mapping[str, Any]) -> bool:
    parts = name.split('/')
    is_second = name.endswith(COMPRESSED) and name[:-len(COMPRESSED)] in known
    return not is_second and ANNOTATED not in parts and not DEPTH.search(name)


def _topic_of(camera: str, topics: Sequence[str], path: Path) -> str:
    """Return the topic of a camera that the settings name."""
    found = [topic for topic in topics if camera in topic.split('/')]
    if len(found) != 1:
        raise SourceError(f'{path} has {len(found)} topics of images for the camera {camera}; '
                          f'accepted: one with {camera} in its name; its topics are '
                          f'{", ".join(topics)}; choose: --topics {camera}:=TOPIC')
    return found[0]


def _join(parts: Any) -> str:
    """Return a name of letters, digits and _ that begins with a letter."""
    name = re.sub(r'\W', '_', '_'.join(part for part in parts if part), flags=re.ASCII)
    return name if not name or name[0].isalpha() else f'camera_{name.strip("_")}'
