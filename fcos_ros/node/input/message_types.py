# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The classes of messages with images, some of whose packages may be missing, and their fields."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from rclpy.serialization import deserialize_message

from fcos_ros.messages.headers import ImageHeader, Stamp
from fcos_ros.messages.images import Source
from fcos_ros.messages.serialised_images import ImageReader, SerialisedImage


class MessageTypeError(ValueError):
    """Messages of a type cannot be received, as their package is not installed."""


def message_type(type_name: str) -> Any:
    """
    Return the class of messages of a type, such as 'sensor_msgs/msg/Image'.

    :raises MessageTypeError: its package is not installed.
    """
    package, _, name = type_name.split('/')
    try:
        return getattr(import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError) as error:
        raise MessageTypeError(
            f'{type_name} cannot be received: {error}; install the package {package} '
            'and source its workspace') from error


def find_reader(source: Source) -> Callable[[bytes], Any] | None:
    """Return a function that reads the serialised messages of one topic; None if rclpy must."""
    if source.transport != 'raw':
        return None
    reader, known_type = ImageReader(), message_type(source.type_name)

    def read(message: bytes) -> Any:
        try:
            return reader.read(message)
        except ValueError:  # such as from a publisher on a big-endian machine
            return deserialize_message(message, known_type)
    return read


def image_header(source: Source, message: Any) -> ImageHeader:
    """Return the header of an image, bit for bit, or one made of its other fields."""
    if isinstance(message, SerialisedImage):
        return message.header
    return ImageHeader(Stamp.of(source.stamp(message)), source.frame_id(message))
