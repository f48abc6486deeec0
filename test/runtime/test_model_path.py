# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a model is looked for, and what is said when it is not there."""

import pytest

from fcos_ros.backends import ModelError
from fcos_ros.runtime.board import BOARDS, this_board
from fcos_ros.runtime.model_path import find

X5, X3 = BOARDS


def machine(root, text):
    """Make a root folder whose device tree says `text`."""
    file = root / 'proc/device-tree/model'
    file.parent.mkdir(parents=True)
    file.write_bytes(text.encode() + b'\0')
    return root


def put(root, place):
    path = root / place.lstrip('/')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize(('text', 'board'), [
    ('D-Robotics RDK X5 V1.0', X5),
    ('Hobot X3 PI V2.1 Board', X3),
    ('D-Robotics RDK X3 Module', X3),
    ('Raspberry Pi 4 Model B Rev 1.4', None),
])
def test_a_board_is_known_by_its_device_tree(tmp_path, text, board):
    assert this_board(machine(tmp_path, text)) is board


def test_a_machine_without_a_device_tree_is_no_board(tmp_path):
    assert this_board(tmp_path) is None


@pytest.mark.parametrize('board', BOARDS, ids=lambda board: board.name)
def test_auto_takes_the_first_model_that_the_image_has(tmp_path, board):
    root = machine(tmp_path, f'D-Robotics RDK {board.mark}')
    later = put(root, board.models[-1])
    assert find('auto', root) == later
    first = put(root, board.models[0])
    assert find('auto', root) == first


@pytest.mark.parametrize(('board', 'place'), [
    pytest.param(X5, 'rdk_x5, samples/vision/fcos', id='X5'),
    pytest.param(X3, 'rdk_x3, demos/detect/FCOS', id='X3'),
])
def test_a_board_without_a_model_lists_the_places_and_where_to_get_one(tmp_path, board, place):
    root = machine(tmp_path, f'D-Robotics {board.name}')
    with pytest.raises(ModelError, match=f'rdk_model_zoo.*{place}') as caught:
        find('auto', root)
    assert all(place in str(caught.value) for place in board.models)


def test_a_board_says_where_to_get_a_model_that_is_named_but_not_there(tmp_path):
    root = machine(tmp_path, f'D-Robotics {X5.name}')
    with pytest.raises(ModelError, match=r'tried: /nowhere/b2\.bin; .*rdk_model_zoo'):
        find('/nowhere/b2.bin', root)


def test_auto_without_a_board_is_the_network_of_the_demo(tmp_path):
    assert find('auto', tmp_path).name == 'fcos_demo.onnx'


def test_paths_are_absolute_or_from_here_or_from_the_package(tmp_path, monkeypatch):
    here = put(tmp_path, 'here.onnx')
    monkeypatch.chdir(tmp_path)
    assert find(str(here)) == here
    assert find('here.onnx') == here
    assert find('config/fcos.yaml').is_file()
    assert find('package://fcos_ros/config/fcos.yaml').is_file()


@pytest.mark.parametrize(('model', 'complaint'), [
    ('', 'no model is named'),
    ('nowhere.onnx', r'tried: .*nowhere\.onnx, .*share.*nowhere\.onnx'),
    ('package://no_such_package/a.onnx', "'no_such_package' is not installed"),
])
def test_what_is_not_there_is_refused_with_what_was_tried(model, complaint):
    with pytest.raises(ModelError, match=complaint):
        find(model)
