# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Accepted values of parameters, and the reasons why others are refused."""

import re

from node.graph import image_message
from node.parameter_dump import dump
from onnx_models import white_square
import pytest
from rcl_interfaces.srv import SetParametersAtomically
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter
from waiting import TIMEOUT, wait_until
import yaml

from fcos_ros.node.parameters import Parameters
from fcos_ros.settings.schema import Settings

SCENE = white_square(128, 5, 3)

QUOTE_CLASS_THRESHOLDS = ('put quotes around the entries of class_thresholds, such as '
                          '["person: 0.3"]')


class SettingsNode(Node):
    """A node that sets its parameters as the detector does."""

    def __init__(self, context, arguments, check, changed):
        super().__init__('fcos', context=context, cli_args=arguments)
        self.settings = Parameters(self, check, changed)

    def set_parameters(self, parameter_list):
        return [self.set_parameters_atomically([parameter]) for parameter in parameter_list]

    def set_parameters_atomically(self, parameter_list):
        return self.settings.set(parameter_list, super().set_parameters_atomically)


@pytest.fixture
def declared(tmp_path):
    """Return a function that declares the parameters of a node with the lines of a file."""
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes = []

    def declare(*lines, check=lambda old, new: None, changed=lambda: None):
        file = tmp_path / 'fcos.yaml'
        body = ''.join(f'    {line}\n' for line in lines)
        file.write_text(f'/**:\n  ros__parameters:\n{body}', encoding='utf-8')
        arguments = ['--ros-args', '--params-file', str(file)] if lines else None
        nodes.append(SettingsNode(context, arguments, check, changed))
        return nodes[-1], nodes[-1].settings

    yield declare
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def set_all(node, **values):
    """Set parameters atomically, and return the result."""
    return node.set_parameters_atomically(
        [Parameter(name, value=value) for name, value in values.items()])


def unknown_parameters(capfd):
    """Return the hint for each unknown parameter in the log, by name."""
    found = re.findall(r'WARN.*unknown parameter (\S+), its value is ignored(?:; (.*))?$',
                       capfd.readouterr().err, re.MULTILINE)
    assert len(dict(found)) == len(found), 'a parameter is logged twice'
    return dict(found)


def test_lists_may_be_empty_and_may_contain_texts_or_class_indices(declared):
    _, parameters = declared(
        'cameras: [front, rear]', 'classes: [0, 2]', 'exclude_classes: []', 'include_zones: []',
        'class_thresholds: ["person: 0.3"]', 'min_size: 3',
        'front:', '  classes: []', '  exclude_classes: [1]', '  class_thresholds: []')
    front, rear = parameters.cameras['front'], parameters.cameras['rear']
    assert (rear.classes, rear.exclude_classes, rear.include_zones) == ((0, 2), ('',), ('',))
    assert (rear.class_thresholds, rear.min_size) == (('person: 0.3',), 3)
    assert (front.classes, front.exclude_classes, front.class_thresholds) == (('',), (1,), ('',))


def test_an_empty_list_of_cameras_is_one_camera_without_a_name(declared):
    node, parameters = declared('cameras: []')
    assert list(parameters.cameras) == ['']
    assert node.get_parameter('cameras').value == ['']


@pytest.mark.parametrize(('lines', 'complaint'), [
    (['classes: [0.5]'], r'classes is \[0.5\]; accepted: a list of texts or of whole numbers'),
    (['classes: [true]'], r'classes is \[True\]; accepted: a list of texts or of whole'),
    (['classes: person'], "classes is 'person'; accepted: a list of texts"),
    (['cameras: front'], "cameras is 'front'; accepted: a list of texts"),
    (['cameras: [1, 2]'], r'cameras is \[1, 2\]; accepted: a list of texts'),
    (['include_zones: [1, 2]'], r'include_zones is \[1, 2\]; accepted: a list of texts'),
    (['workers: two'], "workers is 'two'; accepted: a whole number"),
    (['max_detections: []'], r'max_detections is \[\]; accepted: a whole number'),
    (['cameras: [front]', 'front.weight: []'], r'front.weight is \[\]; accepted: a number'),
    (['workers: 33'], 'workers is 33; accepted: 0 to 32'),
    (['workers: 8.9'], 'workers is 8.9; accepted: a whole number'),
    (['score_threshold: 2'], 'score_threshold is 2.0; accepted: 0.0 to 1.0'),
    (['score_threshold: .nan'], 'score_threshold is nan; accepted: 0.0 to 1.0'),
    (['cameras: [front]', 'front.weight: 0'], 'front.weight is 0.0; accepted: 0.01 to 100.0'),
    (['cameras: [front, 2nd]'], r"cameras is \['front', '2nd'\]; accepted: different names"),
], ids=lambda value: ', '.join(value) if isinstance(value, list) else '')
def test_a_wrong_value_is_refused_with_the_accepted_values(declared, lines, complaint):
    with pytest.raises(ValueError, match=complaint):
        declared(*lines)


