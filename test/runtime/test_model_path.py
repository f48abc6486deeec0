# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The paths that are searched for a model, and the error if it is not found."""

import pytest

from fcos_ros.backends import ModelError
from fcos_ros.runtime.boards import BOARDS, this_board
from fcos_ros.runtime.model_path import DEMO_MODEL, demo_model, demo_notice, find_model

X5, X3, S100, S100P, S600 = BOARDS

DEVICE_TREE = 'proc/device-tree/model'
SOC = 'sys/class/boardinfo/soc_name'
BOARD_TYPE = 'sys/class/boardinfo/board_type'


def write_text(root, place, text):
    """Write a file of a root folder, and return the folder."""
    file = root / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
    return root


def write_device_tree(root, text):
    """Make a root folder whose device tree has this model name, and return it."""
    return write_text(root, DEVICE_TREE, f'{text}\0')


def make_file(root, place):
    path = root / place.lstrip('/')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Return the home folder, without models of this machine's user."""
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    return tmp_path / 'home'


@pytest.mark.parametrize(('text', 'board'), [
    ('D-Robotics RDK X5 V1.0', X5),
    ('Hobot X3 PI V2.1 Board', X3),
    ('D-Robotics RDK X3 Module', X3),
    ('D-Robotics RDK S100 V0P5', S100),
    ('D-Robotics RDK S100P V1P0', S100P),
    ('D-Robotics RDK S600 MCB V0p2', S600),
    ('D-Robotics RDK S600 MCB V1p0', S600),
    ('Raspberry Pi 4 Model B Rev 1.4', None),
    ('Freescale i.MX53 Board', None),
    ('ACME MX5', None),
    ('NanoPi X3000', None),
])
def test_a_board_is_recognised_by_a_word_of_its_device_tree(tmp_path, text, board):
    assert this_board(write_device_tree(tmp_path, text)) is board


@pytest.mark.parametrize(('texts', 'board'), [
    ({SOC: 's100'}, S100),
    ({SOC: 'S100P\n'}, S100P),
    ({SOC: 's100', BOARD_TYPE: 'rdk s100p'}, S100P),
    ({SOC: 's600\n', BOARD_TYPE: '(null)'}, S600),
    ({SOC: '(null)'}, None),
    ({'sys/class/socinfo/soc_name': 'X5U\n'}, X5),
    ({DEVICE_TREE: 'D-Robotics RDK S100P V1P0\0', SOC: 's100'}, S100P),
    ({DEVICE_TREE: 'D-Robotics RDK Next V1P0\0', SOC: 's600'}, S600),
])
def test_a_board_without_a_known_device_tree_is_recognised_by_its_soc(tmp_path, texts, board):
    for place, text in texts.items():
        write_text(tmp_path, place, text)
    assert this_board(tmp_path) is board


def test_a_machine_without_a_device_tree_is_not_a_board(tmp_path):
    assert this_board(tmp_path) is None


def test_the_number_of_workers_follows_the_cores_of_the_bpu():
    assert {board.name: (board.cores, board.workers) for board in BOARDS} == {
        'RDK X5': (1, 3), 'RDK X3': (2, 4), 'RDK S100': (1, 3), 'RDK S100P': (1, 3),
        'RDK S600': (4, 6)}


@pytest.mark.parametrize('board', [X5, X3], ids=lambda board: board.name)
def test_auto_uses_the_first_model_that_exists_on_the_board(tmp_path, home, board):
    root = write_device_tree(tmp_path, f'D-Robotics {board.name}')
    later = make_file(home, board.models[-1].removeprefix('~/'))
    assert find_model('auto', root) == later
    first = make_file(root, board.models[0])
    assert find_model('auto', root) == first


@pytest.mark.parametrize('place', [
    '/opt/hobot/model/x5/basic/fcos_efficientnetb0_512x512_nv12.bin',
    '/opt/hobot/model/x5/basic/fcos_efficientnetb0_detect_512x512_bayese_nv12.bin',
    '/app/model/basic/fcos_512x512_nv12.bin',
    'home/rdk_model_zoo/samples/vision/fcos/model/'
    'fcos_efficientnetb0_detect_512x512_bayese_nv12.bin',
    'home/rdk_model_zoo/samples/vision/FCOS/models/'
    'fcos_efficientnetb2_detect_768x768_bayese_nv12.bin',
])
def test_auto_finds_each_name_and_folder_of_the_system_images_and_the_model_zoo(tmp_path, place):
    root = write_device_tree(tmp_path, 'D-Robotics RDK X5 V1.0')
    file = make_file(root, place)
    assert find_model('auto', root) == file


def test_a_published_network_is_found_by_its_other_names_and_in_other_folders(tmp_path):
    given = f'{tmp_path}/opt/hobot/model/x5/basic/fcos_efficientnetb2_768x768_nv12.bin'
    root = write_device_tree(tmp_path, 'D-Robotics RDK X5 V1.0')
    make_file(root, '/app/model/basic/fcos_efficientnetb3_896x896_nv12.bin')
    with pytest.raises(ModelError, match='was not found'):
        find_model(given, root)
    other = make_file(root, '/app/model/basic/fcos_efficientnetb2_detect_768x768_bayese_nv12.bin')
    assert find_model(given, root) == other
    with pytest.raises(ModelError, match='was not found'):
        find_model(given, tmp_path / 'no_board')


