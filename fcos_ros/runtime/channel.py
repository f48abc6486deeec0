# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages between a process and its child, over a connected stream socket."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
import pickle
import socket
import struct
from time import monotonic
from typing import Any

from fcos_ros.core.errors import FrameErrorKind


@dataclass(frozen=True)
class Failure:
    """
    An error in a child process, as text: exceptions of vendors' modules may not be picklable.

    :ivar fatal: whether the child can do no more work.
    :ivar frame_error: the kind of a `FrameError`; None for another error.
    """

    reason: str
    fatal: bool = False
    frame_error: FrameErrorKind | None = None


class Channel:
    """
    One end of a socket over which two processes send messages in turn.

    A message takes one system call to send, and usually one to receive. Few calls matter: after
    each, a thread waits for the GIL, which the node's other threads keep busy.

    :param end: the socket; `close` closes it.
    """

    _LENGTH = struct.Struct('<I')
    _TIME = struct.Struct('@ll')  # the system's `timeval`
    _PIECE = 1 << 16

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._timeout: float | None = None  # that of the socket, in seconds; None if unknown

    def send(self, message: object) -> None:
        """
        Send a message that can be pickled.

        :raises OSError: the other side has closed the channel.
        """
        content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        self._end.sendall(self._LENGTH.pack(len(content)) + content)

    def receive(self, timeout: float = 0.0) -> Any:
        """
        Wait for a message.

        :param timeout: seconds to wait; 0 waits without limit.
        :raises TimeoutError: no message came in time.
        :raises EOFError: the other side has closed the channel; OSError if it did so abruptly.
        """
        deadline = monotonic() + timeout
        content = self._read(timeout)
        while len(content) < self._length(content):
            content += self._read(_remaining(deadline) if timeout else 0.0)
        return pickle.loads(memoryview(content)[self._LENGTH.size:])

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds; return whether `receive` can return or raise at once."""
        try:
            self._set_timeout(max(timeout, 1e-6))  # 0 would wait without limit
            self._end.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, TimeoutError):
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Close the channel, also while another thread waits for a message."""
        with suppress(OSError):  # the other side closed it first
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()

    def _length(self, content: bytes) -> int:
        """Return the length of a message with its head, or that of the head if it is cut off."""
        head = self._LENGTH.size
        return head if len(content) < head else head + self._LENGTH.unpack_from(content)[0]

    def _read(self, timeout: float) -> bytes:
        self._set_timeout(timeout)
        try:
            piece = self._end.recv(self._PIECE)
        except BlockingIOError:
            raise TimeoutError from None
        if not piece:
            raise EOFError
        return piece

    def _set_timeout(self, timeout: float) -> None:
        """
        Set the timeout of the socket itself; 0 is none.

        Python's timeout would need one more system call for each message.
        """
        if timeout == self._timeout:
            return
        seconds, rest = divmod(max(1, round(timeout * 10**6)) if timeout else 0, 10**6)
        self._end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO,
                             self._TIME.pack(seconds, rest))
        self._timeout = timeout


def _remaining(deadline: float) -> float:
    """
    Return the seconds until a deadline.

    :raises TimeoutError: it has passed.
    """
    remaining = deadline - monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining
