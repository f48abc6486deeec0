# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detect objects in a frame and in tiles of it, and merge the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.frame import Frame
from fcos_ros.core.measurement import Measurement
from fcos_ros.core.tiles import Tiles, part_criteria
from fcos_ros.runtime.detector import Result, TileCounts
from fcos_ros.runtime.image_warnings import image_warnings

Detect = Callable[[Frame, Criteria], Result]
"""Detect objects in a frame, as `Detector.detect` does."""


@dataclass(frozen=True, eq=False)
class TiledFrame:
    """
    A frame whose parts are inferred one by one.

    :ivar image: the frame, decoded, with all properties of its samples: a tile alone may show too
        little to measure them.
    :ivar criteria: of the merged detections; `part` has those of one part.
    :ivar measured: see `Result`; likewise `warnings`.
    :ivar seconds: time that decoding and measuring took.
    """

    image: Frame
    tiles: Tiles
    criteria: Criteria
    part: Criteria
    measured: Measurement
    warnings: tuple[str, ...]
    seconds: float

    @classmethod
    def of(cls, frame: Frame, tiles: Tiles, criteria: Criteria) -> TiledFrame:
        """
        Decode a frame.

        :raises FrameError: the frame is a damaged image file.
        """
        start = perf_counter()
        with image_warnings(frame) as warnings:
            image, measured = frame.decoded().measure()
        return cls(image, tiles, criteria, part_criteria(criteria), measured, tuple(warnings),
                   perf_counter() - start)

    def detect_whole(self, detect: Detect) -> Result:
        """Return the result of the whole image."""
        return detect(self.image, self.part)

    def detect_tile(self, detect: Detect, number: int) -> Result:
        """Return the result of a tile, in its pixels."""
        return detect(self.image.crop(self.tiles.windows[number]), self.part)

    def merge(self, whole: Result, found: Mapping[int, Result], start: float) -> Result:
        """
        Return the result of the frame.

        :param found: the results of tiles by their number.
        :param start: when the whole image was done, on the clock of `perf_counter`.
        """
        windows = self.tiles.windows
        parts = [(windows[number], result) for number, result in sorted(found.items())]
        detections = self.tiles.merge(
            whole.detections, ((window, result.detections) for window, result in parts),
            self.criteria)
        times = replace(whole.times, preprocess=whole.times.preprocess + self.seconds,
                        tiles=perf_counter() - start)
        return replace(
            whole, detections=detections, times=times, warnings=self.warnings,
            measured=self.measured, tiles=TileCounts(len(found), len(windows) - len(found)),
            tile_candidates=tuple((window, result.candidates) for window, result in parts
                                  if result.candidates is not None))


def detect_in_tiles(detect: Detect, frame: Frame, tiles: Tiles, criteria: Criteria) -> Result:
    """
    Detect objects in a frame and all of its tiles, one after the other.

    :raises Exception: as `detect` does for any part.
    """
    tiled = TiledFrame.of(frame, tiles, criteria)
    whole, start = tiled.detect_whole(detect), perf_counter()
    return tiled.merge(whole, {number: tiled.detect_tile(detect, number)
                               for number in range(len(tiles.windows))}, start)
