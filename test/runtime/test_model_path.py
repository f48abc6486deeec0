# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The paths that are searched for a model, and the error if it is not found."""

import pytest

from fcos_ros.backends import ModelError
from fcos_ros.runtime.boards import BOARDS, this_board
from fcos_ros.runtime.model_path import find_model

X5, X3 = BOARDS


def write_device_tree(root, text):
    """Make a root folder whose device tree has this model name, and return it."""
    file = root / 'proc/device-tree/model'
    file.parent.mkdir(parents=True)
    file.write_bytes(text.encode() + b'\0')
    return root


def make_file(root, place):
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
def test_a_board_is_recognised_by_its_device_tree(tmp_path, text, board):
    assert this_board(write_device_tree(tmp_path, text)) is board


def test_a_machine_without_a_device_tree_is_not_a_board(tmp_path):
    assert this_board(tmp_path) is None


@pytest.mark.parametrize('board', BOARDS, ids=lambda board: board.name)
def test_auto_uses_the_first_model_that_exists_on_the_system_image(tmp_path, board):
    root = write_device_tree(tmp_path, f'D-Robotics RDK {board.mark}')
    later = make_file(root, board.models[-1])
    assert find_model('auto', root) == later
    first = make_file(root, board.models[0])
    assert find_model('auto', root) == first


@pytest.mark.parametrize(('board', 'zoo'), [
    pytest.param(X5, 'rdk_x5, samples/vision/fcos', id='X5'),
    pytest.param(X3, 'rdk_x3, demos/detect/FCOS', id='X3'),
])
def test_the_error_on_a_board_without_a_model_names_all_paths_and_the_model_zoo(
        tmp_path, board, zoo):
    root = write_device_tree(tmp_path, f'D-Robotics {board.name}')
    with pytest.raises(ModelError, match=f'rdk_model_zoo.*{zoo}') as caught:
        find_model('auto', root)
    assert all(place in str(caught.value) for place in board.models)


def test_the_error_for_a_missing_file_on_a_board_names_the_model_zoo(tmp_path):
    root = write_device_tree(tmp_path, f'D-Robotics {X5.name}')
    with pytest.raises(ModelError, match=r'tried: /nowhere/b2\.bin; .*rdk_model_zoo'):
        find_model('/nowhere/b2.bin', root)


def test_auto_is_the_demo_network_on_a_machine_that_is_not_a_board(tmp_path):
    assert find_model('auto', tmp_path).name == 'fcos_demo.onnx'


def test_a_path_is_absolute_or_relative_to_the_working_folder_or_to_the_package(
        tmp_path, monkeypatch):
    here = make_file(tmp_path, 'here.onnx')
    monkeypatch.chdir(tmp_path)
    assert find_model(str(here)) == here
    assert find_model('here.onnx') == here
    assert find_model('config/fcos.yaml').is_file()
    assert find_model('package://fcos_ros/config/fcos.yaml').is_file()


@pytest.mark.parametrize(('model', 'complaint'), [
    ('', "^model is ''; accepted: auto, a path or package://NAME/PATH$"),
    ('nowhere.onnx', r'tried: .*nowhere\.onnx, .*share.*nowhere\.onnx'),
    ('package://no_such_package/a.onnx', "'no_such_package' is not installed"),
])
def test_a_model_that_is_not_found_is_refused_with_the_reason(model, complaint):
    with pytest.raises(ModelError, match=complaint):
        find_model(model)
