# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Seeded faults in real graphs on Fast DDS: each is found, with the command that mends it.

Most faults are those of one camera each, of one node with many cameras, so that no fault may hide
or cause another. The machine is a healthy one in a folder.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
import os
import sys
from threading import Event, Thread
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from inspection.machine_tree import MachineTree
from node.graph import Graph, image_message
import numpy as np
from onnx_models import white_square, write_fcos
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from vision_msgs.msg import Detection2DArray, LabelInfo
from waiting import TIMEOUT, wait_until

from fcos_ros.inspection import graph_checks
from fcos_ros.inspection.doctor import inspect
from fcos_ros.inspection.finding import GRAPH, MODEL, Severity
from fcos_ros.node import diagnostics
from fcos_ros.node.observer import graph as graph_module
from fcos_ros.node.observer.start import look_at_graph

NOTE, WARNING, ERROR = Severity
LABELS = {'labels': '["cube", "ball", "cone"]'}
SCENE = np.maximum(white_square(128, 5, 3), 60)
GREY = np.full((128, 128, 3), 60, np.uint8)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
DURABLE = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
WATCHED = 2.0
PERIOD = 0.2
MAX_LOOKS = 5
LATE = 2 * TIMEOUT
"""Seconds that no machine is late."""


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp('model')
    return str(write_fcos(folder / 'squares.onnx', half_box=8.0, metadata=LABELS))


@pytest.fixture
def root(tmp_path):
    tree = MachineTree(tmp_path / 'root')
    tree.write('proc/loadavg', '0.1 0.1 0.1 1/1 1')
    return tree


