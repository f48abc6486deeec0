# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The state of detectors is read from diagnostics, also from damaged ones and from other nodes."""

from types import SimpleNamespace

from hypothesis import given, strategies as st
import pytest

from fcos_ros.runtime.node_status import (
    Level,
    NodeStatus,
    Problem,
    process_values,
    read_diagnostics,
)

PROCESS = {'fcos_ros': '0.1.0', 'state': 'active', 'uptime s': '12.5', 'pid': '7', 'host': 'pc',
           'workers': '2', 'workers running': '1', 'memory MB': '150.0'}
FRAMES = {'received': '12', 'published': '5', 'superseded': '3', 'expired': '1', 'failed': '2',
          'in_flight': '1', 'missed': '4', 'last_error': 'too short', 'topic': '/image',
          'type': 'sensor_msgs/msg/Image', 'reliability': 'reliable', 'publishers': '1',
          'failed: truncated': '2', 'images per second': '29.5', 'detections per second': '9.5',
          'stamp is zero': '4'}
LATENCY = {'infer p50/p95/p99 ms': '20.00 / 30.00 / 40.00'}


def status(name, values=(), level=b'\x00', message=''):
    entries = [SimpleNamespace(key=key, value=value) for key, value in dict(values).items()]
    return SimpleNamespace(name=name, level=level, message=message, values=entries)


def array(*statuses, stamp=(7, 500_000_000)):
    moment = SimpleNamespace(sec=stamp[0], nanosec=stamp[1])
    return SimpleNamespace(header=SimpleNamespace(stamp=moment), status=list(statuses))


def test_all_values_of_a_node_are_read():
    node, = read_diagnostics(array(
        status('r1/fcos: frames', FRAMES), status('r1/fcos: latency', LATENCY),
        status('r1/fcos: model', {'name': 'squares', 'path': '/m.onnx', 'backend': 'onnx',
                                  'input': '128x128', 'strides': '8 16', 'classes': '3',
                                  'box unit': 'pixel'}),
        status('r1/fcos: process', {**PROCESS, 'CPU cores used': '0.70', 'temperature C': '61.5',
                                    'BPU load %': '80', 'board': 'RDK X5',
                                    'version of numpy': '1.26.4'})))
    assert (node.name, node.stamp, node.level) == ('/r1/fcos', 7.5, Level.OK)
    camera, = node.cameras
    assert (camera.name, camera.topic, camera.reliability) == ('', '/image', 'reliable')
    counts = camera.counts
    assert (counts.received, counts.published, counts.superseded, counts.expired, counts.failed,
            counts.in_flight, counts.missed) == (12, 5, 3, 1, 2, 1, 4)
    assert (counts.errors, counts.last_error) == ({'truncated': 2}, 'too short')
    assert (camera.image_rate, camera.detection_rate) == (29.5, 9.5)
    assert camera.notes == {'stamp is zero': '4'}
    spread = camera.stages['infer']
    assert (spread.p50, spread.p95, spread.p99) == (0.02, 0.03, 0.04)
    assert (node.model.name, node.model.classes, node.model.box_unit) == ('squares', 3, 'pixel')
    process = node.process
    assert (process.version, process.state, process.uptime, process.pid) == (
        '0.1.0', 'active', 12.5, 7)
    assert (process.workers, process.working, process.memory) == (2, 1, 150_000_000)
    assert (process.cpu, process.temperature, process.bpu_load) == (0.7, 61.5, 80.0)
    assert (process.board, process.libraries) == ('RDK X5', {'numpy': '1.26.4'})


def test_the_values_of_a_process_are_read_as_they_were_written():
    node, = read_diagnostics(array(status('fcos: process', PROCESS)))
    values = {key: str(value) for key, value in process_values(node.process).items()}
    again, = read_diagnostics(array(status('fcos: process', values)))
    assert again.process == node.process


def test_problems_are_sorted_by_level():
    node, = read_diagnostics(array(
        status('fcos: frames', {**FRAMES, 'problem 2': 'error: a fault: with a colon'}, b'\x01',
               'no image'),
        status('fcos: model', level=2, message='no file'), status('fcos: process', PROCESS)))
    assert node.problems == (
        Problem(Level.ERROR, 'frames', 'a fault: with a colon'),
        Problem(Level.ERROR, 'model', 'no file'), Problem(Level.WARNING, 'frames', 'no image'))
    assert node.level == Level.ERROR
    assert 'problem 2' not in node.cameras[0].notes


def test_each_node_and_each_camera_is_read():
    nodes = read_diagnostics(array(
        *(status(f'{node}: {part}', FRAMES if 'frames' in part else LATENCY)
          for node in ('a', 'b') for part in ('front frames', 'front latency', 'rear frames')),
        status('b: process', PROCESS), status('a: process', PROCESS)))
    assert {node.name: [camera.name for camera in node.cameras] for node in nodes} == {
        '/a': ['front', 'rear'], '/b': ['front', 'rear']}
    front, rear = nodes[0].cameras
    assert (list(front.stages), list(rear.stages)) == (['infer'], [])


@pytest.mark.parametrize('statuses', [
    [], [status('motor: driver', {'temperature': '40'})], [status('no part')],
    [status('fcos: frames', FRAMES)], [status('fcos: process', {'pid': '1'})]],
    ids=['empty', 'other node', 'other form', 'without the process', 'without our version'])
def test_messages_of_other_programs_have_no_detector(statuses):
    assert read_diagnostics(array(*statuses)) == ()


@pytest.mark.parametrize('text', ['', 'x', 'nan', 'inf', '1 / 2', '1 / 2 / x', '1e999'])
def test_values_that_are_no_numbers_are_left_out(text):
    node, = read_diagnostics(array(
        status('fcos: process', {**PROCESS, 'temperature C': text, 'pid': text}),
        status('fcos: frames', {**FRAMES, 'received': text, 'images per second': text}),
        status('fcos: latency', {'infer p50/p95/p99 ms': text})))
    assert node.cameras[0].stages == {}
    assert node.cameras[0].counts.received in {0, 1}
    assert node.process.temperature in {None, 1.0}


KEYS = st.sampled_from([*FRAMES, *PROCESS, *LATENCY, 'problem 2', 'failed: x', 'version of x'])
ANY_STATUS = st.builds(
    status, st.sampled_from(['fcos: process', 'fcos: frames', 'fcos: latency', 'fcos: model',
                             'fcos: a frames', 'other', ': ', '']) | st.text(),
    st.dictionaries(KEYS | st.text(), st.text() | st.floats().map(str)),
    st.sampled_from([b'\x00', b'\x01', b'\x7f', b'', 0, 2, 77, -1]), st.text())


@given(st.lists(ANY_STATUS), st.booleans())
def test_no_message_makes_the_reader_fail(statuses, ours):
    own = [status('fcos: process', PROCESS)] if ours else []
    nodes = read_diagnostics(array(*statuses, *own))
    assert all(isinstance(node, NodeStatus) for node in nodes)
    assert not ours or '/fcos' in [node.name for node in nodes]
