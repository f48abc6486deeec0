# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a worker process and its parent say to each other."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
import pickle
import socket
import struct
from time import monotonic
from typing import Any

from fcos_ros.backends import ModelInfo
from fcos_ros.core.decode import Criteria
from fcos_ros.core.resize import Size
from fcos_ros.runtime.detector import Result


@dataclass(frozen=True)
class Recipe:
    """
    All that makes a detector.

    :ivar backend: a name of `backends.BACKENDS`, or `auto`.
    :ivar threads: CPU threads of one inference, where the engine has such a choice.
    :ivar fit: how a frame is laid on the model's canvas.
    """

    path: Path
    backend: str = 'auto'
    threads: int = 1
    fit: str = 'letterbox'


@dataclass(frozen=True)
class Task:
    """
    A frame in shared memory, its planes packed one after the other.

    :ivar shapes: of the planes, in order.
    """

    size: Size
    encoding: str
    shapes: tuple[tuple[int, ...], ...]
    criteria: Criteria | None


@dataclass(frozen=True)
class Failure:
    """
    What went wrong in the child, in words: exceptions of vendors' modules may not travel.

    :ivar fatal: the child is of no more use.
    """

    reason: str
    fatal: bool = False


Reply = ModelInfo | Result | Failure


class Line:
    """
    One end of a connected stream socket over which processes take turns to speak.

    Each message is one call of the system to send and mostly one to receive, because whenever
    such a call ends a thread waits for the GIL, and the node's others keep it busy.

    :param end: the socket, which the line closes.
    """

    _LENGTH = struct.Struct('<I')
    _TIME = struct.Struct('@ll')  # the system's `timeval`
    _PIECE = 1 << 16

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, message: object) -> None:
        """
        Say something that can be pickled.

        :raises OSError: when the other side has gone.
        """
        content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        self._end.sendall(self._LENGTH.pack(len(content)) + content)

    def receive(self, patience: float = 0.0) -> Any:
        """
        Wait for what the other side says.

        :param patience: seconds to wait; 0 is for ever.
        :raises TimeoutError: when it was not said in time.
        :raises EOFError: when the other side has gone; OSError when it went at once.
        """
        deadline = monotonic() + patience if patience else float('inf')
        content = b''
        while len(content) < self._length(content):
            content += self._read(deadline)
        return pickle.loads(memoryview(content)[self._LENGTH.size:])

    def poll(self, patience: float) -> bool:
        """Wait until something was said, or the other side has gone: `receive` tells which."""
        try:
            self._limit(monotonic() + patience)
            self._end.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, TimeoutError):
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Hang up, also on a thread that waits for the other side."""
        with suppress(OSError):  # the other side did so first
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()

    def _length(self, content: bytes) -> int:
        """Tell how long a message is, as far as its beginning says."""
        head = self._LENGTH.size
        return head if len(content) < head else head + self._LENGTH.unpack_from(content)[0]

    def _read(self, deadline: float) -> bytes:
        self._limit(deadline)
        try:
            piece = self._end.recv(self._PIECE)
        except BlockingIOError:
            raise TimeoutError from None
        if not piece:
            raise EOFError
        return piece

    def _limit(self, deadline: float) -> None:
        """Have the system watch the time: a time-out of Python's is a call more."""
        patience = 0.0
        if deadline < float('inf'):
            patience = deadline - monotonic()
            if patience <= 0:
                raise TimeoutError
        seconds, rest = divmod(max(1, round(patience * 10**6)) if patience else 0, 10**6)
        self._end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO,
                             self._TIME.pack(seconds, rest))