@pytest.fixture(scope='module', autouse=True)
def any_speed():
    """Let the tests pass on a busy machine, on which answers and detections come late."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_module, 'DISCOVERY', 0.5)
        patch.setattr(graph_module, 'ANSWER', TIMEOUT)
        patch.setattr(graph_checks, 'MAX_AGE', LATE / 2)
        patch.setattr(diagnostics, 'MAX_MISSED', 1.0)
        yield


def look(tree: MachineTree, seconds: float = WATCHED, node: str = '', model: str = ''):
    """Inspect the graph and a machine."""
    return inspect(lambda: look_at_graph(node, seconds), model, tree.root)


def now(pixels=SCENE, offset=0.0, **changes) -> Image:
    """Return an image whose stamp is the present time and an offset in seconds."""
    moment = time.time() + offset
    message = image_message(pixels, stamp=(int(moment), int(moment % 1 * 10**9)))
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def stamped(seconds: int) -> Callable[[], Image]:
    return lambda: image_message(SCENE, stamp=(seconds, 0))


def truncated() -> Image:
    message = now()
    message.data = message.data[:100]
    return message


def compressed() -> CompressedImage:
    return CompressedImage(format='jpeg')


@dataclass(frozen=True)
class Fault:
    """
    A fault of one camera.

    :ivar message: makes the images that are published; None for none.
    :ivar kind: the class of the messages.
    :ivar publishers: number of publishers.
    :ivar qos: of the publishers.
    :ivar parameters: of the camera.
    :ivar follower: the QoS of a subscription to its detections; None for none.
    :ivar words: in the finding; empty for a healthy camera. Likewise `cure` in its command.
    """

    words: tuple[str, ...] = ()
    cure: str = ''
    severity: Severity = WARNING
    area: str = GRAPH
    message: Callable[[], Any] | None = now
    kind: type = Image
    publishers: int = 1
    qos: Any = 10
    parameters: dict[str, Any] = field(default_factory=dict)
    follower: Any = None


SET = 'ros2 param set /fcos {camera}.'

FAULTS = {
    'healthy': Fault(),
    'absent': Fault(('there is no publisher on /absent/image', '/spare/image_raw'),
                    'ros2 run fcos_ros fcos_node --ros-args -r absent/image:=/spare/image_raw',
                    ERROR, publishers=0),
    'cloud': Fault(('publishes sensor_msgs/msg/PointCloud2', 'which is no image'),
                   '-r cloud/image:=/spare/image_raw', ERROR, message=PointCloud2,
                   kind=PointCloud2),
    'packed': Fault(('the parameter transport is raw',), 'transport:=auto', ERROR,
                    message=compressed, kind=CompressedImage, parameters={'transport': 'raw'}),
    'lossy': Fault(('best effort, but this node requests reliable',), 'reliability:=auto', ERROR,
                   qos=BEST_EFFORT, parameters={'reliability': 'reliable'}),
    'shared': Fault(('2 publishers share /shared/image',),
                    'ros2 topic info --verbose /shared/image', publishers=2),
    'silent': Fault(('publishes /silent/image, and no image arrived',),
                    'ros2 topic hz /silent/image', ERROR, message=None),
    'unstamped': Fault(('stamp is zero',), 'ros2 topic echo --field header.stamp',
                       message=stamped(0)),
    'early': Fault(('stamp is in the future',), 'sudo timedatectl set-ntp true',
                   message=lambda: now(offset=3600.0)),
    'booted': Fault(('stamp is older than a day',), 'use_sim_time:=true', message=stamped(77)),
    'negative': Fault(('stamp is before 1970',), 'timedatectl', message=stamped(-7)),
    'late': Fault(('older than max_age',), SET + 'max_age 0.0', ERROR,
                  message=lambda: now(offset=-5.0), parameters={'max_age': 1.0}),
    'delayed': Fault(('detections come', 's after their image'), 'fcos bench',
                     message=lambda: now(offset=-LATE)),
    'broken': Fault(('frames failed since the last report', '100 bytes of data'),
                    'ros2 topic echo --once --no-arr /broken/image', ERROR, message=truncated),
    'strange': Fault(('frames failed', 'encoding'), 'ros2 topic echo --once --field encoding',
                     ERROR, message=lambda: now(encoding='infrared')),
    'follower': Fault(('requests the durability transient local',),
                      'ros2 topic info --verbose /fcos/follower/detections', follower=DURABLE),
    'covered': Fault(('the image shows nothing',), 'v4l2-ctl', area=MODEL,
                     message=lambda: now(GREY)),
    'strict': Fault(('the best score is', 'of cube', 'score_threshold is 0.999',
                     'the model recommends 0.5'), SET + 'score_threshold 0.5', area=MODEL,
                    parameters={'score_threshold': 0.999}),
    'picky': Fault(('classes with exclude_classes removes 1 detections',), SET + 'classes',
                   area=MODEL, parameters={'classes': ['ball']}),
    'fenced': Fault(('include_zones with exclude_zones removes 1',), SET + 'include_zones',
                    area=MODEL, parameters={'include_zones': ['0.9 0.9, 1 0.9, 1 1']}),
    'large': Fault(('min_size removes 1 detections',), SET + 'min_size 0.0', area=MODEL,
                   parameters={'min_size': 90.0}),
    'classwise': Fault(('class_thresholds removes 1',), SET + 'class_thresholds', area=MODEL,
                       parameters={'class_thresholds': ['cube: 0.9999']}),
    'huge': Fault(('is reduced 6.0 times', 'objects below 48 pixels'), 'the resolution of the '
                  'camera', area=MODEL,
                  message=lambda: now(np.kron(SCENE[..., :1], np.ones((6, 6, 1), np.uint8)),
                                      encoding='mono8')),
}
"""Every camera of the graph by its name."""


SINGLE = ('absent', 'cloud', 'packed', 'lossy', 'silent', 'strict', 'picky', 'covered', 'huge',
          'follower')
"""The cameras whose fault has no consequences that are found as well."""


@pytest.fixture(scope='module')
def findings(model, tmp_path_factory):
    """Seed the fault of each camera, and return the findings."""
    tree = MachineTree(tmp_path_factory.mktemp('machine') / 'root')
    parameters = {f'{name}.{parameter}': value for name, fault in FAULTS.items()
                  for parameter, value in fault.parameters.items()}
    with Graph(model=model, camera_qos=None, cameras=list(FAULTS),
               **parameters) as graph, SeededCameras(graph):
        graph.listen(Detection2DArray, '/fcos/follower/detections', [], DURABLE)
        # On a busy machine, a short look may miss a report or an image. The first one may also see
        # a report that was made before all cameras were discovered.
        for _ in range(MAX_LOOKS):
            result = look(tree)
            if (all(found(result.findings, name) for name, fault in FAULTS.items() if fault.words)
                    and all(len(worse(result.findings, name)) == 1 for name in SINGLE)
                    and not of_camera(result.findings, 'healthy')):
                break
    assert not result.healthy
    return result.findings


class SeededCameras(ExitStack):
    """Publish the images of all cameras until the end of the block."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._stopped = Event()
        self._sources = []
        for name, fault in FAULTS.items():
            topic = f'/{name}/image' + ('/compressed' if fault.kind is CompressedImage else '')
            publishers = [graph.peer.create_publisher(fault.kind, topic, fault.qos)
                          for _ in range(fault.publishers)]
            if fault.message:
                self._sources += [(publisher, fault.message) for publisher in publishers]
        graph.peer.create_publisher(Image, '/spare/image_raw', 10)
        thread = Thread(target=self._run)
        thread.start()
        self.callback(thread.join)
        self.callback(self._stopped.set)

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD):
            for publisher, message in self._sources:
                publisher.publish(message())


