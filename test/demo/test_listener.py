# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The listener of the demo records messages with their exact headers and boxes."""

from array import array
from contextlib import contextmanager

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
import pytest
import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo
from waiting import wait_until

from fcos_ros.core.detections import Detections
from fcos_ros.demo.camera import ground_truth_qos, to_ground_truth
from fcos_ros.demo.listener import Listener
from fcos_ros.demo.report import HeaderKey
from fcos_ros.node.qos import latched_qos

OBJECTS = Detections(np.array([[10, 20, 30, 60]], np.float32), np.ones(1, np.float32),
                     np.array([2], np.int32))


class FakeDetector(Node):
    """A node with the publishers of the detector and of the camera."""

    def __init__(self, context):
        super().__init__('fcos', context=context)
        self.ground_truth = self.create_publisher(
            Detection2DArray, 'ground_truth', ground_truth_qos())
        self.arrays = self.create_publisher(Detection2DArray, '~/detections', 10)
        self.labels = self.create_publisher(LabelInfo, '~/label_info', latched_qos())
        self.images = self.create_publisher(Image, '~/annotated_image', 1)
        self.diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def header(self, frame_id='camera'):
        return Header(stamp=self.get_clock().now().to_msg(), frame_id=frame_id)

    def report(self, level=DiagnosticStatus.OK, message='', **counts):
        """Publish diagnostics of this node and of another node, which has an error."""
        values = [KeyValue(key=key, value=str(value)) for key, value in counts.items()]
        latency = [KeyValue(key='infer p50/p95/p99 ms', value='1.00 / 2.00 / 3.00')]
        self.diagnostics.publish(DiagnosticArray(status=[
            DiagnosticStatus(name='other: frames', level=DiagnosticStatus.ERROR, message='other'),
            DiagnosticStatus(name='fcos: frames', level=level, message=message, values=values),
            DiagnosticStatus(name='fcos: latency', values=latency)]))


class ListenerGraph:
    """A listener and a fake detector, on one executor."""

    def __init__(self, context):
        self.detector = FakeDetector(context)
        self.listener = Listener(context=context)
        self.executor = SingleThreadedExecutor(context=context)
        for node in (self.detector, self.listener):
            self.executor.add_node(node)
        self.wait_until(lambda: self.detector.arrays.get_subscription_count()
                        and self.detector.diagnostics.get_subscription_count())

    def wait_until(self, condition):
        """Spin until a condition is true."""
        wait_until(lambda: self.executor.spin_once(timeout_sec=0.1) or condition())


@pytest.fixture
def graph():
    with running_graph() as graph:
        yield graph


@contextmanager
def running_graph():
    context = rclpy.Context()
    rclpy.init(context=context)
    graph = ListenerGraph(context)
    yield graph
    graph.executor.shutdown()
    graph.listener.destroy_node()
    graph.detector.destroy_node()
    rclpy.try_shutdown(context=context)


def header_key(header):
    return HeaderKey(header.stamp.sec, header.stamp.nanosec, header.frame_id)


def test_ground_truth_and_detections_are_recorded_in_order_with_their_headers(graph):
    headers = [graph.detector.header() for _ in range(3)]
    for header in headers:
        graph.detector.ground_truth.publish(to_ground_truth(OBJECTS, header))
        graph.detector.arrays.publish(to_ground_truth(OBJECTS, header))
    recording = graph.listener.recording
    graph.wait_until(lambda: len(recording.ground_truth) == len(recording.received) == 3)
    keys = [header_key(header) for header in headers]
    assert list(recording.ground_truth) == keys
    assert [message.header for message in recording.received] == keys
    for message in recording.received:
        np.testing.assert_array_equal(message.detections.boxes, OBJECTS.boxes)
        assert message.detections.class_ids.tolist() == [2]
        assert message.mismatched_headers == ()


def test_a_late_listener_receives_earlier_ground_truth():
    with running_graph() as graph:
        late = Listener(context=graph.listener.context, namespace='/')
        graph.detector.ground_truth.publish(to_ground_truth(OBJECTS, graph.detector.header()))
        graph.executor.add_node(late)
        graph.wait_until(lambda: late.recording.ground_truth)
        late.destroy_node()


def test_a_detection_with_another_header_than_its_image_is_recorded(graph):
    message = to_ground_truth(OBJECTS, graph.detector.header())
    other = graph.detector.header('elsewhere')
    message.detections[0].header = other
    graph.detector.arrays.publish(message)
    received = graph.listener.recording.received
    graph.wait_until(lambda: received)
    assert received[0].mismatched_headers == (header_key(other),)


def test_the_latency_is_measured_from_the_stamp(graph):
    clock = graph.detector.get_clock()
    stamp = clock.now() - Duration(seconds=10)
    header = Header(stamp=stamp.to_msg())
    graph.detector.arrays.publish(to_ground_truth(OBJECTS, header))
    received = graph.listener.recording.received
    graph.wait_until(lambda: received)
    age = (clock.now() - stamp).nanoseconds / 1e9
    assert 10 <= received[0].latency <= age


def test_only_the_diagnostics_of_the_detector_are_recorded(graph):
    graph.detector.report(received=7, published=5, in_flight=2)
    recording = graph.listener.recording
    graph.wait_until(lambda: recording.frame_diagnostics)
    assert recording.frame_diagnostics == {'received': '7', 'published': '5', 'in_flight': '2'}
    assert recording.latencies == {'infer': '1.00 / 2.00 / 3.00'}
    assert graph.listener.error == ''


def test_the_error_is_that_of_the_newest_diagnostics(graph):
    graph.detector.report(DiagnosticStatus.ERROR, 'no model')
    graph.wait_until(lambda: graph.listener.error == 'no model')
    graph.detector.report(DiagnosticStatus.WARN, 'no camera')
    graph.wait_until(lambda: not graph.listener.error)


def test_the_listener_is_ready_when_the_detector_has_published_its_labels(graph):
    assert not graph.listener.ready
    graph.detector.labels.publish(LabelInfo())
    graph.wait_until(lambda: graph.listener.ready)


def test_annotated_images_are_received_only_while_subscribed(graph):
    graph.listener.subscribe_to_images()
    graph.wait_until(graph.detector.images.get_subscription_count)
    header = graph.detector.header()
    graph.detector.images.publish(Image(
        header=header, width=2, height=1, step=6, encoding='bgr8', data=array('B', range(6))))
    images = graph.listener.annotated_images
    graph.wait_until(lambda: images)
    assert images[header_key(header)].bgr().ravel().tolist() == list(range(6))
    graph.listener.unsubscribe_from_images()
    graph.wait_until(lambda: not graph.detector.images.get_subscription_count())
