# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read numbers from label files, which may hold anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

LIMIT = 1e9
"""Numbers of a label are smaller than this: larger ones do not fit into the arithmetic."""


def numbers(values: Any, count: int) -> list[float] | None:
    """Return a list of as many numbers; None if it is anything else."""
    if not isinstance(values, (list, tuple)) or len(values) != count:
        return None
    return [float(value) for value in values] if all(map(_is_number, values)) else None


def parsed(words: Sequence[str]) -> list[float] | None:
    """Return the numbers that words state; None if one states none."""
    try:
        values = [float(word) for word in words]
    except ValueError:
        return None
    return values if all(map(_is_number, values)) else None


def read_lines(file: Path) -> list[str]:
    """
    Return the lines of a text file that are not blank, without blanks at their ends.

    A byte order mark is removed, and bytes that are not UTF-8 are replaced.
    """
    text = file.read_text(encoding='utf-8-sig', errors='replace')
    return [line.strip() for line in text.splitlines() if line.strip()]


def _is_number(value: Any) -> bool:
    # Neither a truth value, nor NaN, of which all comparisons are false.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LIMIT
