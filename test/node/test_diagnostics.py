# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The health of the node as values, and its conversion to diagnostics."""

from dataclasses import FrozenInstanceError, replace
from itertools import pairwise
import os

from builtin_interfaces.msg import Time
from node.graph import Graph, image_message
import numpy as np
from onnx_models import white_square
import pytest
from waiting import wait_until

from fcos_ros.core.text import MAX_LENGTH
from fcos_ros.node import fcos_node
from fcos_ros.node.diagnostics import BEST_EFFORT_HINT, MAX_SILENCE, to_diagnostics
from fcos_ros.node.health import CameraHealth, NodeHealth, SubscriptionStatus
from fcos_ros.node.input.mixture import SIZES
from fcos_ros.node.input.stamps import BACKWARDS, FUTURE, NEGATIVE, OLD, REMEDIES, ZERO
from fcos_ros.runtime.node_status import Level, read_diagnostics
from fcos_ros.runtime.statistics import FrameCounts, Percentiles

OK, WARN, ERROR = b'\x00', b'\x01', b'\x02'
SCENE = white_square(128, 5, 3)
NONE = FrameCounts(received=0, published=0, superseded=0, expired=0, failed=0, errors={},
                   last_error='')
SUBSCRIPTION = SubscriptionStatus(
    topic='/image', type_name='sensor_msgs/msg/Image', reliability='reliable', publishers=1,
    problem='')
CAMERA = CameraHealth(
    name='', topic='/image', subscription=SUBSCRIPTION, silence=0.1, max_age=0.0,
    counts_before=NONE, counts=NONE, oddities_before={}, oddities={}, latencies={})
NODE = NodeHealth(state='active', fault='', model=None, workers=0, worker_faults=(),
                  cameras=(CAMERA,))


def statuses(health):
    """Return the statuses of a node `fcos`, by the part of the node."""
    message = to_diagnostics('fcos', Time(sec=7), health)
    assert message.header.stamp.sec == 7
    assert all(status.name.startswith('fcos: ') for status in message.status)
    return {status.name.removeprefix('fcos: '): status for status in message.status}


def frames(node=NODE, **changes):
    """Return the status of the frames of a camera with some values changed."""
    return statuses(replace(node, cameras=(replace(CAMERA, **changes),)))['frames']


def counts(before=NONE, **more):
    return replace(before, **{name: getattr(before, name) + value if isinstance(value, int)
                              else value for name, value in more.items()})


@pytest.mark.parametrize(('changes', 'message'), [
    pytest.param({}, 'waiting for images', id='no image yet'),
    pytest.param({'counts': counts(received=3, published=3)}, 'publishing', id='images'),
    pytest.param({'counts': counts(received=9, published=9, missed=1)}, 'publishing',
                 id='few missed images'),
    pytest.param({'counts_before': counts(received=3, published=3),
                  'counts': counts(received=3, published=3)}, 'waiting for images',
                 id='no new image'),
])
def test_a_healthy_camera_is_ok(changes, message):
    status = frames(**changes)
    assert (status.level, status.message) == (OK, message)


