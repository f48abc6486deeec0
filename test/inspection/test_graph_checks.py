# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of a graph that no test can seed within one process, and the commands of reports."""

from dataclasses import replace

import pytest

from fcos_ros.inspection.finding import Severity
from fcos_ros.inspection.graph_checks import DETECTIONS, graph_findings
from fcos_ros.inspection.graph_facts import (
    CameraFacts,
    DetectorFacts,
    Endpoint,
    GraphFacts,
    ImageSample,
)
from fcos_ros.inspection.machine import DetectorProcess, MachineFacts
from fcos_ros.inspection.report_cures import CURES, UNKNOWN, Context, cure
from fcos_ros.node.input.mixture import REMEDIES as MIXTURES
from fcos_ros.node.input.stamps import REMEDIES as STAMPS
from fcos_ros.runtime.node_status import (
    CameraStatus,
    Level,
    ModelStatus,
    NodeStatus,
    Problem,
    ProcessStatus,
)
from fcos_ros.runtime.statistics import FrameCounts, Percentiles

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
NONE = FrameCounts(0, 0, 0, 0, 0, {}, '')
SOME = FrameCounts(30, 28, 1, 0, 1, {}, '')
STATUS = CameraStatus('', '/image', 'sensor_msgs/msg/Image', 'reliable', 1, SOME)
IMAGES = Endpoint('/camera', '/image', 'sensor_msgs/msg/Image')
CAMERA = CameraFacts(replace(STATUS, counts=NONE), STATUS, (IMAGES,), (),
                     ImageSample(30, 3.0, 1000))
NODE = NodeStatus('/fcos', 1.0, ProcessStatus('0.1.0', 'active', 9.0, 1, 'pc'),
                  ModelStatus('m', '/m.onnx'), (STATUS,))
DETECTOR = DetectorFacts(NODE, (CAMERA,))
GRAPH = GraphFacts('0', 5.0, detectors=(DETECTOR,))
MACHINE = MachineFacts('robot')


def findings(machine=MACHINE, detector=None, **camera):
    detector = detector or replace(DETECTOR, cameras=(replace(CAMERA, **camera),))
    return list(graph_findings(replace(GRAPH, detectors=(detector,)), machine))


def test_a_healthy_graph_has_no_findings():
    assert findings() == []
    viewer = Endpoint('/rviz', '/fcos/detections', DETECTIONS)
    assert findings(consumers=(viewer,)) == []


@pytest.mark.parametrize(('camera', 'words', 'command', 'severity'), [
    ({'consumers': (Endpoint('/old', '/fcos/detections', 'vision_msgs/msg/Detection3DArray'),)},
     '/old subscribes to /fcos/detections as vision_msgs/msg/Detection3DArray',
     'ros2 topic info --verbose /fcos/detections', WARNING),
    ({'after': replace(STATUS, counts=NONE)},
     '30 images of /image arrived at this inspection, and none at the detector',
     'run both as the same user', ERROR),
    ({'after': replace(STATUS, counts=NONE), 'sample': ImageSample(0, 3.0)},
     '/camera publishes /image, and no image arrived in 3 s', 'ros2 topic hz /image', ERROR),
    ({'after': replace(STATUS, stages={'age': Percentiles(0.2, 1.5, 2.0)})},
     'detections come 1.5 s after their image', 'fcos bench /m.onnx', WARNING),
    ({'after': replace(STATUS, counts=replace(SOME, superseded=20, published=10))},
     '20 of 30 images were superseded', 'fcos bench /m.onnx', NOTE),
])
def test_each_fault_of_a_camera_has_its_command(camera, words, command, severity):
    finding, = findings(**camera)
    assert words in finding.text
    assert command in finding.cure
    assert finding.severity == severity


def test_a_suspended_node_is_continued():
    graph = GraphFacts('0', 5.0, silent=('/fcos',))
    machine = replace(MACHINE, detectors=(DetectorProcess(77, 'robot', '0', stopped=True),))
    finding, = graph_findings(graph, machine)
    assert '/fcos publishes detections and has not reported for 5 s' in finding.text
    assert finding.cure == 'kill -CONT 77'


