# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Every encoding of cameras in plain numpy, by its definition: an encoder and a decoder.

Images are (H, W, 3) in BGR order; YUV is BT.601, by default of limited range. An encoded image is
a list of blocks, one for each plane: uint8 arrays of shape (rows, bytes). The tests run for every
entry of `FORMATS`, so one entry is enough to test an encoding everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fcos_ros.core.resize import Size


class Block(NamedTuple):
    """
    One plane of an encoding.

    :ivar samples: a letter for each sample of a group, in the order in memory: `b`, `g` and `r`,
        `k` for grey, `y`, `u` and `v`, `s` for a mosaic, and `x` for a sample without a meaning.
    :ivar pixels: image pixels that one group covers, in width and height.
    :ivar row_factor: length of a row, in rows of the first plane.
    """

    samples: str
    pixels: Size = Size(1, 1)
    row_factor: float = 1


class CameraFormat(NamedTuple):
    """
    The samples of one encoding.

    :ivar mosaic: the colours of a Bayer image: the first two of each of the first two rows.
    :ivar sample_bytes: 2 for samples of 16 bits.
    """

    blocks: tuple[Block, ...]
    mosaic: str = ''
    sample_bytes: int = 1

    @property
    def letters(self) -> str:
        """The letters of all samples."""
        return ''.join(block.samples for block in self.blocks)

    @property
    def shared(self) -> Size:
        """Image pixels that share one chroma sample; 1x1 for an encoding without chroma."""
        return self.blocks[-1].pixels

    def shape(self, block: Block, size: Size) -> tuple[int, int]:
        """Return rows of a block and bytes of a row."""
        groups = size.width // block.pixels.width
        return size.height // block.pixels.height, groups * len(block.samples) * self.sample_bytes

    def fits(self, size: Size) -> bool:
        """Return whether there are images of this size."""
        return size.width % self.shared.width == 0 and size.height % self.shared.height == 0


def _interleaved(samples: str, pixels: Size = Size(1, 1)) -> CameraFormat:
    return CameraFormat((Block(samples, pixels),))


def _luma_chroma(samples: str, pixels: Size, row_factor: int = 1) -> CameraFormat:
    return CameraFormat((Block('y'), Block(samples, pixels, row_factor)))


def _planar(letters: str) -> CameraFormat:
    return CameraFormat((Block('y'), *(Block(letter, Size(2, 2), 0.5) for letter in letters)))


def _bayer(mosaic: str) -> CameraFormat:
    return CameraFormat((Block('s'),), mosaic)


def _wide(narrow: CameraFormat) -> CameraFormat:
    return narrow._replace(sample_bytes=2)


_BGR, _RGB, _BGRA, _RGBA, _GREY = map(_interleaved, ('bgr', 'rgb', 'bgrx', 'rgbx', 'k'))
_UYVY, _YUYV, _YVYU = (_interleaved(name, Size(2, 1)) for name in ('uyvy', 'yuyv', 'yvyu'))
_I420, _YV12 = _planar('uv'), _planar('vu')
_BAYER_ORDERS = ('rggb', 'bggr', 'gbrg', 'grbg')

FORMATS = {
    'bgr8': _BGR, 'rgb8': _RGB, 'bgra8': _BGRA, 'rgba8': _RGBA, 'mono8': _GREY,
    'bgr16': _wide(_BGR), 'rgb16': _wide(_RGB), 'bgra16': _wide(_BGRA), 'rgba16': _wide(_RGBA),
    'mono16': _wide(_GREY),
    '8UC1': _GREY, '8UC3': _BGR, '8UC4': _BGRA,
    '16UC1': _wide(_GREY), '16UC3': _wide(_BGR), '16UC4': _wide(_BGRA),
    'uyvy': _UYVY, 'yuv422': _UYVY, 'yuyv': _YUYV, 'yuv422_yuy2': _YUYV, 'yvyu': _YVYU,
    'nv12': _luma_chroma('uv', Size(2, 2)), 'nv21': _luma_chroma('vu', Size(2, 2)),
    'i420': _I420, 'yuv420': _I420, 'yuv420p': _I420, 'yv12': _YV12,
    'nv24': _luma_chroma('uv', Size(1, 1), row_factor=2),
    **{f'bayer_{order}8': _bayer(order) for order in _BAYER_ORDERS},
    **{f'bayer_{order}16': _wide(_bayer(order)) for order in _BAYER_ORDERS},
}
"""Every encoding by its name."""


