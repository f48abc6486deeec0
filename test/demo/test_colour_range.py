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
from fcos_ros.core.frame import Frame
from fcos_ros.core.nms import box_iou
from fcos_ros.core.preprocess import InputSpec, Preprocessor
from fcos_ros.core.resize import Size
from fcos_ros.core.yuv_range import RANGES
from fcos_ros.demo.scenes import render
from fcos_ros.runtime.detector import Detector

MODEL = Path(__file__).parents[2] / 'models' / 'fcos_demo.onnx'
SIZE = Size(640, 480)
SCENES = 50

TOLERANCE = 0.005
"""
Of the mean change of an object's score. With the right range it is at most 0.0034, and with a
wrong one at least 0.0066. The AP of these scenes does not tell them apart: it changes by 0.22 at
most, and by 0.03 at least.
"""

MAX_CHANGE = 0.1
"""A single object that is just found, or just not, counts no more than this."""


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
def score_bgr(network, scenes):
    return object_scores(network, map(bgr_frame, scenes), scenes)


@pytest.fixture(scope='module', name='change')
def compare_with_bgr(network, scenes, expected):
    """Return a function that gives the mean change of an object's score for other frames."""
    def change(network_range, frames):
        found = object_scores(Nv12Network(network, network_range), frames, scenes)
        return np.abs(found - expected).clip(max=MAX_CHANGE).mean()
    return change


def object_scores(backend, frames, scenes):
    """Return the score with which each object of the scenes is found; 0 if it is not."""
    detector = Detector(backend)
    return np.concatenate([scores_in(scene, detector.detect(frame).detections)
                           for scene, frame in zip(scenes, frames)])


def scores_in(scene, found):
    matches = ((box_iou(scene.boxes, found.boxes) >= 0.5)
               & (scene.class_ids[:, None] == found.class_ids))
    return np.where(matches, found.scores, 0).max(axis=1, initial=0)


def bgr_frame(scene):
    return Frame.from_bgr(scene.image)


def nv12_frame(scene, yuv_range):
    data = join('nv12', encode(scene.image, 'nv12', yuv_range=yuv_range))
    return replace(Frame.wrap(data, SIZE, 'nv12'), yuv_range=yuv_range)


@pytest.fixture(scope='module', name='nv12_frames')
def encode_scenes(scenes):
    """Return the frames of all scenes by range."""
    return {name: [nv12_frame(scene, name) for scene in scenes] for name in RANGES}


def test_most_objects_are_found(expected):
    assert np.mean(expected > 0.5) > 0.8


@pytest.mark.parametrize('camera_range', RANGES)
@pytest.mark.parametrize('network_range', RANGES)
def test_nv12_of_any_range_is_as_good_as_bgr_for_a_network_of_any_range(
        change, nv12_frames, camera_range, network_range):
    assert change(network_range, nv12_frames[camera_range]) <= TOLERANCE


@pytest.mark.parametrize('network_range', RANGES)
def test_bgr_is_as_good_for_a_network_that_takes_nv12_of_any_range(
        change, scenes, network_range):
    assert change(network_range, map(bgr_frame, scenes)) <= TOLERANCE


@pytest.mark.parametrize(('camera_range', 'said'), [RANGES, RANGES[::-1]])
def test_a_wrong_range_changes_the_scores(change, nv12_frames, camera_range, said):
    frames = [replace(frame, yuv_range=said) for frame in nv12_frames[camera_range]]
    assert change(camera_range, frames) > TOLERANCE
