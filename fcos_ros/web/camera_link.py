# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images and the detections of one camera, joined and made ready for the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from time import monotonic
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.validate_full_topic_name import validate_full_topic_name
from vision_msgs.msg import Detection2DArray, LabelInfo

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import printable
from fcos_ros.messages.images import SOURCES, Source
from fcos_ros.node.input.discovery import (
    COMPRESSED,
    PublisherDiscovery,
    PublisherInfo,
    SubscriptionSpec,
    choose_publishers,
)
from fcos_ros.node.input.message_types import image_header, message_type
from fcos_ros.node.input.stamps import DAY
from fcos_ros.node.output.annotated_image import RateLimiter
from fcos_ros.node.qos import latched_qos, latest_qos, queued_qos, without_default_callbacks
from fcos_ros.runtime.latest_only import LatestOnlyWorker
from fcos_ros.settings.web_options import WebSettings
from fcos_ros.web.messages import (
    Message,
    PictureHeader,
    detections_message,
    labels_message,
)
from fcos_ros.web.pairing import Key, Pair, Pairing
from fcos_ros.web.pictures import to_jpeg

MAX_UNMATCHED = 20
"""Detections in a row without their picture after which another topic of the camera is tried."""

QUEUE = 5
"""Images that wait for the executor."""

_SECOND = 10**9


@dataclass(frozen=True)
class CameraTopics:
    """
    The topics of one camera.

    :ivar name: of the camera; empty for the only one.
    :ivar image: that the detector receives.
    :ivar prefix: of the topics that the detector publishes, such as `/fcos/front/`.
    """

    name: str
    image: str
    prefix: str

    @property
    def base(self) -> str:
        """The topic of the camera without the ending of its compressed images."""
        return self.image.removesuffix(f'/{COMPRESSED}')


@dataclass(frozen=True)
class Picture:
    """A message with an image, and the source that reads it."""

    source: Source
    message: Any

    def size(self) -> int:
        """Return the bytes of the image."""
        return len(self.message.data)


Publish = Callable[[str, Message], None]
"""Called with a subject and its state."""

PublishPicture = Callable[[str, int, bytes], None]
"""Called with camera, number and picture."""


