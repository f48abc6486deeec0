# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Output of the command: tables on stdout, progress on stderr."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
import ctypes
import io
import os
from shutil import get_terminal_size
import sys
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import TextIO

from fcos_ros.core.labels import printable

Row = Sequence[str]

STDOUT, STDERR = 1, 2
"""The numbers of the standard streams."""

BAR_WIDTH = 30
"""Characters of a full progress bar."""

REDRAW_PERIOD = 0.1
"""Minimum seconds between two updates of the progress bar."""


def plain_table(rows: Sequence[Row]) -> str:
    """Align the columns of a table with spaces; control characters are escaped."""
    rows = _printable(rows)
    widths = _widths(rows)
    return '\n'.join(
        '  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def printable_lines(text: str) -> str:
    """Escape control characters, but not the line breaks."""
    return '\n'.join(map(printable, text.split('\n')))


def markdown_table(rows: Sequence[Row]) -> str:
    """Format a table as Markdown; the first row is the head. Control characters are escaped."""
    rows = _printable(rows)
    widths = [max(3, width) for width in _widths(rows)]
    head, *body = [[cell.ljust(width) for cell, width in zip(row, widths)] for row in rows]
    rule = ['-' * width for width in widths]
    return '\n'.join(f'| {" | ".join(row)} |' for row in (head, rule, *body))


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """
    Redirect stdout to stderr inside the block.

    The vendor's libraries print to stdout, which must hold only our tables or JSON. The output of
    native code is also redirected, and that of child processes which start inside the block.
    """
    sys.stdout.flush()
    original = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ctypes.CDLL(None).fflush(None)  # the C library buffers its output
        os.dup2(original, 1)
        os.close(original)


def open_closed_streams() -> None:
    """Open standard streams that are closed; a file that is opened would get their number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(number)
    if not sys.stderr:
        sys.stderr = os.fdopen(STDERR, 'w')


def escape_unknown_characters() -> None:
    """Print escapes instead of characters that a terminal cannot show; names may have any."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')


def discard_stdout() -> None:
    """Discard text that was printed and cannot be written; Python tries it again when it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, STDOUT)
    os.close(null)


class Progress:
    """
    Show the progress of several steps: as a bar on a terminal, else as a line for each step.

    Any thread may call `advance`. As a context manager, it removes the bar at the end.

    :param total: frames in all steps; None if that is unknown.
    """

    def __init__(self, total: int | None, stream: TextIO) -> None:
        self._total = total
        self._stream = stream
        self._lock = Lock()
        self._is_terminal = stream.isatty()
        self._start = monotonic()
        self._done = 0
        self._step = ''
        self._drawn = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.end()

    def begin(self, step: str) -> None:
        """Begin a step, and show its name."""
        with self._lock:
            self._step = printable(step)
            if self._is_terminal:
                self._draw()
            else:
                print(self._step, file=self._stream, flush=True)

    def advance(self, frames: int = 1) -> None:
        """Count finished frames."""
        with self._lock:
            self._done += frames
            if self._is_terminal and monotonic() - self._drawn > REDRAW_PERIOD:
                self._draw()

    def end(self) -> None:
        """Remove the bar."""
        if self._is_terminal:
            self._stream.write('\r\x1b[K')
            self._stream.flush()

    def _draw(self) -> None:
        self._drawn = monotonic()
        state = progress_text(self._done, self._total, self._drawn - self._start)
        # A longer line would wrap, and `\r` would not return to its beginning.
        line = f'{state} {self._step}'[:get_terminal_size().columns - 1]
        self._stream.write(f'\r\x1b[K{line}')
        self._stream.flush()


def progress_text(done: int, total: int | None, seconds: float) -> str:
    """Return a bar with the time that is left; without a total, the number of frames."""
    if not total:
        rate = f', {done / seconds:.1f} a second' if seconds > 1 else ''
        return f'{done} frames{rate}'
    share = min(done / total, 1.0)
    bar = ('#' * round(BAR_WIDTH * share)).ljust(BAR_WIDTH, '.')
    left = f', {_duration(seconds * (1 - share) / share)} left' if share and seconds > 1 else ''
    return f'[{bar}] {share:4.0%}{left}'


def _duration(seconds: float) -> str:
    """Return a duration such as `12 s`, `3:05 min` or `2:07 h`."""
    whole = round(seconds)
    if whole < 60:
        return f'{whole} s'
    if whole < 3600:
        return f'{whole // 60}:{whole % 60:02} min'
    return f'{whole // 3600}:{whole % 3600 // 60:02} h'


def _printable(rows: Sequence[Row]) -> list[Row]:
    return [tuple(map(printable, row)) for row in rows]


def _widths(rows: Sequence[Row]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows)]
