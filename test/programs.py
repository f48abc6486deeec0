# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start nodes as processes, as a user does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from waiting import TIMEOUT, wait_until


def start_node(*program: str, parameters: tuple[str, ...] = (),
               **environment: str) -> subprocess.Popen[str]:
    """Start a Python program with parameters such as 'workers:=2'."""
    arguments = [part for name_value in parameters for part in ('-p', name_value)]
    return subprocess.Popen(
        [sys.executable, *program, '--ros-args', *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, **environment})


def read_output(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a process, and return its output; assert that it has no traceback."""
    output, _ = process.communicate(timeout=TIMEOUT)
    assert 'Traceback' not in output, output
    return output


def require_clean_end(process: subprocess.Popen[str], signal_number: signal.Signals,
                      message_type: Any, topic: str) -> None:
    """Send a signal twice to a process that publishes; assert that it ends with exit code 0."""
    wait_for_message(message_type, topic)
    process.send_signal(signal_number)
    process.send_signal(signal_number)
    read_output(process)
    assert process.returncode == 0


def wait_for_message(message_type: Any, topic: str) -> None:
    """Wait until a message is published on a topic."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node('waiting', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    messages: list[Any] = []
    node.create_subscription(message_type, topic, messages.append, 1)
    wait_until(lambda: executor.spin_once(timeout_sec=0.1) or messages)
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown(context=context)
