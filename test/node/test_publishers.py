# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whom an inlet hears, and what it says of the others."""

import pytest

from fcos_ros.node.publishers import Feed, Publisher, complaints, to_hear

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
HBM = 'hbm_img_msgs/msg/HbmMsg1080P'
CLOUD = 'sensor_msgs/msg/PointCloud2'
BASE, BELOW = '/cam/image', '/cam/image/compressed'


def publisher(type_name=IMAGE, topic=BASE, *, reliable=True, since=1):
    return Publisher('/camera', topic, type_name, reliable, since)


@pytest.mark.parametrize(('publishers', 'transport', 'heard'), [
    pytest.param([], 'auto', [], id='nobody'),
    pytest.param([publisher()], 'auto', [0], id='raw'),
    pytest.param([publisher(COMPRESSED)], 'auto', [0], id='compressed on the topic itself'),
    pytest.param([publisher(HBM)], 'auto', [0], id='hbmem'),
    pytest.param([publisher(CLOUD)], 'auto', [], id='no image'),
    pytest.param([publisher(COMPRESSED, BELOW)], 'auto', [0], id='compressed below'),
    pytest.param([publisher(), publisher(COMPRESSED, BELOW, since=9)], 'auto', [0],
                 id='both: the topic itself'),
    pytest.param([publisher(), publisher(COMPRESSED, BELOW)], 'compressed', [1],
                 id='both, compressed wanted'),
    pytest.param([publisher(COMPRESSED), publisher(COMPRESSED, BELOW)], 'compressed', [0],
                 id='compressed twice'),
    pytest.param([publisher(CLOUD), publisher(COMPRESSED, BELOW)], 'auto', [1],
                 id='no image, but pictures below'),
    pytest.param([publisher(), publisher(HBM)], 'raw', [0], id='raw wanted'),
    pytest.param([publisher(), publisher(HBM)], 'hbmem', [1], id='hbmem wanted'),
    pytest.param([publisher()], 'compressed', [], id='not the wanted one'),
    pytest.param([publisher(), publisher(HBM, since=2)], 'auto', [1], id='the latest type'),
    pytest.param([publisher(HBM), publisher(COMPRESSED), publisher()], 'auto', [2],
                 id='seen at once: in the order of the sources'),
    pytest.param([publisher(), publisher(reliable=False, since=3)], 'auto', [0, 1],
                 id='all of one type'),
])
def test_whom_to_hear(publishers, transport, heard):
    expected = tuple(publishers[index] for index in heard)
    assert to_hear(publishers, BASE, transport) == expected
    assert set(to_hear(publishers[::-1], BASE, transport)) == set(expected)


@pytest.mark.parametrize(('other', 'feed', 'transport', 'words'), [
    pytest.param(publisher(CLOUD), None, 'auto', ['/camera', CLOUD, BASE, IMAGE, 'remap'],
                 id='no image'),
    pytest.param(publisher(COMPRESSED), None, 'raw',
                 ['/camera', COMPRESSED, 'transport is raw', 'auto or compressed'],
                 id='not the wanted transport'),
    pytest.param(publisher(HBM), Feed(BASE, IMAGE, True), 'auto', [HBM, IMAGE, 'of its own'],
                 id='another type on the topic'),
    pytest.param(publisher(reliable=False), Feed(BASE, IMAGE, True), 'auto',
                 ['best effort', 'asks for reliable', 'try this'], id='reliability'),
])
def test_whoever_is_not_heard_is_named_with_the_cure(other, feed, transport, words):
    complaint, = complaints([other], feed, transport, 'try this')
    for word in words:
        assert word in complaint


@pytest.mark.parametrize(('other', 'feed'), [
    pytest.param(publisher(), Feed(BASE, IMAGE, True), id='reliable'),
    pytest.param(publisher(), Feed(BASE, IMAGE, False), id='more than was asked for'),
    pytest.param(publisher(reliable=False), Feed(BASE, IMAGE, False), id='best effort'),
    pytest.param(publisher(COMPRESSED, BELOW), Feed(BASE, IMAGE, True), id='the same pictures'),
    pytest.param(publisher(), Feed(BELOW, COMPRESSED, True), id='the same images, raw'),
])
def test_who_is_heard_is_no_complaint(other, feed):
    assert list(complaints([other], feed, 'auto', '')) == []
