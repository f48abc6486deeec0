# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is said over a line arrives whole, or not at all."""

import pickle
import socket
from threading import Thread

import numpy as np
import pytest
from waiting import TIMEOUT, functions_of, wait_until

from fcos_ros.runtime.protocol import Failure, Line


@pytest.fixture
def ends():
    pair = socket.socketpair()
    yield pair
    for end in pair:
        end.close()


@pytest.mark.parametrize('size', [0, 1, 65531, 65532, 65536, 3_000_000])
def test_messages_of_any_size_arrive_whole_and_in_order(ends, size):
    sender, receiver = map(Line, ends)
    said = [Failure('one'), np.arange(size, dtype=np.uint8), Failure('two', fatal=True)]

    def speak():
        for message in said:
            sender.send(message)
            receiver_has_it.recv(1)

    receiver_has_it, tell = socket.socketpair()
    with receiver_has_it, tell:
        thread = Thread(target=speak)
        thread.start()
        for message in said:
            np.testing.assert_equal(receiver.receive(TIMEOUT), message)
            tell.send(b'!')
        thread.join()


def test_a_message_may_come_in_pieces(ends):
    content = pickle.dumps('hello')
    whole = len(content).to_bytes(4, 'little') + content
    for byte in whole:
        ends[0].send(bytes([byte]))
    assert Line(ends[1]).receive() == 'hello'


@pytest.mark.parametrize('said', [b'', b'\x09', b'\x09\0\0\0half'], ids=[
    'nothing', 'half a length', 'half a message'])
def test_silence_is_told_from_an_end(ends, said):
    ends[0].send(said)
    line = Line(ends[1])
    with pytest.raises(TimeoutError):
        line.receive(0.01)
    ends[0].send(said)
    ends[0].close()
    with pytest.raises(EOFError):
        line.receive()


def test_a_line_whose_other_end_is_closed_raises(ends):
    ends[0].close()
    with pytest.raises(OSError, match='Broken pipe'):
        Line(ends[1]).send('hello')


def test_one_may_look_whether_something_was_said(ends):
    speaker, listener = map(Line, ends)
    assert not listener.poll(0.01)
    speaker.send('hello')
    assert listener.poll(TIMEOUT)
    assert listener.receive(TIMEOUT) == 'hello'
    speaker.close()
    assert listener.poll(TIMEOUT), 'the end is something to hear, too'
    listener.close()
    assert listener.poll(TIMEOUT)


def test_hanging_up_ends_the_wait_of_another_thread(ends):
    line, waited = Line(ends[0]), []

    def wait():
        with pytest.raises((EOFError, OSError)):
            line.receive(TIMEOUT)
        waited.append(True)

    thread = Thread(target=wait)
    thread.start()
    wait_until(lambda: 'receive' in functions_of(thread))
    line.close()
    thread.join(TIMEOUT)
    assert waited
