# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draw the rooms of the package and the flow of data as SVG."""

from __future__ import annotations

from html import escape
from itertools import pairwise

from tools.rooms import ROOMS

WIDTH, ROW, TOP = 820, 84, 30
BOX_WIDTH, BOX_HEIGHT = 150, 44

STEPS = ('message', 'Frame', 'pool', 'preprocess', 'infer', 'decode', 'Detections', 'messages')
"""The way of an image through the node."""
WORKER = ('preprocess', 'decode')
"""The first and the last step that a worker does."""

FONT = 'font-family="sans-serif" font-size="14"'
INK, ROOM, STEP = '#1f2937', '#dbeafe', '#dcfce7'


def architecture() -> str:
    """Return the picture of the rooms and of the flow of data."""
    flow_top = TOP + ROW * (1 + max(room.row for room in ROOMS.values())) + 40
    height = flow_top + 110
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" {FONT}>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 10 5 0 10z" fill="{INK}"/></marker></defs>',
        _text(12, 20, 'Rooms: an arrow means "may import"', 'start'),
        *_arrows(), *_boxes(), *_flow(flow_top), '</svg>']
    return '\n'.join(parts) + '\n'


def _position(name: str) -> tuple[int, int]:
    room = ROOMS[name]
    return round(room.column * WIDTH), TOP + room.row * ROW + BOX_HEIGHT


def _boxes() -> list[str]:
    return [part for name in ROOMS for part in _box(*_position(name), BOX_WIDTH, name, ROOM)]


def _arrows() -> list[str]:
    """Return the arrows that do not follow from others."""
    lines = []
    for name, room in ROOMS.items():
        implied = {below for other in room.may_use for below in ROOMS[other].may_use}
        for other in ROOMS:
            if other in room.may_use - implied:
                (x1, y1), (x2, y2) = _position(name), _position(other)
                lines.append(_line(x1, y1 + BOX_HEIGHT // 2, x2, y2 - BOX_HEIGHT // 2))
    return lines


def _flow(top: int) -> list[str]:
    width, gap = 88, (WIDTH - 24 - 88 * len(STEPS)) // (len(STEPS) - 1)
    parts = [_text(12, top - 12, 'Data flow: one way', 'start')]
    middles = {step: 12 + width // 2 + index * (width + gap) for index, step in enumerate(STEPS)}
    left, right = (middles[step] for step in WORKER)
    parts.append(f'<rect x="{left - width // 2 - 5}" y="{top + 4}" '
                 f'width="{right - left + width + 10}" height="78" rx="8" fill="none" '
                 f'stroke="{INK}" stroke-dasharray="4 3"/>')
    parts.append(_text((left + right) // 2, top + 74, 'worker: a thread or a child process'))
    for step in STEPS:
        parts += _box(middles[step], top + 32, width, step, STEP)
    for before, after in pairwise(STEPS):
        parts.append(_line(middles[before] + width // 2, top + 32,
                           middles[after] - width // 2, top + 32))
    return parts


def _box(x: int, y: int, width: int, label: str, fill: str) -> list[str]:
    """Return a box with its middle there."""
    return [f'<rect x="{x - width // 2}" y="{y - BOX_HEIGHT // 2}" width="{width}" '
            f'height="{BOX_HEIGHT}" rx="6" fill="{fill}" stroke="{INK}"/>',
            _text(x, y + 5, label)]


def _text(x: int, y: int, text: str, anchor: str = 'middle') -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{INK}">{escape(text)}</text>'


def _line(x1: int, y1: int, x2: int, y2: int) -> str:
    return (f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{INK}" '
            'marker-end="url(#tip)"/>')
