# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Old images expire; wrong stamps are reported, and the images are still processed."""

from builtin_interfaces.msg import Time
from manual_clock import ManualClock
from node.graph import Graph, image_message
from onnx_models import white_square, write_fcos
import pytest
from rclpy.clock import ROSClock
from rclpy.time import Time as Moment
from rosgraph_msgs.msg import Clock
from waiting import wait_until

from fcos_ros.node.input.stamps import (
    BACKWARDS,
    FUTURE,
    JUMPING,
    MAX_CALM,
    RECOVERY,
    REPEATED,
    StampChecker,
)

SCENE = white_square(128, 5, 3)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return str(write_fcos(tmp_path_factory.mktemp('model') / 'squares.onnx', half_box=8.0))


@pytest.fixture
def graph(model):
    with Graph(model=model) as running:
        yield running.wait_until_connected()


def stamp(graph, age):
    """Return the stamp of an image with an age in seconds; a negative age is in the future."""
    moment = graph.peer.get_clock().now().nanoseconds - round(age * 1e9)
    return divmod(moment, 10**9)


def test_images_older_than_max_age_are_not_processed(graph):
    assert graph.set(max_age=1000.0) == ''
    graph.camera.publish(image_message(SCENE, stamp=stamp(graph, 2000)))
    status = graph.wait_for_report('older than max_age, 1000 s')
    assert status.level == b'\x02'
    assert len(graph.detect(image_message(SCENE, stamp=stamp(graph, 0))).detections) == 1
    values = graph.wait_for_counts(received=2, published=1, expired=1)
    assert values['failed'] == values['superseded'] == values['in_flight'] == '0'
    assert len(graph.arrays) == 1, 'an expired frame must not look like an empty scene'


def test_without_max_age_old_images_are_processed(graph):
    assert len(graph.detect(image_message(SCENE, stamp=stamp(graph, 7000))).detections) == 1
    assert graph.wait_for_counts(published=1)['expired'] == '0'


@pytest.mark.parametrize(('moments', 'words'), [
    pytest.param([(0, 0)], 'stamp is zero', id='zero'),
    pytest.param([(4321, 0)], 'stamp is older than a day', id='time since start'),
    pytest.param([(-5, 0)], 'stamp is before 1970', id='negative'),
    pytest.param([(2**31 - 1, 0)], 'stamp is in the future', id='future'),
    pytest.param([(100, 0), (99, 0)], 'stamp is older than the one before', id='backwards'),
])
def test_wrong_stamps_are_reported_and_the_images_are_processed(graph, moments, words):
    for moment in moments:
        assert len(graph.detect(image_message(SCENE, stamp=moment)).detections) == 1
    status = graph.wait_for_report(words)
    assert status.level == b'\x01'
    assert graph.wait_for_counts(published=len(moments))[words] == '1'


@pytest.mark.parametrize(('moment', 'words'), [
    pytest.param((4321, 0), ['stamp is older than a day', 'mipi_frame_ts_type:=realtime',
                             'use_sim_time'], id='time since start'),
    pytest.param((-5, 0), ['stamp is before 1970'], id='negative'),
])
def test_images_that_expire_because_of_a_wrong_stamp_are_reported_with_the_remedy(
        graph, moment, words):
    assert graph.set(max_age=1.0) == ''
    graph.camera.publish(image_message(SCENE, stamp=moment))
    status = graph.wait_for_report('older than max_age')
    assert status.level == b'\x02'
    for word in words:
        assert word in status.message
    assert 'set the clocks' not in status.message


def test_an_implausible_age_is_not_added_to_the_latencies(graph):
    graph.detect(image_message(SCENE, stamp=(4321, 0)))
    graph.wait_for_counts(published=1)
    assert not graph.wait_for_status('latency').values[-1].key.startswith('age')
    graph.detect(image_message(SCENE, stamp=stamp(graph, 0)))
    status = graph.wait_for_status(
        'latency', lambda status: status.values[-1].key.startswith('age'))
    assert len(set(status.values[-1].value.split(' / '))) == 1, 'percentiles of one age'


def test_an_image_without_a_known_age_does_not_expire(graph):
    assert graph.set(max_age=0.001) == ''
    assert len(graph.detect(image_message(SCENE, stamp=(0, 0))).detections) == 1


