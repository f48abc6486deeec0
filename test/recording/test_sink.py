# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames around events are written, to a bounded number of files of a bounded size."""

from __future__ import annotations

import errno
import os
from pathlib import Path
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest
from recorded_frames import frame, options

from fcos_ros.recording import ring, sink
from fcos_ros.recording.reader import Recording
from fcos_ros.recording.sink import FLUSH_PERIOD, RETRY_PERIOD, RecorderSink

ROOT = Path(__file__).resolve().parents[2]

RATE = 10
"""Frames per second; frame N arrives at N / RATE seconds."""


def feed(recorder, numbers, *found):
    """Give frames to a sink, and tick after each as the thread does."""
    for number in numbers:
        recorder.frame(frame(number, *found), number / RATE)
        recorder.tick(number / RATE)


def files(folder):
    return sorted(folder.glob('*.mcap'), key=lambda path: path.stat().st_mtime_ns)


def numbers_in(path):
    """Return the numbers of the frames in a recording."""
    first = frame(0).stamp
    recording = Recording(path)
    numbers = [round((each.stamp - first) * 30 / 10**9) for each in recording.frames()]
    assert not recording.problem
    return numbers


def events_in(path):
    recording = Recording(path)
    list(recording.frames())
    return [event.text for event in recording.events]


def test_every_frame_is_written_if_wanted(tmp_path):
    recorder = RecorderSink(options(tmp_path))
    feed(recorder, range(25))
    recorder.close()
    path, = files(tmp_path)
    assert numbers_in(path) == list(range(25))
    assert recorder.status.frames == 25
    assert not recorder.status.is_recording


def test_the_seconds_before_and_after_an_event_are_written(tmp_path):
    recorder = RecorderSink(options(
        tmp_path, recorder='on_trigger', recorder_before=1.0, recorder_after=0.5))
    feed(recorder, range(100))
    assert not files(tmp_path)
    recorder.trigger('service', 10.0)
    feed(recorder, range(100, 200))
    assert recorder.status.event == 'service'
    path, = files(tmp_path)
    assert numbers_in(path) == list(range(90, 105))
    assert events_in(path) == ['recorded because of: service']
    assert not recorder.status.is_recording


def test_another_event_prolongs_a_recording_and_a_later_one_makes_the_next(tmp_path):
    recorder = RecorderSink(options(
        tmp_path, recorder='on_trigger', recorder_before=1.0, recorder_after=0.5))
    feed(recorder, range(20))
    recorder.trigger('service', 2.0)
    feed(recorder, range(20, 24))
    recorder.trigger('class dog', 2.4)
    feed(recorder, range(24, 60))
    recorder.trigger('service', 6.0)
    feed(recorder, range(60, 80))
    first, second = files(tmp_path)
    assert numbers_in(first) == list(range(10, 29))
    assert events_in(first) == ['recorded because of: service', 'recorded because of: class dog']
    assert numbers_in(second) == list(range(50, 65))


def test_a_frame_with_a_wanted_class_starts_a_recording_with_itself(tmp_path):
    recorder = RecorderSink(options(
        tmp_path, recorder='on_trigger', recorder_triggers=('class: dog',),
        recorder_before=0.5, recorder_after=0.5))
    feed(recorder, range(20))
    feed(recorder, range(20, 30), (2, 0.9))
    feed(recorder, range(30, 60))
    path, = files(tmp_path)
    assert numbers_in(path) == list(range(15, 34))
    assert events_in(path) == ['recorded because of: class dog']


def test_the_memory_of_the_frames_before_an_event_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(ring, 'MAX_BYTES', 10_000)
    recorder = RecorderSink(options(tmp_path, recorder='on_trigger', recorder_before=600.0))
    feed(recorder, range(1000))
    recorder.trigger('service', 100.0)
    recorder.close()
    path, = files(tmp_path)
    numbers = numbers_in(path)
    assert numbers == list(range(numbers[0], 1000))
    assert 10 <= len(numbers) <= 30


