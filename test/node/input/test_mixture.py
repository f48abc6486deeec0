# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images of several cameras on one topic are recognised by what changes back and forth."""

import pytest

from fcos_ros.node.input.mixture import FRAME_IDS, MAX_TURN, MixtureChecker


@pytest.mark.parametrize(('values', 'returns'), [
    pytest.param('aaaa', 0, id='one camera'),
    pytest.param('aaabbb', 0, id='one change'),
    pytest.param('abcdefg', 0, id='always new'),
    pytest.param('ababab', 4, id='two cameras in turn'),
    pytest.param('aaaabaaaab', 2, id='a fast and a slow camera'),
    pytest.param('abcabc', 3, id='three cameras'),
    pytest.param('a' + 'b' * MAX_TURN + 'a', 0, id='a change that is undone later'),
])
def test_images_with_an_earlier_value_again_are_counted(values, returns):
    checker = MixtureChecker()
    for value in values:
        checker.check(FRAME_IDS, value)
    assert checker.mixtures.get(FRAME_IDS, 0) == returns
    assert checker.values(FRAME_IDS) == sorted(set(values[-MAX_TURN:]))
