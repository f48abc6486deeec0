# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert the texts after `NAME:=` of launch arguments to values, and names to full names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
import posixpath
from typing import Any

import yaml

from fcos_ros.core.text import MAX_QUOTE, shorten
from fcos_ros.settings.schema import Option, near_name

_Reader = tuple[str, Callable[[str], Any]]
"""The accepted form of a value, in words, and the function that reads it."""


def describe(option: Option) -> str:
    """Return the description of a launch argument, with the accepted values."""
    accepted = 'true, false' if isinstance(option.default, bool) else option.accepted
    return f'{option.description} Accepted: {accepted}.' if accepted else option.description


def parse_value(name: str, text: str, option: Option) -> Any:
    """
    Convert the text of a launch argument to the type of its setting; to a list for a tuple.

    Upper and lower case of words do not matter: True is true, and INFO is info.

    :raises ValueError: the text cannot be read, or the value is not accepted.
    """
    try:
        value = read_value(text, option)
    except ValueError as error:
        raise ValueError(f'the launch argument {name}:={shorten(text, MAX_QUOTE)} cannot be read; '
                         f'accepted: {error}') from None
    complaint = option.complaint(option.given(value))
    if complaint:
        raise ValueError(f'the launch argument {name} {complaint}')
    return value


def read_value(text: str, option: Option) -> Any:
    """
    Convert a text to the type of a setting; to a list for a tuple.

    :raises ValueError: the text cannot be read; the message is the accepted form.
    """
    accepted, read = _POLYGONS if option.commas else _READERS[type(option.default)]
    try:
        return read(_known_word(text, option.choices))
    except (KeyError, ValueError, RecursionError, yaml.YAMLError):
        limits = f', {option.accepted}' if option.limits else ''
        raise ValueError(f'{accepted}{limits}') from None


def unknown_arguments(words: Sequence[str], file: Path, known: Iterable[str]) -> list[str]:
    """
    Return a sentence for each argument that a launch file does not have; ROS 2 ignores those.

    :param words: the command line. It must name the file: one that is included by another may
        see the arguments of that.
    """
    if not any(Path(word).name == file.name for word in words):
        return []
    names = list(known)
    given = [word.partition(':=')[0] for word in words if ':=' in word]
    return [f'{file.name} has no argument {name}, so it has no effect{near_name(name, names)}'
            for name in given if name not in names]


def full_name(*parts: str | None) -> str:
    """Return the full name of a name in namespaces; those before an absolute one are left out."""
    return posixpath.normpath(posixpath.join('/', *filter(None, parts)))


def resolve_topic(topic: str, node: str, remappings: Iterable[tuple[str, str]]) -> str:
    """
    Return the full name of a topic after remapping, as ROS 2 resolves it.

    :param topic: as it stands in the node: absolute, relative, or private as in `~/detections`.
    :param node: full name of the node.
    :param remappings: pairs of names; the first that matches is used.
    """
    def expand(name: str) -> str:
        if name.startswith('~'):
            return full_name(node, name.lstrip('~/'))
        return full_name(posixpath.dirname(node), name)

    name = expand(topic)
    return next((expand(new) for old, new in remappings if expand(old) == name), name)


def _known_word(text: str, choices: Iterable[str]) -> str:
    return next((choice for choice in choices if choice.lower() == text.lower()), text)


def _read_bool(text: str) -> bool:
    return {'true': True, 'false': False}[text.lower()]


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
    bool: ('true or false', _read_bool),
    int: ('a whole number', int),
    float: ('a number', float),
    str: ('any text', str),
    tuple: ('texts with commas between them; a text that contains a comma needs quotes',
            _split_names),
}

_POLYGONS: _Reader = ('polygons with semicolons between them, or each in quotes', _split_polygons)
"""The reader of lists whose texts contain commas."""
