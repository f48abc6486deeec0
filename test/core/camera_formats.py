# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Every encoding of cameras in plain numpy, by its definition: what a producer does, and its reverse.

Colours are (H, W, 3), blue first; YUV is BT.601 of limited range. A buffer is made of blocks, one
for each plane: uint8 arrays of rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Block(NamedTuple):
    """One plane of an encoding, by the image's size."""

    bytes: int
    """In a row, for each pixel of the image's width."""
    shrink: int = 1
    """Rows of the image for one of the plane."""
    steps: int = 1


BLOCKS = {
    'bgr8': (Block(3),), 'rgb8': (Block(3),), 'bgra8': (Block(4),), 'rgba8': (Block(4),),
    'mono8': (Block(1),), 'mono16': (Block(2),),
    'yuv422': (Block(2),), 'uyvy': (Block(2),), 'yuv422_yuy2': (Block(2),), 'yuyv': (Block(2),),
    'nv12': (Block(1), Block(1, shrink=2)), 'nv21': (Block(1), Block(1, shrink=2)),
    'nv24': (Block(1), Block(2, steps=2)),
    **{f'bayer_{order}8': (Block(1),) for order in ('rggb', 'bggr', 'gbrg', 'grbg')},
    **{f'bayer_{order}16': (Block(2),) for order in ('rggb', 'bggr', 'gbrg', 'grbg')},
    'bgr16': (Block(6),), 'rgb16': (Block(6),), 'bgra16': (Block(8),), 'rgba16': (Block(8),),
    '8UC1': (Block(1),), '8UC3': (Block(3),), '8UC4': (Block(4),),
    '16UC1': (Block(2),), '16UC3': (Block(6),), '16UC4': (Block(8),),
}
"""The planes of each encoding."""

SUBSAMPLED = {'yuv422': (2, 1), 'uyvy': (2, 1), 'yuv422_yuy2': (2, 1), 'yuyv': (2, 1),
              'nv12': (2, 2), 'nv21': (2, 2)}
"""Pixels, across and down, that share one chroma sample."""

YUV = ('nv24', *SUBSAMPLED)
GREY = ('mono8', 'mono16', '8UC1', '16UC1')
BAYER = tuple(name for name in BLOCKS if name.startswith('bayer_'))
NARROW = {**{name: name[:-2] + '8' for name in BLOCKS if name.endswith('16')},
          **{name: name.replace('16', '8') for name in BLOCKS if name.startswith('16')}}
"""What samples of 16 bits are where their high bytes alone count."""

WIDE = tuple(NARROW)
USUAL = {'8UC1': 'mono8', '8UC3': 'bgr8', '8UC4': 'bgra8'}
"""What samples without a meaning are taken for."""