@pytest.mark.parametrize(('board', 'zoo'), [
    pytest.param(X5, 'rdk_x5, samples/vision/fcos', id='X5'),
    pytest.param(X3, 'rdk_x3, demos/detect/FCOS', id='X3'),
])
def test_the_error_on_a_board_without_a_model_has_all_names_and_folders_and_the_model_zoo(
        tmp_path, home, board, zoo):
    root = write_device_tree(tmp_path, f'D-Robotics {board.name}')
    with pytest.raises(ModelError, match=f'rdk_model_zoo.*{zoo}') as caught:
        find_model('auto', root)
    for place in board.models:
        folder, name = place.replace('~', str(home)).rsplit('/', 1)
        assert folder in str(caught.value)
        assert name in str(caught.value)


@pytest.mark.parametrize('board', [S100, S100P, S600], ids=lambda board: board.name)
def test_auto_is_refused_on_a_board_without_published_models(tmp_path, board):
    root = write_device_tree(tmp_path, f'D-Robotics {board.name} V1P0')
    with pytest.raises(ModelError, match=f'no FCOS network is published for {board.name}: compile '
                       rf'one for its BPU \({board.march}\) and set model'):
        find_model('auto', root)


def test_the_error_for_a_missing_file_on_a_board_names_the_model_zoo(tmp_path):
    root = write_device_tree(tmp_path, f'D-Robotics {X5.name}')
    with pytest.raises(ModelError, match=r'tried: /nowhere/b2\.bin; .*rdk_model_zoo'):
        find_model('/nowhere/b2.bin', root)


def test_the_demo_network_is_never_used_by_auto_without_a_notice(tmp_path):
    assert 'the demo network runs on the CPU' in demo_notice('auto', tmp_path)
    assert demo_notice(DEMO_MODEL, tmp_path) == ''
    for board in BOARDS:
        root = write_device_tree(tmp_path, board.name)
        assert demo_notice('auto', root) == ''
        with pytest.raises(ModelError, match='was not found'):
            find_model('auto', root)


@pytest.mark.parametrize(('text', 'file'), [
    ('D-Robotics RDK X5 V1.0', 'fcos_demo_x5.bin'), ('Hobot X3 PI V2.1 Board', 'fcos_demo_x3.bin'),
    ('D-Robotics RDK S100 V0P5', 'fcos_demo.onnx'), ('a laptop', 'fcos_demo.onnx')])
def test_the_demo_network_is_compiled_for_boards_with_a_known_compiler(tmp_path, text, file):
    address = demo_model(write_device_tree(tmp_path, text))
    assert find_model(address).name == file


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
    ('package:///a.onnx', "the ROS package '' is not installed"),
    ('package://../a.onnx', r"the ROS package '\.\.' is not installed"),
    ('~nobody_here/a.onnx', r'tried: .*/~nobody_here/a\.onnx'),
    (f'/{"a" * 300}.onnx', r'tried: /a+\.onnx \(File name too long\)'),
    ('a\0b.onnx', 'was not found'),
])
def test_a_model_that_is_not_found_is_refused_with_the_reason(model, complaint):
    with pytest.raises(ModelError, match=complaint):
        find_model(model)


def test_a_relative_path_is_also_searched_in_the_folders_of_the_parameter_files(
        tmp_path, monkeypatch):
    beside = make_file(tmp_path, 'parameters/own.onnx')
    (tmp_path / 'work').mkdir()
    monkeypatch.chdir(tmp_path / 'work')
    folders = [tmp_path / 'none', beside.parent]
    assert find_model('own.onnx', folders=folders) == beside
    with pytest.raises(ModelError, match=r'tried: .*work/a\.onnx, .*parameters/a\.onnx, .*share'):
        find_model('a.onnx', folders=folders)
    here = make_file(tmp_path, 'work/own.onnx')
    assert find_model('own.onnx', folders=folders) == here


def test_a_removed_working_folder_is_no_problem(tmp_path, monkeypatch):
    (tmp_path / 'gone').mkdir()
    monkeypatch.chdir(tmp_path / 'gone')
    (tmp_path / 'gone').rmdir()
    assert find_model('config/fcos.yaml').is_file()
    with pytest.raises(ModelError, match='was not found'):
        find_model('nowhere.onnx')


@pytest.mark.parametrize('name', ['x' * 300, 'x' * 100_000, 'a/' * 100_000],
                         ids=['300', 'long', 'deep'])
def test_a_name_that_is_too_long_is_not_found_and_the_error_is_short(name):
    with pytest.raises(ModelError, match='was not found') as caught:
        find_model(name)
    assert len(str(caught.value)) < 3500
