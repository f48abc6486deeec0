# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The picture of detectors fits any terminal and shows each number and each problem."""

from dataclasses import replace
import re

from hypothesis import given, strategies as st
import pytest

from fcos_ros.inspection.waterfall import ASCII, UNICODE, Style, bar, cut, draw, duration
from fcos_ros.runtime.node_status import (
    CameraStatus,
    Level,
    ModelStatus,
    NodeStatus,
    Problem,
    ProcessStatus,
)
from fcos_ros.runtime.statistics import FrameCounts, Percentiles

COUNTS = FrameCounts(received=100, published=90, superseded=4, expired=1, failed=5,
                     errors={'truncated': 5}, last_error='jpeg is truncated', missed=7)
STAGES = {
    'wait': Percentiles(0.0001, 0.0002, 0.0004), 'preprocess': Percentiles(0.002, 0.003, 0.005),
    'infer': Percentiles(0.020, 0.022, 0.025), 'decode': Percentiles(0.001, 0.0012, 0.002),
    'publish': Percentiles(0.0005, 0.001, 0.002), 'total': Percentiles(0.024, 0.028, 0.033),
    'age': Percentiles(0.030, 0.035, 0.123)}
FRONT = CameraStatus('front', '/front/image', 'sensor_msgs/msg/Image', 'reliable', 1, COUNTS,
                     29.5, 27.0, STAGES)
NODE = NodeStatus(
    '/r1/fcos', 7.0,
    ProcessStatus('0.1.0', 'active', 3725.0, 7, 'robot', 2, 1, 152_000_000, 0.7, 61.5, 80.0,
                  'RDK X5'),
    ModelStatus('fcos', '/m.bin', 'hobot_dnn', '512x512'), (FRONT,),
    (Problem(Level.ERROR, 'front frames', '5 frames failed: jpeg is truncated'),))
RED = '\x1b[31m'


def text(node=NODE, age=0.2, **style):
    return '\n'.join(draw([(node, age)], Style(**style)))


def rows(picture):
    """Return the words of each line by its first word."""
    return {words[0]: words for words in map(str.split, picture.splitlines()) if words}


def test_every_number_of_a_camera_is_shown():
    picture = text(width=100)
    for words in ('/r1/fcos  active 1 h 02 min', 'fcos 512x512, hobot_dnn, workers 1 of 2',
                  'memory 152 MB, CPU 0.70 cores, BPU 80 %, 62 C, RDK X5 robot',
                  'front: /front/image Image reliable', 'images 29.5/s, detections 27.0/s',
                  'age 30.0 ms', 'published 90 (90.0%)', 'superseded 4 (4.0%)',
                  'expired 1 (1.0%)', 'failed 5 (5.0%)', 'failed by truncated 5', 'missed 7',
                  'error: front frames: 5 frames failed: jpeg is truncated'):
        assert words in re.sub(r'\s*\n\s+', ' ', picture) or words in picture
    assert rows(picture)['infer'][1:4] == ['20.0', '22.0', '25.0']
    assert rows(picture)['age'][1:4] == ['30.0', '35.0', '123']


def test_stages_follow_each_other_and_wholes_begin_at_the_left():
    lines = [line for line in draw([(NODE, 0.0)], Style(width=200)) if '#' in line]
    names = [line.split()[0] for line in lines]
    assert names == ['wait', 'preprocess', 'infer', 'decode', 'publish', 'total', 'age']
    starts = {name: line.index('#') for name, line in zip(names, lines)}
    left = starts['wait']
    assert starts['total'] == starts['age'] == left
    assert left < starts['preprocess'] + 1 <= starts['infer'] < starts['decode']
    medians = {name: line.count('#') for name, line in zip(names, lines)}
    assert medians['infer'] == pytest.approx(10 * medians['preprocess'], abs=6)


@pytest.mark.parametrize('width', [1, 10, 20, 40, 60, 80, 200])
@pytest.mark.parametrize('marks', [ASCII, UNICODE], ids=['ascii', 'unicode'])
def test_no_line_is_wider_than_the_terminal(width, marks):
    assert max(map(len, draw([(NODE, 99.0)], Style(width, marks=marks)))) <= width


def test_a_narrow_terminal_shows_numbers_without_bars():
    picture = text(width=44)
    assert '#' not in picture
    assert rows(picture)['infer'] == ['infer', '20.0', '22.0', '25.0']


def test_only_ascii_is_used_unless_the_terminal_shows_more():
    assert text().isascii()
    assert '█' in text(marks=UNICODE)


def test_colours_mark_problems_only_where_there_are_colours():
    assert '\x1b' not in text()
    problem = next(line for line in text(colour=True).splitlines() if 'error:' in line)
    assert problem.startswith(RED)


def test_a_silent_node_is_marked():
    assert 'no report' not in text(age=1.0)
    assert 'no report for 12 s' in text(age=12.0)
    assert text(age=12.0, colour=True).startswith(RED)


def test_a_node_without_model_and_frames_is_shown():
    empty = replace(FRONT, counts=FrameCounts(0, 0, 0, 0, 0, {}, ''), stages={}, image_rate=None)
    picture = text(replace(NODE, model=ModelStatus(), cameras=(empty,)))
    assert 'no model' in picture
    assert 'images unknown' in picture
    assert 'published 0 (0.0%)' in picture


def test_control_characters_cannot_reach_the_terminal():
    hostile = replace(NODE, name='/\x1b[2J', problems=(Problem(Level.ERROR, 'x', '\x1b]0;t\x07'),))
    assert '\x1b' not in text(hostile)
    assert '\x07' not in text(hostile)


def test_wide_characters_take_two_columns():
    assert cut('相机ab', 5) == '相机a'
    assert cut('相机', 3) == '相'
    assert cut('a\u0301b', 1) == 'a\u0301'


@given(st.floats(0, 10), st.lists(st.floats(0, 10), min_size=3, max_size=3).map(sorted),
       st.integers(1, 120))
def test_bars_stay_on_the_scale_and_show_something(start, ends, width):
    drawn = bar(start, Percentiles(*ends), start + ends[2] or 1.0, width, ASCII)
    assert len(drawn) <= width
    assert drawn.strip()


@pytest.mark.parametrize(('seconds', 'words'), [
    (0.4, '0 s'), (59.9, '59 s'), (60, '1 min 00 s'), (7620, '2 h 07 min'), (273600, '3 d 04 h')])
def test_durations_have_two_units(seconds, words):
    assert duration(seconds) == words
