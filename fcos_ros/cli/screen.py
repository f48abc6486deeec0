# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal whose whole screen is drawn again and again, and keys that are read at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
import os
import select
from shutil import get_terminal_size
import signal
import sys
import termios
from typing import NoReturn

from fcos_ros.inspection.waterfall import ASCII, UNICODE, Style

ENTER, LEAVE = '\x1b[?1049h\x1b[?25l', '\x1b[?25h\x1b[?1049l'
"""Codes that show another screen without a cursor, and the former screen again."""

HOME, CLEAR_LINE, CLEAR_BELOW = '\x1b[H', '\x1b[K', '\x1b[J'

END_KEY = 'q'

TERMINATED = 128 + signal.SIGTERM


def terminal_style() -> Style:
    """Return the abilities of the terminal on stdout; `NO_COLOR` and `TERM=dumb` are obeyed."""
    colour = sys.stdout.isatty() and not os.environ.get('NO_COLOR') and not is_dumb()
    try:
        UNICODE.p50.encode(sys.stdout.encoding)
        marks = UNICODE
    except UnicodeEncodeError:
        marks = ASCII
    return Style(get_terminal_size().columns, colour, marks)


def is_dumb() -> bool:
    """Return whether the terminal cannot move its cursor."""
    return os.environ.get('TERM', 'dumb') == 'dumb'


class Screen(AbstractContextManager['Screen']):
    """
    The screen of the terminal until the end of the block, which restores it, also at SIGTERM.

    Without a terminal, the lines are printed one after the other.
    """

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty() and not is_dumb()
        self._undo = ExitStack()

    def __enter__(self) -> Screen:
        with ExitStack() as undo:
            if self._is_terminal:
                before = signal.signal(signal.SIGTERM, _end)
                undo.callback(signal.signal, signal.SIGTERM, before)
                undo.callback(_write, LEAVE)
                _write(ENTER)
                if sys.stdin.isatty():
                    undo.callback(termios.tcsetattr, 0, termios.TCSADRAIN, termios.tcgetattr(0))
                    _read_keys_at_once()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def draw(self, lines: Sequence[str], footer: str) -> None:
        """
        Show lines; those that do not fit are left out, and said.

        :param footer: the last line on a terminal.
        """
        if not self._is_terminal:
            print('\n'.join(lines), flush=True)
            return
        rows = get_terminal_size().lines
        if len(lines) > rows - 1:
            hidden = len(lines) - rows + 2
            lines = [*lines[:rows - 2], f'... {hidden} more lines: enlarge the window'][:rows - 1]
        text = ''.join(f'{line}{CLEAR_LINE}\n' for line in lines)
        _write(f'{HOME}{text}{footer}{CLEAR_LINE}{CLEAR_BELOW}')

    def end_pressed(self) -> bool:
        """Return whether the key that ends the program was pressed since the last call."""
        if not self._is_terminal or not sys.stdin.isatty():
            return False
        ready, _, _ = select.select([0], [], [], 0)
        return bool(ready) and END_KEY in os.read(0, 1024).decode(errors='replace')


def _read_keys_at_once() -> None:
    """Give keys to the program without Enter, and do not show them; Ctrl-C still works."""
    attributes = termios.tcgetattr(0)
    attributes[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(0, termios.TCSADRAIN, attributes)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _end(*_: object) -> NoReturn:
    raise SystemExit(TERMINATED)
