# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the history of nodes from a bag, such as the output of `fcos bag`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.offline.bags.cameras import BagSource
from fcos_ros.offline.bags.reader import Bag
from fcos_ros.offline.bags.types import TypesError
from fcos_ros.offline.frames import SourceError
from fcos_ros.report.history import FrameRecord, NodeHistory, worst_frames
from fcos_ros.report.message_history import DETECTIONS, TYPES, MessageHistory
from fcos_ros.report.picture import small_jpeg

Worst = Sequence[tuple[str, FrameRecord]]


def bag_history(
    path: Path, node: str, pictures: int, advance: Callable[[int], object],
) -> NodeHistory:
    """
    Return the history that a bag holds.

    :param node: full name of the only wanted node; '' for all.
    :param pictures: maximum number of worst frames.
    :param advance: called with the number of messages that were read.
    :raises SourceError: the bag cannot be read, or has no detections.
    """
    messages = MessageHistory(node)
    with Bag(path) as bag:
        wanted = [topic for topic in bag.topics if topic.type_name in TYPES]
        if not any(topic.type_name == DETECTIONS for topic in wanted):
            raise SourceError(
                f'{path} has no detections; accepted: a bag with vision_msgs/Detection2DArray, '
                f'such as the output of fcos bag; its topics are '
                f'{", ".join(topic.name for topic in bag.topics) or "none"}')
        damaged = 0
        for message in bag.messages(wanted):
            try:
                messages.add(message.topic.name, message.topic.type_name, message.time / 1e9,
                             bag.deserialise(message))
            except TypesError:
                damaged += 1
            advance(1)
        remarks = list(bag.problems)
    if damaged:
        remarks.append(f'{damaged} messages cannot be read')
    history = messages.history(str(path), remarks=tuple(remarks))
    worst = worst_frames(history.frames, pictures)
    return replace(history, worst=_with_images(path, worst))


def bag_messages(path: Path) -> int:
    """Return the number of messages that `bag_history` reads, as far as the bag states it."""
    with Bag(path) as bag:
        return sum(topic.count for topic in bag.topics if topic.type_name in TYPES)


def _with_images(path: Path, worst: Worst) -> Worst:
    """Return frames with the images of the bag that have their stamps."""
    stamps = {frame.stamp for _, frame in worst}
    images: dict[int, Frame] = {}
    try:
        for found in BagSource(path).frames():
            if found.stamp in stamps and isinstance(found.image, Frame):
                images[found.stamp] = found.image
    except SourceError:  # the bag has no images
        return worst
    return [(reason, _with_image(frame, images.get(frame.stamp))) for reason, frame in worst]


def _with_image(frame: FrameRecord, image: Frame | None) -> FrameRecord:
    if image is None:
        return frame
    try:
        return replace(frame, image=small_jpeg(image), size=image.size)
    except FrameError:  # it is damaged
        return frame
