# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The recorder never delays the detector, and a killed process leaves a readable file."""

from __future__ import annotations

import builtins
import os
from pathlib import Path
import signal
import subprocess
import sys
from threading import Event

import cv2
import numpy as np
import pytest
from recorded_frames import assert_same_frame, frame, options
from waiting import TIMEOUT, wait_until

from fcos_ros.core.frame import Frame
from fcos_ros.recording import recorder as recorder_module, sink as sink_module
from fcos_ros.recording.reader import Recording, find_recordings
from fcos_ros.recording.recorder import MAX_IMAGES, MAX_QUEUE, FlightRecorder
from fcos_ros.recording.sink import RecorderSink
from fcos_ros.recording.values import RecordingError
from fcos_ros.recording.writer import RecordingWriter

ROOT = Path(__file__).resolve().parents[2]


def frames_in(folder):
    return [each for path in find_recordings([folder]) for each in Recording(path).frames()]


@pytest.fixture
def blocked(monkeypatch):
    """Return an event until which the disk takes no frame."""
    released = Event()
    write = RecorderSink.frame

    def wait_and_write(sink, *arguments):
        assert released.wait(TIMEOUT)
        write(sink, *arguments)

    monkeypatch.setattr(RecorderSink, 'frame', wait_and_write)
    yield released
    released.set()


def test_recorded_frames_come_back(tmp_path):
    recorder = FlightRecorder(options(tmp_path))
    expected = [frame(number, (0, 0.9), camera=camera)
                for number in range(5) for camera in ('front', 'rear')]
    for each in expected:
        recorder.record(each)
    assert recorder.close(TIMEOUT)
    for found, wanted in zip(frames_in(tmp_path), expected, strict=True):
        assert_same_frame(found, wanted)


def test_a_slow_disk_loses_frames_and_never_blocks(tmp_path, blocked):
    recorder = FlightRecorder(options(tmp_path))
    for number in range(MAX_QUEUE + 51):
        recorder.record(frame(number))
    # One frame may have left the queue and wait for the disk.
    assert recorder.status.lost in (50, 51)
    lost = recorder.status.lost
    blocked.set()
    assert recorder.close(TIMEOUT)
    assert len(frames_in(tmp_path)) == MAX_QUEUE + 51 - lost


def test_only_a_few_images_of_the_camera_wait(tmp_path, blocked):
    recorder = FlightRecorder(options(
        tmp_path, recorder_image_width=64, recorder_image_rate=0.0))
    image = Frame.from_bgr(np.full((128, 128, 3), 200, np.uint8))
    for number in range(20):
        recorder.record(frame(number), image)
    blocked.set()
    assert recorder.close(TIMEOUT)
    found = frames_in(tmp_path)
    assert len(found) == 20
    assert 1 <= sum(bool(each.image) for each in found) <= MAX_IMAGES + 1