def _encodings_with(letter: str) -> tuple[str, ...]:
    return tuple(name for name, entry in FORMATS.items() if letter in entry.letters)


YUV = _encodings_with('y')
GREY = _encodings_with('k')
BAYER = _encodings_with('s')
WIDE = tuple(name for name, entry in FORMATS.items() if entry.sample_bytes == 2)


def packed_step(encoding, size):
    """Return the bytes of a row of the first plane without padding."""
    entry = FORMATS[encoding]
    return entry.shape(entry.blocks[0], size)[1]


def random_blocks(encoding, size, seed=0, yuv_range='limited'):
    """Return random blocks without padding; YUV values are those of valid colours."""
    rng = np.random.default_rng(seed)
    lowest, end = (16, 236) if encoding in YUV and yuv_range == 'limited' else (0, 256)
    entry = FORMATS[encoding]
    return [rng.integers(lowest, end, entry.shape(block, size), np.uint8)
            for block in entry.blocks]


def join(encoding, blocks, step=0):
    """Return the bytes of blocks, one after the other; rows are padded with noise to `step`."""
    step = step or blocks[0].shape[1]
    rng = np.random.default_rng(1)
    parts = []
    for pixels, block in zip(blocks, FORMATS[encoding].blocks):
        rows = rng.integers(0, 256, (len(pixels), int(step * block.row_factor)), np.uint8)
        rows[:, :pixels.shape[1]] = pixels
        parts.append(rows.reshape(-1))
    return np.concatenate(parts).tobytes()


def encode(bgr, encoding, big_endian=False, *, bit_depth=16, yuv_range='limited'):
    """Encode an image as blocks; bytes without a meaning are noise."""
    entry = FORMATS[encoding]
    samples = _to_samples(bgr, entry, yuv_range)
    blocks = [_interleave(samples, block.samples) for block in entry.blocks]
    if encoding not in WIDE:
        return blocks
    return [_widened(block, big_endian, bit_depth) for block in blocks]


def decode(blocks, encoding, size, big_endian=False, *, bit_depth=16, yuv_range='limited'):
    """Decode blocks to float64. The outermost pixels of a Bayer image are not exact."""
    if encoding in WIDE:
        blocks = [np.minimum(block * (255 / (2.0**bit_depth - 1)), 255)
                  for block in wide_samples(blocks, big_endian)]
    samples = samples_of(blocks, encoding)
    if encoding in YUV:
        return _from_yuv(samples, FORMATS[encoding].shared, yuv_range)
    if encoding in BAYER:
        return _demosaic(samples['s'], FORMATS[encoding].mosaic)
    colours = 'kkk' if encoding in GREY else 'bgr'
    return np.stack([samples[letter] for letter in colours], -1).astype(np.float64)


def wide_samples(blocks, big_endian=False):
    """Return the samples of 16 bits in blocks of bytes."""
    return [block.view('>u2' if big_endian else '<u2').astype(np.uint16) for block in blocks]


def samples_of(blocks, encoding):
    """Return an array (rows, columns) for each letter of an encoding, from blocks of samples."""
    samples = {}
    for pixels, (letters, *_) in zip(blocks, FORMATS[encoding].blocks):
        groups = pixels.reshape(len(pixels), -1, len(letters))
        for letter in set(letters):
            places = [place for place, other in enumerate(letters) if other == letter]
            samples[letter] = groups[..., places].reshape(len(pixels), -1)
    return samples


