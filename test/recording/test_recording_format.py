# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded values come back without loss, also from a file that is cut off."""

from __future__ import annotations

import base64
from dataclasses import replace
import json

from hypothesis import given, settings, strategies as st
from mcap.reader import make_reader
from mcap.writer import Writer
import numpy as np
import pytest
from recorded_frames import (
    LABELS,
    MODEL,
    SESSION,
    SETTINGS,
    assert_same_frame,
    frame,
    objects,
)

from fcos_ros.core.candidates import Candidates
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.resize import Size
from fcos_ros.recording.reader import Recording, find_recordings
from fcos_ros.recording.values import INFO, WARNING, RecordedEvent, RecordedFrame, RecordingError
from fcos_ros.recording.writer import Entry, RecordingWriter
from fcos_ros.runtime.statistics import FATES
from fcos_ros.settings.schema import Settings

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=20).map(lambda text: text.encode('utf-8', 'replace').decode())


@st.composite
def candidate_sets(draw):
    counts = draw(st.lists(st.integers(1, 3), max_size=5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    boxes = rng.normal(0, 100, (len(counts), 4)).astype(np.float32)
    boxes[rng.random(boxes.shape) < 0.1] = np.inf
    return Candidates(draw(st.floats(0, 2)), boxes, np.array(counts, np.int32),
                      rng.integers(0, 65536, sum(counts)).astype(np.int32),
                      rng.random(sum(counts)), draw(st.booleans()))


@st.composite
def detection_sets(draw):
    count = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns = draw(st.integers(1, 3))
    others = Alternatives(rng.integers(-1, 3, (count, columns)).astype(np.int32),
                          rng.random((count, columns)).astype(np.float32))
    return Detections(
        rng.uniform(0, 2000, (count, 4)).astype(np.float32), rng.random(count, np.float32),
        rng.integers(0, 3, count).astype(np.int32), draw(st.sampled_from([None, others])),
        draw(st.sampled_from([None, rng.integers(0, 2**40, count)])))


FRAMES = st.builds(
    RecordedFrame, session=st.just(SESSION), settings=st.just(SETTINGS),
    camera=st.sampled_from(['', 'front', 'rear']), stamp=st.integers(-2**40, 2**62),
    frame_id=TEXTS, arrived=st.integers(0, 2**62), fate=st.sampled_from(FATES), error=TEXTS,
    reason=TEXTS, size=st.none() | st.builds(Size, st.integers(1, 9999), st.integers(1, 9999)),
    times=st.dictionaries(st.sampled_from(['wait', 'infer', 'age']), FLOATS),
    detections=st.none() | st.just(Detections.empty()) | detection_sets(),
    candidates=st.none() | candidate_sets(), decoded_before=st.booleans(),
    image=st.binary(max_size=30))


def write(path, frames, events=()):
    writer = RecordingWriter(path)
    for event in events:
        writer.remark(event)
    for each in frames:
        writer.write(Entry.of(each))
    writer.close()
    return path


def read(path):
    recording = Recording(path)
    return list(recording.frames()), recording.problem


@settings(max_examples=60)
@given(st.lists(FRAMES, max_size=4))
def test_frames_come_back_bit_for_bit(tmp_path_factory, frames):
    path = write(tmp_path_factory.mktemp('recording') / 'a.mcap', [frame(), *frames])
    found, problem = read(path)
    assert not problem
    assert len(found) == len(frames) + 1
    for one, expected in zip(found[1:], frames):
        assert_same_frame(one, expected)


def test_the_settings_and_the_session_apply_from_their_change_on(tmp_path):
    other = Settings(score_threshold=0.25, classes=('dog', 1), include_zones=('0 0, 1 0, 1 1',))
    renamed = replace(SESSION, node='/r2/fcos')
    frames = [frame(0), frame(1, settings=other), frame(2, camera='front'), frame(3),
              frame(4, session=renamed), frame(5, settings=other, session=renamed)]
    found, _ = read(write(tmp_path / 'a.mcap', frames))
    for one, expected in zip(found, frames):
        assert_same_frame(one, expected)


def test_events_and_the_number_of_frames_are_read(tmp_path):
    events = [RecordedEvent(5, INFO, 'recorded because of: service'),
              RecordedEvent(7, WARNING, '3 frames were lost')]
    recording = Recording(write(tmp_path / 'a.mcap', [frame(0), frame(1)], events))
    assert recording.count == 2
    assert len(list(recording.frames())) == 2
    assert recording.events == tuple(events)


def test_unknown_settings_of_a_newer_version_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr('fcos_ros.recording.format.asdict',
                        lambda given: {**vars(given), 'new_setting': 1})
    found, problem = read(write(tmp_path / 'a.mcap', [frame()]))
    assert (found[0].settings, problem) == (SETTINGS, '')


def test_a_file_describes_itself_to_other_programs(tmp_path):
    seen = frame(1, (1, 0.75), image=b'\xff\xd8jpeg', camera='front')
    path = write(tmp_path / 'a.mcap', [seen])
    with path.open('rb') as file:
        messages = {channel.topic: (schema, channel, json.loads(message.data))
                    for schema, channel, message in make_reader(file).iter_messages()}
    assert {topic: schema.name for topic, (schema, *_) in messages.items()} == {
        '/session': 'fcos.Session', '/front/settings': 'fcos.Settings',
        '/front/image': 'foxglove.CompressedImage', '/front/frames': 'fcos.Frame'}
    for schema, channel, content in messages.values():
        assert (schema.encoding, channel.message_encoding) == ('jsonschema', 'json')
        described = json.loads(schema.data)['properties']
        assert set(content) <= set(described)
        for name, value in content.items():
            kinds = {'object': dict, 'array': list, 'string': str, 'integer': int,
                     'number': float, 'boolean': bool}
            assert isinstance(value, kinds[described[name]['type']])
    image, content = messages['/front/image'][2], messages['/front/frames'][2]
    assert base64.b64decode(image['data']) == seen.image
    assert content['detections'][0]['class'] == 'ball'
    assert np.frombuffer(base64.b64decode(content['candidates']['scores']), '<f8') == [0.75]


def test_every_part_of_a_file_can_be_read(tmp_path):
    frames = [frame(number, (0, 0.9)) for number in range(20)]
    writer = RecordingWriter(tmp_path / 'whole.mcap')
    for number, each in enumerate(frames):
        writer.write(Entry.of(each))
        if number % 5 == 4:
            writer.flush()
    writer.close()
    content = (tmp_path / 'whole.mcap').read_bytes()
    counts = []
    for length in range(8, len(content), 97):
        (tmp_path / 'part.mcap').write_bytes(content[:length])
        recording = Recording(tmp_path / 'part.mcap')
        found = list(recording.frames())
        assert 'ends early' in recording.problem
        assert recording.count is None
        for one, expected in zip(found, frames):
            assert_same_frame(one, expected)
        counts.append(len(found))
    assert counts == sorted(counts)
    assert set(counts) == {0, 5, 10, 15, 20}


@settings(max_examples=60)
@given(st.data())
def test_damage_is_reported_and_never_becomes_another_frame(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp('recording')
    frames = [frame(number, (0, 0.9)) for number in range(6)]
    content = bytearray(write(folder / 'a.mcap', frames).read_bytes())
    for place in data.draw(st.lists(st.integers(8, len(content) - 1), min_size=1, max_size=3)):
        content[place] ^= data.draw(st.integers(1, 255))
    (folder / 'a.mcap').write_bytes(content)
    recording = Recording(folder / 'a.mcap')
    try:
        found = list(recording.frames())
    except RecordingError:
        return  # the damage hides that it was a recording
    for one, expected in zip(found, frames):
        assert_same_frame(one, expected)
    assert len(found) == len(frames) or recording.problem


@pytest.mark.parametrize(('content', 'reason'), [
    (None, 'cannot be read: No such file'), (b'', 'is no recording'),
    (b'SQLite format 3\0', 'is no recording')])
def test_files_that_are_no_recording_are_named(tmp_path, content, reason):
    path = tmp_path / 'a.mcap'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordingError, match=reason):
        Recording(path)


def test_mcap_files_of_other_programs_are_named(tmp_path):
    with (tmp_path / 'a.mcap').open('wb') as file:
        writer = Writer(file)
        writer.start()
        channel = writer.register_channel('/image', 'cdr', 0)
        writer.add_message(channel, 1, b'\0\1', 1)
        writer.finish()
    with pytest.raises(RecordingError, match='is no recording of fcos_ros; accepted'):
        list(Recording(tmp_path / 'a.mcap').frames())


def test_messages_that_cannot_be_read_end_a_recording_early(tmp_path):
    path = tmp_path / 'a.mcap'
    write(path, [frame()])
    with path.open('wb') as file:
        writer = Writer(file)
        writer.start()
        schema = writer.register_schema('fcos.Session', 'jsonschema', b'{}')
        channel = writer.register_channel('/session', 'json', schema)
        writer.add_message(channel, 1, b'{"node": 1}', 1)
        writer.finish()
    found, problem = read(path)
    assert not found
    assert "a message cannot be read: KeyError: 'model'" in problem


def test_a_present_file_is_never_overwritten(tmp_path):
    path = write(tmp_path / 'a.mcap', [frame()])
    content = path.read_bytes()
    with pytest.raises(FileExistsError):
        RecordingWriter(path)
    assert path.read_bytes() == content


def test_recordings_are_found_in_folders(tmp_path):
    for name in ('b.mcap', 'a.mcap', 'c.txt'):
        (tmp_path / name).touch()
    (tmp_path / 'empty').mkdir()
    assert [path.name for path in find_recordings([tmp_path, tmp_path / 'c.txt'])] == [
        'a.mcap', 'b.mcap', 'c.txt']
    with pytest.raises(RecordingError, match='has no recording; accepted'):
        find_recordings([tmp_path / 'empty'])
    with pytest.raises(RecordingError, match='does not exist; accepted'):
        find_recordings([tmp_path / 'missing'])


def test_names_of_classes_may_have_any_characters(tmp_path):
    labels = replace(LABELS, names=('杯子', 'b\ud800', '"\\\n'))
    odd = replace(SESSION, model=replace(MODEL, labels=labels))
    found, problem = read(write(tmp_path / 'a.mcap', [frame(0, (0, 0.9), session=odd)]))
    assert not problem
    assert found[0].session.model.labels.name(0) == '杯子'
    assert found[0].session.model.labels.name(2) == '"\\\n'


def test_a_frame_without_objects_needs_less_than_a_kilobyte():
    size = Entry.of(frame()).size
    assert size < 1000
    # 18 bytes for each box with one class, a third more in Base64, and the detection itself.
    many = Entry.of(frame(0, *[(0, 0.1)] * 50)).size
    assert many < size + 50 * 44
    assert len(objects().scores) == 0
