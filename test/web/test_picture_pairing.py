# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A picture is shown with the detections of the same image, or without any."""

from hypothesis import given, strategies as st
from manual_clock import ManualClock
import pytest

from fcos_ros.web import pairing
from fcos_ros.web.pairing import MAX_PICTURES, MAX_WAIT, Key, Pair, Pairing


def key(number, frame_id='camera'):
    return Key(number, 5, frame_id)


class Images:
    """A pairing whose pictures and detections name the image that they are of."""

    def __init__(self):
        self.clock = ManualClock()
        self.pairing = Pairing(len, self.clock)

    def picture(self, number, content=None):
        return self.pairing.add_picture(key(number), content or f'picture {number}')

    def detections(self, number, content=None):
        return self.pairing.add_detections(key(number), content or f'boxes {number}')


def pair(number):
    return Pair(key(number), f'picture {number}', f'boxes {number}')


def test_a_picture_waits_for_its_detections():
    images = Images()
    assert images.picture(1) is None
    assert images.picture(2) is None
    assert images.detections(1) == pair(1)
    assert images.detections(2) == pair(2)


def test_detections_wait_for_their_picture():
    images = Images()
    assert images.detections(1) is None
    assert images.picture(1) == pair(1)


def test_the_frame_id_is_part_of_the_header():
    images = Images()
    images.picture(1)
    assert images.pairing.add_detections(key(1, 'other'), 'boxes') is None
    assert images.detections(1) == pair(1)


def test_pictures_without_detections_are_not_shown_while_others_have_some():
    images = Images()
    for number in (1, 2, 3):
        images.picture(number)
    assert images.detections(3) == pair(3)
    assert images.detections(1) is None
    assert images.picture(4) is None


def test_without_detections_pictures_are_shown_alone_after_a_while():
    images = Images()
    assert images.picture(1) is None
    images.clock.advance(MAX_WAIT + 1)
    assert images.picture(2) == Pair(key(2), 'picture 2', None)
    assert images.detections(2) == pair(2)
    assert images.picture(3) is None


@pytest.mark.parametrize('stamps', [(0, 0, 0), (7, 7, 7)])
def test_repeated_stamps_get_no_boxes(stamps):
    images = Images()
    found = []
    for stamp in stamps:
        header = Key(stamp, 0, 'camera')
        found += [images.pairing.add_picture(header, 'picture'),
                  images.pairing.add_picture(header, 'picture'),
                  images.pairing.add_detections(header, 'boxes')]
    assert not any(found)
    assert images.pairing.repeated >= 4
    images.clock.advance(MAX_WAIT + 1)
    alone = images.pairing.add_picture(Key(stamps[0], 0, 'camera'), 'last')
    assert alone == Pair(Key(stamps[0], 0, 'camera'), 'last', None)


def test_the_pictures_that_wait_are_bounded_by_number_and_by_bytes(monkeypatch):
    images = Images()
    for number in range(1, 2 + MAX_PICTURES):
        images.picture(number)
    assert images.detections(1) is None
    assert images.detections(2) == pair(2)
    monkeypatch.setattr(pairing, 'MAX_BYTES', 100)
    images = Images()
    for number in (1, 2, 3):
        images.picture(number, content='x' * 60)
    assert images.detections(2) is None
    assert images.detections(3) is not None


def test_detections_whose_pictures_never_arrive_are_counted_until_one_does():
    images = Images()
    for number in range(1, 50):
        images.detections(number)
    assert images.pairing.unmatched > 10
    images.picture(49)
    assert images.pairing.unmatched == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12), st.floats(0, 5)), max_size=60))
def test_no_order_of_arrival_mixes_two_images(arrivals):
    """Each image arrives at most once; `first` are pictures, the others detections."""
    images, arrived = Images(), set()
    for is_picture, number, seconds in arrivals:
        images.clock.advance(seconds)
        if (is_picture, number) in arrived:
            continue
        arrived.add((is_picture, number))
        shown = images.picture(number) if is_picture else images.detections(number)
        if shown is not None:
            image = shown.key.sec
            assert shown.picture == f'picture {image}'
            assert shown.detections in (None, f'boxes {image}')


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 4)), max_size=60))
def test_repeated_headers_never_show_boxes_after_the_repetition(arrivals):
    """Once two pictures had one header, its detections may be those of either."""
    images, seen, repeated = Images(), set(), set()
    for is_picture, number in arrivals:
        if is_picture and number in seen:
            repeated.add(number)
        if is_picture:
            seen.add(number)
        shown = images.picture(number) if is_picture else images.detections(number)
        assert shown is None or shown.detections is None or number not in repeated