def test_images_are_small_jpeg_files_at_the_wanted_rate(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(recorder_module, 'monotonic', lambda: now[0])
    recorder = FlightRecorder(options(
        tmp_path, recorder_image_width=64, recorder_image_rate=2.0))
    image = Frame.from_bgr(np.full((96, 192, 3), 200, np.uint8))
    for number in range(20):
        now[0] += 0.125
        recorder.record(frame(number), image)
        wait_until(lambda number=number: recorder.status.sink.frames > number)
    assert recorder.close(TIMEOUT)
    found = [each.image for each in frames_in(tmp_path)]
    assert [bool(jpeg) for jpeg in found] == [True, False, False, False] * 5
    pixels = cv2.imdecode(np.frombuffer(found[0], np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape == (32, 64, 3)
    assert abs(int(pixels[16, 32, 0]) - 200) < 3


def test_a_damaged_image_is_left_out(tmp_path):
    encoded = cv2.imencode('.jpg', np.zeros((128, 128, 3), np.uint8))[1]
    recorder = FlightRecorder(options(tmp_path, recorder_image_width=64))
    recorder.record(frame(), Frame.compressed(encoded[:len(encoded) // 2].tobytes()))
    assert recorder.close(TIMEOUT)
    found, = frames_in(tmp_path)
    assert found.image == b''


def test_a_frame_that_cannot_be_written_does_not_end_the_recorder(tmp_path):
    recorder = FlightRecorder(options(tmp_path))
    recorder.record(frame(0, times={'infer': object()}))
    recorder.record(frame(1))
    assert recorder.close(TIMEOUT)
    assert len(frames_in(tmp_path)) == 1
    assert recorder.status.lost == 1
    assert 'TypeError' in recorder.status.fault


def test_a_lack_of_memory_while_data_is_flushed_does_not_end_the_recorder(tmp_path, monkeypatch):
    def fail(_):
        raise MemoryError
    monkeypatch.setattr(sink_module, 'FLUSH_PERIOD', 0.0)
    recorder = FlightRecorder(options(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(RecordingWriter, 'flush', fail)
        recorder.record(frame(0))
        wait_until(lambda: 'MemoryError' in recorder.status.fault)
    recorder.record(frame(1))
    assert recorder.close(TIMEOUT)
    assert len(frames_in(tmp_path)) == 2


def test_images_that_fail_do_not_keep_later_images_out(tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError
    recorder = FlightRecorder(options(
        tmp_path, recorder_image_width=64, recorder_image_rate=0.0))
    image = Frame.from_bgr(np.full((128, 128, 3), 200, np.uint8))
    with monkeypatch.context() as patch:
        patch.setattr(recorder_module, 'small_jpeg', fail)
        for number in range(MAX_IMAGES):
            recorder.record(frame(number), image)
        wait_until(lambda: recorder.status.lost == MAX_IMAGES)
    recorder.record(frame(MAX_IMAGES), image)
    assert recorder.close(TIMEOUT)
    found, = frames_in(tmp_path)
    assert found.image


def test_the_mode_may_change_at_any_time(tmp_path):
    recorder = FlightRecorder(options(tmp_path, recorder='never'))
    recorder.record(frame(0))
    assert not recorder.is_on
    recorder.apply(options(tmp_path, recorder='on_trigger'))
    recorder.record(frame(1))
    recorder.trigger('service')
    recorder.apply(options(tmp_path))
    recorder.record(frame(2))
    assert recorder.close(TIMEOUT)
    recorder.record(frame(3))
    first, second = (list(Recording(path).frames()) for path in find_recordings([tmp_path]))
    assert [each.stamp for each in (*first, *second)] == [frame(1).stamp, frame(2).stamp]


def test_the_effect_of_a_trigger_is_described(tmp_path):
    on_trigger = options(tmp_path, recorder='on_trigger', recorder_before=3.0)
    recorder = FlightRecorder(on_trigger)
    assert recorder.description == (
        f'the last 3 s and the next 5 s are recorded in {tmp_path}')
    recorder.close(TIMEOUT)


@pytest.mark.parametrize('fault', ['missing', 'old'])
def test_without_the_library_the_command_is_named_that_installs_it(tmp_path, monkeypatch, fault):
    import_module = builtins.__import__

    def refuse(name, *arguments, **keywords):
        if name.startswith('mcap') and fault == 'missing':
            raise ModuleNotFoundError(name)
        return import_module(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, '__import__', refuse)
    if fault == 'old':
        monkeypatch.delattr('mcap.writer.Writer.flush')
    FlightRecorder(options(tmp_path, recorder='never')).close(TIMEOUT)
    with pytest.raises(RecordingError, match=r"run: python3 -m pip install .*'mcap>=1.6'"):
        FlightRecorder(options(tmp_path))
    with pytest.raises(RecordingError, match='mcap'):
        Recording(tmp_path / 'a.mcap')


ENDLESS = """
import sys, time
from pathlib import Path
sys.path[:0] = [{root!r}, {root!r} + '/test/recording']
from recorded_frames import frame, options
from fcos_ros.recording.recorder import FlightRecorder
recorder = FlightRecorder(options(Path({folder!r})))
for number in range(10**6):
    recorder.record(frame(number, (0, 0.9)))
    time.sleep(0.01)
    if number % 20 == 0:
        print(number, flush=True)
"""


def test_a_killed_process_leaves_a_readable_file(tmp_path):
    script = ENDLESS.format(root=str(ROOT), folder=str(tmp_path))
    with subprocess.Popen(
            [sys.executable, '-c', script], stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            if int(line) >= 400:
                break
        # Frames of the last second may be lost, so those before have been flushed.
        flushed = wait_until(lambda: [
            path for path in tmp_path.glob('*.mcap') if path.stat().st_size > 10_000])
        run.kill()
    assert run.returncode == -signal.SIGKILL
    recording = Recording(flushed[0])
    found = list(recording.frames())
    assert 'ends early' in recording.problem
    assert len(found) > 50
    for number, each in enumerate(found):
        assert_same_frame(each, frame(number, (0, 0.9)))
    assert os.listdir(tmp_path) == [flushed[0].name]
