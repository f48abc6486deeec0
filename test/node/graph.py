# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A real ROS graph for tests: the detector, a camera and a listener, on one executor thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from threading import Thread
import time
from typing import Any, TypeVar
from unittest.mock import patch

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from fcos_ros.node import fcos_node
from fcos_ros.node.fcos_node import FcosNode
from fcos_ros.runtime.pool import Pool

PATIENCE = 15.0
"""Seconds to wait for what must come."""

REPORT_PERIOD = 0.1
"""Seconds between two reports: at the usual pace, waiting for them would be most of the time."""

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

Found = TypeVar('Found')


class Graph(AbstractContextManager['Graph']):
    """The node under test and its neighbours; all that it publishes is kept."""

    def __init__(self, *, namespace: str = '', cli: tuple[str, ...] = (), camera_qos: Any = 10,
                 report_period: float = REPORT_PERIOD, **parameters: Any) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.arrays: list[Detection2DArray] = []
        self.reports: list[DiagnosticArray] = []
        self._read = 0
        self._over = False
        self.executor = SingleThreadedExecutor(context=self.context)
        # Logs go to the terminal only: under the name of a node that was before, rcl would
        # complain of its context.
        self.peer = Node('peer', context=self.context, namespace=namespace, enable_rosout=False)
        with patch.object(fcos_node, 'REPORT_PERIOD', report_period):
            self.node = FcosNode(
                context=self.context, namespace=namespace, cli_args=list(cli) or None,
                enable_rosout=False,
                parameter_overrides=[Parameter(name, value=value)
                                     for name, value in parameters.items()])
        # Without one where a test brings its own, of another type: a process takes one a topic.
        self.camera = camera_qos and self.peer.create_publisher(Image, 'image', camera_qos)
        self.listen(Detection2DArray, 'fcos/detections', self.arrays)
        self.listen(DiagnosticArray, '/diagnostics', self.reports)
        for node in (self.peer, self.node):
            self.executor.add_node(node)
        self._thread = Thread(target=self._spin, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        # Between two callbacks: rclpy's executor cannot be shut down amid one without a complaint.
        self._over = True
        self.executor.create_task(lambda: None)
        self._thread.join(PATIENCE)
        self.executor.shutdown()
        self.node.destroy_node()
        self.peer.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def listen(self, kind: Any, topic: str, into: list[Any], qos: Any = 10) -> Any:
        """Subscribe, and keep what comes."""
        return self.peer.create_subscription(kind, topic, into.append, qos)

    def ready(self) -> Graph:
        """Wait until the camera and the listener are connected to the node."""
        wait_for(lambda: self.camera.get_subscription_count()
                 and self.peer.count_publishers('fcos/detections'))
        return self

    def detect(self, image: Image) -> Detection2DArray:
        """Send one image and wait for its detections."""
        known = len(self.arrays)
        self.camera.publish(image)
        return wait_for(lambda: self.arrays[known:])[0]

    def call(self, act: Callable[..., Found], *arguments: Any) -> Found:
        """Do something on the executor's thread, which may be waiting for what goes away."""
        future: Future[Found] = Future()

        def run() -> None:
            try:
                future.set_result(act(*arguments))
            except Exception as error:  # noqa: BLE001 - it is raised again where it was called
                future.set_exception(error)
        self.executor.create_task(run)
        return future.result(PATIENCE)

    def transit(self, *names: str) -> TransitionCallbackReturn:
        """Have the node take some steps of its lifecycle; returns what came of the last."""
        for name in names:
            result = self.call(getattr(self.node, f'trigger_{name}'))
        return result

    def set(self, **parameters: Any) -> str:
        """Set parameters all at once; returns the reason of a refusal, else ''."""
        result = self.call(
            self.node.set_parameters_atomically,
            [Parameter(name, value=value) for name, value in parameters.items()])
        return '' if result.successful else result.reason

    def status(self, part: str, wanted: Callable[[Any], bool] = bool) -> Any:
        """
        Wait for a diagnostic status of one part of the node for which `wanted` holds.

        It may also have come since the last one that was waited for; the newest is taken.
        """
        def find() -> Any:
            for index in reversed(range(self._read, len(self.reports))):
                for status in self.reports[index].status:
                    if status.name.endswith(f': {part}') and wanted(status):
                        self._read = index
                        return status
            return None
        return wait_for(find)

    def counts(self, **expected: int) -> dict[str, str]:
        """Wait until the frames' account says what is expected; returns all its values."""
        def wanted(status: Any) -> bool:
            values = {entry.key: entry.value for entry in status.values}
            return all(values.get(key) == str(value) for key, value in expected.items())
        status = self.status('frames', wanted)
        return {entry.key: entry.value for entry in status.values}

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            while not self._over:
                self.executor.spin_once()


def stop_soon(monkeypatch: Any) -> None:
    """Have a node that is halted wait for its workers for a moment only."""
    def stop(pool: Pool, timeout: float = 0.1, stop: Any = Pool.stop) -> bool:
        return bool(stop(pool, timeout))
    monkeypatch.setattr(Pool, 'stop', stop)


def wait_for(look: Callable[[], Found], patience: float = PATIENCE) -> Found:
    """Look until there is something to see."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f'nothing came in {patience} s')


def image_message(pixels: np.ndarray, encoding: str = 'bgr8', step: int | None = None,
                  stamp: tuple[int, int] = (12, 345), frame_id: str = 'camera_optical') -> Image:
    """Say pixels as an image message; rows are padded with noise to `step` bytes."""
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
