# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Repeated transitions, wrong configurations, and changes while frames are in work."""

import gc
from threading import Event, Thread, active_count
from weakref import ref

from node.graph import Graph, do_not_wait_for_workers, image_message
from onnx_models import white_square, write_fcos
import pytest
from rclpy.lifecycle import LifecyclePublisher, TransitionCallbackReturn
from sensor_msgs.msg import Image
from waiting import TIMEOUT, functions_of, wait_until

from fcos_ros.node.input.subscription import CameraSubscription
from fcos_ros.runtime.workers import LocalWorker

SCENE = white_square(128, 5, 3)
RESTART = ('deactivate', 'cleanup', 'configure', 'activate')
CAMERAS = ('front', 'rear')


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return str(write_fcos(tmp_path_factory.mktemp('model') / 'squares.onnx', half_box=8.0))


def transit(graph, *names):
    for name in names:
        assert graph.transit(name) == TransitionCallbackReturn.SUCCESS, name


def hold_first_frame(monkeypatch):
    """Return two events: the first is set when a frame is begun; set the second to finish it."""
    begun, go_on = Event(), Event()

    def detect(worker, frame, criteria=None, detect=LocalWorker.detect):
        result = detect(worker, frame, criteria)
        if not begun.is_set():
            begun.set()
            assert go_on.wait(TIMEOUT)
        return result

    monkeypatch.setattr(LocalWorker, 'detect', detect)
    return begun, go_on


def resources(graph):
    """Return the number of threads, publishers, subscriptions and timers of a node."""
    node = graph.node
    return {
        'threads': active_count(),
        'publishers': len(list(node.publishers)), 'subscriptions': len(list(node.subscriptions)),
        'timers': len(list(node.timers))}


def lifecycle_publishers(graph):
    """Return weak references to the lifecycle publishers of a node."""
    return [ref(publisher) for publisher in graph.node.publishers
            if isinstance(publisher, LifecyclePublisher)]


def growth(before, after):
    """Return the counts that grew; threads of earlier tests may end meanwhile."""
    return {name: count for name, count in after.items() if count > before[name]}


def test_repeated_restarts_leave_no_threads_publishers_or_timers(model):
    with Graph(model=model, cameras=list(CAMERAS), camera_qos=None) as graph:
        annotated = []
        graph.listen(Image, 'fcos/rear/annotated_image', annotated)
        cameras = [graph.peer.create_publisher(Image, f'{name}/image', 10) for name in CAMERAS]

        def publish():
            for camera in cameras:
                camera.publish(image_message(SCENE))
            return annotated and all(camera.get_subscription_count() for camera in cameras)

        def wait_for_all_resources():
            """Wait for the subscriptions, and for the thread that draws."""
            annotated.clear()
            wait_until(publish)

        wait_for_all_resources()
        before, former = resources(graph), []
        for _ in range(5):
            former += lifecycle_publishers(graph)
            transit(graph, *RESTART)
            publish()
        wait_for_all_resources()
        assert growth(before, resources(graph)) == {}
        gc.collect()
        assert len(former) >= 5 * len(CAMERAS)
        assert not [publisher for publisher in former if publisher() is not None]


@pytest.mark.parametrize('topic', ['detections', 'annotated_image', 'annotated_image/compressed'])
def test_a_wrong_qos_override_is_reported_and_leaves_no_publishers(model, topic):
    wrong = f'qos_overrides./fcos/{topic}.publisher.reliability'
    with Graph(model=model, autostart=False, **{wrong: 'sometimes'}) as graph:
        before = resources(graph)
        for _ in range(2):
            assert graph.transit('configure') == TransitionCallbackReturn.FAILURE
        assert growth(before, resources(graph)) == {}
        reason = graph.wait_for_report('sometimes').message
        assert f'qos_overrides./fcos/{topic}.publisher' in reason


def test_close_waits_for_a_message_that_is_being_handled(model):
    with Graph(model=model, autostart=False) as graph:
        begun, go_on, events = Event(), Event(), []

        def receive(source, message, missing):
            begun.set()
            go_on.wait(TIMEOUT)
            events.append('received')

        def close():
            subscription.close()
            events.append('closed')

        subscription = CameraSubscription(graph.node, 'image', 'auto', 'auto', receive)
        wait_until(graph.camera.get_subscription_count)
        graph.camera.publish(image_message(SCENE))
        assert begun.wait(TIMEOUT)
        closer = Thread(target=close)
        closer.start()
        wait_until(lambda: 'close' in functions_of(closer))
        go_on.set()
        closer.join(TIMEOUT)
        assert events == ['received', 'closed']


def test_a_frame_that_is_finished_only_after_a_restart_fails_and_is_not_published(
        model, monkeypatch):
    begun, go_on = hold_first_frame(monkeypatch)
    do_not_wait_for_workers(monkeypatch)
    with Graph(model=model) as graph:
        graph.wait_until_connected().camera.publish(image_message(SCENE, stamp=(1, 0)))
        assert begun.wait(TIMEOUT)
        transit(graph, *RESTART)
        graph.wait_until_connected().detect(image_message(SCENE, stamp=(2, 0)))
        go_on.set()
        graph.wait_for_counts(received=2, published=1, failed=1)
        assert [array.header.stamp.sec for array in graph.arrays] == [2]


def test_a_warning_is_reported_while_images_arrive_and_none_is_finished(model, monkeypatch):
    begun, go_on = hold_first_frame(monkeypatch)
    with Graph(model=model) as graph:
        for second in range(1, 4):
            graph.wait_until_connected().camera.publish(image_message(SCENE, stamp=(second, 0)))
            assert begun.wait(TIMEOUT)
            graph.wait_for_counts(received=second)
        status = graph.wait_for_report('none is finished')
        assert status.level == b'\x01'
        go_on.set()
        graph.wait_for_counts(received=3, published=2, superseded=1)


@pytest.mark.parametrize('track', [False, True])
@pytest.mark.parametrize('change', [
    {'exclude_classes': ['0']}, {'exclude_zones': ['0 0, 1 0, 1 1, 0 1']}, {'min_size': 100.0},
    {'score_threshold': 1.0},
], ids=lambda change: ', '.join(change))
def test_changed_parameters_also_apply_to_frames_in_work(model, monkeypatch, track, change):
    begun, go_on = hold_first_frame(monkeypatch)
    with Graph(model=model, track=track) as graph:
        graph.wait_until_connected().camera.publish(image_message(SCENE))
        assert begun.wait(TIMEOUT)
        assert graph.set(**change) == ''
        go_on.set()
        assert wait_until(lambda: graph.arrays)[0].detections == []
