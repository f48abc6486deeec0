# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The classes of messages with images, some of whose packages may be missing; their headers."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from std_msgs.msg import Header

from fcos_ros.messages.images import Source


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


def image_header(source: Source, message: Any) -> Header:
    """Return the header of an image, bit for bit, or one made of its other fields."""
    return Header(stamp=source.stamp(message), frame_id=source.frame_id(message))
