# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Record the camera of the demo as a bag, and run `fcos bag` on it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
import subprocess
import sys
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from fcos_ros.demo.monitor import DemoFailed
from fcos_ros.node.qos import queued_qos
from fcos_ros.offline.bags.reader import Topic
from fcos_ros.offline.bags.types import BagTypes
from fcos_ros.offline.bags.writer import BagWriter
from fcos_ros.runtime.stop_request import StopRequest

IMAGES = 20
"""Images of a bag."""

TOPICS = {'/image': (Image, 'sensor_msgs/msg/Image'),
          '/ground_truth': (Detection2DArray, 'vision_msgs/msg/Detection2DArray')}
"""Class and type of the messages of each recorded topic."""

STOP_TIMEOUT = 5.0
"""Seconds for a command to end after it was interrupted."""


class BagRecorder:
    """
    Keep the messages of the camera as they arrive, until `close`.

    :param node: is spun by the caller.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._messages: list[tuple[str, int, bytes]] = []
        self._subscriptions = [
            node.create_subscription(kind, name, partial(self._keep, name), queued_qos(),
                                     raw=True)
            for name, (kind, _) in TOPICS.items()]

    @property
    def complete(self) -> bool:
        """Whether there are enough images."""
        return sum(name == '/image' for name, _, _ in self._messages) >= IMAGES

    def close(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def write(self, path: Path) -> None:
        """
        Write the bag.

        :raises OutputError: it cannot be written.
        """
        names = {name: type_name for name, (_, type_name) in TOPICS.items()}
        types = BagTypes(dict.fromkeys(names.values(), ''))
        topics = {name: Topic(name, type_name, types.definition(type_name))
                  for name, type_name in names.items()}
        with BagWriter(path, 'mcap', overwrite=True) as writer:
            for topic in topics.values():
                writer.add(topic)
            for name, time, data in self._messages:
                writer.write(topics[name], time, data)

    def _keep(self, topic: str, data: Any) -> None:
        now = self._node.get_clock().now().nanoseconds
        self._messages.append((topic, now, bytes(data)))


def detect_in_bags(bags: Sequence[Path], output: Path, model: str, stop_request: StopRequest,
                   ) -> str:
    """
    Run `fcos bag`, and return its command and its output.

    :raises DemoFailed: it failed.
    :raises StopRequested: the demo shall end.
    """
    command = [sys.executable, '-m', 'fcos_ros.cli', 'bag', *map(str, bags), str(output),
               '--model', model, '--overwrite']
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        stop_request.wait_for(lambda: process.poll() is not None)
        stop_request.check()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(STOP_TIMEOUT)
    text, errors = process.communicate()
    if process.returncode:
        raise DemoFailed(f'{" ".join(command)} ended with {process.returncode}: {errors}')
    return f'$ {" ".join(command)}\n{text.rstrip()}'
