# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Image files: read their headers and decode their pixels.

The header is read without decoding, so a file that states a huge size costs neither time nor
memory. Files are not trusted: a faulty file raises `FrameError` and never returns a wrong image,
as far as its format allows to notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from fcos_ros.core.arrays import Array, Bytes
from fcos_ros.core.errors import FrameError
from fcos_ros.core.image_file import jpeg, png, tiff, webp
from fcos_ros.core.resize import Size

MAX_PIXELS = 7680 * 4320
"""Maximum number of pixels of an image: 8K, which is 100 MB in BGR."""


class FileHeader(NamedTuple):
    """
    The header of an image file.

    :ivar encoding: the name of its format.
    :ivar grey: whether it has one channel, which may be a Bayer mosaic.
    """

    encoding: str
    size: Size
    grey: bool


class _Format(NamedTuple):
    """
    A file format.

    :ivar signatures: the first bytes of its files.
    :ivar read_header: returns the size, and whether the image is grey.
    :ivar decode: returns the pixels of a file of a size, all of them or every `divisor`-th.
    :ivar divisors: of both sides.
    """

    signatures: tuple[bytes, ...]
    read_header: Callable[[Bytes], tuple[Size, bool]]
    decode: Callable[..., Array]
    divisors: tuple[int, ...] = (1,)


_FORMATS: Mapping[str, _Format] = {
    'jpeg': _Format((jpeg.SIGNATURE,), jpeg.read_header, jpeg.decode, jpeg.DIVISORS),
    'png': _Format((png.SIGNATURE,), png.read_header, png.decode),
    'tiff': _Format(tiff.SIGNATURES, tiff.read_header, tiff.decode),
    'webp': _Format((webp.SIGNATURE,), webp.read_header, webp.decode),
}

FORMATS = tuple(_FORMATS)
"""The names of the accepted file formats."""


def read_header(file: Bytes) -> FileHeader:
    """
    Return the header of a file.

    :raises FrameError: it is of another format, its header is damaged, or it states more than
        `MAX_PIXELS`.
    """
    encoding = _recognise(file)
    size, grey = _FORMATS[encoding].read_header(file)
    if min(size) < 1:
        raise FrameError(
            f'{encoding} image is {size}; accepted: both sides at least 1 pixel', 'size')
    if size.width * size.height > MAX_PIXELS:
        raise FrameError(
            f'{encoding} image is {size}; accepted: at most {MAX_PIXELS} pixels', 'size')
    return FileHeader(encoding, size, grey)


def decode(file: Bytes, encoding: str, size: Size, needed_size: Size | None = None, *,
           grey: bool = False) -> Array:
    """
    Decode a file: (H, W, 3) in BGR order, or (H, W) in grey. The orientation tag is ignored.

    :param encoding: the format that `read_header` returned; likewise `size`.
    :param needed_size: the minimum size that is needed. A JPEG is decoded at 1/2, 1/4 or 1/8 of
        its size if that is enough, which is faster.
    :returns: uint8, or uint16 of a file with samples of 16 bits.
    :raises FrameError: the file is truncated, damaged or not supported.
    """
    file_format = _FORMATS[encoding]
    divisor = _divisor(size, needed_size, file_format.divisors) if needed_size else 1
    return file_format.decode(file, size, divisor, grey=grey)


def _recognise(file: Bytes) -> str:
    first = file[:8].tobytes()
    for name, file_format in _FORMATS.items():
        if first.startswith(file_format.signatures):
            return name
    raise FrameError(f'image file of {file.size} bytes begins with {first.hex(" ") or "nothing"}; '
                     f'accepted: {", ".join(FORMATS)}', 'format')


def _divisor(size: Size, needed_size: Size, divisors: tuple[int, ...]) -> int:
    """Return the largest divisor of both sides that leaves at least `needed_size`."""
    return max(divisor for divisor in divisors if divisor == 1 or all(
        side >= divisor * needed for side, needed in zip(size, needed_size)))
