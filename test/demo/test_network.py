# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The accuracy of the committed demo network, measured with the detector."""

import json
from pathlib import Path

import numpy as np
import pytest

from fcos_ros.backends import load
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.demo.scenes import CLASS_NAMES, render
from fcos_ros.evaluation.average_precision import evaluate, precision_recall
from fcos_ros.runtime.detector import Detector

MODEL = Path(__file__).parents[2] / 'models' / 'fcos_demo.onnx'
SIZE = Size(640, 480)


@pytest.fixture(scope='module', name='detector')
def make_detector():
    backend = load(MODEL)
    yield Detector(backend)
    backend.close()


def test_the_network_is_small_and_has_the_names_of_its_classes(detector):
    assert MODEL.stat().st_size <= 4e6
    assert detector.info.labels.names == CLASS_NAMES
    assert [level.stride for level in detector.info.head.levels] == [8, 16, 32, 64, 128]
    assert detector.info.head.box_unit == 'stride'


def test_the_network_detects_the_objects_in_held_out_scenes(detector):
    scenes = [render(seed, SIZE) for seed in range(12)]
    ground_truth = [Detections(scene.boxes, np.ones(len(scene.boxes), np.float32), scene.class_ids)
                    for scene in scenes]
    found = [detector.detect(Frame.wrap(scene.image.ravel(), SIZE, 'bgr8')).detections
             for scene in scenes]
    assert evaluate(found, ground_truth).ap50 >= 0.9
    at_its_threshold = precision_recall(found, ground_truth)
    assert at_its_threshold.precision >= 0.85
    assert at_its_threshold.recall >= 0.85


def test_nothing_is_detected_in_a_black_image(detector):
    black = np.zeros(SIZE.width * SIZE.height * 3, np.uint8)
    assert len(detector.detect(Frame.wrap(black, SIZE, 'bgr8')).detections) == 0


def test_the_recorded_evaluation_on_all_held_out_scenes_is_good_and_of_this_file():
    record = json.loads(MODEL.with_suffix('.json').read_text())
    assert record['ap50'] >= 0.9
    assert record['ap'] >= 0.6
    assert record['file_bytes'] == MODEL.stat().st_size
