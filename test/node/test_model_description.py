# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node reports what is assumed, unlikely or wrong about its model, and chooses open sizes."""

from node.graph import Graph, image_message
import numpy as np
from onnx_exports import HALF_BOX, Export
from onnx_models import white_square
import pytest
from rclpy.lifecycle import TransitionCallbackReturn

WARN, ERROR = b'\x01', b'\x02'
CENTRE = (5 * 8 + 4, 3 * 8 + 4)


def test_the_size_of_the_input_can_be_chosen(tmp_path):
    path = Export(shape=(1, 3, 'height', 'width')).write(tmp_path / 'model.onnx')
    with Graph(model=str(path), input_size='128x128') as graph:
        graph.wait_until_connected()
        found, = graph.detect(image_message(white_square(128, 5, 3))).detections
        assert (found.bbox.size_x, found.bbox.size_y) == pytest.approx(2 * [2 * HALF_BOX])
        position = found.bbox.center.position
        np.testing.assert_allclose((position.x, position.y), CENTRE, atol=1e-3)
        status = graph.wait_for_status('model', lambda status: status.message == 'model')
        assert {entry.key: entry.value for entry in status.values}['input'] == '128x128'


@pytest.mark.parametrize(('size', 'complaint'), [
    ('large', "input_size: 'large' is no size; accepted: WIDTHxHEIGHT, such as 640x480"),
    ('64x64', 'input_size is 64x64, and the model takes 128x128')])
def test_a_size_that_cannot_be_used_is_reported(tmp_path, size, complaint):
    path = Export().write(tmp_path / 'model.onnx')
    with Graph(model=str(path), input_size=size, autostart=False) as graph:
        assert graph.transit('configure') == TransitionCallbackReturn.FAILURE
        status = graph.wait_for_report(complaint)
        assert status.level == ERROR


def test_a_model_that_contradicts_its_description_is_reported_with_the_cure(tmp_path):
    path = Export(probabilities=True).write(tmp_path / 'model.onnx')
    with Graph(model=str(path), autostart=False) as graph:
        assert graph.transit('configure') == TransitionCallbackReturn.FAILURE
        assert graph.wait_for_report('state activation: sigmoid').level == ERROR
        path.with_suffix('.yaml').write_text('activations: sigmoid')
        assert graph.transit('configure') == TransitionCallbackReturn.FAILURE
        assert graph.wait_for_report("did you mean 'activation'").level == ERROR
        path.with_suffix('.yaml').write_text('activation: sigmoid')
        assert graph.transit('configure') == TransitionCallbackReturn.SUCCESS


def test_what_is_unlikely_is_a_warning_in_the_diagnostics(tmp_path):
    path = Export(unit='stride').write(tmp_path / 'model.onnx', {'box_unit': 'pixel'})
    with Graph(model=str(path)) as graph:
        status = graph.wait_for_status('model', lambda status: status.level == WARN)
        assert 'box_unit is pixel; state box_unit: stride' in status.message
