# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choose the pictures for a calibration: from a folder, a video, a bag, or scenes of the demo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
import sys

from fcos_ros.backends import ModelError
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import printable
from fcos_ros.deploy.calibration import Picture, spread
from fcos_ros.offline.bags.cameras import BagSource
from fcos_ros.offline.bags.library import BagLibraryError
from fcos_ros.offline.bags.reader import is_bag
from fcos_ros.offline.inputs import VIDEO_SUFFIXES
from fcos_ros.offline.pictures import SUFFIXES, Picture as PictureFile, Pictures
from fcos_ros.offline.video import Video

SCENES = 'scenes'
"""The word that stands for scenes of the demo."""

FIRST_SCENE = 700_000
"""The seed of the first scene for the calibration; training and evaluation use others."""

ACCEPTED = f'a folder of pictures, a video, a bag, or {SCENES}'


def calibration_pictures(text: str, count: int, topics: Sequence[str]) -> Iterator[Picture]:
    """
    Yield pictures, spread evenly over their source.

    :param text: what the user names.
    :param topics: those of a bag; () for its cameras.
    :raises ModelError: it cannot be used.
    :raises SourceError: likewise, for a bag or a video.
    """
    if text == SCENES:
        yield from _scenes(count)
        return
    source = _source(Path(text), topics)
    try:
        # Some videos and damaged bags do not state their number of frames.
        total = source.count or sum(1 for _ in source.frames())
        chosen = set(spread(total, count))
        for index, frame in enumerate(source.frames()):
            if index in chosen:
                yield Picture(frame.name, frame.image, frame.camera)
    except BagLibraryError as error:
        raise ModelError(str(error)) from error
    if isinstance(source, BagSource):
        for problem in source.problems:
            print(f'warning: {printable(problem)}', file=sys.stderr)


def _source(path: Path, topics: Sequence[str]) -> BagSource | Pictures | Video:
    if is_bag(path):
        return BagSource(path, topics)
    if path.is_dir():
        files = sorted(file for file in path.rglob('*') if file.suffix.lower() in SUFFIXES)
        return Pictures(str(path), tuple(
            PictureFile(file, file.relative_to(path).as_posix()) for file in files))
    if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        return Video(str(path), path.name)
    raise ModelError(f'calibration is {str(path)!r}; accepted: {ACCEPTED}')


def _scenes(count: int) -> Iterator[Picture]:
    from fcos_ros.demo.scenes import render
    for seed in range(FIRST_SCENE, FIRST_SCENE + count):
        yield Picture(f'scene {seed}', Frame.from_bgr(render(seed).image))