def test_unknown_parameters_are_logged_with_the_likely_mistake(declared, capfd):
    declared(
        'cameras: [front]', 'score_treshold: 0.9', 'class_thresholds: [person: 0.3]',
        'fornt:', '  score_threshold: 0.9', 'front:', '  class_thresholds: [car: 0.3, bus: 0.4]',
        '  classes: [0]', 'zzz: 1', 'use_sim_time: false',
        'qos_overrides./fcos/detections.publisher.depth: 5')
    logged = unknown_parameters(capfd)
    assert logged.pop('score_treshold') == 'did you mean score_threshold?'
    assert logged.pop('fornt.score_threshold') == 'did you mean front.score_threshold?'
    assert logged.pop('zzz') == ''
    # After two such entries, the YAML parser of ROS 2 adds the following names to them.
    assert logged.keys() == {'class_thresholds.person', 'front.class_thresholds.car.bus',
                             'front.class_thresholds.classes'}
    assert set(logged.values()) == {QUOTE_CLASS_THRESHOLDS}


def test_only_lists_whose_entries_need_quotes_have_the_hint_about_quotes(declared, capfd):
    needs_quotes = [name for name, option in Settings.options().items() if option.quoted]
    assert needs_quotes == ['class_thresholds', 'recorder_triggers']
    declared('class_thresholds: [person: 0.3]', 'classes: [person: 1]')
    logged = unknown_parameters(capfd)
    assert logged['class_thresholds.person'] == QUOTE_CLASS_THRESHOLDS
    assert 'quotes' not in logged['classes.person']


def test_a_common_parameter_cannot_be_unset(declared):
    node, parameters = declared('classes: [0]', 'score_threshold: 0.5')
    for name, value in (('classes', [0]), ('score_threshold', 0.5), ('max_detections', 100)):
        result = node.set_parameters_atomically([Parameter(name, Parameter.Type.NOT_SET)])
        assert not result.successful
        default = Settings.options()[name].default
        assert result.reason == (f'{name} cannot be unset; set it to its default, '
                                 f'{list(default) if name == "classes" else default}')
        assert node.get_parameter(name).value == value
    assert parameters.settings.classes == (0,)


@pytest.mark.parametrize(('fault', 'reason'), [
    (ValueError('no room'), 'no room'), (RuntimeError('broken'), 'RuntimeError: broken')],
    ids=['ValueError', 'other error'])
def test_a_change_that_fails_while_it_is_applied_is_undone_and_refused(declared, fault, reason):
    applied = []

    def changed():
        applied.append(parameters.settings.min_size)
        if applied[-1] == 9:
            raise fault

    node, parameters = declared('min_size: 3', changed=changed)
    before = parameters.cameras
    result = set_all(node, min_size=9, max_detections=7)
    assert (result.successful, result.reason) == (False, reason)
    assert applied == [9, 3], 'the old settings are applied again'
    assert parameters.cameras is before
    assert parameters.settings.max_detections == node.get_parameter('max_detections').value == 100
    assert set_all(node, min_size=4).successful
    assert applied[2:] == [parameters.cameras[''].min_size] == [4]