def found(findings, name):
    """Return the findings about the fault of a camera."""
    fault = FAULTS[name]
    return [finding for finding in of_camera(findings, name)
            if all(word in finding.text for word in fault.words)
            and fault.cure.format(camera=name) in finding.cure
            and (finding.severity, finding.area) == (fault.severity, fault.area)]


def of_camera(findings, camera):
    return [finding for finding in findings if f'{camera}: ' in finding.text]


def worse(findings, camera):
    """Return the findings about a camera that are more than notes."""
    return [finding for finding in of_camera(findings, camera) if finding.severity > NOTE]


@pytest.mark.parametrize('name', [name for name, fault in FAULTS.items() if fault.words])
def test_the_fault_of_a_camera_is_found_with_its_cure(findings, name):
    assert found(findings, name), of_camera(findings, name) or findings


def test_a_healthy_camera_beside_all_the_others_has_no_findings(findings):
    assert of_camera(findings, 'healthy') == []


@pytest.mark.parametrize('name', SINGLE)
def test_a_fault_has_one_finding_of_its_own(findings, name):
    assert len(worse(findings, name)) == 1, worse(findings, name)


def test_the_worst_findings_come_first(findings):
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities, reverse=True)


def test_a_healthy_graph_has_no_findings(model, root):
    root.write('proc/sys/net/core/rmem_max', '212992')  # enough for images of this machine
    with Graph(model=model) as graph, ExitStack() as undo:
        graph.wait_until_connected()
        stopped = Event()
        thread = Thread(target=lambda: [graph.camera.publish(now())
                                        for _ in iter(lambda: stopped.wait(PERIOD), True)])
        thread.start()
        undo.callback(thread.join)
        undo.callback(stopped.set)
        wait_until(lambda: graph.arrays)

        def seen():
            """Return the result once the busy machine has let the graph be discovered."""
            result = look(root)
            return result if 'detectors: 1, cameras: 1' in result.looked_at['graph'] else None
        result = wait_until(seen)
    assert result.findings == ()
    assert result.healthy
    assert result.looked_at['model'] == model


# Faults of a whole node


def find(root, words, cure, severity=ERROR, **request):
    """Inspect until there is such a finding, as the graph takes time; return all findings."""
    seen = []

    def is_found():
        seen.append(look(root, 1.0, **request).findings)
        return [finding for finding in seen[-1]
                if all(word in finding.text for word in words)
                and cure in finding.cure and finding.severity == severity]
    try:
        wait_until(is_found)
    except AssertionError:
        raise AssertionError(seen[-1]) from None
    return seen[-1]


def test_a_graph_without_a_detector_is_found_with_the_topic_of_the_camera(root):
    with Graph(autostart=False, camera_qos=None) as other:  # a node that does not take part
        other.call(other.node.destroy_node)
        other.peer.create_publisher(Image, '/camera/image_raw', 10)
        find(root, ['there is no detector in the ROS domain'],
                        'ros2 launch fcos_ros fcos.launch.py image:=/camera/image_raw')


@pytest.mark.parametrize(('state', 'environment', 'words', 'cure'), [
    ('S', {'ROS_DOMAIN_ID': '9'}, 'is in the ROS domain 9', 'export ROS_DOMAIN_ID=9'),
    ('T', {'ROS_DOMAIN_ID': os.environ['ROS_DOMAIN_ID']}, 'is suspended', 'kill -CONT 4242'),
    ('S', {'ROS_DOMAIN_ID': os.environ['ROS_DOMAIN_ID'], 'RMW_IMPLEMENTATION': 'rmw_zenoh_cpp'},
     'uses rmw_zenoh_cpp', 'export RMW_IMPLEMENTATION=rmw_zenoh_cpp'),
    ('S', {'ROS_DOMAIN_ID': os.environ['ROS_DOMAIN_ID']}, 'is starting or hangs', 'kill 4242'),
], ids=['other domain', 'suspended', 'other middleware', 'hanging'])
def test_a_detector_that_is_not_in_the_graph_is_found(root, state, environment, words, cure):
    root.add_process(4242, 'python3', '-m', 'fcos_ros.node', state=state, **environment)
    find(root, ['process number 4242', words], cure)


def test_a_detector_of_another_user_is_found(root):
    root.add_process(4242, 'fcos_node')
    (root.root / 'proc/4242/environ').unlink()
    find(root, ['belongs to the user'], 'sudo -E -u')


