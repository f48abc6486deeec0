# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The progress is a bar with the time that is left on a terminal, and lines elsewhere."""

from __future__ import annotations

import io

import pytest

from fcos_ros.cli import output
from fcos_ros.cli.output import Progress, progress_text


class Terminal(io.StringIO):
    """A terminal that keeps what is written."""

    def isatty(self) -> bool:
        """Return that it is a terminal."""
        return True


@pytest.mark.parametrize(('done', 'total', 'seconds', 'text'), [
    (0, 100, 5.0, '[..............................]   0%'),
    (50, 100, 10.0, '[###############...............]  50%, 10 s left'),
    (10, 100, 10.0, '[###...........................]  10%, 1:30 min left'),
    (1, 1000, 10.0, '[..............................]   0%, 2:46 h left'),
    (200, 100, 10.0, '[##############################] 100%, 0 s left'),
    (30, None, 10.0, '30 frames, 3.0 a second'),
    (30, None, 0.5, '30 frames')])
def test_the_progress_has_the_share_and_the_time_left(done, total, seconds, text):
    assert progress_text(done, total, seconds) == text


def test_a_terminal_shows_a_bar_that_is_removed_at_the_end(monkeypatch):
    monkeypatch.setattr(output, 'REDRAW_PERIOD', -1.0)
    stream = Terminal()
    with Progress(4, stream) as progress:
        progress.begin('video \x1b[31m.mp4')
        progress.advance(2)
    lines = stream.getvalue().split('\r\x1b[K')
    assert lines[1].endswith('0% video \\x1b[31m.mp4')
    assert '50%' in lines[2]
    assert lines[-1] == ''


def test_a_line_is_never_wider_than_the_terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '50')
    stream = Terminal()
    with Progress(4, stream) as progress:
        progress.begin('x' * 200)
    assert max(map(len, stream.getvalue().split('\r\x1b[K'))) == 49


def test_a_file_gets_a_line_for_each_step():
    stream = io.StringIO()
    with Progress(4, stream) as progress:
        progress.begin('first')
        progress.advance(2)
        progress.begin('second')
    assert stream.getvalue() == 'first\nsecond\n'
