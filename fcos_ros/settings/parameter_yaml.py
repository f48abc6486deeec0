# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the text of a parameter file as ROS 2 does, and keep the line of each value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import re
from typing import Any, NamedTuple

import yaml

from fcos_ros.core.text import MAX_QUOTE, shorten

PARAMETERS = 'ros__parameters'
"""The key of the parameters below the name of a node."""

_NODE = re.compile(r'/?(\w+|\*\*?)(/(\w+|\*\*?))*', re.ASCII)
"""The name of a node; `*` is one part of it, and `**` any number of parts."""

_WORDS = {True: ('y', 'yes', 'true', 'on'), False: ('n', 'no', 'false', 'off')}

_BOOLS = {form: value for value, words in _WORDS.items() for word in words
          for form in (word, word.capitalize(), word.upper())}
"""The words that ROS 2's parser reads as true or false."""


class Value(NamedTuple):
    """The value of a parameter, and its line, from 1."""

    value: Any
    line: int


class Section(NamedTuple):
    """The parameters below one key of a parameter file, by name; the key names nodes."""

    key: str
    values: dict[str, Value]


class Mistake(ValueError):
    """A mistake in a file, with its line, from 1."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def read_sections(text: str) -> list[Section]:
    """
    Return the sections of a parameter file.

    :raises Mistake: ROS 2 would refuse the file.
    """
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        alias = next((event for event in yaml.parse(text) if isinstance(event, yaml.AliasEvent)),
                     None)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Mistake(mark.line + 1 if mark else 1,
                      f'this is not YAML: {error.problem}') from None
    except RecursionError:
        raise Mistake(1, 'this is not YAML: it is nested too deeply') from None
    except yaml.YAMLError as error:
        raise Mistake(1, f'this is not YAML: {error}') from None
    if alias:
        raise Mistake(_line(alias), f'ROS 2 does not accept the alias *{alias.anchor}; write its '
                      'value')
    return list(_sections(root, ())) if root else []


def _sections(place: yaml.Node, names: tuple[str, ...]) -> Iterator[Section]:
    """Yield the sections below a part of the name of a node."""
    for key, value in _entries(place, 'the name of a node'):
        if key.value == PARAMETERS and names:
            yield Section('/'.join(names), dict(_parameters(value, '')))
        elif not _NODE.fullmatch(key.value):
            raise Mistake(_line(key), f'the name of a node is {key.value!r}; accepted: letters, '
                          'digits and _ between slashes; /** is every node')
        elif isinstance(value, yaml.MappingNode):
            yield from _sections(value, (*names, key.value))
        else:
            raise Mistake(_line(key), f'{key.value} is not below {PARAMETERS}; accepted: the '
                          f'name of a node or /**, below it {PARAMETERS}, below it parameters')


def _parameters(place: yaml.Node, prefix: str) -> Iterator[tuple[str, Value]]:
    """Yield name and value of each parameter; nested names are joined with dots."""
    for key, value in _entries(place, 'the name of a parameter'):
        name = f'{prefix}{key.value}'
        if isinstance(value, yaml.MappingNode):
            yield from _parameters(value, f'{name}.')
        elif isinstance(value, yaml.SequenceNode):
            yield name, Value(_list(name, value), _line(value))
        elif not value.value and value.style is None:
            raise Mistake(_line(key), f'{name} has no value; write one, or remove the line')
        else:
            yield name, Value(_scalar(value), _line(value))


def _entries(place: yaml.Node, wanted: str) -> Sequence[tuple[yaml.Node, yaml.Node]]:
    """Return the entries of a map; a place without a value is an empty one."""
    if isinstance(place, yaml.MappingNode) and all(
            isinstance(key, yaml.ScalarNode) for key, _ in place.value):
        return list(place.value)
    if isinstance(place, yaml.ScalarNode) and not place.value:
        return []
    raise Mistake(_line(place), f'there is no map here; accepted: {wanted} and a colon')


def _list(name: str, place: yaml.SequenceNode) -> tuple[Any, ...]:
    """Return the entries of a list; those that are maps get other names in ROS 2."""
    entries = [_scalar(entry) for entry in place.value if isinstance(entry, yaml.ScalarNode)]
    if any(isinstance(entry, yaml.SequenceNode) for entry in place.value):
        raise Mistake(_line(place), f'{name} has a list in a list; accepted: texts or numbers')
    if len(set(map(type, entries))) > 1:
        shown = shorten(', '.join(str(entry.value) for entry in place.value), MAX_QUOTE)
        raise Mistake(_line(place), f'{name} is [{shown}], which mixes texts and numbers; '
                      'accepted: entries of one kind; put quotes around each entry')
    return tuple(entries)


def _scalar(place: yaml.ScalarNode) -> Any:
    """Return a value as ROS 2's parser reads it, which differs from YAML 1.1 in numbers."""
    text: str = place.value
    mark = place.start_mark
    is_text = place.tag == 'tag:yaml.org,2002:str' and mark.buffer[mark.pointer] == '!'
    if is_text or place.style in {"'", '"'}:
        return text
    return _BOOLS[text] if text in _BOOLS else _number(text)


def _number(text: str) -> float | str:
    """Return the number that a text stands for, or else the text."""
    if '_' in text:  # 1_000 is a number in Python only
        return text
    try:
        return int(text, 16 if '0x' in text.lower() else 10)
    except ValueError:
        pass
    try:
        return float(re.sub(r'\.(?=inf|nan)', '', text.lower()))
    except ValueError:
        return text


def _line(place: yaml.Node | yaml.Event) -> int:
    return int(place.start_mark.line) + 1
