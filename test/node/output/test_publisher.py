# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An output is a function from the detections of a frame to a message."""

from functools import partial

from node.output.frame_detections import SECOND, TIMES, make_frame_detections
import pytest
from std_msgs.msg import Header, String
from waiting import wait_until

from fcos_ros.core.detections import Detections
from fcos_ros.node.output.publisher import FrameDetections, OutputPublisher
from fcos_ros.node.qos import queued_qos
from fcos_ros.runtime.streams import Job, Outcome

BOX = [1, 1, 5, 5]


class CountingConverter:
    """
    Converts detections to a text with the number of frames since `forget`.

    :ivar forgotten: number of calls of `forget`.
    """

    def __init__(self):
        self.forgotten = 0
        self.converted = 0

    def to_message(self, found):
        self.converted += 1
        return String(data=f'frame {self.converted}: {len(found.detections)}')

    def forget(self):
        self.forgotten += 1
        self.converted = 0


@pytest.fixture
def converter():
    return CountingConverter()


def open_text(converter, node, prefix, model):
    return OutputPublisher(node, String, f'{prefix}text', queued_qos(), converter.to_message,
                           converter.forget)


def test_the_function_is_called_once_for_each_published_frame(open_output, converter):
    output, received = open_output(partial(open_text, converter), String, 'text')
    assert converter.converted == 0, 'wanted() converts nothing'
    output.publish(make_frame_detections([BOX, BOX]))
    output.publish(make_frame_detections())
    wait_until(lambda: len(received) == 2)
    assert [message.data for message in received] == ['frame 1: 2', 'frame 2: 0']


def test_forget_is_called_only_while_there_is_no_subscriber(
        unconfigured_graph, open_output, converter):
    graph = unconfigured_graph
    output, received = open_output(partial(open_text, converter), String, 'text')
    before = converter.forgotten
    output.publish(make_frame_detections())
    wait_until(lambda: received)
    for _ in range(3):
        assert output.wanted()
    assert (converter.forgotten, converter.converted) == (before, 1)
    subscription, = [each for each in graph.peer.subscriptions
                     if each.topic_name == '/fcos/test/text']
    graph.call(graph.peer.destroy_subscription, subscription)
    wait_until(lambda: not output.wanted())
    assert converter.forgotten > before
    graph.listen(String, 'fcos/test/text', received)
    wait_until(output.wanted)
    output.publish(make_frame_detections())
    wait_until(lambda: len(received) == 2)
    assert [message.data for message in received] == ['frame 1: 0', 'frame 1: 0']


def test_an_output_without_a_state_needs_no_forget(unconfigured_graph):
    output = OutputPublisher(unconfigured_graph.node, Header, 'text', queued_qos(),
                             lambda found: found.header)
    assert not output.wanted()


def test_nothing_is_published_while_the_node_is_inactive(
        unconfigured_graph, open_output, converter):
    output, received = open_output(partial(open_text, converter), String, 'text')
    unconfigured_graph.transit('deactivate')
    output.publish(make_frame_detections())
    unconfigured_graph.transit('activate')
    output.publish(make_frame_detections())
    assert wait_until(lambda: received)[0].data == 'frame 2: 0'


def test_an_error_is_logged_with_the_topic_at_most_once_a_second(
        open_output, converter, capfd):
    output, _ = open_output(partial(open_text, converter), String, 'text')
    for _ in range(3):
        output.report(ValueError('no room'))
    assert capfd.readouterr().err.count('cannot publish /fcos/test/text: no room') == 1


def test_close_destroys_the_publisher(unconfigured_graph, open_output, converter):
    output, _ = open_output(partial(open_text, converter), String, 'text')
    topic = '/fcos/test/text'
    assert topic in [publisher.topic_name for publisher in unconfigured_graph.node.publishers]
    output.close()
    assert topic not in [publisher.topic_name for publisher in unconfigured_graph.node.publishers]


def test_frame_detections_are_made_of_the_outcome_of_a_frame():
    found = make_frame_detections([BOX])
    outcome = Outcome(Job(found.frame, found.header, arrived=7.0), waited=0.5)
    made = FrameDetections.of(outcome, TIMES, Detections.empty())
    assert made.frame is found.frame
    assert made.header is found.header
    assert made.header.stamp.sec == SECOND
    assert len(made.detections) == 0, 'the given ones'
    assert (made.times, made.arrived, made.waited) == (TIMES, 7.0, 0.5)
