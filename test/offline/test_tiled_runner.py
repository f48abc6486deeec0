# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run detects in all tiles of every frame: its results do not depend on time or workers."""

import cv2
import numpy as np
from onnx_models import white_square, write_fcos
import pytest

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.offline.frames import SourceFrame
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.offline.runner import OfflineDetector
from fcos_ros.runtime.statistics import FrameStatistics

SIDE = 512
FAR = white_square(SIDE, 5, 3) + white_square(SIDE, 37, 52)
BOXES = [[36, 20, 52, 36], [292, 412, 308, 428]]


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return write_fcos(tmp_path_factory.mktemp('model') / 'squares.onnx', half_box=8.0)


def run(model, images, statistics=None, **given):
    plan = DetectionPlan.of({'model': str(model), **given})
    with OfflineDetector(plan) as detector:
        return list(detector.run(
            (SourceFrame(f'{number}', number, image) for number, image in enumerate(images)),
            statistics))


@pytest.mark.parametrize('workers', [1, 2])
def test_all_tiles_of_all_frames_are_used_whatever_the_budget_is(model, workers):
    statistics = FrameStatistics()
    results = run(model, [Frame.from_bgr(FAR)] * 5, statistics, workers=workers,
                  tiles='4x4', tiles_overlap=0.0, tiles_budget=1.0)
    assert [sorted(result.detections.boxes.tolist()) for result in results] == [BOXES] * 5
    assert (statistics.counts().tiles, statistics.counts().tiles_left_out) == (5 * 16, 0)
    assert 'tiles' in statistics.percentiles()


def test_a_file_is_decoded_for_its_tiles_and_a_damaged_one_fails(model):
    file = cv2.imencode('.png', FAR)[1].tobytes()
    good, bad = run(model, [Frame.compressed(file), Frame.compressed(file[:-40])],
                    tiles='4x4', tiles_overlap=0.0)
    assert sorted(good.detections.boxes.tolist()) == BOXES
    assert isinstance(bad.error, FrameError)


def test_auto_leaves_an_image_of_the_size_of_the_canvas_as_it_is(model):
    statistics = FrameStatistics()
    small = Frame.from_bgr(white_square(128, 5, 3))
    result, = run(model, [small], statistics, tiles='auto')
    assert len(result.detections) == 1
    assert statistics.counts().tiles == 0
    run(model, [Frame.from_bgr(np.zeros((256, 512, 3), np.uint8))], statistics, tiles='auto')
    assert statistics.counts().tiles == 4 * 2