class CameraLink:
    """
    The subscriptions for one camera, from now until `close`.

    Images are received from the topic with JPEG files if there is one, else from the topic of the
    detector. Methods are called on the executor's thread. Pictures are made on a thread of their
    own, which skips all but the newest one.

    :param changed: called when `note` or `topic` has changed.
    :raises InvalidTopicNameException: a name from the network is no topic.
    """

    def __init__(self, node: Node, topics: CameraTopics, settings: WebSettings, publish: Publish,
                 publish_picture: PublishPicture, changed: Callable[[], None]) -> None:
        detections = f'{topics.prefix}detections'
        for topic in (topics.base, f'{topics.base}/{COMPRESSED}', detections):
            validate_full_topic_name(topic)
        self.topics = topics
        self.note = ''
        self._node = node
        self._settings = settings
        self._publish = publish
        self._publish_picture = publish_picture
        self._changed = changed
        self._labels: Mapping[str, str] = {}
        self._pairing: Pairing[Picture, Any] = Pairing(Picture.size)
        self._limiter = RateLimiter()
        self._numbers = count(1)
        self._failure = ''
        self._own_topic_only = False
        self._spec: SubscriptionSpec | None = None
        self._images: Any = None
        self._discovery = PublisherDiscovery(node, topics.base)
        self._worker: LatestOnlyWorker[Callable[[], None]] = LatestOnlyWorker(
            lambda make: make(), self._fail)
        self._detections = node.create_subscription(
            Detection2DArray, detections, self._add_detections, queued_qos(),
            event_callbacks=without_default_callbacks())
        self._label_info = node.create_subscription(
            LabelInfo, f'{topics.prefix}label_info', self._add_labels, latched_qos(),
            event_callbacks=without_default_callbacks())
        self.follow()

    @property
    def topic(self) -> str:
        """The topic of the images; empty while there is none."""
        return self._spec.topic if self._spec else ''

    def follow(self) -> None:
        """Subscribe to the images if their publishers have changed."""
        if self._pairing.unmatched >= MAX_UNMATCHED and self.topic != self.topics.image:
            self._own_topic_only = True  # its stamps differ from those that the detector receives
            self._pairing.unmatched = 0
        publishers = self._discovery.find()
        problem = '' if publishers else (
            f'no publisher of images on {self.topics.base}: start the camera; if it runs on '
            'another machine, check that this one receives its topics')
        chosen = self._choose(publishers)
        if chosen:
            problem = self._subscribe(_to_spec(chosen))
        self._note(problem or self._failure or self._repeated())

    def close(self) -> None:
        """Unsubscribe, and finish the present picture."""
        for subscription in filter(None, (self._detections, self._label_info, self._images)):
            self._node.destroy_subscription(subscription)
        self._worker.stop()

    def _choose(self, publishers: tuple[PublisherInfo, ...]) -> tuple[PublisherInfo, ...]:
        """Return the publishers of JPEG files if there are any, else those of the detector."""
        base, image = self.topics.base, self.topics.image
        own = [publisher for publisher in publishers if publisher.topic == image]
        if self._own_topic_only:
            return choose_publishers(own, image, 'auto')
        return (choose_publishers(publishers, base, COMPRESSED)
                or choose_publishers(own or publishers, base, 'auto'))

    def _subscribe(self, spec: SubscriptionSpec) -> str:
        """Subscribe, unless already done; return the reason if it fails, else ''."""
        if spec == self._spec:
            return ''
        if self._images is not None:
            self._node.destroy_subscription(self._images)
        self._images = self._spec = None
        source = SOURCES[spec.type_name]
        try:
            self._images = self._node.create_subscription(
                message_type(spec.type_name), spec.topic, partial(self._add_image, source),
                _qos(spec), event_callbacks=without_default_callbacks())
        except Exception as error:  # noqa: BLE001 - the next publisher may be accepted
            return f'cannot subscribe to {spec}: {error}'
        self._spec, self._failure = spec, ''
        self._changed()
        return ''

    def _repeated(self) -> str:
        if not self._pairing.repeated:
            return ''
        return (f'{self._pairing.repeated} images have no stamp, or the stamp of an earlier one, '
                'so their boxes are not shown: let the camera set a new stamp for each image')

    def _note(self, note: str) -> None:
        if note != self.note:
            self.note = note
            self._changed()

    def _add_labels(self, message: Any) -> None:
        self._labels = {str(entry.class_id): entry.class_name for entry in message.class_map}
        self._publish(f'labels {self.topics.name}', labels_message(
            self.topics.name, self._labels.values(), message.threshold))

    def _add_image(self, source: Source, message: Any) -> None:
        picture = Picture(source, message)
        self._show(self._pairing.add_picture(_key(image_header(source, message)), picture))

    def _add_detections(self, message: Any) -> None:
        self._show(self._pairing.add_detections(_key(message.header), message))

    def _show(self, pair: Pair[Picture, Any] | None) -> None:
        """Let the worker make a picture, unless the last one was too recent."""
        if pair and self._limiter.allows(monotonic(), self._settings.rate):
            self._worker.put(partial(self._make, pair, self._age(pair.key), self._labels))

    def _make(self, pair: Pair[Picture, Any], age: float | None,
              labels: Mapping[str, str]) -> None:
        frame: Frame = pair.picture.source.read(pair.picture.message)
        jpeg = to_jpeg(frame, self._settings.width, self._settings.quality)
        found = (None if pair.detections is None
                 else detections_message(pair.detections, labels))
        header = PictureHeader(
            self.topics.name, next(self._numbers), pair.key, frame.size, age, found)
        self._publish_picture(self.topics.name, header.number, header.encode(jpeg))
        self._failure = ''

    def _fail(self, error: Exception) -> None:
        reason = str(error) if isinstance(error, FrameError) else repr(error)
        self._failure = printable(f'an image cannot be shown: {reason}')

    def _age(self, key: Key) -> float | None:
        now = self._node.get_clock().now().nanoseconds
        age = (now - key.sec * _SECOND - key.nanosec) / _SECOND
        return age if now and 0 <= age <= DAY else None


def _qos(spec: SubscriptionSpec) -> QoSProfile:
    """Return a profile with a short queue: the detector may process an image that waits in it."""
    qos = latest_qos(spec.reliable, spec.durable)
    qos.depth = QUEUE
    return qos


def _key(header: Any) -> Key:
    return Key(header.stamp.sec, header.stamp.nanosec, header.frame_id)


def _to_spec(chosen: tuple[PublisherInfo, ...]) -> SubscriptionSpec:
    """Return a subscription that receives all these publishers."""
    return SubscriptionSpec(
        chosen[0].topic, chosen[0].type_name,
        all(publisher.reliable for publisher in chosen),
        all(publisher.durable for publisher in chosen))
