# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How verbs speak: tables to stdout, progress to stderr, and nobody in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
import ctypes
import os
import sys
from threading import Lock
from time import monotonic
from typing import TextIO

Row = Sequence[str]

BAR = 30
"""Characters of a full bar."""

PAUSE = 0.1
"""Seconds between two pictures of the bar."""


def plain(rows: Sequence[Row]) -> str:
    """Align columns with spaces; the last one may be as long as it likes."""
    widths = _widths(rows)
    return '\n'.join(
        '  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def markdown(rows: Sequence[Row]) -> str:
    """Make a table of Markdown, the first row its head."""
    widths = [max(3, width) for width in _widths(rows)]
    head, *body = [[cell.ljust(width) for cell, width in zip(row, widths)] for row in rows]
    rule = ['-' * width for width in widths]
    return '\n'.join(f'| {" | ".join(row)} |' for row in (head, rule, *body))


@contextmanager
def undisturbed() -> Iterator[None]:
    """
    Send to stderr what libraries print: the vendor's print to stdout, where tables and JSON go.

    Holds for native code and for child processes started meanwhile.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what the C library has not yet written
        os.dup2(kept, 1)
        os.close(kept)


class Progress:
    """
    A bar for each step on a terminal, a line for each step elsewhere; any thread may advance it.

    :param total: frames in all steps.
    """

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total = total
        self._stream = stream
        self._lock = Lock()
        self._bar = stream.isatty()
        self._done = 0
        self._step = ''
        self._shown = 0.0

    def begin(self, step: str) -> None:
        """Name what follows."""
        with self._lock:
            self._step = step
            if self._bar:
                self._draw()
            else:
                print(step, file=self._stream, flush=True)

    def advance(self, frames: int = 1) -> None:
        """Count frames that are done."""
        with self._lock:
            self._done += frames
            if self._bar and monotonic() - self._shown > PAUSE:
                self._draw()

    def end(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._stream.write('\r\x1b[K')
            self._stream.flush()

    def _draw(self) -> None:
        self._shown = monotonic()
        done = min(self._done / self._total, 1.0)
        bar = ('#' * round(BAR * done)).ljust(BAR, '.')
        self._stream.write(f'\r\x1b[K[{bar}] {done:4.0%} {self._step}')
        self._stream.flush()


def _widths(rows: Sequence[Row]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows)]
