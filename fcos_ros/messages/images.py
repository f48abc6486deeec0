# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Convert messages with images to frames.

The classes of the messages may be those of ROS 2 or of a library that reads bags; only their
fields matter.

Only fields that publishers fill in reliably are used:

- The bytes of an image file decide its format and size, not the fields of the message.
- `is_bigendian` is ignored for 8 bits.
- The row step of a shared-memory message is ignored, and so are the bytes after its encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import re
from typing import Any

import numpy as np

from fcos_ros.core.arrays import Array
from fcos_ros.core.buffers import view_bytes
from fcos_ros.core.encodings import MOSAICS, NAMES, find_encoding
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.core.text import MAX_QUOTE, shorten

FILE_ENCODINGS = ('jpeg', 'mjpeg', 'jpg')
"""Encodings of Image messages that hold an image file; older camera drivers send them."""

HBM_ENCODINGS = (*NAMES, *FILE_ENCODINGS)
"""Encodings of shared-memory messages; their field has 12 characters."""

MAX_FRAME_ID = 256
"""Maximum characters of a frame_id, which each detection repeats: names of ROS have up to 255."""

_BRIDGED = {1: 'mono', 3: 'bgr', 4: 'bgra'}
"""Encoding of an array by its number of channels, in OpenCV's order; the bits follow."""


@dataclass(frozen=True)
class Source:
    """
    One type of message with images.

    :ivar transport: 'raw', 'compressed' or 'hbmem'.
    :ivar type_name: such as 'sensor_msgs/msg/Image'.
    :ivar read: views a message as a frame, which keeps its memory; raises FrameError.
    :ivar stamp: returns the message's time, with the fields `sec` and `nanosec`; does not raise.
    :ivar frame_id: returns the name of the image's coordinate frame; does not raise.
    :ivar number: returns the number that the publisher gives to each message; None if the message
        has none.
    """

    transport: str
    type_name: str
    read: Callable[[Any], Frame]
    stamp: Callable[[Any], Any]
    frame_id: Callable[[Any], str]
    number: Callable[[Any], int | None] = lambda message: None


def check_frame_id(frame_id: str) -> None:
    """
    Check the name of an image's coordinate frame.

    :raises FrameError: it is too long.
    """
    if len(frame_id) > MAX_FRAME_ID:
        raise FrameError(f'frame_id has {len(frame_id)} characters; accepted: {MAX_FRAME_ID} at '
                         'most', 'frame_id')


def to_frame(message: Any) -> Frame:
    """
    View an image message as a frame, without a copy.

    Encodings that only `cv_bridge` knows are converted by it, if it is installed.

    :raises FrameError: size, step, encoding and data do not agree.
    """
    if message.encoding.lower() in FILE_ENCODINGS:
        return Frame.compressed(message.data)
    if find_encoding(message.encoding) is None:
        return _bridged(message)
    return Frame.wrap(message.data, Size(message.width, message.height), message.encoding,
                      message.step, bool(message.is_bigendian))


def compressed_to_frame(message: Any) -> Frame:
    """
    View a compressed image message as a frame. The file's bytes decide its format.

    :raises FrameError: it is not a file of `image_file.FORMATS`, or it holds depths.
    """
    stated = f'format {shorten(message.format, MAX_QUOTE)!r}'
    if 'compressedDepth' in message.format:
        raise FrameError(f'{stated} holds depths; accepted: images', 'format')
    try:
        return Frame.compressed(message.data, _mosaic(message.format))
    except FrameError as error:
        raise FrameError(f'{error} (the message has the {stated})', error.kind) from error


def hbm_to_frame(message: Any) -> Frame:
    """
    View a shared-memory message of hbm_img_msgs as a frame, without a copy.

    :raises FrameError: encoding, size and `data_size` do not agree.
    """
    encoding = _hbm_encoding(bytes(message.encoding))
    buffer = view_bytes(message.data)
    length, room = int(message.data_size), buffer.size
    if not 0 < length <= room:
        raise FrameError(
            f'{encoding} image has a data_size of {length}; accepted: 1 to {room}', 'length')
    data = buffer[:length]
    if encoding in FILE_ENCODINGS:
        return Frame.compressed(data)
    return Frame.wrap(data, Size(message.width, message.height), encoding)


def hbm_frame_id(message: Any) -> str:
    """Return the index, as the message has no frame_id."""
    return str(message.index)


def hbm_number(message: Any) -> int:
    """Return the index, which counts the images of a publisher."""
    return int(message.index)


def _header_stamp(message: Any) -> Any:
    return message.header.stamp


def _header_frame_id(message: Any) -> str:
    return str(message.header.frame_id)


