# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calls on the thread of an executor: rclpy allows changes of entities nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from waiting import TIMEOUT

Found = TypeVar('Found')


def call_on(executor: Any, function: Callable[..., Found], *arguments: Any) -> Found:
    """
    Call a function on the thread that spins an executor, and return its result.

    rclpy ends the spin with `InvalidHandle` if another thread destroys an entity meanwhile.
    """
    future: Future[Found] = Future()

    def run() -> None:
        try:
            future.set_result(function(*arguments))
        except Exception as error:  # noqa: BLE001 - raised again for the caller
            future.set_exception(error)
    executor.create_task(run)
    return future.result(TIMEOUT)
