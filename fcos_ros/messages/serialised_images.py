# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read serialised sensor_msgs/Image messages without message objects.

rclpy makes three headers for each image, and copies the pixels into an array of Python. Here, the
pixels are a view of the serialised message. The format is described in `messages.detections`.
"""

from __future__ import annotations

import struct
from struct import Struct
from typing import NamedTuple

from fcos_ros.messages.detections import ENCAPSULATION, stamp_of
from fcos_ros.messages.headers import ImageHeader, Stamp

_STAMP_END = len(ENCAPSULATION) + 8

_NUMBER = Struct('<I')
_PAIR = Struct('<II')


class SerialisedImage(NamedTuple):
    """The fields of an image message; `data` views the serialised message."""

    header: ImageHeader
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


class _Description(NamedTuple):
    """
    All fields of an image but its stamp and its data.

    :ivar parts: the bytes of the message that state them. The padding between them is arbitrary.
    :ivar places: the position of each part.
    :ivar values: height, width, encoding, is_bigendian and step.
    :ivar start: the first byte of the data in the message; `end` follows the last one.
    """

    parts: tuple[bytes, ...]
    places: tuple[int, ...]
    frame_id: str
    values: tuple[int, int, str, int, int]
    start: int
    end: int

    @classmethod
    def of(cls, message: bytes) -> _Description:
        """
        Read a message.

        :raises ValueError: it is truncated, or of another format.
        """
        if not message.startswith(ENCAPSULATION):
            raise ValueError(f'its format is {message[:4]!r}; accepted: {ENCAPSULATION!r}')
        try:
            frame_id, frame_id_end = _text(message, _STAMP_END)
            size = _aligned(frame_id_end)
            height, width = _PAIR.unpack_from(message, size)
            encoding, order = _text(message, size + _PAIR.size)
            rest = _aligned(order + 1)
            step, length = _PAIR.unpack_from(message, rest)
            values = height, width, encoding, message[order], step
        except (struct.error, IndexError) as error:
            raise ValueError(f'it is truncated: {error}') from error
        start = rest + _PAIR.size
        if start + length > len(message):
            raise ValueError(f'it ends before its {length} bytes of data')
        spans = ((0, len(ENCAPSULATION)), (_STAMP_END, frame_id_end), (size, order + 1),
                 (rest, start))
        return cls(tuple(message[first:last] for first, last in spans),
                   tuple(first for first, _ in spans), frame_id, values, start, start + length)

    def fits(self, message: bytes) -> bool:
        """Return whether it describes a message."""
        return (len(message) >= self.end
                and all(map(message.startswith, self.parts, self.places)))


class ImageReader:
    """Read the messages of one topic: what they have in common is read once."""

    def __init__(self) -> None:
        self._last: _Description | None = None

    def read(self, message: bytes) -> SerialisedImage:
        """
        View a message.

        :raises ValueError: it is damaged, or its format is not CDR, version 1, little endian.
        """
        last = self._last
        if last is None or not last.fits(message):
            last = self._last = _Description.of(message)
        header = ImageHeader(Stamp(*stamp_of(message)), last.frame_id)
        return SerialisedImage(header, *last.values, memoryview(message)[last.start:last.end])


def _text(message: bytes, start: int) -> tuple[str, int]:
    """Return a text and the position after it."""
    length, = _NUMBER.unpack_from(message, start)
    first = start + _NUMBER.size
    content = message[first:first + length]
    if content.find(b'\0') != length - 1:
        raise ValueError(f'a text has no zero as its last of {length} bytes')
    return content[:-1].decode(), first + length


def _aligned(position: int) -> int:
    return position + -position % _NUMBER.size
