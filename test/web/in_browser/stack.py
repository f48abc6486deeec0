# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector, a camera and the server of the page as processes, and a node that listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
import os
from pathlib import Path
import signal
import subprocess
import sys
from threading import Thread
from typing import Any

from executors import call_on
from rcl_interfaces.srv import GetParameters
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray
from waiting import TIMEOUT, wait_until

TOKEN = 'token-of-the-tests'

START_TIMEOUT = 3 * TIMEOUT
"""Seconds until a program runs: its imports take a second, and a minute on a busy machine."""

STAMPS = 400
"""Images and detections that are kept: those of a minute."""


class Programs:
    """Programs of the package as child processes; each is ended at the end of the `with` block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Programs:
        return self

    def __exit__(self, *_: object) -> None:
        for program in list(self._running):
            self.stop(program)

    def start(self, program: str, module: str, parameters: Mapping[str, object] | None = None,
              name: str = '', **environment: str) -> None:
        """
        Start a module as a ROS node.

        :param name: full name of the node; empty for its usual one.
        """
        words = [word for parameter, value in (parameters or {}).items()
                 for word in ('-p', f'{parameter}:={value}')]
        if name:
            namespace, _, own = name.rpartition('/')
            words += ['-r', f'__ns:={namespace}', '-r', f'__node:={own}']
        with self._log(program).open('wb') as log:
            self._running[program] = subprocess.Popen(
                [sys.executable, '-m', module, '--ros-args', *words], stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment})

    def stop(self, program: str) -> None:
        """End a program, as Ctrl-C does."""
        process = self._running.pop(program)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(TIMEOUT)
        finally:
            process.kill()

    def output(self, program: str) -> str:
        """Return what a program has printed; assert that it runs."""
        text = self._log(program).read_text(errors='replace')
        assert self._running[program].poll() is None, text
        return text

    def address(self, program: str = 'page') -> str:
        """Return the address of the page on this machine, when the server has printed it."""
        lines = wait_until(lambda: [line for line in self.output(program).splitlines()
                                    if line.startswith('The page: http://localhost')],
                           START_TIMEOUT)
        return lines[0].partition(': ')[2].partition('?')[0]

    def _log(self, program: str) -> Path:
        return self._folder / f'{program}.log'


class Peer:
    """
    A node in this process that listens to the detector and sets up what tests compare with.

    :ivar images: newest images by stamp, 'SECONDS.NANOSECONDS'.
    :ivar detections: newest detections by stamp.
    """

    def __init__(self, detector: str = '/fcos') -> None:
        self.images: dict[str, Image] = {}
        self.detections: dict[str, Detection2DArray] = {}
        with ExitStack() as undo:
            context = rclpy.Context()
            rclpy.init(context=context)
            undo.callback(rclpy.try_shutdown, context=context)
            self.node = Node('peer', context=context, enable_rosout=False,
                             namespace=detector.rpartition('/')[0])
            undo.callback(self.node.destroy_node)
            self._executor = SingleThreadedExecutor(context=context)
            self._executor.add_node(self.node)
            self._client = self.node.create_client(GetParameters, f'{detector}/get_parameters')
            self.node.create_subscription(
                Image, 'image', lambda message: _keep(self.images, message), 10)
            self.node.create_subscription(
                Detection2DArray, f'{detector}/detections',
                lambda message: _keep(self.detections, message), 10)
            self._undo = undo.pop_all()
        self._stopped = False
        self._thread = Thread(target=self._spin, daemon=True)
        self._thread.start()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._thread.join(TIMEOUT)
        self._executor.shutdown()
        self._undo.close()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function on the thread of the node, and return its result."""
        return call_on(self._executor, function, *arguments)

    def parameter(self, name: str) -> Any:
        """Return the value that the detector has."""
        assert self._client.wait_for_service(TIMEOUT)
        future = self._client.call_async(GetParameters.Request(names=[name]))
        answer = wait_until(lambda: future.done() and future.result())
        return parameter_value_to_python(answer.values[0])

    def _spin(self) -> None:
        while not self._stopped:
            try:
                self._executor.spin_once(timeout_sec=0.1)
            except ExternalShutdownException:
                return


def _keep(messages: dict[str, Any], message: Any) -> None:
    stamp = message.header.stamp
    messages[f'{stamp.sec}.{stamp.nanosec:09d}'] = message
    while len(messages) > STAMPS:
        del messages[next(iter(messages))]
