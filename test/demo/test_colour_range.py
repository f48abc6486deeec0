# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The range of YUV, of a camera and of a network, does not change what is detected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.camera_formats import decode, encode, join
import numpy as np
import pytest

from fcos_ros.backends import load
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.preprocess import InputSpec, Preprocessor
from fcos_ros.core.resize import Size
from fcos_ros.core.yuv_range import RANGES
from fcos_ros.demo.scenes import render
from fcos_ros.evaluation.average_precision import evaluate
from fcos_ros.runtime.detector import Detector

MODEL = Path(__file__).parents[2] / 'models' / 'fcos_demo.onnx'
SIZE = Size(640, 480)
SCENES = 450
"""Number of scenes: with 150, chance alone changes the AP by up to 0.4, with these by 0.22."""

TOLERANCE = 0.3
"""In percent of AP."""


class Nv12Network:
    """The demo network, as one that reads NV12 of a range: by the definition of the range."""

    def __init__(self, network, nv12_range):
        canvas = network.info.input.size
        self._network, self._range = network, nv12_range
        self._preprocessor = Preprocessor(network.info.input)
        self.info = replace(
            network.info, input=InputSpec('0', canvas, 'nv12', nv12_range=nv12_range))

    def new_input(self):
        return np.empty(self.info.input.shape, np.uint8)

    def infer(self, tensor):
        width, height = canvas = self.info.input.size
        blocks = np.split(tensor.reshape(-1, width), [height])
        bgr = decode(blocks, 'nv12', canvas, yuv_range=self._range).round().astype(np.uint8)
        return self._network.infer(self._preprocessor.prepare(Frame.from_bgr(bgr))[0])


@pytest.fixture(scope='module', name='network')
def load_network():
    backend = load(MODEL)
    yield backend
    backend.close()


@pytest.fixture(scope='module', name='scenes')
def render_scenes():
    return [render(seed, SIZE) for seed in range(SCENES)]


@pytest.fixture(scope='module', name='expected')
def evaluate_bgr(network, scenes):
    return average_precision(network, map(bgr_frame, scenes), scenes)


def average_precision(backend, frames, scenes):
    """Return the AP in percent."""
    detector = Detector(backend)
    truth = [Detections(scene.boxes, np.ones(len(scene.boxes), np.float32), scene.class_ids)
             for scene in scenes]
    return 100 * evaluate([detector.detect(frame).detections for frame in frames], truth).ap


def bgr_frame(scene):
    return Frame.from_bgr(scene.image)


def nv12_frame(scene, yuv_range):
    data = join('nv12', encode(scene.image, 'nv12', yuv_range=yuv_range))
    return replace(Frame.wrap(data, SIZE, 'nv12'), yuv_range=yuv_range)


@pytest.mark.parametrize('camera_range', RANGES)
@pytest.mark.parametrize('network_range', RANGES)
def test_nv12_of_any_range_is_as_good_as_bgr_for_a_network_of_any_range(
        network, scenes, expected, camera_range, network_range):
    frames = (nv12_frame(scene, camera_range) for scene in scenes)
    found = average_precision(Nv12Network(network, network_range), frames, scenes)
    assert abs(found - expected) <= TOLERANCE


@pytest.mark.parametrize('network_range', RANGES)
def test_bgr_is_as_good_for_a_network_that_takes_nv12_of_any_range(
        network, scenes, expected, network_range):
    frames = map(bgr_frame, scenes)
    found = average_precision(Nv12Network(network, network_range), frames, scenes)
    assert abs(found - expected) <= TOLERANCE
