# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames for recordings, without a camera and a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from fcos_ros.core.candidates import Candidates
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.labels import Labels
from fcos_ros.core.resize import Size
from fcos_ros.recording.options import RecorderOptions
from fcos_ros.recording.replay import Replay
from fcos_ros.recording.values import RecordedFrame, RecordedModel, Session
from fcos_ros.runtime.statistics import PUBLISHED
from fcos_ros.settings.schema import Settings

SECOND = 10**9

LABELS = Labels(('cup', 'ball', 'dog'))

MODEL = RecordedModel('tiny', 'onnx', 'tiny.onnx', Size(128, 128), 'letterbox', 3, LABELS,
                      Criteria(score_threshold=0.5))

SESSION = Session(1_700_000_000 * SECOND, '/r1/fcos', MODEL, {'Python': '3.11.7'}, 'RDK X5')

SETTINGS = Settings()


def objects(*found: tuple[int, float]) -> Candidates:
    """Return candidates of objects far from each other, given as class and score."""
    left = 20 * np.arange(len(found), dtype=np.float32)
    boxes = np.stack([left, left, left + 10, left + 10], axis=1).reshape(-1, 4)
    return Candidates(
        0.05, boxes, np.ones(len(found), np.int32),
        np.array([class_id for class_id, _ in found], np.int32),
        np.array([score for _, score in found], np.float64))


def frame(number: int = 0, *found: tuple[int, float], settings: Settings = SETTINGS,
          **content: Any) -> RecordedFrame:
    """Return a published frame with some objects; frames have 30 Hz."""
    stamp = 1_700_000_000 * SECOND + number * SECOND // 30
    made = RecordedFrame(**{
        'session': SESSION, 'settings': settings, 'camera': '', 'stamp': stamp,
        'frame_id': 'camera', 'arrived': stamp + 5_000_000, 'fate': PUBLISHED,
        'size': Size(128, 128), 'times': {'infer': 0.01, 'total': 0.02},
        'candidates': objects(*found), **content})
    if made.detections is None and made.fate == PUBLISHED:
        detections = Replay().detect(made)
        return RecordedFrame(**{**vars(made), 'detections': detections})
    return made


def options(folder: Any, **settings: Any) -> RecorderOptions:
    """Return the options for a folder; no free space is kept."""
    given = {'recorder': 'always', 'recorder_folder': str(folder), 'recorder_free_space': 0,
             **settings}
    return RecorderOptions.of(Settings(**given), '/r1/fcos', LABELS)


def assert_same_frame(found: RecordedFrame, expected: RecordedFrame) -> None:
    """Compare all fields, arrays bit for bit."""
    for name, value in vars(expected).items():
        other = getattr(found, name)
        if name in ('detections', 'candidates') and value is not None:
            assert_same_arrays(other, value)
        else:
            assert other == value, name


def assert_same_arrays(found: Any, expected: Any) -> None:
    """Compare the fields of two values of the same type, arrays bit for bit."""
    for name, value in vars(expected).items():
        other = getattr(found, name)
        if isinstance(value, np.ndarray):
            assert other.dtype == value.dtype, name
            np.testing.assert_array_equal(other, value, name)
        elif isinstance(value, tuple):
            for array, wanted in zip(other, value):
                np.testing.assert_array_equal(array, wanted, name)
        else:
            assert other == value, name
