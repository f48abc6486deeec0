# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read messages of protobuf field by field, without their definition.

Source: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

Value = int | memoryview
"""The value of a field: a number, or the bytes of a text or of another message."""

_FIXED_LENGTHS = {1: 8, 5: 4}
"""Bytes of a field by its kind."""


class Truncated(ValueError):
    """A field is longer than the rest of its message."""


class Message:
    """
    The fields of a message by their numbers. A field that is missing is 0 or empty.

    :raises ValueError: the bytes are no message; `Truncated` if they end too early.
    """

    def __init__(self, content: memoryview) -> None:
        self._values: defaultdict[int, list[Value]] = defaultdict(list)
        for number, value in fields(content):
            self._values[number].append(value)

    def number(self, number: int) -> int:
        """Return the value of a field that holds a number; the last one if it is repeated."""
        values = [value for value in self._values[number] if isinstance(value, int)]
        return values[-1] if values else 0

    def content(self, number: int) -> memoryview:
        """Return the bytes of a field; the last ones if it is repeated."""
        contents = self._contents(number)
        return contents[-1] if contents else memoryview(b'')

    def numbers(self, number: int) -> tuple[int, ...]:
        """
        Return the numbers of a packed field.

        :raises ValueError: the bytes are no numbers.
        """
        content, offset = self.content(number), 0
        found = []
        while offset < len(content):
            value, offset = read_number(content, offset)
            found.append(value)
        return tuple(found)

    def text(self, number: int) -> str:
        """
        Return the text of a field; the last one if it is repeated.

        :raises ValueError: it is not UTF-8.
        """
        return bytes(self.content(number)).decode()

    def texts(self, number: int) -> list[str]:
        """
        Return all texts of a field.

        :raises ValueError: one is not UTF-8.
        """
        return [bytes(content).decode() for content in self._contents(number)]

    def message(self, number: int) -> Message:
        """
        Return the message in a field; the last one if it is repeated.

        :raises ValueError: the bytes are no message.
        """
        return Message(self.content(number))

    def messages(self, number: int) -> list[Message]:
        """
        Return all messages of a field.

        :raises ValueError: the bytes of one are no message.
        """
        return list(map(Message, self._contents(number)))

    def _contents(self, number: int) -> list[memoryview]:
        return [value for value in self._values[number] if isinstance(value, memoryview)]


def fields(message: Value) -> Iterator[tuple[int, Value]]:
    """
    Yield number and value of each field of a message.

    :raises Truncated: the message ends within a field.
    :raises ValueError: a field has a kind that protobuf does not have.
    :raises TypeError: the message is a number.
    """
    if isinstance(message, int):
        raise TypeError('a message is expected')
    offset = 0
    while offset < len(message):
        tag, offset = read_number(message, offset)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, offset = read_number(message, offset)
            yield number, value
            continue
        if kind == 2:
            length, offset = read_number(message, offset)
        elif kind in _FIXED_LENGTHS:
            length = _FIXED_LENGTHS[kind]
        else:
            raise ValueError(f'there is no kind {kind}')
        end = offset + length
        if end > len(message):
            raise Truncated(f'it has {len(message)} of at least {end} bytes')
        yield number, message[offset:end]
        offset = end


def read_number(message: memoryview, offset: int) -> tuple[int, int]:
    """
    Return a number of variable length, and the offset behind it.

    :raises ValueError: it is too long; `Truncated` if the message ends within it.
    """
    value = 0
    for index, byte in enumerate(message[offset:offset + 10]):
        value |= (byte & 0x7f) << 7 * index
        if byte < 0x80:
            return value, offset + index + 1
    if offset + 10 > len(message):
        raise Truncated(f'it has {len(message)} of at least {len(message) + 1} bytes')
    raise ValueError('a number is too long')


def content_of(value: Value) -> bytes:
    """
    Return the bytes of a field.

    :raises TypeError: it is a number.
    """
    if isinstance(value, int):
        raise TypeError('a text or a message is expected')
    return bytes(value)
