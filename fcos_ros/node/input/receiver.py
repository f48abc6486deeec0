# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Receive the messages of one subscription on a thread of their own.

The executors of rclpy list all entities of a node again for each message, and wait twice. With the
36 entities of this node, that takes several times as long as the message itself. A thread
that waits for one subscription lists nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from threading import Thread
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node

THREAD_NAME = 'fcos-receiver'

FOREVER = -1
"""A timeout of a wait set."""


class Receiver:
    """
    Subscribe to a topic, until `close`.

    Call it and `close` on the executor's thread, as for any entity.

    :param callback: called on the thread of the receiver with each message and the facts that the
        middleware gives about it. An error that it raises is logged.
    :param options: passed to `Node.create_subscription`.
    """

    def __init__(self, node: Node, message_type: Any, topic: str, qos: Any,
                 callback: Callable[[Any, Any], None], **options: Any) -> None:
        self._node = node
        self._callback = callback
        self._closing = False
        self._thread = Thread(target=self._run, name=THREAD_NAME, daemon=True)
        with ExitStack() as undo:
            self._subscription = node.create_subscription(
                message_type, topic, _never_called, qos, callback_group=_NotExecuted(), **options)
            undo.callback(node.destroy_subscription, self._subscription)
            self._end = GuardCondition(None, None, context=node.context)
            undo.callback(self._end.destroy)
            self._thread.start()
            self._undo = undo.pop_all()

    def close(self) -> None:
        """Unsubscribe, after a message that is being handled."""
        self._closing = True
        self._end.trigger()
        self._thread.join()
        self._undo.close()

    def _run(self) -> None:
        subscription, end = self._subscription.handle, self._end.handle
        context: Any = self._node.context
        with subscription, end, context.handle:
            wait_set = rclpy_implementation.WaitSet(1, 1, 0, 0, 0, 0, context.handle)
            while True:
                wait_set.clear_entities()
                wait_set.add_subscription(subscription)
                wait_set.add_guard_condition(end)
                wait_set.wait(FOREVER)
                if self._closing or not context.handle.ok():
                    return
                self._take()

    def _take(self) -> None:
        """Take one message, if there is one."""
        subscription = self._subscription
        try:
            taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
            if taken is not None:
                self._callback(*taken)
        except Exception as error:  # noqa: BLE001 - the next message may be accepted
            self._node.get_logger().error(
                f'a message on {subscription.topic_name} is lost: {type(error).__name__}: {error}',
                throttle_duration_sec=1.0)


def _never_called(message: Any) -> None:
    """Stand for the callback that only an executor would call."""


class _NotExecuted(CallbackGroup):
    """A callback group whose entities no executor waits for."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        """Do nothing: no execution begins."""
