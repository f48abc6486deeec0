# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Cameras in one other process, as on a robot; each is a program of its own as far as DDS knows.

Fast DDS takes shortcuts between the participants of one process, and now and then one of them
never learns of another's subscription.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from multiprocessing import get_context
from typing import Any

from graph import wait_for
import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message

REPAIR = 5.0
"""Seconds that a large reliable message may take: DDS asks every three for what was lost."""


class Neighbour:
    """The other process, from construction to `close`."""

    def __init__(self) -> None:
        context = get_context('spawn')
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(10.0)
        self._process.kill()

    @contextmanager
    def camera(self, kind: Any, topic: str = 'image',
               reliability: Any = ReliabilityPolicy.RELIABLE,
               durability: Any = DurabilityPolicy.VOLATILE) -> Any:
        """Have a node `camera` there that publishes messages of a type."""
        number = self.ask('open', kind, topic, int(reliability), int(durability))
        try:
            yield Camera(self, number)
        finally:
            self.ask('leave', number)

    def ask(self, *words: Any) -> Any:
        """Have something done there, and return what comes of it."""
        self._pipe.send(words)
        return self._pipe.recv()


class Camera:
    """A camera in the other process."""

    def __init__(self, neighbour: Neighbour, number: int) -> None:
        self._neighbour = neighbour
        self._number = number

    def listeners(self) -> int:
        """Count who subscribes to it."""
        return int(self._neighbour.ask('count', self._number))

    def publish(self, message: Any) -> None:
        """Publish, whoever listens."""
        self._neighbour.ask('publish', self._number, serialize_message(message))

    def publish_until(self, look: Any, message: Any) -> Any:
        """Publish until there is something to see: a message may be lost."""
        wait_for(self.listeners, patience=8 * REPAIR)

        def answer() -> Any:
            self.publish(message)
            with suppress(AssertionError):
                return wait_for(look, patience=REPAIR)
            return None
        return wait_for(answer, patience=8 * REPAIR)

    def detect(self, graph: Any, message: Any) -> Any:
        """Publish a message, and return the detections in it."""
        known = len(graph.arrays)
        return self.publish_until(lambda: graph.arrays[known:], message)[0]


class _Street:
    """What the other process has: a participant for each camera."""

    def __init__(self) -> None:
        self._cameras: dict[int, tuple[Any, Node, Any, Any]] = {}
        self._last = 0

    def open(self, kind: Any, topic: str, reliability: int, durability: int) -> int:
        context = rclpy.Context()
        rclpy.init(context=context)
        node = Node('camera', context=context, enable_rosout=False)
        publisher = node.create_publisher(
            kind, topic, QoSProfile(depth=1, reliability=ReliabilityPolicy(reliability),
                                    durability=DurabilityPolicy(durability)))
        self._last += 1
        self._cameras[self._last] = context, node, publisher, kind
        return self._last

    def leave(self, number: int) -> None:
        context, node, _, _ = self._cameras.pop(number)
        node.destroy_node()
        rclpy.try_shutdown(context=context)

    def count(self, number: int) -> int:
        return int(self._cameras[number][2].get_subscription_count())

    def publish(self, number: int, serialised: bytes) -> None:
        _, _, publisher, kind = self._cameras[number]
        publisher.publish(deserialize_message(serialised, kind))


def _work(pipe: Any) -> None:
    street = _Street()
    with suppress(EOFError):
        while True:
            word, *arguments = pipe.recv()
            pipe.send(getattr(street, word)(*arguments))