def test_a_refused_change_of_several_parameters_changes_none(declared):
    checked, applied = [], []

    def check(old, new):
        checked.append((old[''].min_size, new[''].min_size))
        if new[''].min_size == 9:
            raise ValueError('no room')

    node, parameters = declared(
        'min_size: 3', check=check, changed=lambda: applied.append(parameters.settings))
    before = parameters.cameras
    result = set_all(node, max_detections=7, min_size=9)
    assert (result.successful, result.reason) == (False, 'no room')
    result = set_all(node, max_detections=7, class_id='label', zone_anchor='top')
    assert not result.successful
    assert "class_id is 'label'; accepted: index, name" in result.reason
    assert "zone_anchor is 'top'; accepted: centre, bottom" in result.reason
    assert checked == [(3, 9)], 'wrong values are refused before the check'
    assert applied == []
    assert parameters.cameras is before
    assert node.get_parameter('max_detections').value == 100


@pytest.mark.parametrize(('name', 'value'), [
    ('cameras', []), ('cameras', ['front', 'rear']), ('autostart', False)])
def test_a_read_only_parameter_refuses_a_change_with_the_reason(declared, name, value):
    applied = []
    node, parameters = declared('cameras: [front]', changed=lambda: applied.append(1))
    before, given = parameters.cameras, node.get_parameter(name).value
    result = set_all(node, min_size=9, **{name: value})
    assert not result.successful
    assert result.reason == (
        f'{name} is read-only: it is used when the node starts; start it with another value')
    assert applied == []
    assert parameters.cameras is before
    assert node.get_parameter(name).value == given
    assert node.get_parameter('min_size').value == 0.0


def test_a_read_only_parameter_accepts_its_own_value(declared):
    node, _ = declared('cameras: [front]')
    assert set_all(node, min_size=9.0, cameras=['front'], autostart=True).successful
    assert set_all(node, cameras=['front']).successful
    assert node.get_parameter('min_size').value == 9.0


FLOATS = [name for name, option in Settings.options().items() if type(option.default) is float]


@pytest.mark.parametrize('name', FLOATS)
def test_a_whole_number_does_not_change_the_type_of_a_float(declared, name):
    node, parameters = declared('cameras: [front]')
    option = Settings.options()[name]
    names = [name, f'front.{name}'] if option.camera else [name]
    whole = 1 if option.limits is None or option.limits[1] >= 1 else 0
    for own in names:
        for value in (whole, float(whole)):
            assert set_all(node, **{own: value}).successful
            assert node.get_parameter(own).type_ == Parameter.Type.DOUBLE
            assert node.describe_parameter(own).type == Parameter.Type.DOUBLE.value
    assert type(getattr(parameters.cameras['front'], name)) is float


def test_whole_numbers_of_a_file_have_the_type_of_their_parameters(declared):
    node, _ = declared('cameras: [front]', 'min_size: 3', 'front.weight: 2')
    for name, value in (('min_size', 3.0), ('front.weight', 2.0)):
        assert node.get_parameter(name).type_ == Parameter.Type.DOUBLE
        assert node.get_parameter(name).value == value


def test_the_words_true_and_false_may_be_given_as_bools(declared):
    node, parameters = declared(
        'cameras: [front, rear]', 'one_class_per_cell: false', 'rear.one_class_per_cell: true')
    front, rear = parameters.cameras['front'], parameters.cameras['rear']
    assert (front.one_class_per_cell, rear.one_class_per_cell) == ('false', 'true')
    for given in (True, 'true'):
        assert set_all(node, one_class_per_cell='auto').successful
        assert set_all(node, one_class_per_cell=given).successful
        assert parameters.settings.one_class_per_cell == 'true'
        assert node.get_parameter('one_class_per_cell').value == 'true'


@pytest.mark.parametrize(('name', 'value', 'reason'), [
    ('hypotheses', 0, 'hypotheses is 0; accepted: 1 to 20'),
    ('score_threshold', 2, 'score_threshold is 2.0; accepted: 0.0 to 1.0'),
    ('score_threshold', 1.5, 'score_threshold is 1.5; accepted: 0.0 to 1.0'),
    ('max_detections', 8.9, 'max_detections is 8.9; accepted: a whole number'),
    ('max_detections', True, 'max_detections is True; accepted: a whole number'),
    ('front.weight', 0.0, 'front.weight is 0.0; accepted: 0.01 to 100.0'),
    ('front.weight', 'big', "front.weight is 'big'; accepted: a number"),
    ('fit', 'tile', "fit is 'tile'; accepted: letterbox, stretch"),
])
def test_a_refused_value_is_answered_with_the_accepted_ones(declared, name, value, reason):
    node, _ = declared('cameras: [front]')
    before = node.get_parameter_or(name).value
    for result in (set_all(node, **{name: value}),
                   *node.set_parameters([Parameter(name, value=value)])):
        assert (result.successful, result.reason) == (False, reason)
    assert node.get_parameter_or(name).value == before


