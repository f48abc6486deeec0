# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Call functions on the executor's thread of ROS 2 from the server's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from rclpy.node import Node

TIMEOUT = 5.0
"""Seconds to wait for the answer of another node."""


class RosThread:
    """
    The executor's thread of a node.

    A guard condition wakes it, as the node has no executor while it starts.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._guard = node.create_guard_condition(self._run)

    def post(self, call: Callable[[], None]) -> None:
        """Call a function on the thread, soon; from any thread."""
        self._calls.put(call)
        self._guard.trigger()

    async def ask(self, client: Callable[[], Any], request: Any) -> Any:
        """
        Return the answer of a service.

        :param client: returns the client, or raises; called on the thread.
        :raises TimeoutError: there is no answer.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def settle(action: Callable[[Any], None], value: Any) -> None:
            if not answer.done():  # else the caller has gone
                action(value)

        def finish(done: Any) -> None:
            if not done.cancelled():
                _call_soon(loop, settle, answer.set_result, done.result())

        def start() -> None:
            try:
                sent.append(client().call_async(request))
                sent[0].add_done_callback(finish)
            except Exception as error:  # noqa: BLE001 - the caller handles it
                _call_soon(loop, settle, answer.set_exception, error)

        sent: list[Any] = []
        self.post(start)
        try:
            return await asyncio.wait_for(answer, TIMEOUT)
        except asyncio.TimeoutError:
            self.post(lambda: _cancel(sent))
            raise TimeoutError(f'no answer within {TIMEOUT:g} s') from None

    def close(self) -> None:
        """Drop the calls that wait."""
        self._node.destroy_guard_condition(self._guard)

    def _run(self) -> None:
        with suppress(Empty):
            while True:
                self._calls.get_nowait()()


def _cancel(futures: Iterable[Any]) -> None:
    for future in futures:
        future.cancel()


def _call_soon(loop: asyncio.AbstractEventLoop, *call: Any) -> None:
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(*call)
