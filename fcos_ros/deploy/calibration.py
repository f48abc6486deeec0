# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The pictures by which the compiler learns the range of each layer.

Each picture goes the way of a frame on the board: onto the canvas, to NV12, and from there to the
RGB or BGR of the network. It is written as raw float32 (3, H, W), 0 to 255, before mean and scale:
the compiler applies those itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
import hashlib
from pathlib import Path

import numpy as np

from fcos_ros.core.arrays import Array
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.preprocess import InputSpec, Preprocessor
from fcos_ros.core.samples import SampleProperties
from fcos_ros.core.yuv_range import AUTO

FOLDER = 'calibration_f32'
"""The compiler takes the type of the values from the end of the folder's name."""

FEW = 20
"""With fewer pictures, the ranges depend on chance. Source: the vendor's advice of 20 to 100."""

FLAT = 8.0
"""Standard deviation of the values of a picture, below which it shows next to nothing."""


@dataclass(frozen=True)
class CalibrationSet:
    """
    A folder of pictures for the compiler.

    :ivar sources: the name of each picture.
    :ivar digest: SHA-256 of all values.
    :ivar findings: what may make the calibration bad, one sentence each.
    """

    folder: Path
    sources: tuple[str, ...]
    digest: str
    findings: tuple[str, ...]


class CalibrationError(ValueError):
    """There are no usable pictures to calibrate with."""


@dataclass(frozen=True)
class Picture:
    """
    A frame, or why it is damaged.

    :ivar source: the name of its origin for messages and the receipt.
    :ivar camera: whose images have the same bits of samples and range of YUV.
    """

    source: str
    frame: Frame | FrameError
    camera: str = ''


def write_calibration_set(
    pictures: Iterable[Picture], spec: InputSpec, pixels: str, folder: Path,
) -> CalibrationSet:
    """
    Write pictures as the compiler reads them; damaged ones are left out, which is a finding.

    :param spec: the input of the compiled model, NV12.
    :param pixels: the order of colours of the network, `rgb` or `bgr`.
    :param folder: a new folder `FOLDER` is made in it.
    :raises CalibrationError: there is no usable picture.
    :raises OSError: a file cannot be written.
    """
    target = folder / FOLDER
    target.mkdir()
    digest = hashlib.sha256()
    audit = _Audit()
    for source, values in _prepared(pictures, spec, pixels):
        if isinstance(values, FrameError):
            audit.add_damaged(source, values)
            continue
        content = np.ascontiguousarray(values, '<f4').tobytes()
        (target / f'{len(audit.sources):04}.bin').write_bytes(content)
        digest.update(content)
        audit.add(source, values)
    if not audit.sources:
        raise CalibrationError('; '.join([
            'there are no pictures to calibrate with', *audit.damaged(),
            'accepted: a folder of pictures, a video, a bag, or "scenes"']))
    return CalibrationSet(target, tuple(audit.sources), digest.hexdigest(),
                          tuple(audit.findings()))


def spread(count: int, wanted: int) -> list[int]:
    """Return indices of `wanted` of `count` entries, spread evenly."""
    return sorted({int(index) for index in np.linspace(0, count - 1, min(count, wanted))})


def _prepared(
    pictures: Iterable[Picture], spec: InputSpec, pixels: str,
) -> Iterator[tuple[str, Array | FrameError]]:
    to_canvas = Preprocessor(spec)
    to_values = Preprocessor(
        InputSpec(spec.name, spec.size, pixels, 'NCHW', np.dtype(np.float32)))
    cameras: defaultdict[str, SampleProperties] = defaultdict(SampleProperties)
    for picture in pictures:
        samples = cameras[picture.camera]
        try:
            if isinstance(picture.frame, FrameError):
                raise picture.frame
            tensor, _ = to_canvas.prepare(samples.complete(picture.frame, 0, AUTO))
        except FrameError as error:
            yield picture.source, error
            continue
        samples.learn(to_canvas.measured)
        frame = replace(Frame.wrap(tensor.copy(), spec.size, 'nv12'), yuv_range=spec.nv12_range)
        yield picture.source, to_values.prepare(frame)[0]


class _Audit:
    """Looks for what makes a calibration set bad."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self._flat: list[str] = []
        self._digests: dict[bytes, str] = {}
        self._same: list[str] = []
        self._damaged: list[str] = []

    def add(self, source: str, values: Array) -> None:
        self.sources.append(source)
        if float(values.std()) < FLAT:
            self._flat.append(source)
        digest = hashlib.sha256(values.tobytes()).digest()
        if digest in self._digests:
            self._same.append(f'{source} and {self._digests[digest]}')
        self._digests.setdefault(digest, source)

    def add_damaged(self, source: str, error: FrameError) -> None:
        self._damaged.append(f'{source} ({error})')

    def damaged(self) -> Iterator[str]:
        """Yield a sentence about the pictures that cannot be used, if there are any."""
        if self._damaged:
            yield f'pictures cannot be used: {_listed(self._damaged)}'

    def findings(self) -> Iterator[str]:
        """Yield what may make the calibration bad."""
        yield from self.damaged()
        if len(self.sources) < FEW:
            yield (f'there are {len(self.sources)} pictures for the calibration; at least {FEW} '
                   'are advised')
        for found, what in ((self._flat, 'show next to nothing'), (self._same, 'are the same')):
            if found:
                yield f'pictures {what}: {_listed(found)}'


def _listed(names: Sequence[str]) -> str:
    more = f' and {len(names) - 3} more' if len(names) > 3 else ''
    return f'{", ".join(names[:3])}{more}'
