# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo's listener promises: it writes down what was said, bit for bit."""

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
from std_msgs.msg import Header as HeaderMessage
from vision_msgs.msg import Detection2DArray, LabelInfo
from waiting import wait_until

from fcos_ros.core.detections import Detections
from fcos_ros.demo.camera import history, to_truth
from fcos_ros.demo.listener import Listener
from fcos_ros.demo.report import Header
from fcos_ros.node.qos import latched

OBJECTS = Detections(np.array([[10, 20, 30, 60]], np.float32), np.ones(1, np.float32),
                     np.array([2], np.int32))


class FakeDetector(Node):
    """Publishes whatever a test asks for, on the topics of the detector and of the camera."""

    def __init__(self, context):
        super().__init__('fcos', context=context)
        self.truths = self.create_publisher(Detection2DArray, 'ground_truth', history())
        self.arrays = self.create_publisher(Detection2DArray, '~/detections', 10)
        self.labels = self.create_publisher(LabelInfo, '~/label_info', latched())
        self.pictures = self.create_publisher(Image, '~/annotated_image', 1)
        self.diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def header(self, frame_id='camera'):
        return HeaderMessage(stamp=self.get_clock().now().to_msg(), frame_id=frame_id)

    def report(self, level=DiagnosticStatus.OK, message='', **counts):
        values = [KeyValue(key=key, value=str(value)) for key, value in counts.items()]
        latency = [KeyValue(key='infer p50/p95/p99 ms', value='1.00 / 2.00 / 3.00')]
        self.diagnostics.publish(DiagnosticArray(status=[
            DiagnosticStatus(name='other: frames', level=DiagnosticStatus.ERROR, message='alien'),
            DiagnosticStatus(name='fcos: frames', level=level, message=message, values=values),
            DiagnosticStatus(name='fcos: latency', values=latency)]))


class ListenerGraph:
    """A listener, and a node for it to listen to."""

    def __init__(self, context):
        self.detector = FakeDetector(context)
        self.listener = Listener(context=context)
        self.executor = SingleThreadedExecutor(context=context)
        for node in (self.detector, self.listener):
            self.executor.add_node(node)
        self.wait_until(lambda: self.detector.arrays.get_subscription_count()
                      and self.detector.diagnostics.get_subscription_count())

    def wait_until(self, condition):
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


def value(header):
    return Header(header.stamp.sec, header.stamp.nanosec, header.frame_id)


def test_truths_and_answers_are_kept_in_order_by_header(graph):
    headers = [graph.detector.header() for _ in range(3)]
    for header in headers:
        graph.detector.truths.publish(to_truth(OBJECTS, header))
        graph.detector.arrays.publish(to_truth(OBJECTS, header))
    record = graph.listener.record
    graph.wait_until(lambda: len(record.truths) == len(record.answers) == 3)
    assert list(record.truths) == [value(header) for header in headers]
    assert [answer.header for answer in record.answers] == [value(header) for header in headers]
    for answer in record.answers:
        np.testing.assert_array_equal(answer.detections.boxes, OBJECTS.boxes)
        assert answer.detections.class_ids.tolist() == [2]
        assert answer.strays == ()


def test_truths_told_before_it_came_are_heard():
    with running_graph() as graph:
        late = Listener(context=graph.listener.context, namespace='/')
        graph.detector.truths.publish(to_truth(OBJECTS, graph.detector.header()))
        graph.executor.add_node(late)
        graph.wait_until(lambda: late.record.truths)
        late.destroy_node()


def test_a_detection_with_a_header_of_its_own_is_a_stray(graph):
    array_message = to_truth(OBJECTS, graph.detector.header())
    other = graph.detector.header('elsewhere')
    array_message.detections[0].header = other
    graph.detector.arrays.publish(array_message)
    graph.wait_until(lambda: graph.listener.record.answers)
    assert graph.listener.record.answers[0].strays == (value(other),)


def test_the_latency_is_counted_from_the_stamp(graph):
    clock = graph.detector.get_clock()
    stamp = clock.now() - Duration(seconds=10)
    header = HeaderMessage(stamp=stamp.to_msg())
    graph.detector.arrays.publish(to_truth(OBJECTS, header))
    graph.wait_until(lambda: graph.listener.record.answers)
    age = (clock.now() - stamp).nanoseconds / 1e9
    assert 10 <= graph.listener.record.answers[0].latency <= age


def test_it_reads_the_account_of_its_detector_only(graph):
    graph.detector.report(received=7, published=5, in_flight=2)
    graph.wait_until(lambda: graph.listener.record.frames)
    record = graph.listener.record
    assert record.frames == {'received': '7', 'published': '5', 'in_flight': '2'}
    assert record.stages == {'infer': '1.00 / 2.00 / 3.00'}
    assert graph.listener.fault == ''


def test_an_error_in_the_diagnostics_is_a_fault_until_it_is_over(graph):
    graph.detector.report(DiagnosticStatus.ERROR, 'no model')
    graph.wait_until(lambda: graph.listener.fault == 'no model')
    graph.detector.report(DiagnosticStatus.WARN, 'no camera')
    graph.wait_until(lambda: not graph.listener.fault)


def test_it_is_ready_when_the_detector_has_told_its_labels(graph):
    assert not graph.listener.ready
    graph.detector.labels.publish(LabelInfo())
    graph.wait_until(lambda: graph.listener.ready)


def test_pictures_are_asked_for_only_while_it_watches(graph):
    graph.listener.watch()
    graph.wait_until(graph.detector.pictures.get_subscription_count)
    header = graph.detector.header()
    graph.detector.pictures.publish(Image(
        header=header, width=2, height=1, step=6, encoding='bgr8', data=array('B', range(6))))
    graph.wait_until(lambda: graph.listener.pictures)
    assert graph.listener.pictures[value(header)].bgr().ravel().tolist() == list(range(6))
    graph.listener.unwatch()
    graph.wait_until(lambda: not graph.detector.pictures.get_subscription_count())