@pytest.mark.parametrize(('changes', 'level', 'words'), [
    pytest.param({'subscription': None}, WARN, ['active: no images are received'],
                 id='no subscription'),
    pytest.param({'counts': counts(received=2, failed=2, last_error='too short')}, ERROR,
                 ['2 frames failed since the last report: too short'], id='all failed'),
    pytest.param({'counts': counts(received=3, published=1, failed=2, last_error='too short')},
                 WARN, ['2 frames failed', 'too short'], id='some failed'),
    pytest.param({'max_age': 0.5, 'counts': counts(received=4, expired=4)}, ERROR,
                 ['4 images', 'older than max_age, 0.5 s', 'set the clocks'], id='expired'),
    pytest.param({'max_age': 0.5, 'counts': counts(received=4, expired=4),
                  'oddities': {OLD: 4}}, ERROR, ['older than max_age', OLD, REMEDIES[OLD]],
                 id='expired because of old stamps'),
    pytest.param({'max_age': 0.5, 'counts': counts(received=4, expired=4),
                  'oddities': {NEGATIVE: 4}}, ERROR, [NEGATIVE, REMEDIES[NEGATIVE]],
                 id='expired because of negative stamps'),
    pytest.param({'subscription': replace(SUBSCRIPTION, problem='no image here')}, ERROR,
                 ['no image here'], id='publisher that cannot be received'),
    pytest.param({'subscription': replace(SUBSCRIPTION, problem='no image here'),
                  'counts': counts(received=1, published=1)}, WARN, ['no image here'],
                 id='publisher that cannot be received, beside one that can'),
    pytest.param({'counts': counts(received=3, superseded=2)}, WARN, ['none is finished'],
                 id='only superseded'),
    pytest.param({'counts': counts(received=1, published=1), 'oddities': {FUTURE: 1}}, WARN,
                 ['1 images since the last report', FUTURE, REMEDIES[FUTURE]],
                 id='stamp in the future'),
    pytest.param({'subscription': replace(SUBSCRIPTION, publishers=0, absence='no camera')},
                 WARN, ['no camera'], id='no publisher'),
    pytest.param({'silence': MAX_SILENCE + 1, 'other_users': ('camera_user',)}, WARN,
                 ['no image on /image', 'shared memory of Fast DDS belongs to camera_user, too: '
                  'if the camera runs as another user'], id='no image, beside another user'),
    pytest.param({'silence': MAX_SILENCE + 1, 'other_users': ('camera_user',),
                  'subscription': replace(SUBSCRIPTION, reliability='best effort')}, WARN,
                 ['camera_user, too', BEST_EFFORT_HINT], id='two likely reasons'),
    pytest.param({'counts': counts(received=8, published=8, missed=2)}, WARN,
                 ['2 of 10 images', 'the camera sends more than is taken'], id='missed images'),
    pytest.param({'silence': MAX_SILENCE + 1}, WARN, ['no image on /image for 3 s'],
                 id='no image for a while'),
    pytest.param({'silence': MAX_SILENCE + 1,
                  'subscription': replace(SUBSCRIPTION, reliability='best effort')}, WARN,
                 ['no image on /image', BEST_EFFORT_HINT], id='no best-effort image'),
])
def test_a_problem_of_a_camera_is_reported_with_its_level_and_remedy(changes, level, words):
    status = frames(**changes)
    assert status.level == level
    for word in words:
        assert word in status.message


def test_problems_from_before_the_last_report_are_not_repeated():
    before = counts(received=9, failed=3, expired=3, superseded=3, last_error='too short')
    oddities = {ZERO: 2, BACKWARDS: 1}
    status = frames(
        counts_before=before, counts=counts(before, received=1, published=1),
        oddities_before=oddities, oddities=oddities)
    assert (status.level, status.message) == (OK, 'publishing')


def test_the_worst_problem_comes_first():
    node = replace(NODE, state='inactive', fault='no model')
    problems = {'counts': counts(received=2, failed=1, expired=1, last_error='too short'),
                'silence': 60.0}
    assert frames(node, **problems).message == 'inactive: no model'
    assert frames(node, **problems).level == ERROR
    assert frames(**problems).message.startswith('1 frames failed')
    del problems['counts']
    assert frames(**problems).message.startswith('no image on /image')


def test_the_values_of_the_frames_are_the_counts_and_the_subscription():
    status = frames(
        counts_before=counts(received=2, published=2),
        counts=counts(received=12, published=5, superseded=3, expired=1, failed=2,
                      errors={'truncated': 2}, last_error='too short'),
        oddities={ZERO: 4})
    assert {entry.key: entry.value for entry in status.values} == {
        'received': '12', 'published': '5', 'superseded': '3', 'expired': '1', 'failed': '2',
        'in_flight': '1', 'missed': '0', 'last_error': 'too short',
        'published since last report': '3',
        'topic': '/image', 'type': 'sensor_msgs/msg/Image', 'reliability': 'reliable',
        'publishers': '1', 'failed: truncated': '2', ZERO: '4',
        'problem 2': 'warning: 1 images since the last report were older than max_age, 0 s; if '
                     'they are not, set the clocks, or use_sim_time for a recording',
        'problem 3': f'warning: 4 images since the last report: {ZERO}; {REMEDIES[ZERO]}'}


def test_rates_are_of_the_time_since_the_last_report():
    values = {entry.key: entry.value for entry in frames(
        period=2.0, counts_before=counts(received=2, published=2),
        counts=counts(received=12, published=5)).values}
    assert values['images per second'] == '5.00'
    assert values['detections per second'] == '1.50'


def test_latencies_are_percentiles_in_milliseconds():
    latencies = {'infer': Percentiles(0.02, 0.03, 0.04), 'total': Percentiles(0.025, 0.035, 0.045)}
    node = replace(NODE, cameras=(replace(CAMERA, latencies=latencies),))
    status = statuses(node)['latency']
    assert status.message == '25.0 ms from image to detections'
    assert {entry.key: entry.value for entry in status.values} == {
        'infer p50/p95/p99 ms': '20.00 / 30.00 / 40.00',
        'total p50/p95/p99 ms': '25.00 / 35.00 / 45.00'}
    assert statuses(NODE)['latency'].message == 'no frames yet'


