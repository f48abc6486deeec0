# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What users may write for parameters, and what they are told of what they may not."""

from graph import image_message
from onnx_models import white_square
import pytest
from rcl_interfaces.srv import SetParametersAtomically
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter
from waiting import wait_until

from fcos_ros.node.parameters import Parameters

SCENE = white_square(128, 5, 3)


@pytest.fixture
def declared(tmp_path):
    """Return a function that declares the parameters of a node with a parameter file."""
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes = []

    def declare(*lines, check=lambda old, new: None, changed=lambda: None):
        file = tmp_path / 'fcos.yaml'
        body = ''.join(f'    {line}\n' for line in lines)
        file.write_text(f'/**:\n  ros__parameters:\n{body}', encoding='utf-8')
        arguments = ['--ros-args', '--params-file', str(file)] if lines else None
        nodes.append(Node('fcos', context=context, cli_args=arguments))
        return nodes[-1], Parameters(nodes[-1], check, changed)

    yield declare
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def set_all(node, **values):
    return node.set_parameters_atomically(
        [Parameter(name, value=value) for name, value in values.items()])


def test_lists_are_taken_as_they_are_written(declared):
    _, parameters = declared(
        'cameras: [front, rear]', 'classes: [0, 2]', 'excluded_classes: []', 'regions: []',
        'class_thresholds: ["person: 0.3"]', 'min_size: 3',
        'front:', '  classes: []', '  excluded_classes: [1]', '  class_thresholds: []')
    front, rear = parameters.views['front'], parameters.views['rear']
    assert (rear.classes, rear.excluded_classes, rear.regions) == ((0, 2), ('',), ('',))
    assert (rear.class_thresholds, rear.min_size) == (('person: 0.3',), 3)
    assert (front.classes, front.excluded_classes, front.class_thresholds) == (('',), (1,), ('',))


def test_no_cameras_are_one_without_a_name(declared):
    node, parameters = declared('cameras: []')
    assert list(parameters.views) == ['']
    assert node.get_parameter('cameras').value == ['']


@pytest.mark.parametrize(('lines', 'complaint'), [
    (['classes: [0.5]'], r'classes is \(0.5,\); accepted: a list of texts or of whole numbers'),
    (['classes: [true]'], r'classes is \(True,\); accepted: a list of texts or of whole'),
    (['classes: person'], "classes is 'person'; accepted: a list of texts"),
    (['cameras: front'], "cameras is 'front'; accepted: a list of texts"),
    (['cameras: [1, 2]'], r'cameras is \(1, 2\); accepted: a list of texts'),
    (['regions: [1, 2]'], r'regions is \(1, 2\); accepted: a list of texts'),
    (['workers: two'], "workers is 'two'; accepted: a whole number"),
    (['max_detections: []'], 'max_detections is .*; accepted: a whole number'),
    (['cameras: [front]', 'front.weight: []'], 'front.weight is .*; accepted: a number'),
], ids=lambda value: ', '.join(value) if isinstance(value, list) else '')
def test_what_is_not_accepted_is_refused_with_what_is(declared, lines, complaint):
    with pytest.raises(ValueError, match=complaint):
        declared(*lines)


def test_what_is_given_and_not_known_is_said_with_what_was_meant(declared, capfd):
    declared(
        'cameras: [front]', 'score_treshold: 0.9', 'class_thresholds: [person: 0.3]',
        'fornt:', '  score_threshold: 0.9', 'front:', '  class_thresholds: [car: 0.3, bus: 0.4]',
        '  classes: [0]', 'zzz: 1', 'use_sim_time: false',
        'qos_overrides./fcos/detections.publisher.depth: 5')
    said = [line.partition('there is no parameter ')[2]
            for line in capfd.readouterr().err.splitlines() if 'WARN' in line]
    said = {name: text for name, _, text in (line.partition(': ') for line in said)}
    ignored = 'its value counts for nothing'
    quotes = f'{ignored}; put quotes around the entries of class_thresholds'
    assert said.pop('score_treshold') == f'{ignored}; did you mean score_threshold?'
    assert said.pop('fornt.score_threshold') == f'{ignored}; did you mean front.score_threshold?'
    assert said.pop('zzz') == ignored
    # After two entries the YAML reader of ROS 2 takes what follows for a part of them.
    assert said.keys() == {'class_thresholds.person', 'front.class_thresholds.car.bus',
                           'front.class_thresholds.classes'}
    assert all(text.startswith(quotes) for text in said.values())


def test_a_parameter_of_the_node_cannot_be_unset(declared):
    node, parameters = declared('classes: [0]', 'score_threshold: 0.5')
    for name, value in (('classes', [0]), ('score_threshold', 0.5), ('max_detections', 100)):
        result = node.set_parameters_atomically([Parameter(name, Parameter.Type.NOT_SET)])
        assert not result.successful
        assert result.reason.startswith(f'{name} is None; accepted: a ')
        assert node.get_parameter(name).value == value
    assert parameters.settings.classes == (0,)


@pytest.mark.parametrize(('fault', 'reason'), [
    (ValueError('no room'), 'no room'), (RuntimeError('broken'), 'RuntimeError: broken')],
    ids=['refused', 'broken'])
def test_a_change_that_fails_halfway_is_taken_back_and_refused(declared, fault, reason):
    told = []

    def changed():
        told.append(parameters.settings.min_size)
        if told[-1] == 9:
            raise fault

    node, parameters = declared('min_size: 3', changed=changed)
    before = parameters.views
    result = set_all(node, min_size=9, max_detections=7)
    assert (result.successful, result.reason) == (False, reason)
    assert told == [9, 3], 'whoever took the new settings has the old ones again'
    assert parameters.views is before
    assert parameters.settings.max_detections == node.get_parameter('max_detections').value == 100
    assert set_all(node, min_size=4).successful
    assert told[2:] == [parameters.views[''].min_size] == [4]


def test_services_take_class_indices_and_refuse_with_the_reason(graph):
    client = graph.peer.create_client(SetParametersAtomically, 'fcos/set_parameters_atomically')
    assert client.wait_for_service(10)

    def set_by_service(name, value):
        request = SetParametersAtomically.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()])
        future = client.call_async(request)
        wait_until(future.done)
        return future.result().result.reason

    for classes, count in (([0, 2], 1), ([1], 0), ([], 1)):
        assert set_by_service('classes', classes) == ''
        assert len(graph.detect(image_message(SCENE)).detections) == count
    assert 'unknown class 7: give a name (cube' in set_by_service('classes', [7])
    assert set_by_service('max_detections', 'two') == (
        "max_detections is 'two'; accepted: a whole number")
