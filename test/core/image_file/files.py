# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image files, and their parts, for tests."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np

PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
JPEG_END = b'\xff\xd9'


def smooth_image(size, channels=3):
    y, x = np.mgrid[:size.height, :size.width]
    waves = [127 + 100 * np.sin((x + number * y) / 20) for number in range(channels)]
    return np.stack(waves, -1).astype(np.uint8)


def noisy_image(size, channels=3):
    """Return waves and noise as of a camera, so that every block has data."""
    noise = np.random.default_rng(0).normal(0, 6, (size.height, size.width, 1))
    return np.clip(smooth_image(size, channels) + noise, 0, 255).astype(np.uint8)


def encode_file(pixels, name, *options):
    if name == 'tiff' and pixels.shape[:2] == (1, 1):  # OpenCV 4.5 cannot write it
        return tiff_file(pixels[..., ::-1])
    return cv2.imencode(f'.{name}', pixels, list(options))[1].tobytes()


def view(file):
    return np.frombuffer(file, np.uint8)


def segment(marker, content):
    """Return a segment of a JPEG."""
    return bytes([0xff, marker]) + struct.pack('>H', len(content) + 2) + content


def jpeg_header(size, *before):
    """Return a JPEG up to its frame header: other segments (marker, content) come before."""
    components = b''.join(bytes([name, 0x11, 0]) for name in (1, 2, 3))
    frame_header = struct.pack('>BHHB', 8, size.height, size.width, 3) + components
    segments = [*before, (0xC0, frame_header)]
    return b'\xff\xd8' + b''.join(segment(marker, content) for marker, content in segments)


def jpeg_data(file):
    """Return where the data of the last scan of a complete JPEG begin and end."""
    start = file.rfind(b'\xff\xda')
    return start + 2 + struct.unpack_from('>H', file, start + 2)[0], len(file) - 2


def jpeg_segments(file):
    """Return the header of a JPEG as a list of segments, the start first, and the rest."""
    pieces, position = [file[:2]], 2
    while file[position + 1] != 0xDA:
        stop = position + 2 + struct.unpack_from('>H', file, position + 2)[0]
        pieces.append(file[position:stop])
        position = stop
    return pieces, file[position:]


def chunk(name, content=b'', length=None):
    """Return a chunk of a PNG."""
    stated_length = struct.pack('>I', len(content) if length is None else length)
    return stated_length + name + content + struct.pack('>I', zlib.crc32(name + content))


def png_header(size):
    return PNG_SIGNATURE + chunk(b'IHDR', struct.pack('>IIBBBBB', *size, 8, 2, 0, 0, 0))


def tiff_file(pixels, order='<', rows_per_strip=0, **changes):
    """
    Return an uncompressed TIFF of pixels (H, W) or (H, W, 3) in RGB order.

    :param order: `<` or `>`, the byte order.
    :param changes: values of other or changed tags, such as t274=6; None leaves a tag out.
    """
    height, width, *rest = pixels.shape
    channels = rest[0] if rest else 1
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    strip = (rows_per_strip or height) * len(data) // height
    starts = [8 + start for start in range(0, len(data), strip)]
    lengths = [min(strip, 8 + len(data) - start) for start in starts]
    bits = [8 * pixels.dtype.itemsize] * channels
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: 1 if channels == 1 else 2,
            273: starts, 277: channels, 278: rows_per_strip or height, 279: lengths,
            **{int(name[1:]): value for name, value in changes.items()}}
    tags = {tag: value if isinstance(value, list) else [value]
            for tag, value in sorted(tags.items()) if value is not None}
    place = 8 + len(data)
    extra_place = place + 2 + 12 * len(tags) + 4
    entries, extra = [], b''
    for tag, values in tags.items():
        numbers = struct.pack(f'{order}{len(values)}I', *values)
        field = numbers
        if len(numbers) > 4:
            field = struct.pack(f'{order}I', extra_place + len(extra))
            extra += numbers
        entries.append(struct.pack(f'{order}HHI', tag, 4, len(values)) + field)
    start = {'<': b'II*\0', '>': b'MM\0*'}[order] + struct.pack(f'{order}I', place)
    count = struct.pack(f'{order}H', len(tags))
    return start + data + count + b''.join(entries) + bytes(4) + extra
