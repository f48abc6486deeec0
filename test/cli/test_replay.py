# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos replay` decodes recordings again, and names what it cannot read or write."""

from __future__ import annotations

from dataclasses import replace
import json
from pathlib import Path
import sys

from file_limits import max_file_size
import numpy as np
import pytest

from fcos_ros.core.detections import Detections
from fcos_ros.recording.reader import Recording
from fcos_ros.recording.writer import Entry, RecordingWriter

sys.path.append(str(Path(__file__).parents[1] / 'recording'))
from recorded_frames import SECOND, assert_same_frame, frame


@pytest.fixture
def recording(tmp_path):
    """Return the path of a recording with 3 cups, 1 ball, a failed and a superseded frame."""
    frames = [frame(0, (0, 0.9), (1, 0.4)), frame(30, (0, 0.8), (1, 0.6)),
              frame(60, (0, 0.7), (2, 0.3)),
              frame(90, fate='failed', error='length', reason='too short', candidates=None),
              frame(120, fate='superseded', candidates=None, camera='rear')]
    return write(tmp_path / 'a.mcap', frames)


def write(path, frames):
    writer = RecordingWriter(path)
    for each in frames:
        writer.write(Entry.of(each))
    writer.close()
    return path


def figures(result):
    assert result.code == 0, result.err
    return json.loads(result.out)


def classes(found):
    return {name: (counts['published'], counts['found'])
            for name, counts in found['classes'].items()}


def test_without_options_the_published_detections_are_found(fcos, recording):
    found = figures(fcos('replay', recording, '--json'))
    assert (found['frames'], found['decoded'], found['changed'], found['below_floor']) == (
        5, 3, 0, 0)
    assert classes(found) == {'cup': (3, 3), 'ball': (1, 1)}
    assert found['cameras'] == {
        '': {'published': 3, 'superseded': 0, 'expired': 0, 'failed': 1},
        'rear': {'published': 0, 'superseded': 1, 'expired': 0, 'failed': 0}}
    assert found['failures'] == {'length': 1}


@pytest.mark.parametrize(('options', 'expected', 'changed'), [
    (['--conf', '0.35'], {'cup': (3, 3), 'ball': (1, 2)}, 1),
    (['--conf', '0.85'], {'cup': (3, 1), 'ball': (1, 0)}, 2),
    (['--classes', 'dog', '--conf', '0.1'], {'cup': (3, 0), 'ball': (1, 0), 'dog': (0, 1)}, 3),
    (['--max-det', '1'], {'cup': (3, 3), 'ball': (1, 0)}, 1),
    (['-p', "exclude_zones:=['0 0, 0.1 0, 0.1 0.1, 0 0.1']"],
     {'cup': (3, 0), 'ball': (1, 1)}, 3),
    (['-p', "class_thresholds:=['ball: 0.3']"], {'cup': (3, 3), 'ball': (1, 2)}, 1),
    (['-p', 'min_size:=11'], {'cup': (3, 0), 'ball': (1, 0)}, 3),
])
def test_other_settings_find_other_detections(fcos, recording, options, expected, changed):
    found = figures(fcos('replay', recording, '--json', *options))
    assert (classes(found), found['changed']) == (expected, changed)


def test_a_parameter_file_of_the_node_may_be_used(fcos, recording, tmp_path):
    file = tmp_path / 'fcos.yaml'
    file.write_text('/r1/fcos:\n  ros__parameters:\n    score_threshold: 0.35\n')
    assert classes(figures(fcos('replay', recording, '--json', '--params', file))) == {
        'cup': (3, 3), 'ball': (1, 2)}
    file.write_text('/r2/fcos:\n  ros__parameters:\n    score_threshold: 0.35\n')
    refused = fcos('replay', recording, '--params', file)
    assert (refused.code, '/r1/fcos' in refused.err) == (2, True)


def test_classes_may_get_other_names(fcos, recording, tmp_path):
    (tmp_path / 'names.txt').write_text('Tasse\nBall\nHund\n')
    found = figures(fcos('replay', recording, '--json', '--labels', tmp_path / 'names.txt',
                         '--classes', 'Tasse'))
    assert classes(found) == {'Tasse': (3, 3), 'Ball': (1, 0)}
    (tmp_path / 'names.txt').write_text('Tasse\n\nHund\n')
    assert fcos('replay', recording, '--labels', tmp_path / 'names.txt').code == 2
    assert fcos('replay', recording, '--labels', tmp_path / 'missing.txt').code == 2


@pytest.mark.parametrize(('options', 'count'), [
    (['--start', '0.9'], 4), (['--end', '1.5'], 2), (['--start', '1.5', '--end', '2.5'], 1),
    (['--camera', 'rear'], 1), (['--camera', 'front'], 0), (['--start', '00:00:00'], 5),
    (['--end', '0:00'], 0)])
def test_a_part_of_the_frames_may_be_chosen(fcos, recording, options, count):
    assert figures(fcos('replay', recording, '--json', *options))['frames'] == count


@pytest.mark.parametrize('moment', ['25:00', 'now', '1:2:3:4', 'nan:00'])
def test_other_times_are_refused(fcos, recording, moment):
    refused = fcos('replay', recording, '--start', moment)
    assert refused.code == 2
    assert 'accepted: seconds, or HH:MM:SS' in refused.err


