# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A receiver takes the messages of a subscription on its own thread, with Fast DDS."""

from contextlib import closing
import threading
from threading import Event, Thread

from executors import call_on
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import String
from waiting import TIMEOUT, wait_until

from fcos_ros.node.input.receiver import THREAD_NAME, Receiver

TOPIC = 'words'


class Spinning:
    """A node and its executor, which spins on a thread until the end of the block."""

    def __enter__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = Node('receiver_test', context=self.context, enable_rosout=False)
        self.publisher = self.node.create_publisher(String, TOPIC, 10)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self._end = False
        self._thread = Thread(target=self._spin)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end = True
        self.executor.create_task(lambda: None)
        self._thread.join(TIMEOUT)
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def open(self, callback):
        """Create a receiver on the executor's thread; wait until the publisher knows it."""
        receiver = call_on(self.executor, Receiver, self.node, String, TOPIC, 10, callback)
        wait_until(self.publisher.get_subscription_count)
        return receiver

    def publish(self, *words):
        for word in words:
            self.publisher.publish(String(data=word))

    def _spin(self):
        while not self._end:
            self.executor.spin_once()


@pytest.fixture
def graph():
    with Spinning() as running:
        yield running


def receivers():
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def test_messages_arrive_in_order_on_a_thread_of_their_own(graph):
    received = []

    def receive(message, info):
        received.append((message.data, threading.current_thread()))
    receiver = graph.open(receive)
    graph.publish(*'abcdefgh')
    wait_until(lambda: len(received) == 8)
    assert ''.join(word for word, _ in received) == 'abcdefgh'
    assert {thread.name for _, thread in received} == {THREAD_NAME}
    call_on(graph.executor, receiver.close)


def test_messages_arrive_while_the_executor_is_busy(graph):
    received, go_on = [], Event()
    receiver = graph.open(lambda message, info: received.append(message.data))
    graph.executor.create_task(lambda: go_on.wait(TIMEOUT))
    graph.publish('a')
    wait_until(lambda: received == ['a'])
    go_on.set()
    call_on(graph.executor, receiver.close)


def test_close_waits_for_the_message_that_is_being_handled_and_ends_the_subscription(graph):
    begun, go_on, events = Event(), Event(), []

    def receive(message, info):
        begun.set()
        go_on.wait(TIMEOUT)
        events.append(message.data)

    def close():
        receiver.close()
        events.append('closed')
    receiver = graph.open(receive)
    graph.publish('a')
    assert begun.wait(TIMEOUT)
    closed = graph.executor.create_task(close)
    go_on.set()
    wait_until(closed.done)
    assert events == ['a', 'closed']
    assert not receivers()
    wait_until(lambda: not graph.publisher.get_subscription_count())


def test_receivers_may_be_opened_and_closed_again_and_again(graph):
    for number in range(20):
        received = []
        receiver = graph.open(lambda message, info, to=received: to.append(message.data))
        graph.publish(str(number))
        wait_until(lambda words=received, last=str(number): last in words)
        call_on(graph.executor, receiver.close)
        wait_until(lambda: not graph.publisher.get_subscription_count())
    assert not receivers()


def test_an_error_of_the_callback_is_logged_and_the_next_message_arrives(graph, capfd):
    received = []

    def receive(message, info):
        if message.data == 'bad':
            raise KeyError('no such word')
        received.append(message.data)
    receiver = graph.open(receive)
    graph.publish('bad', 'good')
    wait_until(lambda: received == ['good'])
    call_on(graph.executor, receiver.close)
    logged = capfd.readouterr().err
    assert f"a message on /{TOPIC} is lost: KeyError: 'no such word'" in logged


def test_a_receiver_that_gets_no_thread_leaves_no_subscription(graph, monkeypatch):
    def fail(thread):
        raise RuntimeError("can't start new thread")
    monkeypatch.setattr(Thread, 'start', fail)
    with pytest.raises(RuntimeError, match='new thread'):
        call_on(graph.executor, Receiver, graph.node, String, TOPIC, 10, print)
    assert not list(graph.node.subscriptions)


def test_a_receiver_can_be_closed_after_ros_was_shut_down():
    with Spinning() as graph:
        receiver = graph.open(lambda message, info: None)
        with closing(receiver):
            graph._end = True
            graph.executor.create_task(lambda: None)
            graph._thread.join(TIMEOUT)
            rclpy.shutdown(context=graph.context)
        assert not receivers()
