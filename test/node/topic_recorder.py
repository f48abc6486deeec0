# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of a topic, and the images that they are about."""

from __future__ import annotations

from typing import Any

from graph import Graph, image_message
import numpy as np
from rclpy.publisher import Publisher
from waiting import wait_until

FIRST_SECOND = 1000
"""Stamps of the published images begin here."""


class TopicRecorder:
    """
    Records the messages of one topic of a graph.

    :ivar messages: in the order in which they came.

    :param camera: publishes the images, by default the graph's camera.
    """

    def __init__(self, graph: Graph, kind: Any, topic: str,
                 camera: Publisher | None = None) -> None:
        self.messages: list[Any] = []
        self._second = FIRST_SECOND
        self._camera = camera or graph.camera
        graph.listen(kind, topic, self.messages)

    def next(self, pixels: np.ndarray, **how: Any) -> Any:
        """
        Publish an image again and again, and return the first message about one of these.

        :param how: more arguments of `image_message`.
        """
        first = self._second + 1

        def message() -> Any:
            self._second += 1
            self._camera.publish(image_message(pixels, stamp=(self._second, 7), **how))
            return self.since(first)

        return wait_until(message)[0]

    def since(self, second: int) -> list[Any]:
        """Return the messages about images with this stamp or a later one."""
        return [message for message in self.messages if message.header.stamp.sec >= second]