def test_the_descriptors_have_the_ranges_and_words_of_the_settings(declared):
    node, _ = declared('cameras: [front]')
    for name, option in Settings.options().items():
        for own in (name, f'front.{name}') if option.camera else (name,):
            described = node.describe_parameter(own)
            ranges = [*described.floating_point_range, *described.integer_range]
            assert [(r.from_value, r.to_value) for r in ranges] == (
                [option.limits] if option.limits else [])
            assert described.additional_constraints == (
                f'one of: {", ".join(option.choices)}' if option.choices else '')


def test_the_parameters_of_a_camera_may_be_unset_again(declared):
    node, parameters = declared('cameras: [front]', 'front.weight: 2.0')
    for _ in range(2):
        unset = Parameter('front.weight', Parameter.Type.NOT_SET)
        assert node.set_parameters_atomically([unset]).successful
        assert parameters.cameras['front'].weight == 1.0
        assert node.has_parameter('front.weight')
        assert set_all(node, **{'front.weight': 3}).successful
        assert parameters.cameras['front'].weight == 3.0


@pytest.mark.parametrize('lines', [
    (), ('cameras: [front, rear]', 'front.weight: 2', 'rear.classes: [0]', 'track: true'),
], ids=['one camera', 'two cameras'])
def test_a_dumped_file_is_accepted_and_gives_the_same_settings(declared, capfd, lines):
    node, parameters = declared(*lines)
    text = yaml.safe_dump(dump(node)).splitlines()
    assert any('null' in line for line in text) == bool(lines)
    again, same = declared(*text)
    assert same.cameras == parameters.cameras
    assert unknown_parameters(capfd) == {}
    assert dump(again) == dump(node)


@pytest.mark.parametrize('lines', [
    (), ('cameras: [front, rear]', 'front.weight: 2', 'rear.classes: [0]', 'track: true'),
], ids=['one camera', 'two cameras'])
def test_all_values_may_be_loaded_again_while_the_node_runs(declared, lines):
    node, parameters = declared(*lines)
    before = parameters.cameras
    for name in node.list_parameters([], 0).names:
        value = node.get_parameter_or(name).value
        # `ros2 param load` sends this text for null.
        result = set_all(node, **{name: 'None' if value is None else value})
        assert result.successful, result.reason
    assert parameters.cameras == before


@pytest.mark.parametrize('text', ['null', '~', 'Null', 'NULL'])
def test_null_in_a_file_is_the_default(declared, text):
    _, parameters = declared('cameras: [front]', f'score_threshold: {text}',
                             f'front.track: {text}', f'transport: {text}')
    assert parameters.cameras['front'] == Settings(cameras=('front',))


def test_only_the_parameters_of_the_start_are_read_only(declared):
    node, _ = declared()
    read_only = {name for name in Settings.options() if node.describe_parameter(name).read_only}
    assert read_only == {'cameras', 'autostart'}


def test_the_services_accept_class_indices_and_refuse_wrong_values_with_the_reason(graph):
    client = graph.peer.create_client(SetParametersAtomically, 'fcos/set_parameters_atomically')
    assert client.wait_for_service(TIMEOUT)

    def set_by_service(name, value):
        request = SetParametersAtomically.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()])
        future = client.call_async(request)
        wait_until(future.done)
        return future.result().result.reason

    for classes, count in (([0, 2], 1), ([1], 0), ([], 1)):
        assert set_by_service('classes', classes) == ''
        assert len(graph.detect(image_message(SCENE)).detections) == count
    assert 'unknown class 7; accepted: a name (cube' in set_by_service('classes', [7])
    assert set_by_service('max_detections', 'two') == (
        "max_detections is 'two'; accepted: a whole number")
