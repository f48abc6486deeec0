# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A program on a real terminal, and the screen that its user sees."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from threading import Thread

from waiting import TIMEOUT

FRAME = '\x1b[H'
"""The code that begins a new picture: the cursor goes to the upper left."""

CODES = re.compile('\x1b\\[[0-9;?]*[A-Za-z]')


class Terminal(AbstractContextManager['Terminal']):
    """
    Run `fcos` on a terminal of a size.

    :ivar process: the running program.
    """

    def __init__(self, *arguments: str, columns: int = 100, rows: int = 60,
                 **environment: str) -> None:
        self._master, slave = pty.openpty()
        self.resize(columns, rows)
        self._received = b''
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'fcos_ros.cli', *arguments], stdin=slave, stdout=slave,
            stderr=slave, start_new_session=True,
            env={**os.environ, 'TERM': 'xterm', 'PYTHONUTF8': '1', **environment})
        Thread(target=self._read, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(TIMEOUT)
        os.close(self._slave)

    @property
    def text(self) -> str:
        """All text that the program has written."""
        return self._received.decode(errors='replace')

    @property
    def screen(self) -> str:
        """The newest complete picture without codes; '' if there is none yet."""
        pictures = self.text.split(FRAME)
        return CODES.sub('', pictures[-2]) if len(pictures) > 2 else ''

    @property
    def attributes(self) -> list[object]:
        """The attributes of the terminal, such as whether keys are shown."""
        return termios.tcgetattr(self._slave)

    def press(self, key: str) -> None:
        os.write(self._master, key.encode())

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait until the program ends; return its exit code."""
        return self.process.wait(TIMEOUT)

    def _read(self) -> None:
        with suppress(OSError):  # the terminal is closed
            while data := os.read(self._master, 65536):
                self._received += data
