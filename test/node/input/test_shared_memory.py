# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Other users' shared memory of Fast DDS is recognised, and named while images are lost."""

import os
import pwd

from node.graph import Graph, image_message
from onnx_models import white_square
import pytest

from fcos_ros.node.input.shared_memory import other_users


@pytest.fixture
def another_user(monkeypatch):
    """Let the segments of this process belong to another user; return the name of their owner."""
    owner = os.geteuid()
    monkeypatch.setattr(os, 'geteuid', lambda: owner + 1)
    return pwd.getpwuid(owner).pw_name


@pytest.mark.parametrize('version', ['fastrtps', 'fastdds'])
def test_only_segments_of_fast_dds_of_other_users_count(tmp_path, another_user, version):
    assert other_users(tmp_path / 'missing') == ()
    (tmp_path / 'other').touch()
    assert other_users(tmp_path) == ()
    (tmp_path / f'{version}_0123').touch()
    assert other_users(tmp_path) == (another_user,)


def test_own_segments_do_not_count(tmp_path):
    (tmp_path / 'fastdds_0123').touch()
    assert other_users(tmp_path) == ()


def test_the_users_are_named_while_a_publisher_is_known_and_no_image_arrives(model, another_user):
    with Graph(model=model, max_silence=0.1) as graph:
        graph.wait_until_connected()
        status = graph.wait_for_report('no image on /image', 'shared memory of Fast DDS',
                                       another_user, 'as the same user')
        assert status.level == b'\x01'
        graph.detect(image_message(white_square(128, 5, 3)))
