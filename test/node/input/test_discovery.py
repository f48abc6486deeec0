# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The choice of the publishers to subscribe to, and the explanations for the others."""

import pytest

from fcos_ros.node.input.discovery import (
    PublisherInfo,
    SubscriptionSpec,
    choose_publishers,
    explain_absence,
    explain_unreceived,
)

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
HBM = 'hbm_img_msgs/msg/HbmMsg1080P'
CLOUD = 'sensor_msgs/msg/PointCloud2'
BASE, BELOW = '/cam/image', '/cam/image/compressed'


def publisher(type_name=IMAGE, topic=BASE, *, reliable=True, first_seen=1, silent=False):
    return PublisherInfo('/camera', topic, type_name, reliable, first_seen, silent=silent)


@pytest.mark.parametrize(('publishers', 'transport', 'chosen'), [
    pytest.param([], 'auto', [], id='no publisher'),
    pytest.param([publisher()], 'auto', [0], id='raw'),
    pytest.param([publisher(COMPRESSED)], 'auto', [0], id='compressed on the base topic'),
    pytest.param([publisher(HBM)], 'auto', [0], id='hbmem'),
    pytest.param([publisher(CLOUD)], 'auto', [], id='no image'),
    pytest.param([publisher(COMPRESSED, BELOW)], 'auto', [0], id='compressed below'),
    pytest.param([publisher(), publisher(COMPRESSED, BELOW, first_seen=9)], 'auto', [0],
                 id='base topic before newer topic below'),
    pytest.param([publisher(silent=True), publisher(COMPRESSED, BELOW)], 'auto', [1],
                 id='topic below before silent base topic'),
    pytest.param([publisher(silent=True), publisher(first_seen=3),
                  publisher(COMPRESSED, BELOW)], 'auto', [0, 1],
                 id='new publisher on the silent base topic'),
    pytest.param([publisher(silent=True)], 'auto', [0], id='only a silent publisher'),
    pytest.param([publisher(), publisher(COMPRESSED, BELOW)], 'compressed', [1],
                 id='transport compressed, raw on the base topic'),
    pytest.param([publisher(COMPRESSED), publisher(COMPRESSED, BELOW)], 'compressed', [0],
                 id='transport compressed, compressed on both topics'),
    pytest.param([publisher(CLOUD), publisher(COMPRESSED, BELOW)], 'auto', [1],
                 id='no image on the base topic, compressed below'),
    pytest.param([publisher(), publisher(HBM)], 'raw', [0], id='transport raw'),
    pytest.param([publisher(), publisher(HBM)], 'hbmem', [1], id='transport hbmem'),
    pytest.param([publisher()], 'compressed', [], id='transport compressed, only raw'),
    pytest.param([publisher(), publisher(HBM, first_seen=2)], 'auto', [1], id='newest type'),
    pytest.param([publisher(HBM), publisher(COMPRESSED), publisher()], 'auto', [2],
                 id='equally new: in the order of SOURCES'),
    pytest.param([publisher(), publisher(reliable=False, first_seen=3)], 'auto', [0, 1],
                 id='all of one type'),
])
def test_the_publishers_of_one_topic_and_type_are_chosen(publishers, transport, chosen):
    expected = tuple(publishers[index] for index in chosen)
    assert choose_publishers(publishers, BASE, transport) == expected
    assert set(choose_publishers(publishers[::-1], BASE, transport)) == set(expected)


@pytest.mark.parametrize(('other', 'spec', 'transport', 'words'), [
    pytest.param(publisher(CLOUD), None, 'auto', ['/camera', CLOUD, BASE, IMAGE, 'remap'],
                 id='no image'),
    pytest.param(publisher(COMPRESSED), None, 'raw',
                 ['/camera', COMPRESSED, 'transport is raw', 'auto or compressed'],
                 id='other transport'),
    pytest.param(publisher(HBM), SubscriptionSpec(BASE, IMAGE, True), 'auto',
                 [HBM, IMAGE, 'one topic for each type'], id='other type on the topic'),
    pytest.param(publisher(reliable=False), SubscriptionSpec(BASE, IMAGE, True), 'auto',
                 ['best effort', 'requests reliable', 'try this'], id='reliability'),
])
def test_a_publisher_that_cannot_be_received_is_explained_with_the_remedy(
        other, spec, transport, words):
    explanation, = explain_unreceived([other], spec, transport, 'try this')
    for word in words:
        assert word in explanation


@pytest.mark.parametrize(('name', 'cure'), [
    ('image', 'image:=/a, or for ros2 launch image:=/a'),
    ('front/image', 'front/image:=/a, or put a SetRemap into your launch file')])
def test_the_launch_argument_is_named_only_for_a_single_camera(name, cure):
    assert explain_absence('/x', name, ['/a']).endswith(f'--ros-args -r {cure}')


@pytest.mark.parametrize(('other', 'spec'), [
    pytest.param(publisher(), SubscriptionSpec(BASE, IMAGE, True), id='reliable'),
    pytest.param(publisher(), SubscriptionSpec(BASE, IMAGE, False), id='more than requested'),
    pytest.param(publisher(reliable=False), SubscriptionSpec(BASE, IMAGE, False),
                 id='best effort'),
    pytest.param(publisher(COMPRESSED, BELOW), SubscriptionSpec(BASE, IMAGE, True),
                 id='same images, compressed'),
    pytest.param(publisher(), SubscriptionSpec(BELOW, COMPRESSED, True), id='same images, raw'),
])
def test_a_received_publisher_needs_no_explanation(other, spec):
    assert list(explain_unreceived([other], spec, 'auto', '')) == []


@pytest.mark.parametrize(('others', 'words'), [
    pytest.param([], ['start the camera, or remap front/image', 'no other topic has images'],
                 id='none'),
    pytest.param(['/a'], ['published on /a:', '-r front/image:=/a'], id='one'),
    pytest.param(['/a', '/b', '/c', '/d', '/e'], ['/a, /b, /c, and 2 more:', 'front/image:=/a'],
                 id='many'),
])
def test_an_absent_publisher_is_explained_with_the_topics_that_have_images(others, words):
    explanation = explain_absence('/robot/front/image', 'front/image', others)
    assert 'no publisher on /robot/front/image' in explanation
    for word in words:
        assert word in explanation
