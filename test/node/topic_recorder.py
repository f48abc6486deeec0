# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Record the messages of a topic, and publish the images for them."""

from __future__ import annotations

from typing import Any

from node.graph import Graph, image_message
import numpy as np
from rclpy.publisher import Publisher
from waiting import wait_until

FIRST_SECOND = 1000
"""The second of the stamp before the first published image."""


class TopicRecorder:
    """
    Records the messages of one topic of a graph.

    :ivar messages: in the order in which they arrived.

    :param camera: the publisher of images; by default the camera of the graph.
    """

    def __init__(self, graph: Graph, message_type: Any, topic: str,
                 camera: Publisher | None = None) -> None:
        self.messages: list[Any] = []
        self._second = FIRST_SECOND
        self._camera = camera or graph.camera
        graph.listen(message_type, topic, self.messages)

    def next(self, pixels: np.ndarray, **arguments: Any) -> Any:
        """
        Publish an image repeatedly, and return the first message for one of these images.

        :param arguments: more arguments of `image_message`.
        """
        first = self._second + 1

        def message() -> Any:
            self._second += 1
            self._camera.publish(image_message(pixels, stamp=(self._second, 7), **arguments))
            return self.since(first)

        return wait_until(message)[0]

    def since(self, second: int) -> list[Any]:
        """Return the messages for images with this stamp or a later one."""
        return [message for message in self.messages if message.header.stamp.sec >= second]
