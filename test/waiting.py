# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Wait for events.

No test asserts how long something takes. A test waits for an event, and fails only if the event
does not come at all.
"""

from __future__ import annotations

from collections.abc import Callable
import inspect
import sys
from textwrap import dedent
from threading import Thread
import time
from typing import Any, TypeVar

TIMEOUT = 60.0
"""Seconds to wait for an event; also the timeout of the product in tests where nothing hangs."""

HANG_TIMEOUT = 5.0
"""Timeout of the product, in seconds, in tests where something hangs; a frame takes 0.02 s."""

Found = TypeVar('Found')


def wait_until(condition: Callable[[], Found], timeout: float = TIMEOUT) -> Found:
    """
    Return the first true value of `condition()`.

    :raises AssertionError: when there is none within `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while True:
        last = time.monotonic() >= end
        found = condition()
        if found:
            return found
        assert not last, f'waited {timeout:g} s for: {_source(condition)}'
        time.sleep(0.01)


def functions_of(thread: Thread) -> set[str]:
    """Return the names of the functions that a thread is in, also while it is blocked there."""
    frame = sys._current_frames().get(thread.ident or 0)
    names = set()
    while frame is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return names


def _source(condition: Callable[[], Any]) -> str:
    """Return the source of a lambda, and the name of any other function."""
    name: str = getattr(condition, '__qualname__', repr(condition))
    return dedent(inspect.getsource(condition)).strip() if '<lambda>' in name else name