def test_files_and_their_number_are_bounded_and_only_own_files_are_deleted(tmp_path):
    others = [tmp_path / name for name in (
        'r1_fcos_2_20260101_000000.mcap', 'other.mcap', 'r1_fcos_20260101_000000.txt')]
    for number, path in enumerate([tmp_path / 'r1_fcos_20260101_000000.mcap', *others]):
        path.touch()
        os.utime(path, (number, number))
    recorder = RecorderSink(options(tmp_path, recorder_file_size=1, recorder_max_files=3))
    big = os.urandom(300_000)
    for number in range(20):
        recorder.frame(frame(number, image=big), float(number))
        recorder.tick(float(number))
    recorder.close()
    found = [path for path in files(tmp_path) if path not in others]
    assert len(found) == 3
    assert all(path.exists() for path in others)
    numbers = [number for path in found for number in numbers_in(path)]
    assert numbers == list(range(numbers[0], 20))
    for path in found:
        assert path.stat().st_size < 2_000_000
        assert numbers_in(path)  # each file can be read without the others


def test_too_little_free_space_stops_recording_until_there_is_more(tmp_path, monkeypatch):
    recorder = RecorderSink(options(tmp_path, recorder_free_space=1000))
    usage = {'free': 2000 * 10**6}
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: Usage(**usage))
    feed(recorder, range(20))
    usage['free'] = 999 * 10**6
    feed(recorder, range(20, 100))
    status = recorder.status
    assert 'has 999 MB of free space; accepted: 1000 MB or more' in status.fault
    assert not status.is_recording
    assert status.frames + status.lost == 100
    usage['free'] = 2000 * 10**6
    feed(recorder, range(100, 100 + int(RATE * (RETRY_PERIOD + FLUSH_PERIOD)) + 1))
    assert recorder.status.fault == ''
    recorder.close()
    before, after = files(tmp_path)
    assert numbers_in(before)[0] == 0
    assert numbers_in(after)[-1] == 210


class Usage(NamedTuple):
    free: int


def test_a_folder_that_cannot_be_made_is_named_before_any_event(tmp_path):
    (tmp_path / 'file').touch()
    recorder = RecorderSink(options(tmp_path / 'file' / 'folder', recorder='on_trigger'))
    recorder.tick(100.0)
    assert 'cannot write recordings' in recorder.status.fault
    assert 'set recorder_folder' in recorder.status.fault
    (tmp_path / 'file').unlink()
    recorder.tick(100.0 + RETRY_PERIOD)
    assert recorder.status.fault == ''


def test_new_options_end_the_file(tmp_path):
    recorder = RecorderSink(options(tmp_path / 'a'))
    feed(recorder, range(5))
    recorder.apply(options(tmp_path / 'b'))
    feed(recorder, range(5, 10))
    recorder.apply(options(tmp_path / 'b', recorder='never'))
    first, = files(tmp_path / 'a')
    second, = files(tmp_path / 'b')
    assert (numbers_in(first), numbers_in(second)) == (list(range(5)), list(range(5, 10)))


FULL_DISK = """
import os, resource, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {root!r} + '/test/recording']
from recorded_frames import frame, options
from fcos_ros.recording.sink import RecorderSink
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
recorder = RecorderSink(options(Path({folder!r})))
for number in range(60):
    recorder.frame(frame(number, image=os.urandom(1000)), number / 10)
    recorder.tick(number / 10)
print(recorder.status)
"""


@pytest.mark.parametrize('limit', [1, 40_000])
def test_a_full_disk_stops_recording_and_leaves_what_was_written(tmp_path, limit):
    script = FULL_DISK.format(root=str(ROOT), folder=str(tmp_path), limit=limit)
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'cannot write recordings' in done.stdout
    assert os.strerror(errno.EFBIG) in done.stdout
    for path in files(tmp_path):
        recording = Recording(path)
        assert list(recording.frames())
    assert bool(files(tmp_path)) == (limit > 1)
    assert sink.RETRY_PERIOD > 6  # it was tried once
