# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decode the candidates of a recorded frame and of its tiles."""

from __future__ import annotations

from fcos_ros.core.candidates import Candidates
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.preprocess import FITS
from fcos_ros.core.resize import Size
from fcos_ros.core.tiles import Tiles, part_criteria
from fcos_ros.recording.values import RecordedFrame, RecordedModel
from fcos_ros.runtime.detector import detect_again


def decode_again(
    frame: RecordedFrame, criteria: Criteria, *, in_tiles: bool = True,
) -> Detections | None:
    """
    Return the detections in a frame, in pixels of the image.

    :param in_tiles: whether the recorded tiles count, besides the whole image.
    :returns: None if no worker has finished the frame.
    :raises ValueError: the criteria name a class that the model does not have.
    """
    whole, size, model = frame.candidates, frame.size, frame.session.model
    if whole is None or size is None:
        return None
    if not frame.tile_candidates or not in_tiles:
        return _decode(whole, size, criteria, model)
    part = part_criteria(criteria)
    windows = tuple(window for window, _ in frame.tile_candidates)
    return Tiles(size, model.canvas, windows).merge(
        _decode(whole, size, part, model),
        ((window, _decode(candidates, window.size, part, model))
         for window, candidates in frame.tile_candidates), criteria)


def _decode(
    candidates: Candidates, size: Size, criteria: Criteria, model: RecordedModel,
) -> Detections:
    return detect_again(
        candidates, model.num_classes, criteria, FITS[model.fit](size, model.canvas))
