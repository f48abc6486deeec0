# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""View the bytes of an image, whatever object a message holds them in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fcos_ros.core.arrays import Bytes
from fcos_ros.core.errors import FrameError


def view_bytes(data: Any) -> Bytes:
    """
    View the bytes of an object, without a copy if it allows that.

    :param data: a contiguous buffer (bytes, array, memoryview, uint8 array), or an object that
        converts itself to an array of uint8 or to bytes, such as a buffer in other memory.
    :raises FrameError: it offers no bytes.
    """
    try:
        return np.frombuffer(data, np.uint8)
    except (ValueError, BufferError) as error:  # a buffer that is not contiguous
        raise _unreadable(data, error) from error
    except TypeError as error:  # no buffer
        reason: Exception = error
    for name, convert in _CONVERSIONS.items():
        if hasattr(data, name):
            try:
                return convert(data)
            except Exception as error:  # noqa: BLE001 - another package's object may raise any
                reason = error
    raise _unreadable(data, reason)


def _from_array(data: Any) -> Bytes:
    array = np.asarray(data)
    if array.dtype != np.uint8:
        raise TypeError(f'its array is {array.dtype}')
    return np.ascontiguousarray(array, np.uint8).reshape(-1)


_CONVERSIONS: Mapping[str, Callable[[Any], Bytes]] = {
    '__array__': _from_array,
    'to_bytes': lambda data: np.frombuffer(data.to_bytes(), np.uint8),
    'tobytes': lambda data: np.frombuffer(data.tobytes(), np.uint8),
}
"""
How objects that are no buffers are read, by the method that they have.

`rosidl_buffer.Buffer` of ROS 2 Lyrical, whose bytes may be in the memory of a GPU, has `to_bytes`.
"""


def _unreadable(data: Any, reason: Exception) -> FrameError:
    return FrameError(
        f'image data ({type(data).__name__}) cannot be read: {reason}; accepted: a contiguous '
        f'buffer of bytes, or an object with one of {", ".join(_CONVERSIONS)}; let the camera '
        'publish images in CPU memory', 'data')
