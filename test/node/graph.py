# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A real ROS graph: the detector, a camera and subscriptions, on one executor thread."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from threading import Thread
from typing import Any, TypeVar
from unittest.mock import patch

from diagnostic_msgs.msg import DiagnosticArray
from executors import call_on
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray
from waiting import TIMEOUT, wait_until

from fcos_ros.node import diagnostics, fcos_node
from fcos_ros.node.fcos_node import FcosNode
from fcos_ros.runtime.pool import Pool

REPORT_PERIOD = 0.1
"""Seconds between two reports; many tests wait for one, so it is shorter than usual."""

COUNT_NAMES = ('published', 'superseded', 'expired', 'failed')
"""The counts of frames that are no longer in flight; their sum is `received`."""

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

Found = TypeVar('Found')

QUEUE = 100
"""Messages that may wait while the executor is busy, so that a test receives all of them."""


class Graph(AbstractContextManager['Graph']):
    """
    The node under test, and a node `peer` that publishes images and subscribes to results.

    :ivar arrays: all detections that were received.
    :ivar reports: all diagnostics that were received.

    :param camera_qos: the QoS of the publisher of images; None for no publisher.
    :param max_silence: seconds without an image before the diagnostics warn.
    :param parameters: parameters of the node.
    """

    def __init__(self, *, namespace: str = '', cli: tuple[str, ...] = (), camera_qos: Any = 10,
                 report_period: float = REPORT_PERIOD, max_silence: float = TIMEOUT,
                 **parameters: Any) -> None:
        self.arrays: list[Detection2DArray] = []
        self.reports: list[DiagnosticArray] = []
        self._read = 0
        self._stopped = False
        with ExitStack() as undo:  # also when the node refuses its parameters
            undo.enter_context(patch.object(diagnostics, 'MAX_SILENCE', max_silence))
            self.context = rclpy.Context()
            rclpy.init(context=self.context)
            undo.callback(rclpy.try_shutdown, context=self.context)
            # Logs go to the terminal only: rcl warns about the context of /rosout when a second
            # node has the same name.
            self.peer = Node(
                'peer', context=self.context, namespace=namespace, enable_rosout=False)
            undo.callback(self.peer.destroy_node)
            with patch.object(fcos_node, 'REPORT_PERIOD', report_period):
                self.node = FcosNode(
                    context=self.context, namespace=namespace, cli_args=list(cli) or None,
                    enable_rosout=False,
                    parameter_overrides=[Parameter(name, value=value)
                                         for name, value in parameters.items()])
            undo.callback(self.node.destroy_node)
            self.executor = SingleThreadedExecutor(context=self.context)
            undo.callback(self.executor.shutdown)
            self._undo = undo.pop_all()
        # A test without it creates its own: within one process, a topic has one type.
        self.camera = camera_qos and self.peer.create_publisher(Image, 'image', camera_qos)
        self.listen(Detection2DArray, 'fcos/detections', self.arrays)
        self.listen(DiagnosticArray, '/diagnostics', self.reports)
        for node in (self.peer, self.node):
            self.executor.add_node(node)
        self._thread = Thread(target=self._spin, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        # The executor stops between two callbacks: rclpy reports an error if one is running.
        self._stopped = True
        self.executor.create_task(lambda: None)
        self._thread.join(TIMEOUT)
        self._undo.close()

    def listen(self, message_type: Any, topic: str, messages: list[Any],
               qos: Any = QUEUE) -> Any:
        """Append the messages of a topic to a list; return the subscription."""
        return self.peer.create_subscription(message_type, topic, messages.append, qos)

    def wait_until_connected(self) -> Graph:
        """Wait until the publishers of images and detections have subscriptions; return self."""
        wait_until(lambda: self.camera.get_subscription_count()
                   and self.subscribers('fcos/detections'))
        return self

    def subscribers(self, topic: str) -> int:
        """Return how many subscriptions the node has discovered on a topic that it publishes."""
        name = self.peer.resolve_topic_name(topic)
        return sum(publisher.get_subscription_count() for publisher in list(self.node.publishers)
                   if publisher.topic_name == name)

    def detect(self, image: Image) -> Detection2DArray:
        """Publish an image, and return the next detections."""
        known = len(self.arrays)
        self.camera.publish(image)
        return wait_until(lambda: self.arrays[known:])[0]

    def detections_of(self, image: Image) -> Detection2DArray:
        """Publish an image, and return its detections, also while other images are in work."""
        self.camera.publish(image)
        return wait_until(
            lambda: [array for array in self.arrays if array.header == image.header])[0]

    def call(self, function: Callable[..., Found], *arguments: Any) -> Found:
        """Call a function on the executor's thread, and return its result."""
        return call_on(self.executor, function, *arguments)

    def transit(self, *names: str) -> TransitionCallbackReturn:
        """Trigger transitions of the node's lifecycle; return the result of the last."""
        for name in names:
            result = self.call(getattr(self.node, f'trigger_{name}'))
        return result

    def set(self, **parameters: Any) -> str:
        """Set parameters atomically; return why they were refused, or '' if they were not."""
        result = self.call(
            self.node.set_parameters_atomically,
            [Parameter(name, value=value) for name, value in parameters.items()])
        return '' if result.successful else result.reason

    def wait_for_status(self, part: str, wanted: Callable[[Any], bool] = bool) -> Any:
        """
        Return the newest diagnostic status of a part of the node for which `wanted` is true.

        Reports are searched from the one that was returned last time.
        """
        def find() -> Any:
            for index in reversed(range(self._read, len(self.reports))):
                for status in self.reports[index].status:
                    if status.name.endswith(f': {part}') and wanted(status):
                        self._read = index
                        return status
            return None
        return wait_until(find)

    def wait_for_report(self, *words: str) -> Any:
        """Return a status of the frames whose message contains all these words."""
        return self.wait_for_status(
            'frames', lambda status: all(word in status.message for word in words))

    def wait_for_counts(self, **expected: int) -> dict[str, str]:
        """Wait for a report with these counts of frames; return all its values."""
        def wanted(status: Any) -> bool:
            values = {entry.key: entry.value for entry in status.values}
            return all(values.get(key) == str(value) for key, value in expected.items())
        status = self.wait_for_status('frames', wanted)
        return {entry.key: entry.value for entry in status.values}

    def new_counts(self, **expected: int) -> dict[str, int]:
        """Wait for a new report with these counts; return the counts of all frames."""
        self._read = len(self.reports)
        values = self.wait_for_counts(**expected)
        return {fate: int(values[fate]) for fate in ('received', *COUNT_NAMES)}

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            while not self._stopped:
                self.executor.spin_once()


def do_not_wait_for_workers(monkeypatch: Any) -> None:
    """Let nodes wait for their workers for only 0.1 s when they are deactivated."""
    def stop(pool: Pool, timeout: float = 0.1, stop: Any = Pool.stop) -> bool:
        return bool(stop(pool, timeout))
    monkeypatch.setattr(Pool, 'stop', stop)


def image_message(pixels: np.ndarray, encoding: str = 'bgr8', step: int | None = None,
                  stamp: tuple[int, int] = (12, 345), frame_id: str = 'camera_optical') -> Image:
    """Return an image message; its rows are padded with noise to `step` bytes."""
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    step = step or rows.shape[1]
    padded = np.random.default_rng(0).integers(0, 256, (height, step), np.uint8)
    padded[:, :rows.shape[1]] = rows
    message = Image(height=height * 2 // 3 if encoding == 'nv12' else height, width=width,
                    encoding=encoding, step=step)
    message.header.stamp.sec, message.header.stamp.nanosec = stamp
    message.header.frame_id = frame_id
    message.data.frombytes(padded.tobytes())
    return message
