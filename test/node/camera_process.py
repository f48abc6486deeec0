# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Cameras in another process, as on a robot; each is a DDS participant.

Between participants of the same process, Fast DDS uses a shortcut, and sometimes never discovers a
subscription.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
import time
from typing import Any

from node.graph import Graph
import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from vision_msgs.msg import Detection2DArray
from waiting import TIMEOUT, wait_until

REPEAT = 5.0
"""Seconds before a message is published again: DDS requests lost messages every 3 s."""


class CameraProcess:
    """A process that runs cameras, from construction to `close`."""

    def __init__(self) -> None:
        context = get_context('spawn')
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(TIMEOUT)
        self._process.kill()

    @contextmanager
    def camera(self, message_type: Any, topic: str = 'image',
               reliability: Any = ReliabilityPolicy.RELIABLE,
               durability: Any = DurabilityPolicy.VOLATILE) -> Iterator[RemoteCamera]:
        """Run a node `camera` in the process; it publishes messages of this type."""
        number = self.call('open', message_type, topic, int(reliability), int(durability))
        try:
            yield RemoteCamera(self, number)
        finally:
            self.call('close', number)

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of `_Cameras` in the process, and return its result."""
        self._pipe.send((method, *arguments))
        return self._pipe.recv()


class RemoteCamera:
    """A camera in the other process."""

    def __init__(self, process: CameraProcess, number: int) -> None:
        self._process = process
        self._number = number

    def subscribers(self) -> int:
        """Return how many subscriptions it has discovered."""
        return int(self._process.call('count_subscribers', self._number))

    def publish(self, message: Any) -> None:
        """Publish a message once, even without a subscription."""
        self._process.call('publish', self._number, serialize_message(message))

    def publish_until(self, condition: Callable[[], Any], message: Any) -> Any:
        """Publish a message repeatedly, as it may be lost, until a condition is true."""
        wait_until(self.subscribers)
        due = time.monotonic()

        def try_again() -> Any:
            nonlocal due
            if time.monotonic() >= due:
                self.publish(message)
                due = time.monotonic() + REPEAT
            return condition()
        return wait_until(try_again)

    def detect(self, graph: Graph, message: Any) -> Detection2DArray:
        """Publish a message, and return the detections in it."""
        known = len(graph.arrays)
        return self.publish_until(lambda: graph.arrays[known:], message)[0]


class _Cameras:
    """The cameras in the process; each has its own DDS participant."""

    def __init__(self) -> None:
        self._cameras: dict[int, tuple[Any, Node, Any, Any]] = {}
        self._last = 0

    def open(self, message_type: Any, topic: str, reliability: int, durability: int) -> int:
        context = rclpy.Context()
        rclpy.init(context=context)
        node = Node('camera', context=context, enable_rosout=False)
        publisher = node.create_publisher(
            message_type, topic, QoSProfile(
                depth=1, reliability=ReliabilityPolicy(reliability),
                durability=DurabilityPolicy(durability)))
        self._last += 1
        self._cameras[self._last] = context, node, publisher, message_type
        return self._last

    def close(self, number: int) -> None:
        context, node, _, _ = self._cameras.pop(number)
        node.destroy_node()
        rclpy.try_shutdown(context=context)

    def count_subscribers(self, number: int) -> int:
        return int(self._cameras[number][2].get_subscription_count())

    def publish(self, number: int, serialised: bytes) -> None:
        _, _, publisher, message_type = self._cameras[number]
        publisher.publish(deserialize_message(serialised, message_type))


def _serve(pipe: Any) -> None:
    """Run in the process: answer calls until the pipe is closed."""
    cameras = _Cameras()
    with suppress(EOFError):
        while True:
            method, *arguments = pipe.recv()
            pipe.send(getattr(cameras, method)(*arguments))
