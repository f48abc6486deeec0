# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What users write after `NAME:=` of a launch argument, and what it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

_Kind = tuple[str, Callable[[str], Any]]
"""What users call a type, and how what they write becomes one."""


def value(name: str, text: str, kind: type) -> Any:
    """
    Read the value of a launch argument.

    :param kind: the type of the setting `name`; a tuple is one of texts.
    :raises ValueError: with what is accepted.
    """
    accepted, read = _POLYGONS if name in ('regions', 'ignored_zones') else _KINDS[kind]
    try:
        return read(text)
    except (KeyError, ValueError, yaml.YAMLError):
        raise ValueError(f'the launch argument {name}:={text} should be {accepted}') from None


def parameter_file(given: str, ours: Path) -> Path:
    """
    Find a parameter file.

    :param given: a path, or the name of a file in the folder `ours`; a file that is really there,
        seen from the working folder, counts more.
    """
    path = Path(given)
    return path if path.exists() or not (ours / path).is_file() else ours / path


def _names(text: str) -> list[str]:
    return _texts(text, ';' if ';' in text else ',')


def _polygons(text: str) -> list[str]:
    return _texts(text, ';')


def _texts(text: str, separator: str) -> list[str]:
    """Read a list with brackets or without; one with quotes in it is YAML."""
    inside = text.strip().removeprefix('[').removesuffix(']')
    if '"' in inside or "'" in inside:
        # Without a type of its own, so that a class may be called `no` or 0.
        return list(map(_text, yaml.load(f'[{inside}]', yaml.BaseLoader)))
    return [part.strip() for part in inside.split(separator)]


def _text(entry: str | Mapping[str, str]) -> str:
    """Take an entry as it was written: `person: 0.3` outside of quotes is a pair to YAML."""
    if isinstance(entry, str):
        return entry
    if isinstance(entry, Mapping):
        return ', '.join(f'{key}: {rest}' for key, rest in entry.items())
    raise ValueError(f'{entry} is no text')


_KINDS: Mapping[type, _Kind] = {
    bool: ('true or false', {'true': True, 'false': False}.__getitem__),
    int: ('a whole number', int),
    float: ('a number', float),
    str: ('any text', str),
    tuple: ('texts with commas between, in quotes where they have commas of their own', _names),
}

_POLYGONS: _Kind = ('polygons with semicolons between, or each in quotes', _polygons)
"""Lists whose texts have commas of their own."""
