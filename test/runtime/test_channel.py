# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages over a channel arrive whole and in order."""

import pickle
import socket
from threading import Thread

import numpy as np
import pytest
from waiting import TIMEOUT, functions_of, wait_until

from fcos_ros.runtime.channel import Channel, Failure


@pytest.fixture
def ends():
    """Return the two ends of a connection."""
    pair = socket.socketpair()
    yield pair
    for end in pair:
        end.close()


@pytest.mark.parametrize('size', [0, 1, 65531, 65532, 65536, 3_000_000])
def test_messages_of_any_size_arrive_whole_and_in_order(ends, size):
    sender, receiver = map(Channel, ends)
    messages = [Failure('one'), np.arange(size, dtype=np.uint8), Failure('two', fatal=True)]

    def send_all():
        for message in messages:
            sender.send(message)
            acknowledged.recv(1)

    acknowledged, acknowledge = socket.socketpair()
    with acknowledged, acknowledge:
        thread = Thread(target=send_all)
        thread.start()
        for message in messages:
            np.testing.assert_equal(receiver.receive(TIMEOUT), message)
            acknowledge.send(b'!')
        thread.join()


def test_a_message_may_arrive_byte_by_byte(ends):
    content = pickle.dumps('hello')
    whole = len(content).to_bytes(4, 'little') + content
    for byte in whole:
        ends[0].send(bytes([byte]))
    assert Channel(ends[1]).receive() == 'hello'


@pytest.mark.parametrize('part', [b'', b'\x09', b'\x09\0\0\0half'], ids=[
    'no byte', 'half a length', 'half a message'])
def test_receive_times_out_while_the_channel_is_open_and_raises_when_it_is_closed(ends, part):
    ends[0].send(part)
    channel = Channel(ends[1])
    with pytest.raises(TimeoutError):
        channel.receive(0.01)
    ends[0].send(part)
    ends[0].close()
    with pytest.raises(EOFError):
        channel.receive()


def test_send_raises_when_the_other_end_is_closed(ends):
    ends[0].close()
    with pytest.raises(OSError, match='Broken pipe'):
        Channel(ends[1]).send('hello')


def test_wait_returns_true_for_a_message_and_for_a_closed_channel(ends):
    sender, receiver = map(Channel, ends)
    assert not receiver.wait(0.01)
    sender.send('hello')
    assert receiver.wait(TIMEOUT)
    assert receiver.receive(TIMEOUT) == 'hello'
    sender.close()
    assert receiver.wait(TIMEOUT), 'the other end was closed'
    receiver.close()
    assert receiver.wait(TIMEOUT), 'this end was closed'


def test_close_ends_the_wait_of_another_thread(ends):
    channel, ended = Channel(ends[0]), []

    def receive():
        with pytest.raises((EOFError, OSError)):
            channel.receive(TIMEOUT)
        ended.append(True)

    thread = Thread(target=receive)
    thread.start()
    wait_until(lambda: {'receive', '_read'} <= functions_of(thread))
    channel.close()
    thread.join(TIMEOUT)
    assert ended
