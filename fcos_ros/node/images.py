# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Messages that carry images, as frames: the border that whatever a camera sends has to cross.

A message is believed only where producers fill it in reliably: the bytes of a file tell its format
and size, `is_bigendian` counts for 16 bits only, and of a shared-memory message neither the row
step nor what stands behind the letters of the encoding is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from fcos_ros.core.frame import ENCODINGS, Frame, FrameError, Pixels
from fcos_ros.core.resize import Size

FILE_ENCODINGS = ('jpeg', 'mjpeg')
"""Encodings of an image message that is a file; cameras sent these before CompressedImage."""

HBM_ENCODINGS = (*ENCODINGS, *FILE_ENCODINGS)
"""Encodings of the shared-memory messages, which have room for 12 letters."""

_MOST_LETTERS = 200
"""Of a text that came with a message: no name is longer, and errors go into log and reports."""

_BRIDGED = {1: 'mono8', 3: 'bgr8', 4: 'bgra8'}
"""Encoding of an array by its number of channels, as OpenCV orders them."""


class MessageTypeError(ValueError):
    """Messages of this type cannot be received here."""


@dataclass(frozen=True)
class Source:
    """
    One type of message that carries images.

    :ivar transport: 'raw', 'compressed' or 'hbmem'.
    :ivar type_name: such as 'sensor_msgs/msg/Image'.
    :ivar read: sees a message as a frame, which keeps the message's memory; raises FrameError.
    :ivar header: the message's own header, or one made of what it has instead; never raises.
    """

    transport: str
    type_name: str
    read: Callable[[Any], Frame]
    header: Callable[[Any], Header]

    def message_type(self) -> Any:
        """
        Import the class of the messages.

        :raises MessageTypeError: its package is not installed.
        """
        package, _, name = self.type_name.split('/')
        try:
            return getattr(import_module(f'{package}.msg'), name)
        except (ImportError, AttributeError) as error:
            raise MessageTypeError(
                f'{self.type_name} cannot be received: {error}; install the package {package} '
                'and source the workspace that it is in') from error


def to_frame(message: Image) -> Frame:
    """
    See an image message as a frame, without a copy.

    Encodings that only `cv_bridge` knows are converted by it, where it is installed.

    :raises FrameError: when size, step, encoding and data do not belong together.
    """
    if message.encoding in FILE_ENCODINGS:
        return Frame.compressed(message.data)
    if message.encoding not in ENCODINGS:
        return _bridged(message)
    return Frame.wrap(message.data, Size(message.width, message.height), message.encoding,
                      message.step, bool(message.is_bigendian))


def compressed_to_frame(message: CompressedImage) -> Frame:
    """
    See a compressed image message as a frame: the file as it is, by its bytes.

    :raises FrameError: when it is no JPEG or PNG file, or one of depths.
    """
    said = f'format {_short(message.format)!r}'
    if 'compressedDepth' in message.format:
        raise FrameError(f'{said} carries depths: accepted are pictures, jpeg or png')
    try:
        return Frame.compressed(message.data)
    except FrameError as error:
        raise FrameError(f'{error} (the message says {said})') from error


def hbm_to_frame(message: Any) -> Frame:
    """
    See a shared-memory message of hbm_img_msgs as a frame, without a copy.

    :raises FrameError: when encoding, size and `data_size` do not belong together.
    """
    encoding = _hbm_encoding(bytes(message.encoding))
    length, room = int(message.data_size), len(message.data)
    if not 0 < length <= room:
        raise FrameError(f'{encoding} image has a data_size of {length}: expected 1 to {room}')
    data = message.data[:length]
    if encoding in FILE_ENCODINGS:
        return Frame.compressed(data)
    return Frame.wrap(data, Size(message.width, message.height), encoding)


def hbm_header(message: Any) -> Header:
    """Make the header that these messages lack: their time stamp, and their number as frame."""
    return Header(stamp=message.time_stamp, frame_id=str(message.index))


def _own_header(message: Any) -> Any:
    return message.header