def test_a_node_that_is_not_configured_is_found(root, model):
    with Graph(model=model, autostart=False, camera_qos=None):
        findings = find(root, ['/fcos is unconfigured'], 'ros2 lifecycle set /fcos configure')
    assert len(findings) == 1


def test_a_node_that_is_not_activated_is_found(root, model):
    with Graph(model=model, autostart=False, camera_qos=None) as graph:
        graph.transit('configure')
        find(root, ['/fcos is inactive'], 'ros2 lifecycle set /fcos activate')


def test_a_model_that_is_missing_is_found_once(root):
    with Graph(model='/none/fcos.onnx', camera_qos=None):
        findings = find(root, ['/none/fcos.onnx', 'was not found'], 'model:=/path/to/model')
    assert len(findings) == 1


def test_a_model_without_names_of_classes_is_found(root, tmp_path):
    path = write_fcos(tmp_path / 'nameless.onnx', classes=4)
    with Graph(model=str(path), camera_qos=None):
        find(root, ['have no names'], "--write-metadata 'labels=", WARNING)


def test_a_model_file_that_was_changed_is_found(root, tmp_path):
    path = write_fcos(tmp_path / 'changed.onnx', metadata=LABELS)
    with Graph(model=str(path), camera_qos=None):
        os.utime(path, (time.time() + 60, time.time() + 60))
        find(root, ['was changed after /fcos had started'],
                        'ros2 lifecycle set /fcos deactivate', WARNING)


def test_time_that_stands_still_is_found(root, model):
    with Graph(model=model, camera_qos=None, use_sim_time=True):
        find(root, ['has use_sim_time', '/clock'],
                        'ros2 param set /fcos use_sim_time false')


def test_two_nodes_of_one_name_are_found(root, model):
    with Graph(model=model, camera_qos=None) as graph:
        status = wait_until(lambda: graph.reports)[-1]
        publisher = graph.peer.create_publisher(DiagnosticArray, '/diagnostics', 10)

        def send_as_another_process() -> None:
            for part in status.status:
                for entry in part.values:
                    entry.value = '1' if entry.key == 'pid' else entry.value
            publisher.publish(status)
        timer = graph.peer.create_timer(PERIOD, send_as_another_process)
        find(root, ['2 processes report as /fcos'], 'namespace:=NAME', WARNING)
        timer.cancel()


def test_a_node_that_publishes_and_does_not_report_is_found(root):
    with Graph(autostart=False, camera_qos=None) as graph:
        graph.call(graph.node.destroy_node)
        graph.peer.create_publisher(LabelInfo, '/peer/label_info', DURABLE)
        find(root, ['/peer publishes detections and has not reported'],
                        'ros2 launch fcos_ros fcos.launch.py')


def test_what_the_driver_of_the_camera_reports_is_found(root, model):
    with Graph(model=model) as graph:
        graph.wait_until_connected()
        publisher = graph.peer.create_publisher(DiagnosticArray, '/diagnostics', 10)
        report = DiagnosticArray(status=[DiagnosticStatus(
            name='peer: sensor', level=DiagnosticStatus.ERROR, message='no cable')])
        timer = graph.peer.create_timer(PERIOD, lambda: publisher.publish(report))
        find(root, ['the driver of the camera reports: peer: sensor: no cable'],
                        'ros2 topic echo /diagnostics')
        timer.cancel()


def test_only_the_named_node_is_looked_at(root, model):
    with Graph(model=model, camera_qos=None, autostart=False), \
            Graph(model=model, camera_qos=None, namespace='r2', autostart=False):
        findings = find(root, ['/r2/fcos is unconfigured'], 'configure', node='/r2/fcos')
        find(root, ['/r3/fcos does not report; these do: /fcos, /r2/fcos'],
             'fcos doctor --node /fcos', node='/r3/fcos')
    assert len(findings) == 1


def test_without_ros_everything_else_is_looked_at(root, model, monkeypatch):
    monkeypatch.setitem(sys.modules, 'fcos_ros.node.observer.session', None)
    root.write('proc/loadavg', '99 99 99 1/1 1')
    result = look(root, model=model)
    note = next(finding for finding in result.findings if finding.area == GRAPH)
    assert note.severity == NOTE
    assert 'the graph was not looked at' in note.text
    assert note.cure.startswith('source /opt/ros/')
    assert any('load average' in finding.text for finding in result.findings)
    assert result.looked_at['model'] == model


def test_a_named_model_is_looked_at_without_a_detector(root, tmp_path):
    path = tmp_path / 'text.onnx'
    path.write_text('no model')
    find(root, ['the model cannot be loaded', str(path)], 'fcos info', model=str(path))
    find(root, ['/none.onnx', 'was not found'], 'fcos info', model='/none.onnx')
