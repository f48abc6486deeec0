# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run a ROS node as a program: a signal ends it in order, with exit code 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
import re
import sys
import threading

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from fcos_ros.runtime.end_signals import EndSignals
from fcos_ros.runtime.stop_request import StopRequest, StopRequested
from fcos_ros.settings.fast_dds import SEGMENT_PREFIXES, SHARED_MEMORY

FILE_DESCRIPTORS = Path('/proc/self/fd')

_SEGMENT_LOCK = re.compile(
    rf'{SHARED_MEMORY}/((?:{"|".join(SEGMENT_PREFIXES)})[0-9a-f]{{16}})_el')
"""The path of the lock of a segment of Fast DDS; only its owner keeps it open."""

LOG_FOLDER_REMEDY = 'set ROS_LOG_DIR to a folder that can be written'


def run_node(
    name: str, make_node: Callable[[StopRequest], Node], signals: EndSignals,
    arguments: Sequence[str],
) -> int:
    """
    Run a node until a signal ends it.

    :param name: name of the node, for messages.
    :param make_node: creates the node. It may raise ValueError, and StopRequested after a signal.
    :param arguments: the command line, with the name of the program first.
    :returns: the exit code: 0 after a signal, 1 if ROS 2 or the node cannot start, or if a thread
        ends with an error.
    """
    stop_request = StopRequest()
    signals.call(stop_request.make)
    try:
        # The handlers of rclpy would shut ROS 2 down while the node still uses it.
        rclpy.init(args=list(arguments), signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # noqa: BLE001 - the reason must reach the user
        print(f'{name}: ROS 2 cannot start: {_reason(error)}', file=sys.stderr)
        return 1
    with ExitStack() as clean_up:
        clean_up.callback(_shut_down)
        if stop_request.made:
            return 0
        executor = SingleThreadedExecutor()
        clean_up.callback(executor.shutdown)
        failed = clean_up.enter_context(
            _failing_threads(lambda: _stop(stop_request, executor)))
        try:
            node = make_node(stop_request)
        except StopRequested:
            return int(failed.is_set())
        except (ValueError, ParameterException) as error:
            rclpy.logging.get_logger(name).fatal(str(error))
            return 1
        clean_up.callback(node.destroy_node)
        executor.add_node(node)
        signals.call(lambda: _stop(stop_request, executor))
        # The executor must not be woken after it was shut down.
        clean_up.callback(signals.call, stop_request.make)
        while not stop_request.made:
            executor.spin_once()
        return int(failed.is_set())


@contextmanager
def _failing_threads(stop: Callable[[], None]) -> Iterator[threading.Event]:
    """
    Set the event, and call `stop`, when a thread ends with an error inside the block.

    Without its thread, a node seems to run, but does nothing any more.
    """
    failed = threading.Event()

    def fail(ending: threading.ExceptHookArgs) -> None:
        before(ending)  # prints the error
        failed.set()
        stop()
    before, threading.excepthook = threading.excepthook, fail
    try:
        yield failed
    finally:
        threading.excepthook = before


def _shut_down() -> None:
    """Shut ROS 2 down, and remove the shared memory of this process: its exit may not do so."""
    segments = [SHARED_MEMORY / name for name in _own_segments()]
    rclpy.try_shutdown()
    for segment in segments:
        for file in (segment, segment.with_name(f'{segment.name}_el')):
            with suppress(OSError):  # Fast DDS has removed it
                file.unlink()


def _own_segments() -> set[str]:
    """Return the names of the segments of Fast DDS whose lock this process holds."""
    found = set()
    for link in FILE_DESCRIPTORS.iterdir():
        with suppress(OSError):  # it was closed, like the file of the listing
            match = _SEGMENT_LOCK.fullmatch(str(link.readlink()))
            if match:
                found.add(match[1])
    return found


def _stop(stop_request: StopRequest, executor: SingleThreadedExecutor) -> None:
    """Make the request, and let `spin_once` return also if no callback is due."""
    stop_request.make()
    executor.create_task(lambda: None)


def _reason(error: Exception) -> str:
    """Return the text of an error of rclpy without places in its source, and with the remedy."""
    text = re.sub(r', at \S+:\d+', '', str(error)).strip()
    return f'{text}; {LOG_FOLDER_REMEDY}' if 'initialize logging' in text else text
