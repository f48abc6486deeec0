# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Missing messages are counted by the sequence numbers of those that arrived."""

from hypothesis import given, strategies as st
import pytest

from fcos_ros.node.input.sequence import (
    MAX_GAP,
    MAX_PUBLISHERS,
    SequenceChecker,
    number_of,
    publisher_of,
)


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.integers(0, 2**40))
def test_received_and_missing_messages_add_up_to_the_sent_ones(arrives, first):
    arrived = [first + index for index, arrived in enumerate(arrives) if arrived]
    checker = SequenceChecker()
    missing = sum(checker.missing(b'camera', number) for number in arrived)
    sent = arrived[-1] - arrived[0] + 1 if arrived else 0
    assert len(arrived) + missing == sent


@pytest.mark.parametrize('numbers', [
    pytest.param([7, 7, 7], id='always the same'),
    pytest.param([900, 1, 2, 3], id='restart'),
    pytest.param([5, 5 + MAX_GAP + 2], id='another way of counting'),
])
def test_a_new_sequence_has_no_missing_messages(numbers):
    checker = SequenceChecker()
    assert [checker.missing(b'', number) for number in numbers] == [0] * len(numbers)


def test_each_of_several_publishers_has_its_own_sequence():
    checker = SequenceChecker()
    missing = [checker.missing(publisher, number) for publisher, number in (
        (b'a', 10), (b'b', 500), (b'a', 11), (b'b', 503), (b'a', 13))]
    assert missing == [0, 0, 0, 2, 1]


def test_any_number_of_publishers_may_come_and_go():
    checker = SequenceChecker()
    for index in range(10 * MAX_PUBLISHERS):
        assert checker.missing(b'%d' % index, index) == 0
    assert checker.missing(b'%d' % index, index + 2) == 1


@pytest.mark.parametrize(('info', 'publisher', 'number'), [
    pytest.param({'source_timestamp': 1}, b'', None, id='neither'),
    pytest.param({'publication_sequence_number': None, 'publisher_gid': None}, b'', None,
                 id='None'),
    pytest.param({'publication_sequence_number': 0}, b'', 0, id='only the number'),
    pytest.param({'publication_sequence_number': 5, 'publisher_gid': {'data': b'ab'}}, b'ab', 5,
                 id='both'),
])
def test_the_publisher_and_the_number_of_a_message_may_be_unknown(info, publisher, number):
    assert (publisher_of(info), number_of(info)) == (publisher, number)
