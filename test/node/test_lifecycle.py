# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node that is started and halted again and again is as good as new, and holds nothing more."""

import gc
from threading import Event, Thread, active_count
from weakref import ref

from graph import Graph, do_not_wait_for_workers, image_message
from onnx_models import white_square, write_fcos
import pytest
from rclpy.lifecycle import LifecyclePublisher, TransitionCallbackReturn
from sensor_msgs.msg import Image
from waiting import TIMEOUT, functions_of, wait_until

from fcos_ros.node.inlet import Inlet
from fcos_ros.runtime.worker import LocalWorker

SCENE = white_square(128, 5, 3)
ROUND = ('deactivate', 'cleanup', 'configure', 'activate')
CAMERAS = ('front', 'rear')


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return str(write_fcos(tmp_path_factory.mktemp('model') / 'squares.onnx', half_box=8.0))


def transit(graph, *names):
    for name in names:
        assert graph.transit(name) == TransitionCallbackReturn.SUCCESS, name


def hold_first_frame(monkeypatch):
    """Return two events: one is set when the first frame is begun, the other lets it end."""
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
    """Return how many threads, publishers and so on a node has."""
    node = graph.node
    return {
        'threads': active_count(),
        'publishers': len(list(node.publishers)), 'subscriptions': len(list(node.subscriptions)),
        'timers': len(list(node.timers))}


def lifecycle_publishers(graph):
    """Return weak references to the publishers of a node."""
    return [ref(publisher) for publisher in graph.node.publishers
            if isinstance(publisher, LifecyclePublisher)]


def growth(before, after):
    """Return the counts that grew; those of former tests may shrink meanwhile."""
    return {what: count for what, count in after.items() if count > before[what]}


def test_nothing_is_left_over_from_the_rounds_before(model):
    with Graph(model=model, cameras=list(CAMERAS), camera_qos=None) as graph:
        pictures = []
        graph.listen(Image, 'fcos/rear/annotated_image', pictures)
        cameras = [graph.peer.create_publisher(Image, f'{name}/image', 10) for name in CAMERAS]

        def show():
            for camera in cameras:
                camera.publish(image_message(SCENE))
            return pictures

        def settle():
            """Wait for an annotated image: what is made on demand has been made then."""
            pictures.clear()
            wait_until(show)

        settle()
        before, former = resources(graph), []
        for _ in range(5):
            former += lifecycle_publishers(graph)
            transit(graph, *ROUND)
            show()
        settle()
        assert growth(before, resources(graph)) == {}
        gc.collect()
        assert len(former) >= 5 * len(CAMERAS)
        assert not [publisher for publisher in former if publisher() is not None]


@pytest.mark.parametrize('topic', ['detections', 'annotated_image', 'annotated_image/compressed'])
def test_a_wrong_override_is_named_and_leaves_nothing_half_open(model, topic):
    wrong = f'qos_overrides./fcos/{topic}.publisher.reliability'
    with Graph(model=model, autostart=False, **{wrong: 'sometimes'}) as graph:
        before = resources(graph)
        for _ in range(2):
            assert graph.transit('configure') == TransitionCallbackReturn.FAILURE
        assert growth(before, resources(graph)) == {}
        reason = graph.wait_for_report('sometimes').message
        assert f'qos_overrides./fcos/{topic}.publisher' in reason


def test_nothing_is_handed_over_once_a_camera_is_closed(model):
    with Graph(model=model, autostart=False) as graph:
        begun, go_on, seen = Event(), Event(), []

        def receive(source, message):
            begun.set()
            go_on.wait(TIMEOUT)
            seen.append('handed over')

        def close():
            inlet.close()
            seen.append('closed')

        inlet = Inlet(graph.node, 'image', 'auto', 'auto', receive)
        wait_until(graph.camera.get_subscription_count)
        graph.camera.publish(image_message(SCENE))
        assert begun.wait(TIMEOUT)
        closer = Thread(target=close)
        closer.start()
        wait_until(lambda: 'close' in functions_of(closer))
        go_on.set()
        closer.join(TIMEOUT)
        assert seen == ['handed over', 'closed']


def test_what_is_done_only_after_a_restart_is_lost_and_breaks_no_order(model, monkeypatch):
    begun, go_on = hold_first_frame(monkeypatch)
    do_not_wait_for_workers(monkeypatch)
    with Graph(model=model) as graph:
        graph.wait_until_connected().camera.publish(image_message(SCENE, stamp=(1, 0)))
        assert begun.wait(TIMEOUT)
        transit(graph, *ROUND)
        graph.wait_until_connected().detect(image_message(SCENE, stamp=(2, 0)))
        go_on.set()
        graph.wait_for_counts(received=2, published=1, failed=1)
        assert [array.header.stamp.sec for array in graph.arrays] == [2]


def test_images_that_come_in_while_none_is_done_are_said(model, monkeypatch):
    begun, go_on = hold_first_frame(monkeypatch)
    with Graph(model=model) as graph:
        for second in range(1, 4):
            graph.wait_until_connected().camera.publish(image_message(SCENE, stamp=(second, 0)))
            assert begun.wait(TIMEOUT)
            graph.wait_for_counts(received=second)
        status = graph.wait_for_report('none is done')
        assert status.level == b'\x01'
        go_on.set()
        graph.wait_for_counts(received=3, published=2, superseded=1)


@pytest.mark.parametrize('track', [False, True])
@pytest.mark.parametrize('change', [
    {'excluded_classes': ['0']}, {'ignored_zones': ['0 0, 1 0, 1 1, 0 1']}, {'min_size': 100.0},
    {'score_threshold': 1.0},
], ids=lambda change: ', '.join(change))
def test_settings_hold_for_frames_in_work_too(model, monkeypatch, track, change):
    begun, go_on = hold_first_frame(monkeypatch)
    with Graph(model=model, track=track) as graph:
        graph.wait_until_connected().camera.publish(image_message(SCENE))
        assert begun.wait(TIMEOUT)
        assert graph.set(**change) == ''
        go_on.set()
        assert wait_until(lambda: graph.arrays)[0].detections == []