def _mosaic(image_format: str) -> str:
    """
    Return the Bayer encoding of the pixels in a file; '' if they are no mosaic.

    Formats are such as `bayer_rggb8; jpeg compressed bayer_rggb8`. If the publisher has converted
    the pixels, the last encoding is another one.
    """
    found = [encoding.encoding for word in re.split(r'[;\s]+', image_format[:MAX_QUOTE])
             if (encoding := find_encoding(word)) is not None]
    return found[-1] if found and found[-1] in MOSAICS else ''


def _hbm_encoding(name: bytes) -> str:
    """Return the encoding that a name begins with; any bytes may follow it."""
    name_lower = name.lower()
    found = [encoding for encoding in HBM_ENCODINGS
             if name_lower.startswith(encoding.lower().encode())]
    if found:
        return max(found, key=len)  # yuv422_yuy2 begins with yuv422
    stated = name.partition(b'\0')[0].decode('ascii', 'backslashreplace')
    raise FrameError(
        f'unknown encoding {stated!r}; accepted: {", ".join(HBM_ENCODINGS)}', 'encoding')


def _bridged(message: Any) -> Frame:
    """Convert an image by `cv_bridge`, such as a 32FC1 image."""
    accepted = ', '.join((*NAMES, *FILE_ENCODINGS))
    complaint = f'unknown encoding {shorten(message.encoding, MAX_QUOTE)!r}; accepted: {accepted}'
    try:
        from cv_bridge import CvBridge
        bridge = CvBridge()
    except Exception as error:  # a cv_bridge built for another numpy may raise anything
        raise FrameError(f'{complaint}; cv_bridge would accept more, but cannot be used here: '
                         f'{error}', 'encoding') from error
    size = Size(message.width, message.height)
    try:
        pixels = _integers(_samples(bridge, message))
        return Frame.wrap(pixels, size, _encoding_of(pixels))
    except Exception as error:  # cv_bridge may raise anything; only this frame fails
        raise FrameError(f'{complaint}; cv_bridge cannot convert it ({size}): '
                         f'{shorten(str(error), MAX_QUOTE)}', 'encoding') from error


def _samples(bridge: Any, message: Any) -> Array:
    """
    Return the samples as `cv_bridge` reads them, without a colour conversion.

    All of its colour encodings are in `NAMES`. Also, a cv_bridge that was built for numpy 1
    crashes the process under numpy 2 when it converts colours.

    :raises ValueError: cv_bridge would read the rows or the data wrongly.
    """
    if not message.width or not message.height:
        raise ValueError('both sides must be at least 1 pixel')
    samples = np.asarray(bridge.imgmsg_to_cv2(message, 'passthrough'))
    pixel = samples[0, 0].nbytes
    if message.step % pixel or len(message.data) != message.step * message.height:
        raise ValueError(f'it has {len(message.data)} bytes; accepted: {message.height} rows of '
                         f'{message.step}, each of whole pixels of {pixel}')
    return samples


def _integers(samples: Array) -> Array:
    """
    Return samples as integers of 8 or 16 bits; floats are from 0 (black) to 1 (white).

    :raises ValueError: there is no convention for black and white of this type.
    """
    kind = samples.dtype.name
    if kind not in _CONVERSIONS:
        raise ValueError(f'its samples are {kind}; accepted: {", ".join(_CONVERSIONS)}')
    return np.ascontiguousarray(_CONVERSIONS[kind](samples))


def _from_floats(samples: Array) -> Array:
    return np.asarray(np.round(255 * np.clip(np.nan_to_num(samples), 0, 1)), np.uint8)


_CONVERSIONS: Mapping[str, Callable[[Array], Array]] = {
    'uint8': lambda samples: samples,
    'uint16': lambda samples: samples,
    'float32': _from_floats,
    'float64': _from_floats,
}


def _encoding_of(pixels: Array) -> str:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels not in _BRIDGED:
        raise ValueError(f'its pixels have {channels} channels; accepted: 1, 3 and 4')
    return f'{_BRIDGED[channels]}{8 * pixels.itemsize}'


SOURCES: Mapping[str, Source] = {source.type_name: source for source in (
    Source('raw', 'sensor_msgs/msg/Image', to_frame, _header_stamp, _header_frame_id),
    Source('compressed', 'sensor_msgs/msg/CompressedImage', compressed_to_frame, _header_stamp,
           _header_frame_id),
    *(Source('hbmem', f'hbm_img_msgs/msg/HbmMsg{height}P', hbm_to_frame,
             lambda message: message.time_stamp, hbm_frame_id, hbm_number)
      for height in (1080, 540, 480)),
)}
"""Every type of message with images, by its name."""
