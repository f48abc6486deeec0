# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Publish images with the detections drawn on them.

A separate thread draws the newest frame, so detections do not wait. For an image of 1920x1080
pixels as a JPEG file, it needs a core for about 10 ms (`benchmarks/outputs.py`).
"""

from __future__ import annotations

from time import monotonic

import cv2
import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image

from fcos_ros.core.annotate import Font, draw
from fcos_ros.core.arrays import Bytes, Pixels
from fcos_ros.core.labels import Labels
from fcos_ros.core.zones import EVERYWHERE, Zones
from fcos_ros.node.output.messages import to_compressed_image, to_image
from fcos_ros.node.output.publisher import FrameDetections, log_unpublished, open_publisher
from fcos_ros.node.qos import latest_qos
from fcos_ros.runtime.fonts import load_label_font
from fcos_ros.runtime.image_warnings import image_warnings
from fcos_ros.runtime.latest_only import LatestOnlyWorker
from fcos_ros.settings.schema import Settings

MAX_JPEG_SIDE = 65500
"""Maximum side of a JPEG file that libjpeg writes, in pixels."""


class AnnotatedImageOutput:
    """
    The topics `annotated_image` and `annotated_image/compressed`; each only if subscribed to.

    An image is drawn once for both. Frames that arrive faster than they are drawn, or faster than
    `annotated_rate`, are skipped.
    """

    def __init__(self, node: LifecycleNode, prefix: str, labels: Labels) -> None:
        self._node = node
        self._raw = open_publisher(node, Image, f'{prefix}annotated_image', latest_qos())
        self._topic = str(self._raw.topic_name)
        # Below the resolved name, so that remapping the first topic also remaps the second.
        try:
            self._compressed = open_publisher(
                node, CompressedImage, f'{self._topic}/compressed', latest_qos())
        except ValueError:
            node.destroy_lifecycle_publisher(self._raw)
            raise
        self._labels = labels
        self._font = self._load_font(labels)
        self._settings, self._zones = Settings(), EVERYWHERE
        self._limiter = RateLimiter()
        self._worker = LatestOnlyWorker(self._draw_and_publish, self.report)

    def apply(self, settings: Settings, zones: Zones) -> None:
        """Use these settings and zones for the next frames."""
        self._settings, self._zones = settings, zones

    def wanted(self) -> bool:
        """Return whether one of the topics has a subscriber."""
        return any(publisher.get_subscription_count()
                   for publisher in (self._raw, self._compressed))

    def publish(self, found: FrameDetections) -> None:
        """Queue a frame for drawing, unless the last one was too recent."""
        # Real time, not stamps: the limit is for the network of the viewer.
        if self._limiter.allows(monotonic(), self._settings.annotated_rate):
            self._worker.put(found)

    def report(self, error: Exception) -> None:
        """Log, at most once a second, that an image could not be published."""
        log_unpublished(self._node, self._topic, error)

    def close(self) -> None:
        """Finish the current image and destroy both publishers."""
        self._worker.stop()
        self._node.destroy_lifecycle_publisher(self._compressed)
        self._node.destroy_lifecycle_publisher(self._raw)

    def _load_font(self, labels: Labels) -> Font | None:
        """Return a font if a class name needs one; log if none is found."""
        font, warning = load_label_font(labels)
        if warning:
            self._node.get_logger().warning(warning)
        return font

    def _draw_and_publish(self, found: FrameDetections) -> None:
        settings = self._settings
        with image_warnings(found.frame):  # the camera has logged them
            image = draw(found.frame, found.detections, self._labels, settings.annotated_width,
                         self._zones, self._font)
        if self._raw.get_subscription_count():
            self._raw.publish(to_image(image, found.header))
        if self._compressed.get_subscription_count():
            jpeg = _to_jpeg(image, settings.jpeg_quality)
            self._compressed.publish(to_compressed_image(jpeg, found.header))


class RateLimiter:
    """Limit the events per second, evenly distributed."""

    def __init__(self) -> None:
        self._due = 0.0

    def allows(self, now: float, rate: float) -> bool:
        """
        Return whether an event is allowed now.

        :param now: the time in seconds.
        :param rate: maximum events per second; 0 allows all.
        """
        if not rate:
            return True
        period = 1 / rate
        # A lower rate before may have set a time far ahead.
        self._due = min(self._due, now + period)
        if now < self._due:
            return False
        # A late event does not delay the next one; else jitter would lower the rate.
        self._due = (self._due if now < self._due + period else now) + period
        return True


def _to_jpeg(image: Pixels, quality: int) -> Bytes:
    height, width = image.shape[:2]
    if max(width, height) > MAX_JPEG_SIDE:
        raise ValueError(f'annotated image is {width}x{height}; accepted: sides up to '
                         f'{MAX_JPEG_SIDE} pixels for a JPEG file; set annotated_width')
    _, jpeg = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(jpeg, np.uint8)