def test_without_a_model_the_status_of_the_model_has_the_reason():
    missing, failed = statuses(NODE)['model'], statuses(replace(NODE, fault='no file'))['model']
    assert (missing.level, missing.message) == (WARN, 'no model is loaded')
    assert (failed.level, failed.message) == (ERROR, 'no file')
    assert missing.hardware_id == 'none'


def test_mixed_images_are_reported_with_what_changes_and_the_publishers():
    status = frames(
        counts=counts(received=4, published=4), oddities={SIZES: 3},
        mixed={SIZES: ['1280x720', '640x480']},
        subscription=replace(SUBSCRIPTION, nodes=('/left', '/right'), publishers=2))
    assert status.level == WARN
    assert f'3 images since the last report: {SIZES}, between 1280x720, 640x480; published by ' \
        '/left, /right; several cameras share the topic' in status.message


def test_nodes_of_the_same_name_are_reported():
    status = statuses(replace(NODE, namesakes=1))['frames']
    assert status.level == WARN
    assert '1 more nodes have the name of this node' in status.message


def test_texts_in_diagnostics_have_a_maximum_length():
    long = 'x' * 100_000
    message = to_diagnostics('fcos', Time(), replace(NODE, fault=long, cameras=(replace(
        CAMERA, counts=counts(last_error=long)),)))
    for status in message.status:
        assert len(status.message) <= MAX_LENGTH
        assert all(len(entry.value) <= MAX_LENGTH for entry in status.values)


def test_each_of_several_cameras_has_its_own_statuses():
    front, rear = (replace(CAMERA, name=name) for name in ('front', 'rear'))
    front = replace(front, counts=counts(received=1, failed=1, last_error='too short'))
    found = statuses(replace(NODE, cameras=(front, rear)))
    assert list(found) == ['front frames', 'front latency', 'rear frames', 'rear latency', 'model']
    assert (found['front frames'].level, found['rear frames'].level) == (ERROR, OK)


@pytest.mark.parametrize('value', [SUBSCRIPTION, CAMERA, NODE],
                         ids=lambda value: type(value).__name__)
def test_health_objects_are_immutable_values(value):
    assert value == replace(value)
    with pytest.raises(FrozenInstanceError):
        value.topic = '/other'


def test_each_report_of_the_node_has_the_counts_of_the_last_one(model, monkeypatch):
    reported = []

    def record(name, stamp, health):
        reported.append(health)
        return to_diagnostics(name, stamp, health)

    monkeypatch.setattr(fcos_node, 'to_diagnostics', record)
    with Graph(model=model) as graph:
        graph.wait_until_connected()
        wait_until(lambda: reported)
        for second in range(1, 4):
            graph.detect(image_message(SCENE, stamp=(second, 0)))
            graph.wait_for_counts(published=second)
        graph.transit('deactivate')
        wait_until(lambda: reported[-1].state == 'inactive')
        graph.transit('cleanup')
        wait_until(lambda: reported[-1].state == 'unconfigured')
        healths = list(reported)
    cameras = [health.cameras[0] for health in healths]
    for before, after in pairwise(cameras):
        assert after.counts_before == before.counts
        assert after.oddities_before == before.oddities
    published = [camera.counts.published for camera in cameras]
    assert published == sorted(published), 'an old value does not change later'
    assert (published[0], published[-1]) == (0, 3)
    assert cameras[-1].oddities[OLD] == 3
    active = next(health for health in healths if health.state == 'active')
    assert (active.fault, active.model.name) == ('', 'squares')
    assert active.cameras[0].topic == '/image'
    assert healths[-1].model is None
    assert cameras[-1].subscription is None


def test_the_reports_of_a_running_node_are_read(graph, model):
    wait_until(lambda: graph.reports)  # the first one has no rates
    graph.detect(image_message(SCENE))
    graph.wait_for_counts(published=1, in_flight=0)
    node, = read_diagnostics(graph.reports[-1])
    assert node.name == '/fcos'
    camera, = node.cameras
    assert (camera.topic, camera.type_name) == ('/image', 'sensor_msgs/msg/Image')
    assert (camera.counts.received, camera.counts.published) == (1, 1)
    assert list(camera.stages) == ['wait', 'preprocess', 'infer', 'decode', 'publish', 'total']
    assert all(0 <= spread.p50 <= spread.p99 for spread in camera.stages.values())
    assert camera.detection_rate >= 0
    assert (node.model.name, node.model.path, node.model.input) == ('squares', model, '128x128')
    process = node.process
    assert (process.state, process.workers, process.working) == ('active', 1, 1)
    assert process.pid == os.getpid()
    assert process.memory > 10**7
    assert process.libraries['numpy'] == np.__version__
    # The image may be received before a report and published after it.
    problem, = [problem for report in graph.reports for node in read_diagnostics(report)
                for problem in node.problems if OLD in problem.message]
    assert problem.level == Level.WARNING
