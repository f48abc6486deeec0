# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Texts of users and of other programs: a maximum length in messages, and an order."""

from __future__ import annotations

from collections.abc import Sequence
import re

MAX_LENGTH = 1000
"""Characters of a text in the log or in diagnostics: a screen of a terminal has 2000."""

MAX_QUOTE = 200
"""Characters of a quoted value in an error: no valid name is longer."""

MAX_NAMED = 3
"""Names in an enumeration."""


def shorten(text: str, limit: int = MAX_LENGTH) -> str:
    """Return a text of at most `limit` characters; the end of a longer one is replaced by dots."""
    return text if len(text) <= limit else f'{text[:limit - 3]}...'


def natural_key(text: str) -> list[tuple[int, str]]:
    """Return a key by which 10.jpg comes after 9.jpg."""
    parts = re.split(r'(\d+)', text)
    return [(int(part), '') if part.isdecimal() else (-1, part) for part in parts]


def enumerate_some(names: Sequence[str], separator: str = ', ') -> str:
    """Return the first `MAX_NAMED` names, and the number of the others."""
    more = len(names) - MAX_NAMED
    return separator.join(names[:MAX_NAMED]) + (f'{separator}and {more} more' if more > 0 else '')