def test_images_come_by_network_if_a_publisher_is_on_another_machine():
    assert not GRAPH.by_network
    remote = replace(CAMERA, publishers=(replace(IMAGES, remote=True),))
    assert replace(GRAPH, detectors=(replace(DETECTOR, cameras=(remote,)),)).by_network


def test_a_problem_that_follows_from_another_is_not_repeated():
    problems = (Problem(Level.ERROR, 'frames', 'unconfigured: no file'),
                Problem(Level.ERROR, 'model', 'no file'),
                Problem(Level.WARNING, 'frames', 'unconfigured: no images are received'))
    process = replace(NODE.process, state='unconfigured')
    finding, = findings(detector=replace(
        DETECTOR, status=replace(NODE, process=process), problems=problems))
    assert finding.text == '/fcos: unconfigured: no file'


REPORTED = {
    'there is no publisher on /image: start the camera, or remap image': 'ros2 launch fcos_ros '
    'fcos.launch.py image:=/cam',
    '/x publishes T on /image, which is no image; accepted: ...': 'image:=/cam',
    '/x publishes T on /image, but the parameter transport is raw': 'transport:=auto',
    '... best effort, but this node requests reliable, so no image arrives: set the parameter '
    'reliability to auto': 'reliability:=auto',
    '... best effort, but this node requests reliable, so no image arrives: remove the parameter '
    'qos_overrides./image.subscription.reliability, or set it': 'sed -i "/qos_overrides',
    'cannot subscribe to hbm: install the package hbm_img_msgs and source': 'sudo apt install '
    'ros-$ROS_DISTRO-hbm-img-msgs',
    'no image on /image for 3 s; shared memory of Fast DDS belongs to root, too': 'same user',
    'no image on /image for 3 s; it is published best effort, which loses': 'export FASTDDS_DEF',
    'no image on /image for 3 s': 'ros2 topic hz /image',
    '9 of 10 images since the last report were not taken: the camera sends more': 'ros2 topic bw',
    '4 images since the last report were older than max_age, 1 s; if they are not, set the clocks':
    'ros2 param set /fcos max_age 0.0',
    '2 of 3 workers do not run: the worker died: SIGSEGV': 'backend:=libdnn',
    '3 frames failed since the last report: the worker did not answer in 1 s':
    'inference_timeout:=5.0',
    'unconfigured: the memory of the BPU is used up': 'workers:=1',
    'unconfigured: m.onnx needs onnxruntime, which cannot be imported': 'pip install --no-deps',
    'unconfigured: m.bin: numpy here is 2.1': "pip install 'numpy<2'",
    'unconfigured: /m.onnx is not an FCOS network': 'fcos info /m.onnx',
    '1 more nodes have the name of this node': 'namespace:=NAME',
    'images arrive and none is finished: a worker loads the model': 'fcos bench /m.onnx',
}


@pytest.mark.parametrize('message', REPORTED)
def test_each_reported_problem_has_its_command(message):
    assert REPORTED[message] in cure(message, Context('/fcos', other='/cam', model='/m.onnx'))


@pytest.mark.parametrize('kind', [*STAMPS, *MIXTURES])
def test_each_kind_of_wrong_stamp_has_a_command(kind):
    message = f'3 images since the last report: {kind}; {({**STAMPS, **MIXTURES})[kind]}'
    assert cure(message, Context('/fcos')) != UNKNOWN


def test_an_unknown_problem_shows_the_diagnostics():
    assert cure('something else', Context('/fcos')) == UNKNOWN


def test_hostile_names_cannot_break_a_command():
    for _, command in CURES:
        assert '{0' not in command
    assert cure('no image on {0} \\1', Context('/fcos', topic='/{x}')).startswith(
        'ros2 topic hz /{x}')
