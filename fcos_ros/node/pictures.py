# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Pictures of what was found, for people to look at.

They are drawn aside, the newest only: one of 1920x1080 pixels as a JPEG takes a core for about
10 ms (`benchmarks/outputs.py`), and no detection may wait for that.
"""

from __future__ import annotations

from time import monotonic

import cv2
import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image

from fcos_ros.core.annotate import draw
from fcos_ros.core.frame import Pixels
from fcos_ros.core.labels import Labels
from fcos_ros.core.zones import EVERYWHERE, Zones
from fcos_ros.node.messages import to_compressed_image, to_image
from fcos_ros.node.outlet import Finding, Outlet, open_publisher
from fcos_ros.node.qos import newest
from fcos_ros.node.settings import Settings
from fcos_ros.runtime.aside import Aside

JPEG_LIMIT = 65500
"""Pixels that libjpeg writes on a side."""


class Pictures(Outlet):
    """
    `annotated_image`, and below it `compressed`, each for its subscribers only.

    A picture is drawn once for both. Where drawing is slower than the frames come, or slower
    frames are enough, the frames between have no picture.
    """

    def __init__(self, node: LifecycleNode, prefix: str, labels: Labels) -> None:
        super().__init__(node, Image, f'{prefix}annotated_image', newest())
        # Below the resolved name, so that both go where a user remaps the first.
        try:
            self._compressed = open_publisher(
                node, CompressedImage, f'{self.topic}/compressed', newest())
        except ValueError:
            super().close()
            raise
        self._labels = labels
        self._settings, self._zones = Settings(), EVERYWHERE
        self._pace = Pace()
        self._aside = Aside(self._show, self.complain)

    def apply(self, settings: Settings, zones: Zones) -> None:
        """Draw the frames to come in this way."""
        self._settings, self._zones = settings, zones

    def wanted(self) -> bool:
        """Tell whether anybody looks."""
        return super().wanted() or bool(self._compressed.get_subscription_count())

    def publish(self, finding: Finding) -> None:
        """Have a picture drawn and published, unless the last one was just now."""
        # By a steady clock, not by stamps: it is the viewer's network that is spared.
        if self._pace.allows(monotonic(), self._settings.annotated_rate):
            self._aside.put(finding)

    def close(self) -> None:
        """Finish the picture at hand and publish no more."""
        self._aside.stop()
        self._node.destroy_lifecycle_publisher(self._compressed)
        super().close()

    def _show(self, finding: Finding) -> None:
        settings = self._settings
        picture = draw(finding.frame, finding.detections, self._labels,
                       settings.annotated_width, self._zones)
        if self._publisher.get_subscription_count():
            self._publisher.publish(to_image(picture, finding.header))
        if self._compressed.get_subscription_count():
            jpeg = _jpeg(picture, settings.jpeg_quality)
            self._compressed.publish(to_compressed_image(jpeg, finding.header))


class Pace:
    """Lets through so many a second, evenly, of what comes more often."""

    def __init__(self) -> None:
        self._due = 0.0

    def allows(self, now: float, rate: float) -> bool:
        """
        Tell whether what comes now may pass.

        :param now: in seconds.
        :param rate: the most a second; 0 lets all pass.
        """
        if not rate:
            return True
        period = 1 / rate
        # Another rate may have set a time far ahead.
        self._due = min(self._due, now + period)
        if now < self._due:
            return False
        # What is a little late does not delay the next, or jitter would lower the rate.
        self._due = (self._due if now < self._due + period else now) + period
        return True


def _jpeg(picture: Pixels, quality: int) -> Pixels:
    height, width = picture.shape[:2]
    if max(width, height) > JPEG_LIMIT:
        raise ValueError(f'a picture of {width}x{height} pixels does not fit into a JPEG, which '
                         f'has up to {JPEG_LIMIT} on a side: set annotated_width')
    _, jpeg = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(jpeg, np.uint8)
