# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recorded network detects the same objects on the simulated board as in ONNX."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx_models import white_square, write_fcos
import pytest
from recorded_network import record
from tiny_models import SIZE, write

from fcos_ros.backends import load
from fcos_ros.core.frame import Frame
from fcos_ros.core.preprocess import InputSpec, Preprocessor
from fcos_ros.core.resize import Size
from fcos_ros.demo.scenes import render
from fcos_ros.runtime.detector import Detector

CANVAS = Size(SIZE, SIZE)
DEMO = Path(__file__).resolve().parents[2] / 'models' / 'fcos_demo.onnx'


@pytest.mark.parametrize('output_layout', ['NHWC', 'NCHW'])
@pytest.mark.parametrize(('image', 'board'), [('x5', 'x5'), ('x3_jammy', 'x3')])
def test_the_board_detects_the_same_objects_as_the_network(
        plug_in, tmp_path, image, board, output_layout):
    plug_in(image)
    onnx = write_fcos(tmp_path / 'squares.onnx', half_box=8.0, output_layout=output_layout)
    frames = [nv12(white_square(SIZE, column, 4)) for column in (3, 9)]
    model = record(onnx, frames, board)
    network, simulated = Detector(load(onnx)), Detector(load(write(tmp_path, model)))
    for frame in frames:
        expected, found = (d.detect(frame).detections for d in (network, simulated))
        assert len(expected) == 1
        np.testing.assert_array_equal(found.class_ids, expected.class_ids)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


def test_a_simulated_x5_detects_the_same_objects_as_the_demo_network(plug_in, tmp_path):
    plug_in('x5')
    network = Detector(load(DEMO))
    canvas = network.info.input.size
    frames = [nv12(render(seed, canvas).image, canvas) for seed in (1, 2)]
    simulated = Detector(load(write(tmp_path, record(DEMO, frames, 'x5'))))
    for frame in frames:
        expected, found = (d.detect(frame).detections for d in (network, simulated))
        assert len(expected) > 2
        np.testing.assert_array_equal(found.class_ids, expected.class_ids)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-4, rtol=0)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


def nv12(image, canvas=CANVAS):
    """Convert an image of the size of the canvas to an NV12 frame."""
    tensor, _ = Preprocessor(InputSpec('0', canvas, 'nv12')).prepare(
        Frame.wrap(image.tobytes(), canvas, 'bgr8'))
    return replace(Frame.wrap(tensor.copy(), canvas, 'nv12'), yuv_range='full')
