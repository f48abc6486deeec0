# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera that publishes images continuously."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from threading import Event, Thread

from node.graph import Graph
from sensor_msgs.msg import Image
from waiting import wait_until


class RepeatingCamera(AbstractContextManager['RepeatingCamera']):
    """
    Publishes images with the camera of a graph while its `with` block runs.

    :param image: returns the image for a number; the number is the second of its stamp.
    :param period: seconds between two images.
    """

    def __init__(self, graph: Graph, image: Callable[[int], Image], period: float = 0.02) -> None:
        self._graph = graph
        self._image = image
        self._period = period
        self._published = 0
        self._stopped = Event()
        self._thread = Thread(target=self._run)

    def __enter__(self) -> RepeatingCamera:
        self._graph.wait_until_connected()
        self._thread.start()
        self.wait_for_next()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def wait_for_next(self, times: int = 1) -> None:
        """Wait, once or several times, for the detections in an image that is published later."""
        for _ in range(times):
            published = self._published
            wait_until(lambda: self._graph.arrays[-1:]
                       and self._graph.arrays[-1].header.stamp.sec > published)  # noqa: B023

    def _run(self) -> None:
        for number in count(1):
            self._graph.camera.publish(self._image(number))
            self._published = number
            if self._stopped.wait(self._period):
                return