def _hbm_encoding(name: bytes) -> str:
    """Read letters with no end: the memory behind them may hold those of another image."""
    found = [encoding for encoding in HBM_ENCODINGS if name.startswith(encoding.encode())]
    if found:
        return max(found, key=len)  # as yuv422_yuy2 begins with yuv422
    said = name.partition(b'\0')[0].decode('ascii', 'backslashreplace')
    raise FrameError(f'unknown encoding {said!r}: accepted are {", ".join(HBM_ENCODINGS)}')


def _bridged(message: Image) -> Frame:
    """Have `cv_bridge` say what the samples of an image are, such as those of 32FC1."""
    accepted = ', '.join((*ENCODINGS, *FILE_ENCODINGS))
    complaint = f'unknown encoding {_short(message.encoding)!r}: accepted are {accepted}'
    try:
        from cv_bridge import CvBridge
        bridge = CvBridge()
    except Exception as error:  # one that was built for another numpy may raise anything
        raise FrameError(f'{complaint}; cv_bridge would add more, but is not usable here: '
                         f'{error}') from error
    size = Size(message.width, message.height)
    try:
        pixels = _eight_bits(_samples(bridge, message))
        return Frame.wrap(pixels, size, _encoding_of(pixels))
    except Exception as error:  # whatever it makes of a message, the frame alone is lost
        raise FrameError(f'{complaint}; cv_bridge does not help with {size}: '
                         f'{_short(str(error))}') from error


def _short(text: str) -> str:
    """Cut what a message says off where it is longer than any name."""
    return text if len(text) <= _MOST_LETTERS else f'{text[:_MOST_LETTERS]}...'


def _samples(bridge: Any, message: Image) -> NDArray[Any]:
    """
    Have `cv_bridge` say samples as they are.

    It knows no colours that we do not, and asked for some, one that was built for numpy 1 takes
    the process down where numpy 2 is.

    :raises ValueError: rows that it would read askew, or data that it would not read.
    """
    if not message.width or not message.height:
        raise ValueError('both sides must be at least 1 pixel')
    samples = np.asarray(bridge.imgmsg_to_cv2(message, 'passthrough'))
    pixel = samples[0, 0].nbytes
    if message.step % pixel or len(message.data) != message.step * message.height:
        raise ValueError(f'it has {len(message.data)} bytes: expected {message.height} rows of '
                         f'{message.step}, and rows of whole pixels of {pixel}')
    return samples


def _eight_bits(samples: NDArray[Any]) -> Pixels:
    """
    See samples as bytes: of 16 bits the high one, of real numbers 0 as black and 1 as white.

    :raises ValueError: samples of this kind have no agreed black and white.
    """
    kind = samples.dtype.name
    if kind not in _EIGHT_BITS:
        raise ValueError(f'its samples are {kind}: accepted are {", ".join(_EIGHT_BITS)}')
    return np.ascontiguousarray(_EIGHT_BITS[kind](samples), np.uint8)


def _of_real_numbers(samples: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.round(255 * np.clip(np.nan_to_num(samples), 0, 1)))


_EIGHT_BITS: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    'uint8': lambda samples: samples,
    'uint16': lambda samples: samples >> 8,
    'float32': _of_real_numbers,
    'float64': _of_real_numbers,
}


def _encoding_of(pixels: Pixels) -> str:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels not in _BRIDGED:
        raise ValueError(f'its pixels have {channels} channels: accepted are 1, 3 and 4')
    return _BRIDGED[channels]


SOURCES: Mapping[str, Source] = {source.type_name: source for source in (
    Source('raw', 'sensor_msgs/msg/Image', to_frame, _own_header),
    Source('compressed', 'sensor_msgs/msg/CompressedImage', compressed_to_frame, _own_header),
    *(Source('hbmem', f'hbm_img_msgs/msg/HbmMsg{height}P', hbm_to_frame, hbm_header)
      for height in (1080, 540, 480)),
)}
"""Every type of message that carries images, by its name."""