def random_blocks(encoding, size, seed=0):
    """Make packed rows of any bytes; of YUV those that stand for colours."""
    rng = np.random.default_rng(seed)
    least, most = (16, 236) if encoding in YUV else (0, 256)
    return [rng.integers(least, most, (size.height // block.shrink, size.width * block.bytes),
                         np.uint8) for block in BLOCKS[encoding]]


def join(encoding, blocks, step=0):
    """Lay blocks behind each other as bytes, their rows filled up with noise to `step` bytes."""
    step = step or blocks[0].shape[1]
    rng = np.random.default_rng(1)
    parts = []
    for block, (_, _, steps) in zip(blocks, BLOCKS[encoding]):
        rows = rng.integers(0, 256, (len(block), step * steps), np.uint8)
        rows[:, :block.shape[1]] = block
        parts.append(rows.reshape(-1))
    return np.concatenate(parts).tobytes()


def encode(bgr, encoding, big_endian=False):
    """Encode colours as blocks; bytes without a meaning are noise."""
    height, width = bgr.shape[:2]
    noise = np.random.default_rng(2).integers(0, 256, (height, width, 2), np.uint8)
    if encoding in WIDE:
        high = encode(bgr, NARROW[encoding])[0]
        low = np.random.default_rng(3).integers(0, 256, high.shape, np.uint8)
        pair = (high, low) if big_endian else (low, high)
        return [np.stack(pair, -1).reshape(height, -1)]
    if encoding in YUV:
        return _encode_yuv(bgr, encoding)
    if encoding in BAYER:
        return [np.take_along_axis(bgr, _sites(encoding, height, width)[..., None], 2)[..., 0]]
    pixels = {
        'bgr8': lambda: bgr,
        'rgb8': lambda: bgr[..., ::-1],
        'bgra8': lambda: np.dstack([bgr, noise[..., 0]]),
        'rgba8': lambda: np.dstack([bgr[..., ::-1], noise[..., 0]]),
        'mono8': lambda: _bytes(bgr @ np.array([0.114, 0.587, 0.299])),
    }[USUAL.get(encoding, encoding)]()
    return [np.ascontiguousarray(pixels).reshape(height, -1)]


def decode(blocks, encoding, size, big_endian=False):
    """Read colours, float64; those of Bayer images one pixel from the border at least."""
    if encoding in WIDE:
        return decode([blocks[0][:, 0 if big_endian else 1::2]], NARROW[encoding], size)
    if encoding in YUV:
        return _decode_yuv(blocks, encoding, size)
    if encoding in BAYER:
        return _demosaic(blocks[0], encoding)
    pixels = blocks[0].reshape(size.height, size.width, -1).astype(np.float64)
    channels = {'mono8': [0, 0, 0], 'bgr8': [0, 1, 2], 'bgra8': [0, 1, 2]}
    return pixels[..., channels.get(USUAL.get(encoding, encoding), [2, 1, 0])]


def _bytes(values):
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _encode_yuv(bgr, encoding):
    blue, green, red = np.moveaxis(bgr.astype(np.float64) / 255, -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    y = _bytes(16 + 219 * luma)
    u, v = 128 + 112 * (blue - luma) / 0.886, 128 + 112 * (red - luma) / 0.701
    across, down = SUBSAMPLED.get(encoding, (1, 1))
    height, width = len(y) // down, len(y[0]) // across
    u, v = (_bytes(plane.reshape(height, down, width, across).mean((1, 3))) for plane in (u, v))
    chroma = np.stack((v, u) if encoding == 'nv21' else (u, v), -1).reshape(height, -1)
    if across == 1 or down == 2:
        return [y, chroma]
    order = (chroma, y) if encoding in ('uyvy', 'yuv422') else (y, chroma)
    return [np.stack(order, -1).reshape(height, -1)]


def _decode_yuv(blocks, encoding, size):
    across, down = SUBSAMPLED.get(encoding, (1, 1))
    if len(blocks) == 1:
        first = 1 if encoding in ('uyvy', 'yuv422') else 0
        blocks = blocks[0][:, first::2], blocks[0][:, 1 - first::2]
    y, chroma = (block.astype(np.float64) for block in blocks)
    u, v = np.moveaxis(chroma.reshape(len(chroma), -1, 2), -1, 0).repeat(down, 1).repeat(across, 2)
    if encoding == 'nv21':
        u, v = v, u
    y, u, v = (y - 16) / 219, (u - 128) / 112, (v - 128) / 112
    blue, red = y + 0.886 * u, y + 0.701 * v
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    return np.clip(255 * np.stack([blue, green, red], -1), 0, 255)


def _sites(encoding, height, width):
    """Return which colour each pixel of a Bayer image has."""
    order = np.array(['bgr'.index(letter) for letter in encoding[6:10]]).reshape(2, 2)
    return np.tile(order, (height // 2 + 1, width // 2 + 1))[:height, :width]


def _demosaic(samples, encoding):
    """Average the nearest neighbours of each colour; a pixel's own colour stays as it is."""
    sites = _sites(encoding, *samples.shape)
    planes = []
    for colour in range(3):
        own = sites == colour
        total, weight = (_smooth(values) for values in (samples * own, own))
        planes.append(np.where(own, samples, total / np.maximum(weight, 1)))
    return np.stack(planes, -1).astype(np.float64)


def _smooth(values):
    """Add up each pixel's neighbours, those beside it twice; zero outside."""
    wide = np.pad(values.astype(np.float64), 1)
    height, width = values.shape
    return sum((2 - abs(dy)) * (2 - abs(dx))
               * wide[1 + dy:1 + dy + height, 1 + dx:1 + dx + width]
               for dy in (-1, 0, 1) for dx in (-1, 0, 1))
