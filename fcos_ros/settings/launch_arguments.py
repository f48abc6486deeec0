# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert the text after `NAME:=` of a launch argument to a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from fcos_ros.settings.schema import Option

_Reader = tuple[str, Callable[[str], Any]]
"""The accepted form of a value, in words, and the function that reads it."""


def parse_value(name: str, text: str, option: Option) -> Any:
    """
    Convert the text of a launch argument to the type of its setting; to a list for a tuple.

    :raises ValueError: the text cannot be read.
    """
    accepted, read = _POLYGONS if option.commas else _READERS[type(option.default)]
    try:
        return read(text)
    except (KeyError, ValueError, yaml.YAMLError):
        raise ValueError(
            f'the launch argument {name}:={text} cannot be read; accepted: {accepted}') from None


def find_parameter_file(given: str, config: Path) -> Path:
    """
    Return the path of a parameter file.

    :param given: a path, or the name of a file in the folder `config`. A file that exists
        relative to the working folder has priority.
    """
    path = Path(given)
    return path if path.exists() or not (config / path).is_file() else config / path


def _split_names(text: str) -> list[str]:
    return _split(text, ';' if ';' in text else ',')


def _split_polygons(text: str) -> list[str]:
    return _split(text, ';')


def _split(text: str, separator: str) -> list[str]:
    """Split a list with or without brackets; a list with quotes is read as YAML."""
    inside = text.strip().removeprefix('[').removesuffix(']')
    if '"' in inside or "'" in inside:
        # The base loader converts no entry: a class may be called `no` or 0.
        return list(map(_to_text, yaml.load(f'[{inside}]', yaml.BaseLoader)))
    return [part.strip() for part in inside.split(separator)]


def _to_text(entry: str | Mapping[str, str]) -> str:
    """Return an entry as the user wrote it: YAML reads `person: 0.3` without quotes as a map."""
    if isinstance(entry, str):
        return entry
    if isinstance(entry, Mapping):
        return ', '.join(f'{key}: {rest}' for key, rest in entry.items())
    raise ValueError(f'{entry} is not a text')


_READERS: Mapping[type, _Reader] = {
    bool: ('true or false', {'true': True, 'false': False}.__getitem__),
    int: ('a whole number', int),
    float: ('a number', float),
    str: ('any text', str),
    tuple: ('texts with commas between them; a text that contains a comma needs quotes',
            _split_names),
}

_POLYGONS: _Reader = ('polygons with semicolons between them, or each in quotes', _split_polygons)
"""The reader of lists whose texts contain commas."""
