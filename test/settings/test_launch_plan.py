# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All arguments of the launch file are checked together, before anything is started."""

from pathlib import Path

import pytest

from fcos_ros.settings.launch_plan import ARGUMENTS, PARAMETERS, SWITCHES, LaunchPlan
from fcos_ros.settings.parameter_file import read_text
from fcos_ros.settings.web_options import OPTIONS as WEB_OPTIONS

CONFIG = Path(__file__).resolve().parents[2] / 'config'


def plan(pushed=None, **given):
    defaults = {**dict.fromkeys(PARAMETERS, ''), 'image': 'image', 'namespace': '',
                'name': 'fcos', 'params_file': str(CONFIG / 'fcos.yaml'),
                **{name: option.yaml_default
                   for name, option in (*SWITCHES.items(), *WEB_OPTIONS.items())}}
    return LaunchPlan.of({**defaults, **given}, pushed, CONFIG, read_text)


def write(folder, *lines, key='/**'):
    file = folder / 'my.yaml'
    file.write_text(f'{key}:\n  ros__parameters:\n' + ''.join(f'    {line}\n' for line in lines),
                    encoding='utf-8')
    return str(file)


def test_without_arguments_the_file_decides():
    found = plan()
    assert (found.node, found.file) == ('/fcos', CONFIG / 'fcos.yaml')
    assert (found.parameters, found.cameras, found.warnings) == ({}, ('',), ())
    assert found.switches == {'log_level': 'info', 'respawn': False, 'shm_profile': True,
                              'keep_memory': True, 'web': False, 'rviz': False}


def test_every_argument_is_used():
    assert set(ARGUMENTS) == {'image', 'namespace', 'name', 'params_file', *PARAMETERS, *SWITCHES,
                              *WEB_OPTIONS}


def test_the_page_shows_the_detector_of_the_launch_file_at_its_time():
    found = plan(web='true', web_host='::', web_names='[robot.example.org]', web_rate='5',
                 namespace='r1', name='det', use_sim_time='true')
    assert found.switches['web'] is True
    assert found.web == {
        'web_host': '::', 'web_port': 8088, 'web_public_view': False,
        'web_names': ['robot.example.org'], 'web_rate': 5.0, 'web_width': 960, 'web_quality': 75,
        'detector': '/r1/det', 'use_sim_time': True}


def test_arguments_become_parameters_of_their_types():
    found = plan(max_age='0', workers='2', track='True', classes='[0, car]', use_sim_time='true',
                 log_level='WARN', respawn='TRUE')
    assert found.parameters == {'max_age': 0.0, 'workers': 2, 'track': True,
                                'classes': ['0', 'car'], 'use_sim_time': True}
    assert type(found.parameters['max_age']) is float
    assert (found.switches['log_level'], found.switches['respawn']) == ('warn', True)


@pytest.mark.parametrize(('given', 'complaint'), [
    ({'workers': '99'}, 'the launch argument workers is 99; accepted: 0 to 32'),
    ({'use_sim_time': 'maybe'}, 'the launch argument use_sim_time:=maybe cannot be read'),
    ({'log_level': 'loud'}, "the launch argument log_level is 'loud'; accepted: debug, info"),
    ({'web_port': '70000'}, 'the launch argument web_port is 70000; accepted: 0 to 65535'),
    ({'rviz': ''}, 'the launch argument rviz:= cannot be read; accepted: true or false'),
    ({'params_file': 'nowhere'}, "params_file is 'nowhere', which is no file"),
])
def test_a_wrong_argument_is_refused(given, complaint):
    with pytest.raises(ValueError, match=complaint):
        plan(**given)


def test_a_wrong_value_in_the_file_is_refused_with_its_line(tmp_path):
    file = write(tmp_path, 'track: true', 'score_threshold: 2')
    with pytest.raises(ValueError, match=r'my\.yaml, line 4: score_threshold is 2\.0; accepted'):
        plan(params_file=file)


def test_a_file_for_another_node_is_reported(tmp_path):
    file = write(tmp_path, 'workers: 2', key='fcos')
    assert plan(params_file=file).warnings == ()
    assert plan('robot', params_file=file, namespace='r1', name='det').warnings == (
        f'nothing in {file} is for /robot/r1/det: its keys are fcos; accepted: /** or '
        '/robot/r1/det',)


def test_the_cameras_are_those_of_the_argument_or_of_the_file(tmp_path):
    file = write(tmp_path, 'cameras: [front, rear]')
    assert plan(params_file=file).cameras == ('front', 'rear')
    assert plan(params_file=file, cameras='[left]').cameras == ('left',)
    assert plan(params_file=file, cameras="['']").cameras == ('',)


def test_the_argument_image_is_reported_if_it_has_no_effect():
    warning, = plan(cameras='[a, b]', image='/camera/image_raw').warnings
    assert warning == ('the launch argument image:=/camera/image_raw has no effect with several '
                       'cameras; remap their topics: a/image, b/image')


def test_a_relative_model_beside_the_file_is_used_unless_an_argument_is_given(tmp_path):
    model = tmp_path / 'own.onnx'
    model.touch()
    file = write(tmp_path, 'model: own.onnx')
    assert plan(params_file=file).parameters == {'model': str(model)}
    assert plan(params_file=file, model='other.onnx').parameters == {'model': 'other.onnx'}


@pytest.mark.parametrize(('pushed', 'given', 'remappings', 'topics'), [
    (None, {}, [], ('/image', '/fcos/annotated_image')),
    (None, {'namespace': 'r1', 'name': 'det'}, [], ('/r1/image', '/r1/det/annotated_image')),
    ('robot', {'namespace': 'r1'}, [('image', '/camera/image_raw')],
     ('/camera/image_raw', '/robot/r1/fcos/annotated_image')),
    ('robot', {}, [('~/annotated_image', 'seen'), ('image', 'left')],
     ('/robot/left', '/robot/seen')),
    ('robot', {'cameras': '[front, rear]'}, [('front/image', '/front_camera/image_raw')],
     ('/front_camera/image_raw', '/robot/fcos/front/annotated_image')),
])
def test_rviz_shows_the_topics_of_the_first_camera_as_the_node_resolves_them(
        pushed, given, remappings, topics):
    assert plan(pushed, **given).shown_topics(remappings) == topics
