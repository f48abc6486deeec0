# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames and results arrive unchanged on the other side of a child's channel."""

from dataclasses import fields, replace
import pickle

import cv2
from hypothesis import given, settings, strategies as st
import numpy as np
from onnx_models import white_square
import pytest

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.measurement import Measurement
from fcos_ros.core.resize import Size
from fcos_ros.runtime.detector import Result, StageTimes
from fcos_ros.runtime.workers.protocol import PackedResult, Task

PIXELS = np.arange(64 * 48 * 3 // 2 + 10, dtype=np.uint32).astype(np.uint8)
NV12 = Frame.wrap(PIXELS[:64 * 72], Size(64, 48), 'nv12')
PADDED = replace(Frame.wrap(PIXELS[:66 * 34 * 2], Size(32, 34), 'mono16', 132), bit_depth=12)
JPEG = Frame.compressed(cv2.imencode('.jpg', white_square(128, 5, 3))[1], 'bayer_rggb8')

numbers = st.floats(-1e6, 1e6, width=32)


def sent(value):
    """Return what the other side of a channel receives."""
    return pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))


def assert_same(found, expected):
    for field in fields(expected):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if field.name != 'detections':
            np.testing.assert_equal(one, other)
            assert type(one) is type(other)
            continue
        for part in fields(Detections):
            np.testing.assert_equal(getattr(one, part.name), getattr(other, part.name))


@pytest.mark.parametrize('frame', [
    NV12, PADDED, JPEG, replace(NV12, yuv_range='full', seen_full_range=True, trailing_bytes=9)])
def test_the_frame_of_a_task_is_the_frame_that_it_was_made_of(frame):
    task = sent(Task.of(frame))
    memory = b''.join(plane.tobytes() for plane in frame.planes)
    assert task.nbytes == len(memory)
    for length in (len(memory), len(memory) + 100):
        assert_same(task.frame(memory.ljust(length, b'?')), frame)


@pytest.mark.parametrize('change', [
    {'frame': replace(NV12, yuv_range='full')},
    {'frame': Frame.wrap(PIXELS[:64 * 72], Size(48, 64), 'nv12')},
    {'frame': Frame.wrap(PIXELS[:64 * 72], Size(64, 48), 'nv21')},
    {'criteria': Criteria(score_threshold=0.4)}, {'criteria': None}, {'time_inferences': 3}])
def test_tasks_are_equal_only_if_frame_and_work_are_alike(change):
    usual = {'frame': NV12, 'criteria': Criteria(), 'time_inferences': 0}
    other = Frame.wrap(PIXELS[10:10 + 64 * 72], Size(64, 48), 'nv12')
    assert Task.of(**usual) == Task.of(**{**usual, 'frame': other, 'criteria': Criteria()})
    assert Task.of(**usual) != Task.of(**{**usual, **change})


@settings(deadline=None)
@given(st.lists(st.tuples(numbers, numbers, numbers, numbers, numbers, st.integers(0, 2**31 - 1)),
                max_size=20),
       st.sampled_from([None, 0, 2]), st.lists(st.text(), max_size=2),
       st.tuples(st.integers(0, 65535), st.booleans(), st.floats(0, 1)))
def test_a_result_arrives_unchanged(rows, alternatives, warnings, measured):
    count = len(rows)
    table = np.array(rows, np.float64).reshape(count, 6)
    others = None if alternatives is None else Alternatives(
        np.full((count, alternatives), 7, np.int32),
        np.full((count, alternatives), 0.5, np.float32))
    found = Detections(table[:, :4].astype(np.float32), table[:, 4].astype(np.float32),
                       table[:, 5].astype(np.int32), others)
    result = Result(found, StageTimes(0.1, 0.2, 0.3), tuple(warnings), Measurement(*measured))
    received = sent(PackedResult.of(result)).unpack()
    assert_same(received, result)
    arrays = received.detections
    assert all(array.flags.writeable
               for array in (arrays.boxes, arrays.scores, arrays.class_ids))
