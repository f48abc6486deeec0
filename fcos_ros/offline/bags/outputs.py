# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The messages that the node would publish for the frames of a bag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fcos_ros.core.annotate import draw
from fcos_ros.core.detections import Detections
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.messages.detections import serialise_detections
from fcos_ros.messages.vision_info import to_label_info, to_vision_info
from fcos_ros.offline.bags.cameras import ImageContext
from fcos_ros.offline.bags.reader import Topic
from fcos_ros.offline.bags.types import OutputTypes
from fcos_ros.offline.bags.writer import latched_qos, queued_qos
from fcos_ros.offline.outputs.annotated import encode_picture
from fcos_ros.offline.runner import FrameResult, OfflineDetector
from fcos_ros.runtime.fonts import load_label_font

NODE = '/fcos'
"""The name of the node, with which the names of its topics begin."""


class OutputMessage(NamedTuple):
    """
    A message to write.

    :ivar time: when its image was recorded, in nanoseconds.
    """

    topic: Topic
    time: int
    data: Any


@dataclass(frozen=True)
class CameraTopics:
    """The topics of the node for one camera."""

    detections: Topic
    label_info: Topic
    vision_info: Topic
    annotated: Topic

    @classmethod
    def of(cls, camera: str, types: OutputTypes) -> CameraTopics:
        """Return the topics of a camera; '' is the only one."""
        def topic(name: str, type_name: str, qos: Any) -> Topic:
            prefix = f'{NODE}/{camera}' if camera else NODE
            return Topic(f'{prefix}/{name}', type_name, types.definition(type_name), tuple(qos))
        return cls(topic('detections', 'vision_msgs/msg/Detection2DArray', queued_qos()),
                   topic('label_info', 'vision_msgs/msg/LabelInfo', latched_qos()),
                   topic('vision_info', 'vision_msgs/msg/VisionInfo', latched_qos()),
                   topic('annotated_image/compressed', 'sensor_msgs/msg/CompressedImage',
                         queued_qos()))


class DetectionMessages:
    """
    Convert the results of frames to messages.

    :param cameras: names of the cameras.
    :param annotated: whether images with the detections drawn on them are wanted.
    :ivar warning: of the font of these images; '' if there is none.
    """

    def __init__(self, detector: OfflineDetector, cameras: Mapping[str, Any], annotated: bool,
                 ) -> None:
        self._model = detector.info
        self._types = OutputTypes()
        self._annotated = annotated
        self._font, self.warning = load_label_font(self._model.labels) if annotated else (None, '')
        self._active = {name: detector.criteria(name) for name in cameras}
        self._cameras = {name: CameraTopics.of(name, self._types) for name in cameras}

    @property
    def topics(self) -> Iterator[Topic]:
        """The topics of all messages."""
        for topics in self._cameras.values():
            yield from (topics.detections, topics.label_info, topics.vision_info)
            if self._annotated:
                yield topics.annotated

    def descriptions(self, time: int) -> Iterator[OutputMessage]:
        """
        Yield the messages that describe the detector of each camera.

        :param time: of the first message of the bag, in nanoseconds.
        """
        types, model = self._types, self._model
        header = types.header(*divmod(time, 10**9), '')
        for camera, topics in self._cameras.items():
            criteria = self._active[camera].decoded
            labels = to_label_info(types.vision_msgs, model, criteria, header)
            yield OutputMessage(topics.label_info, time, types.serialise(labels))
            info = to_vision_info(types.vision_msgs, model, topics.label_info.name, 1, header)
            yield OutputMessage(topics.vision_info, time, types.serialise(info))

    def class_names(self, found: Detections) -> Iterator[str]:
        """Return the name of the class of each detection."""
        return map(self._model.labels.name, found.class_ids.tolist())

    def of_frame(self, result: FrameResult) -> list[OutputMessage]:
        """Return the messages for a frame; none if it failed."""
        frame = result.frame
        if result.detections is None or isinstance(frame.image, FrameError):
            return []
        context: ImageContext = frame.context
        header = self._types.header(context.seconds, context.nanoseconds, context.frame_id)
        topics = self._cameras[frame.camera]
        data = [(topics.detections, self._array(frame.camera, result.detections, header))]
        if self._annotated:
            with suppress(FrameError):  # damage that did not matter at the size of the network
                image = self._annotated_image(
                    frame.camera, frame.image, result.detections, header)
                data.append((topics.annotated, self._types.serialise(image)))
        return [OutputMessage(topic, context.time, content) for topic, content in data]

    def _array(self, camera: str, found: Detections, header: Any) -> bytes:
        by_name = self._active[camera].settings.class_id == 'name'
        return serialise_detections(found, header, self._model.labels if by_name else None)

    def _annotated_image(self, camera: str, image: Frame, found: Detections, header: Any) -> Any:
        active = self._active[camera]
        drawn = draw(image, found, self._model.labels, active.settings.annotated_width,
                     active.decoded.zones, self._font)
        jpeg = encode_picture(drawn, '.jpg', active.settings.jpeg_quality)
        return self._types.new('sensor_msgs/msg/CompressedImage', header=header,
                               format='bgr8; jpeg compressed bgr8',
                               data=np.frombuffer(jpeg, np.uint8))