def test_the_age_is_computed_from_simulated_time(model):
    with Graph(model=model, use_sim_time=True, max_age=60.0) as graph:
        clock = graph.peer.create_publisher(Clock, '/clock', 10)
        graph.wait_until_connected()
        assert len(graph.detect(image_message(SCENE, stamp=(5, 0))).detections) == 1
        graph.wait_for_report('no time on /clock yet')
        wait_until(clock.get_subscription_count)
        message = Clock()
        message.clock.sec = 1000
        clock.publish(message)
        wait_until(lambda: graph.node.get_clock().now().nanoseconds == 1000 * 10**9)
        assert len(graph.detect(image_message(SCENE, stamp=(990, 0))).detections) == 1
        graph.camera.publish(image_message(SCENE, stamp=(900, 0)))
        graph.wait_for_counts(published=2, expired=1)


class Checker:
    """A checker with simulated time, and real time that the test advances."""

    def __init__(self):
        self.steady = ManualClock()
        self._clock = ROSClock()
        self._clock._set_ros_time_is_active(True)
        self.checker = StampChecker(self._clock, self.steady)

    def check(self, stamp, now=None, after=0.1):
        """Check an image `after` seconds of real time; return the kinds of its problems."""
        self.steady.advance(after)
        self._clock.set_ros_time_override(Moment(seconds=stamp if now is None else now))
        before = dict(self.checker.odd_stamps)
        self.checker.check(Time(sec=int(stamp), nanosec=round(stamp % 1 * 1e9)))
        return {kind for kind, count in self.checker.odd_stamps.items()
                if count > before.get(kind, 0)}


def test_a_repeated_recording_is_counted_and_its_last_images_are_not_in_the_future():
    checker = Checker()
    kinds = []
    for _ in range(3):
        kinds += [checker.check(1000 + tenth / 10) for tenth in range(100)]
        kinds.append(checker.check(1010, now=1000))
    assert [kind for kind in kinds if kind] == [{REPEATED}] * 2
    assert checker.check(1020, now=1001, after=2.0) == {FUTURE}, 'long after the repetition'


def test_a_recording_that_was_joined_late_is_reported_only_at_its_first_repetition():
    checker = Checker()
    checker.check(1005)
    found = [checker.check(stamp, after=2.0) for stamp in (1008, 1000, 1005, 1009, 1000, 1005,
                                                           1009, 1000)]
    assert [kinds for kinds in found if kinds] == [{BACKWARDS}, {REPEATED}, {REPEATED}]


def test_stamps_that_jump_back_and_forth_are_not_trusted_until_they_are_in_order_again():
    checker = Checker()
    checker.check(1000)
    assert checker.check(995) == {BACKWARDS}
    assert checker.checker.in_order
    for tick in range(1, 50):
        checker.check(1000 + tick / 10)
        assert checker.check(995 + tick / 10, after=0.9 * MAX_CALM) == {JUMPING}
        assert not checker.checker.in_order
    checker.check(1010, after=RECOVERY / 2)
    assert not checker.checker.in_order
    checker.check(1020, after=RECOVERY)
    assert checker.checker.in_order


def test_slightly_disordered_stamps_are_reported_and_used():
    checker = Checker()
    kinds = [checker.check(stamp) for stamp in (1000, 1001, 1000.95, 1002, 1001.95)]
    assert kinds == [set(), set(), {BACKWARDS}, set(), {BACKWARDS}]
    assert checker.checker.in_order


def test_objects_are_tracked_by_the_time_of_arrival_while_stamps_jump(model, capfd):
    with Graph(model=model, track=True, track_timeout=60.0) as graph:
        graph.wait_until_connected()
        arrays = [graph.detect(image_message(SCENE, stamp=(base, number)))
                  for number in range(1, 8) for base in (5000, 1000)]
        identities = [array.detections[0].id for array in arrays]
        assert identities[-2:] == ['1', '1']
        status = graph.wait_for_status(
            'frames', lambda status: any(entry.key == JUMPING for entry in status.values))
        assert status
        log = ''

        def warning():
            nonlocal log
            log += capfd.readouterr().err
            return JUMPING in log
        wait_until(warning)


def test_images_that_expire_are_reported_in_the_log(graph, capfd):
    assert graph.set(max_age=1000.0) == ''
    graph.camera.publish(image_message(SCENE, stamp=stamp(graph, 2000)))
    log = ''

    def warning():
        nonlocal log
        log += capfd.readouterr().err
        return 'older than max_age, 1000 s; if they are not, set the clocks' in log
    wait_until(warning)
