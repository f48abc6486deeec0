# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the time from a camera's frame to the input of the network.

Run `python benchmarks/preprocess.py`; it prints a Markdown table. The baseline converts the whole
frame to BGR first, as cv_bridge and the vendor's samples do. It then resizes it, and converts it
to the tensor. Both get the same frames in turn, and their tensors are compared.

Two times show what is possible. `copy` moves as many bytes as reading the frame once and writing
the tensor once. `OpenCV alone` is the time of the steps of OpenCV that cannot be left out, with
memory that is there: the resize of the planes, and for a JPEG file its decoding at the size that
is decoded here. To decode a JPEG file at 1/8 takes little more than reading its codes, which no
decoder can leave out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
import sys
import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.tables import Cell, Table, note
from common.timing import ROUNDS, interleaved_medians

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.preprocess import InputSpec, Preprocessor
from fcos_ros.core.resize import Resize, Size
from fcos_ros.core.yuv_range import LIMITED
from fcos_ros.demo.scenes import render
from fcos_ros.evaluation.average_precision import evaluate
from fcos_ros.runtime.detector import Detector

FRAMES = (Size(640, 480), Size(1920, 1080))
CASES = (
    ('nv12', 'nv12', 512), ('nv12', 'nv12', 896), ('bgr8', 'nv12', 512), ('nv12', 'rgb', 512),
    ('bgr8', 'rgb', 512), ('rgb8', 'rgb', 512), ('yuyv', 'nv12', 512), ('yuyv', 'rgb', 512),
    ('jpeg', 'nv12', 512), ('jpeg', 'rgb', 512),
)

REDUCED = {cv2.IMREAD_COLOR: 8, cv2.IMREAD_REDUCED_COLOR_2: 4, cv2.IMREAD_REDUCED_COLOR_4: 2,
           cv2.IMREAD_REDUCED_COLOR_8: 1}
"""The length of a decoded side by the flag of OpenCV, in eighths."""

CHECKOUT = Path(__file__).resolve().parents[1]

JPEG_SIZES = (Size(1280, 960), Size(1920, 1440), Size(2560, 1920))

JPEG_SCENES = 12
"""Rendered scenes of each size."""

EVERY_SCORE = Criteria(score_threshold=0.05)
"""For average precision, which also counts detections with low scores."""

Array = NDArray[Any]


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    note(f'OpenCV {cv2.__version__}, CPU time of one thread; medians of {ROUNDS} rounds')
    table = Table({'frame': '', 'encoding': '', 'tensor': '', 'through BGR, ms': '.2f',
                   'fcos_ros, ms': '.2f', 'times faster': '.1f', 'copy, ms': '.2f',
                   'OpenCV alone, ms': '.2f', 'of OpenCV alone': '.2f'})
    for size in FRAMES:
        for encoding, pixels, side in CASES:
            table.add(*_row(size, encoding, pixels, Size(side, side)))
    _print_jpeg()


def _print_jpeg() -> None:
    """Print what a JPEG file of a size costs, and its average precision with the demo network."""
    print()
    table = Table({'JPEG file, quality 80': '', 'decoded at': '', 'whole, ms': '.2f',
                   'reduced, ms': '.2f', 'times faster': '.1f', 'OpenCV at 1/8, ms': '.2f',
                   'AP of whole': '.1f', 'AP of reduced': '.1f'})
    detector = Detector.load(str(CHECKOUT / 'models' / 'fcos_demo.onnx'))
    canvas = detector.info.input.size
    for size in JPEG_SIZES:
        scenes = [render(seed, size) for seed in range(JPEG_SCENES)]
        files = [Frame.compressed(cv2.imencode(
            '.jpg', scene.image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]) for scene in scenes]
        content = Resize.letterbox(size, canvas).content
        decoded = files[0].decoded(content).size
        whole, reduced, least = interleaved_medians(
            files[0].decoded, partial(files[0].decoded, content),
            partial(cv2.imdecode, files[0].planes[0], cv2.IMREAD_REDUCED_COLOR_8),
            clock=time.thread_time)
        truth = [Detections(scene.boxes, np.ones(len(scene.boxes), np.float32), scene.class_ids)
                 for scene in scenes]
        precisions = [100 * evaluate([detector.detect(frame, EVERY_SCORE).detections
                                      for frame in frames], truth).ap
                      for frames in ([file.decoded() for file in files], files)]
        table.add(str(size), str(decoded), whole, reduced, whole / reduced, least,
                  *precisions)
    detector.close()


def _row(size: Size, encoding: str, pixels: str, canvas: Size) -> tuple[Cell, ...]:
    frame = _frame(size, encoding)
    # The other way can only make limited range.
    preprocessor = Preprocessor(InputSpec('image', canvas, pixels, nv12_range=LIMITED))
    _require_similar(preprocessor.prepare(frame)[0], through_bgr(frame, pixels, canvas))
    tensor, resize = preprocessor.prepare(frame)
    other, ours, copy, needed = interleaved_medians(
        lambda: through_bgr(frame, pixels, canvas), lambda: preprocessor.prepare(frame),
        copy_of(frame, tensor), opencv_alone(frame, resize.content), clock=time.thread_time)
    return (str(size), encoding, f'{pixels} {canvas}', other, ours, other / ours, copy, needed,
            ours / needed)


def copy_of(frame: Frame, tensor: Array) -> Callable[[], object]:
    """Return a job that moves as many bytes as the frame and the tensor have."""
    size = sum(plane.nbytes for plane in frame.planes) + tensor.nbytes
    source, target = np.ones(size // 2, np.uint8), np.ones(size // 2, np.uint8)
    return lambda: np.copyto(target, source)


def opencv_alone(frame: Frame, content: Size) -> Callable[[], object]:
    """Return a job that resizes the planes, or decodes a JPEG file."""
    if frame.encoding == 'jpeg':
        flags = {side: flag for flag, side in REDUCED.items()}
        flag = flags[frame.decoded(content).size.width * 8 // frame.size.width]
        return lambda: cv2.imdecode(frame.planes[0], flag)
    planes = list(frame.planes)
    if frame.encoding == 'yuyv':  # luma, then the two colours of two pixels
        planes.append(planes[0].reshape(frame.size.height, -1, 4))
    halved = [0, 1][:len(planes)]
    targets = [np.empty((content.height >> half, content.width >> half, *plane.shape[2:]),
                        np.uint8) for half, plane in zip(halved, planes)]
    return lambda: [cv2.resize(plane, target.shape[1::-1], dst=target)
                    for plane, target in zip(planes, targets)]


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