def _interleave(samples, letters):
    """Return one block: the reverse of `samples_of`."""
    columns = []
    for place, letter in enumerate(letters):
        # The first of two `y` in a group is that of even pixels, the second that of odd ones.
        first, step = letters[:place].count(letter), letters.count(letter)
        columns.append(samples[letter][:, first::step])
    return np.stack(columns, -1).reshape(len(columns[0]), -1)


def _widened(block, big_endian, bit_depth):
    """Return the bytes of samples of 16 bits, which use the given bits, from the lowest on."""
    samples = np.round(block * ((2.0**bit_depth - 1) / 255))
    return samples.astype('>u2' if big_endian else '<u2').view(np.uint8)


def _to_samples(bgr, entry, yuv_range):
    """Return an array (rows, columns) for each letter of an encoding."""
    if 'y' in entry.letters:
        return {letter: _bytes(plane)
                for letter, plane in to_yuv(bgr, entry.shared, yuv_range).items()}
    if entry.mosaic:
        sites = _sites(entry.mosaic, *bgr.shape[:2])
        return {'s': np.take_along_axis(bgr, sites[..., None], 2)[..., 0]}
    noise = np.random.default_rng(2).integers(0, 256, bgr.shape[:2], np.uint8)
    grey = _bytes(bgr @ np.array([0.114, 0.587, 0.299]))
    return {'b': bgr[..., 0], 'g': bgr[..., 1], 'r': bgr[..., 2], 'k': grey, 'x': noise}


def _bytes(values):
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


RANGES = {'limited': (16, 219, 112), 'full': (0, 255, 127.5)}
"""Luma of black, levels from black to white, and levels of chroma on each side of 128."""


def to_yuv(bgr, shared, yuv_range):
    """Return the planes y, u and v before they are rounded; `shared` pixels share their chroma."""
    black, white, half = RANGES[yuv_range]
    blue, green, red = np.moveaxis(bgr.astype(np.float64) / 255, -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    u, v = 128 + half * (blue - luma) / 0.886, 128 + half * (red - luma) / 0.701
    height, width = len(luma) // shared.height, len(luma[0]) // shared.width
    u, v = (plane.reshape(height, shared.height, width, shared.width).mean((1, 3))
            for plane in (u, v))
    return {'y': black + white * luma, 'u': u, 'v': v}


def _from_yuv(samples, shared, yuv_range):
    black, white, half = RANGES[yuv_range]
    u, v = (samples[letter].astype(np.float64).repeat(shared.height, 0).repeat(shared.width, 1)
            for letter in 'uv')
    y, u, v = (samples['y'].astype(np.float64) - black) / white, (u - 128) / half, (v - 128) / half
    blue, red = y + 0.886 * u, y + 0.701 * v
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    return np.clip(255 * np.stack([blue, green, red], -1), 0, 255)


def _sites(mosaic, height, width):
    """Return the channel in BGR order that each pixel of a Bayer image shows."""
    order = np.array(['bgr'.index(letter) for letter in mosaic]).reshape(2, 2)
    return np.tile(order, (height // 2 + 1, width // 2 + 1))[:height, :width]


def _demosaic(samples, mosaic):
    """Average the nearest neighbours of each colour; a pixel's own colour is kept."""
    sites = _sites(mosaic, *samples.shape)
    planes = []
    for colour in range(3):
        own = sites == colour
        total, weight = (_smooth(values) for values in (samples * own, own))
        planes.append(np.where(own, samples, total / np.maximum(weight, 1)))
    return np.stack(planes, -1).astype(np.float64)


def _smooth(values):
    """Add up the neighbours of each pixel, those beside it twice; outside is zero."""
    padded = np.pad(values.astype(np.float64), 1)
    height, width = values.shape
    return sum((2 - abs(dy)) * (2 - abs(dx))
               * padded[1 + dy:1 + dy + height, 1 + dx:1 + dx + width]
               for dy in (-1, 0, 1) for dx in (-1, 0, 1))