def test_the_list_shows_each_frame_with_its_fate(fcos, recording):
    listed = figures(fcos('replay', recording, '--json', '--list', '--conf', '0.35'))['list']
    assert [entry['fate'] for entry in listed] == [*['published'] * 3, 'failed', 'superseded']
    assert [entry['changed'] for entry in listed] == [True, False, False, False, False]
    assert [found['class'] for found in listed[0]['found']] == ['cup', 'ball']
    assert listed[0]['stamp'] == 1_700_000_000 * SECOND
    table = fcos('replay', recording, '--list', '--conf', '0.35').out
    assert 'cup 0.90, ball 0.40' in table
    assert 'failed: length' in table
    assert 'the same' in table
    assert table.rstrip().splitlines()[-1].startswith('1 of 3 frames have other detections')


def test_thresholds_below_the_recorded_scores_are_reported(fcos, recording):
    result = fcos('replay', recording, '--conf', '0.01')
    assert result.code == 0
    assert '3 frames were recorded with higher scores than the threshold' in result.err


def test_tracks_are_given_again(fcos, recording, tmp_path):
    write(tmp_path / 'tracks.mcap', [frame(number, (0, 0.9)) for number in range(6)])
    out = tmp_path / 'out.mcap'
    assert fcos('replay', tmp_path / 'tracks.mcap', '-p', 'track:=true', '--out', out).code == 0
    ids = [each.detections.track_ids.tolist() for each in Recording(out).frames()]
    assert ids == [[0], [0], [1], [1], [1], [1]]


def test_the_new_recording_has_the_new_detections_and_settings(fcos, recording, tmp_path):
    out = tmp_path / 'out.mcap'
    result = fcos('replay', recording, '--conf', '0.35', '--out', out)
    assert result.out.rstrip().splitlines()[-1] == f'results: {out}'
    before, after = (list(Recording(path).frames()) for path in (recording, out))
    assert [each.settings.score_threshold for each in after] == [0.35] * 5
    assert [len(each.detections) for each in after if each.detections] == [2, 2, 1]
    for old, new in zip(before, after):
        assert_same_frame(replace(new, settings=old.settings, detections=old.detections), old)
    assert figures(fcos('replay', out, '--json'))['changed'] == 0


def test_several_recordings_and_folders_are_replayed_in_order(fcos, tmp_path):
    for name in 'ab':
        write(tmp_path / f'{name}.mcap', [frame(0, (0, 0.9))])
    found = figures(fcos('replay', tmp_path, tmp_path / 'a.mcap', '--json'))
    assert found['frames'] == 3


def test_a_recording_that_was_cut_off_is_used_as_far_as_it_goes(fcos, tmp_path):
    path = tmp_path / 'a.mcap'
    writer = RecordingWriter(path)
    for number in range(10):
        writer.write(Entry.of(frame(number, (0, 0.9))))
        writer.flush()
    writer.abandon()
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    result = fcos('replay', path)
    assert result.code == 1
    assert 'ends early' in result.err
    assert '0 of 9 frames have other detections' in result.out


@pytest.mark.parametrize(('arguments', 'reason'), [
    (['missing.mcap'], 'does not exist; accepted'),
    (['empty'], 'has no recording; accepted'),
    (['text.mcap'], 'is no recording; accepted'),
    (['a.mcap', '--out', 'a.mcap'], 'exists; accepted: a new file'),
    (['a.mcap', '--out', 'b.txt'], 'accepted: a name that ends in .mcap'),
    (['a.mcap', '--out', 'text.mcap/b.mcap'], 'cannot be written: Not a directory'),
    (['a.mcap', '--classes', 'person'], "unknown class 'person'"),
    (['a.mcap', '--params', 'missing.yaml'], 'is no file'),
])
def test_what_cannot_be_used_is_named(fcos, recording, tmp_path, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'text.mcap').write_text('text')
    result = fcos('replay', *arguments)
    assert (result.code, reason in result.err) == (2, True), result.err
    assert len(list(Recording(recording).frames())) == 5


def test_a_full_disk_ends_the_new_recording(fcos, tmp_path):
    source = write(tmp_path / 'a.mcap', [
        frame(number, image=np.random.default_rng(number).bytes(50_000)) for number in range(40)])
    with max_file_size(1_000_000):
        result = fcos('replay', source, '--out', tmp_path / 'b.mcap')
    assert result.code == 2
    assert 'b.mcap cannot be written: File too large; free disk space' in result.err


def test_an_interrupt_leaves_the_frames_so_far(fcos, recording, tmp_path, interrupt_recording):
    interrupt_recording()
    result = fcos('replay', recording, '--out', tmp_path / 'b.mcap')
    assert result.code == 130
    assert '0 of 3 frames' in result.out
    recorded = Recording(tmp_path / 'b.mcap')
    assert len(list(recorded.frames())) == 2
    assert not recorded.problem


def test_changed_detections_of_a_node_are_noticed(fcos, tmp_path):
    other = frame(0, (0, 0.9), detections=Detections.empty())
    found = figures(fcos('replay', write(tmp_path / 'a.mcap', [other]), '--json'))
    assert found['changed'] == 1
