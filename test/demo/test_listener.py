# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo's listener promises: it writes down what was said, bit for bit."""

from array import array
from contextlib import contextmanager
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header as HeaderMessage
from vision_msgs.msg import Detection2DArray, LabelInfo

from fcos_ros.core.detections import Detections
from fcos_ros.demo.camera import history, to_truth
from fcos_ros.demo.listener import Listener
from fcos_ros.demo.report import Header
from fcos_ros.node.qos import latched

PATIENCE = 15.0
OBJECTS = Detections(np.array([[10, 20, 30, 60]], np.float32), np.ones(1, np.float32),
                     np.array([2], np.int32))


class Detector(Node):
    """Says what a test has it say, on the topics of a detector and of a camera."""

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


class Stage:
    """A listener and somebody to listen to."""

    def __init__(self, context):
        self.detector = Detector(context)
        self.listener = Listener(context=context)
        self.executor = SingleThreadedExecutor(context=context)
        for node in (self.detector, self.listener):
            self.executor.add_node(node)
        self.wait_for(lambda: self.detector.arrays.get_subscription_count()
                      and self.detector.diagnostics.get_subscription_count())

    def wait_for(self, look):
        deadline = time.monotonic() + PATIENCE
        while not look():
            assert time.monotonic() < deadline, 'nothing came'
            self.executor.spin_once(timeout_sec=0.1)


@pytest.fixture
def stage():
    with graph() as stage:
        yield stage


@contextmanager
def graph():
    context = rclpy.Context()
    rclpy.init(context=context)
    stage = Stage(context)
    yield stage
    stage.executor.shutdown()
    stage.listener.destroy_node()
    stage.detector.destroy_node()
    rclpy.try_shutdown(context=context)


def value(header):
    return Header(header.stamp.sec, header.stamp.nanosec, header.frame_id)


def test_truths_and_answers_are_kept_in_order_by_header(stage):
    headers = [stage.detector.header() for _ in range(3)]
    for header in headers:
        stage.detector.truths.publish(to_truth(OBJECTS, header))
        stage.detector.arrays.publish(to_truth(OBJECTS, header))
    record = stage.listener.record
    stage.wait_for(lambda: len(record.truths) == len(record.answers) == 3)
    assert list(record.truths) == [value(header) for header in headers]
    assert [answer.header for answer in record.answers] == [value(header) for header in headers]
    for answer in record.answers:
        np.testing.assert_array_equal(answer.detections.boxes, OBJECTS.boxes)
        assert answer.detections.class_ids.tolist() == [2]
        assert answer.strays == ()


def test_truths_told_before_it_came_are_heard():
    with graph() as stage:
        late = Listener(context=stage.listener.context, namespace='/')
        stage.detector.truths.publish(to_truth(OBJECTS, stage.detector.header()))
        stage.executor.add_node(late)
        stage.wait_for(lambda: late.record.truths)
        late.destroy_node()


def test_a_detection_with_a_header_of_its_own_is_a_stray(stage):
    array_message = to_truth(OBJECTS, stage.detector.header())
    other = stage.detector.header('elsewhere')
    array_message.detections[0].header = other
    stage.detector.arrays.publish(array_message)
    stage.wait_for(lambda: stage.listener.record.answers)
    assert stage.listener.record.answers[0].strays == (value(other),)


def test_the_latency_is_counted_from_the_stamp(stage):
    header = stage.detector.header()
    header.stamp.sec -= 10
    stage.detector.arrays.publish(to_truth(OBJECTS, header))
    stage.wait_for(lambda: stage.listener.record.answers)
    assert stage.listener.record.answers[0].latency == pytest.approx(10, abs=2)


def test_it_reads_the_account_of_its_detector_only(stage):
    stage.detector.report(received=7, published=5, in_flight=2)
    stage.wait_for(lambda: stage.listener.record.frames)
    record = stage.listener.record
    assert record.frames == {'received': '7', 'published': '5', 'in_flight': '2'}
    assert record.stages == {'infer': '1.00 / 2.00 / 3.00'}
    assert stage.listener.fault == ''


def test_an_error_in_the_diagnostics_is_a_fault_until_it_is_over(stage):
    stage.detector.report(DiagnosticStatus.ERROR, 'no model')
    stage.wait_for(lambda: stage.listener.fault == 'no model')
    stage.detector.report(DiagnosticStatus.WARN, 'no camera')
    stage.wait_for(lambda: not stage.listener.fault)


def test_it_is_ready_when_the_detector_has_told_its_labels(stage):
    assert not stage.listener.ready
    stage.detector.labels.publish(LabelInfo())
    stage.wait_for(lambda: stage.listener.ready)


def test_pictures_are_asked_for_only_while_it_watches(stage):
    stage.listener.watch()
    stage.wait_for(stage.detector.pictures.get_subscription_count)
    header = stage.detector.header()
    stage.detector.pictures.publish(Image(
        header=header, width=2, height=1, step=6, encoding='bgr8', data=array('B', range(6))))
    stage.wait_for(lambda: stage.listener.pictures)
    assert stage.listener.pictures[value(header)].bgr().ravel().tolist() == list(range(6))
    stage.listener.unwatch()
    stage.wait_for(lambda: not stage.detector.pictures.get_subscription_count())
