# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the time from a camera's frame to the input of the network.

Run `python benchmarks/preprocess.py`; it prints a Markdown table. The baseline converts the whole
frame to BGR first, as cv_bridge and the vendor's samples do. It then resizes it, and converts it
to the tensor. Both get the same frames in turn, and their tensors are compared.
"""

from __future__ import annotations

from pathlib import Path
import sys
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.tables import Cell, Table, note
from common.timing import ROUNDS, interleaved_medians

from fcos_ros.core.frame import Frame
from fcos_ros.core.preprocess import InputSpec, Preprocessor
from fcos_ros.core.resize import Resize, Size
from fcos_ros.core.yuv_range import LIMITED

FRAMES = (Size(640, 480), Size(1920, 1080))
CASES = (
    ('nv12', 'nv12', 512), ('nv12', 'nv12', 896), ('bgr8', 'nv12', 512), ('nv12', 'rgb', 512),
    ('bgr8', 'rgb', 512), ('rgb8', 'rgb', 512), ('yuyv', 'nv12', 512), ('yuyv', 'rgb', 512),
    ('jpeg', 'nv12', 512), ('jpeg', 'rgb', 512),
)

Array = NDArray[Any]


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    note(f'OpenCV {cv2.__version__}, one thread; medians of {ROUNDS} rounds')
    table = Table({'frame': '', 'encoding': '', 'tensor': '', 'through BGR, ms': '.2f',
                   'fcos_ros, ms': '.2f', 'times faster': '.1f'})
    for size in FRAMES:
        for encoding, pixels, side in CASES:
            table.add(*_row(size, encoding, pixels, Size(side, side)))


def _row(size: Size, encoding: str, pixels: str, canvas: Size) -> tuple[Cell, ...]:
    frame = _frame(size, encoding)
    # The other way can only make limited range.
    preprocessor = Preprocessor(InputSpec('image', canvas, pixels, nv12_range=LIMITED))
    _require_similar(preprocessor.prepare(frame)[0], through_bgr(frame, pixels, canvas))
    other, ours = interleaved_medians(
        lambda: through_bgr(frame, pixels, canvas), lambda: preprocessor.prepare(frame))
    return str(size), encoding, f'{pixels} {canvas}', other, ours, other / ours


def through_bgr(frame: Frame, pixels: str, canvas: Size) -> Array:
    """Convert to BGR first, then resize, into a new array each time."""
    bgr = frame.bgr()
    content = Resize.letterbox(frame.size, canvas).content
    padded = np.zeros((canvas.height, canvas.width, 3), np.uint8)
    padded[:content.height, :content.width] = cv2.resize(bgr, content)
    if pixels == 'rgb':
        return np.asarray(cv2.cvtColor(padded, cv2.COLOR_BGR2RGB)[None])
    return _bgr_to_nv12(padded)


def _bgr_to_nv12(bgr: Array) -> Array:
    height, width = bgr.shape[:2]
    planar = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    luma, chroma = np.split(planar, [height * width])
    return np.concatenate([luma, chroma.reshape(2, -1).T.reshape(-1)])


def _frame(size: Size, encoding: str) -> Frame:
    """Return a frame of smooth colours: the two ways differ only at sharp edges of colours."""
    y, x = np.mgrid[:size.height, :size.width]
    waves = np.stack([np.sin(x / 90), np.sin(y / 70), np.sin((x + y) / 110)], axis=-1)
    bgr = np.round(127 + 100 * waves).astype(np.uint8)
    if encoding == 'jpeg':
        return Frame.compressed(cv2.imencode('.jpg', _noisy(bgr))[1])
    return Frame.wrap(_FROM_BGR.get(encoding, np.asarray)(bgr), size, encoding)


def _noisy(bgr: Array) -> Array:
    """Add noise as of a sensor; without noise, a JPEG file would be decoded faster."""
    noise = np.random.default_rng(0).normal(0, 3, bgr.shape)
    return np.clip(bgr + noise, 0, 255).astype(np.uint8)


def _bgr_to_yuyv(bgr: Array) -> Array:
    luma, chroma = np.split(_bgr_to_nv12(bgr).reshape(-1, bgr.shape[1]), [len(bgr)])
    return np.stack([luma, chroma.repeat(2, axis=0)], axis=-1)


_FROM_BGR = {'nv12': _bgr_to_nv12, 'yuyv': _bgr_to_yuyv}


def _require_similar(tensor: Array, expected: Array) -> None:
    difference = np.abs(tensor.astype(int) - expected)
    if difference.mean() > 2:
        raise AssertionError(f'the tensors differ by {difference.mean():.1f} levels on average')


if __name__ == '__main__':
    main()
