# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Workers in child processes find the same objects, and replace a child that dies or hangs."""

from contextlib import suppress
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
from threading import Event, Thread
from time import perf_counter

from child_processes import children, is_alive, open_files
import numpy as np
import pytest
from runtime.frame_source import FrameSource
from runtime.limit_processes import limit_processes
from runtime.square_frame import square_frame, truncated_jpeg
from start_gate import StartGate
from waiting import HANG_TIMEOUT, TIMEOUT, functions_of, wait_until

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.errors import FrameError
from fcos_ros.core.zones import Zones
from fcos_ros.runtime import child_process
from fcos_ros.runtime.detector import DetectorConfig
from fcos_ros.runtime.workers import ProcessWorker, WorkerError, open_workers, process

SIGNALS = [pytest.param(signal.SIGKILL, 'died: SIGKILL', id='killed'),
           pytest.param(signal.SIGSEGV, 'died: SIGSEGV', id='crashed')]

MANY = 10_000_000
"""Inferences that no machine finishes before a test has stopped them."""


@pytest.fixture
def worker(config, new_children):
    made = ProcessWorker(config, inference_timeout=TIMEOUT)
    made.wait_until_loaded()
    yield made
    made.close()


def errors_of(worker, count):
    """Return the errors of a worker that fails on this number of frames."""
    errors = []
    for _ in range(count):
        with pytest.raises(WorkerError) as caught:
            worker.detect(square_frame())
        errors.append(str(caught.value))
    return errors


def fail_in_thread(call):
    """Start a thread in which a call of a worker fails; return it and the list of its errors."""
    errors = []

    def run():
        with pytest.raises(WorkerError) as caught:
            call()
        errors.append(str(caught.value))
    thread = Thread(target=run)
    thread.start()
    return thread, errors


def named_memory(*processes):
    """Return the files in shared memory that processes use, without those of ROS graphs."""
    used = ''
    for number in processes:
        used += Path(f'/proc/{number}/maps').read_text()
        for link in Path(f'/proc/{number}/fd').iterdir():
            with suppress(OSError):  # it was closed, like the file of the listing
                used += f'{os.readlink(link)}\n'
    return {name for name in re.findall('/dev/shm/(.*)$', used, re.MULTILINE)
            if 'fast' not in name}


@pytest.mark.parametrize('encoding', ['bgr8', 'nv12'])
def test_a_child_finds_the_same_objects_as_a_worker_in_this_process(config, worker, encoding):
    local, = open_workers(config, 1, inference_timeout=TIMEOUT)
    for frame in (square_frame(2, encoding=encoding), square_frame(9, encoding=encoding)):
        here, there = local.detect(frame), worker.detect(frame)
        assert len(here.detections) == 1
        np.testing.assert_array_equal(there.detections.boxes, here.detections.boxes)
        np.testing.assert_array_equal(there.detections.scores, here.detections.scores)
        np.testing.assert_array_equal(there.detections.class_ids, here.detections.class_ids)
        assert there.times.infer > 0


def test_a_child_describes_its_model_like_a_worker_in_this_process(config, worker):
    local, = open_workers(config, 1, inference_timeout=TIMEOUT)
    assert worker.info.labels == local.info.labels
    assert worker.info.input == local.info.input
    assert worker.info.criteria == local.info.criteria


def test_frames_of_different_sizes_may_follow_each_other(worker):
    for size in (128, 512, 64, 1024, 128):
        found = len(worker.detect(square_frame(5, size)).detections)
        assert found == (1 if size == 128 else found)


def test_each_frame_may_have_criteria_of_its_own(worker):
    frame = square_frame()
    assert len(worker.detect(frame, Criteria(score_threshold=1.0)).detections) == 0
    assert len(worker.detect(frame, Criteria(class_ids=(1,))).detections) == 0
    assert len(worker.detect(frame, Criteria(class_ids=(0,))).detections) == 1
    assert len(worker.detect(frame, Criteria(min_size=64.0)).detections) == 0
    left = ((0.0, 0.0), (0.25, 0.0), (0.25, 1.0), (0.0, 1.0))
    assert len(worker.detect(square_frame(2), Criteria(zones=Zones((left,)))).detections) == 1
    assert len(worker.detect(square_frame(9), Criteria(zones=Zones((left,)))).detections) == 0


def test_criteria_that_do_not_fit_the_model_fail_the_frame_only(worker, new_children):
    before = new_children()
    with pytest.raises(WorkerError, match='class_ids'):
        worker.detect(square_frame(), Criteria(class_ids=(99,)))
    assert len(worker.detect(square_frame()).detections) == 1
    assert new_children() == before


def test_time_inference_times_each_of_several_inferences_in_the_child(worker):
    before = perf_counter()
    times = worker.time_inference(square_frame(), 6)
    after = perf_counter()
    assert len(times.seconds) == 6
    assert all(seconds > 0 for seconds in times.seconds)
    assert sum(times.seconds) == pytest.approx(times.end - times.start)
    assert before <= times.start < times.end <= after, 'the processes share the clock'
    assert len(worker.detect(square_frame()).detections) == 1


def test_time_inference_of_a_damaged_frame_keeps_the_child(worker, new_children):
    before = new_children()
    with pytest.raises(FrameError, match='is truncated') as caught:
        worker.time_inference(truncated_jpeg(), 1)
    assert caught.value.kind == 'truncated'
    assert len(worker.time_inference(square_frame(), 1).seconds) == 1
    assert new_children() == before


@pytest.mark.parametrize(('fatal', 'complaint'), SIGNALS)
def test_a_child_that_dies_loses_one_frame_and_is_replaced(
        worker, new_children, fatal, complaint):
    victim, = new_children()
    os.kill(victim, fatal)
    wait_until(lambda: not is_alive(victim))
    with pytest.raises(WorkerError, match=complaint):
        worker.detect(square_frame())
    assert len(worker.detect(square_frame()).detections) == 1
    assert len(new_children()) == 1


def test_a_child_works_on_a_frame_that_was_started(worker):
    answer = worker.start(square_frame())
    assert len(answer().detections) == 1
    assert len(worker.start(square_frame(), Criteria(class_ids=(1,)))().detections) == 0


@pytest.mark.parametrize(('fatal', 'complaint'), SIGNALS)
def test_a_child_that_dies_after_a_start_loses_the_frame_and_is_replaced(
        worker, new_children, fatal, complaint):
    victim, = new_children()
    os.kill(victim, signal.SIGSTOP)
    answer = worker.start(square_frame())
    for number in (fatal, signal.SIGCONT):
        os.kill(victim, number)
    with pytest.raises(WorkerError, match=complaint):
        answer()
    assert len(worker.start(square_frame())().detections) == 1
    assert len(new_children()) == 1


@pytest.mark.parametrize(('fatal', 'complaint'), SIGNALS)
def test_a_child_that_dies_in_time_inference_is_replaced(worker, new_children, fatal, complaint):
    victim, = new_children()
    thread, errors = fail_in_thread(lambda: worker.time_inference(square_frame(), MANY))
    wait_until(lambda: 'receive' in functions_of(thread))
    os.kill(victim, fatal)
    thread.join(TIMEOUT)
    assert complaint in errors[0]
    assert len(worker.time_inference(square_frame(), 2).seconds) == 2
    assert len(new_children()) == 1


@pytest.mark.parametrize('call', [
    pytest.param(lambda worker: worker.detect(square_frame()), id='detect'),
    pytest.param(lambda worker: worker.time_inference(square_frame(), 1), id='time_inference'),
])
def test_a_child_that_hangs_is_replaced_after_the_inference_timeout(config, new_children, call):
    worker = ProcessWorker(config, inference_timeout=HANG_TIMEOUT)
    worker.wait_until_loaded()
    victim, = new_children()
    os.kill(victim, signal.SIGSTOP)
    with pytest.raises(WorkerError, match=f'did not answer in {HANG_TIMEOUT:g} s'):
        call(worker)
    assert not is_alive(victim)
    assert len(worker.detect(square_frame()).detections) == 1
    assert len(new_children()) == 1
    worker.close()


def test_a_child_that_cannot_load_its_model_again_is_replaced_after_a_pause(
        config, new_children, tmp_path, clock):
    path = tmp_path / 'model.onnx'
    path.write_bytes(config.path.read_bytes())
    worker = ProcessWorker(DetectorConfig(path), inference_timeout=TIMEOUT)
    worker.wait_until_loaded()
    path.unlink()
    os.kill(*new_children(), signal.SIGKILL)
    first, second, third = errors_of(worker, 3)
    assert 'SIGKILL' in first
    assert 'is not a file' in second
    assert 'tried again in' in third
    path.write_bytes(config.path.read_bytes())
    clock.advance(0.5)
    assert len(worker.detect(square_frame()).detections) == 1
    worker.close()


def test_close_leaves_no_process_no_memory_and_no_open_file(config, new_children):
    memory, opened = named_memory(os.getpid()), open_files()
    worker = ProcessWorker(config, inference_timeout=TIMEOUT)
    worker.detect(square_frame())
    # Memory without a name ends with the processes that map it.
    assert named_memory(os.getpid(), *new_children()) == memory
    worker.close()
    assert not new_children()
    assert open_files() - opened == set()


@pytest.mark.parametrize('fatal', [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
@pytest.mark.parametrize('stopped', [False, True], ids=['idle child', 'stopped child'])
def test_no_child_outlives_its_parent(config, fatal, stopped):
    script = (
        'import signal\n'
        'from pathlib import Path\n'
        'from fcos_ros.runtime.detector import DetectorConfig\n'
        'from fcos_ros.runtime.workers import ProcessWorker\n'
        f'worker = ProcessWorker(DetectorConfig(Path({str(config.path)!r})))\n'
        'worker.wait_until_loaded()\n'
        'print("ready", flush=True)\n'
        'signal.pause()\n')
    parent = subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b'ready\n'
    child, = children(parent.pid)
    assert named_memory(parent.pid, child) == set()
    if stopped:
        os.kill(child, signal.SIGSTOP)
    parent.send_signal(fatal)
    parent.wait(TIMEOUT)
    parent.stdout.close()
    if stopped:
        os.kill(child, signal.SIGCONT)
    wait_until(lambda: not is_alive(child))


def test_a_model_that_the_child_cannot_load_is_refused_with_the_reason(tmp_path):
    path = tmp_path / 'broken.onnx'
    path.write_bytes(b'no model')
    worker = ProcessWorker(DetectorConfig(path))
    with pytest.raises(WorkerError, match='cannot be read as ONNX'):
        worker.wait_until_loaded()
    worker.close()


@pytest.mark.parametrize('call', [
    pytest.param(lambda worker: worker.detect(square_frame()), id='detect'),
    pytest.param(lambda worker: worker.time_inference(square_frame(), MANY), id='time_inference'),
])
def test_a_worker_that_is_closed_while_its_child_hangs_stays_closed(
        worker, new_children, monkeypatch, call):
    monkeypatch.setattr(process, 'EXIT_TIMEOUT', 0.0)
    os.kill(*new_children(), signal.SIGSTOP)
    thread, errors = fail_in_thread(lambda: call(worker))
    wait_until(lambda: 'receive' in functions_of(thread))
    worker.close()
    thread.join(TIMEOUT)
    assert len(errors) == 1
    assert not new_children()
    with pytest.raises(WorkerError, match='closed'):
        call(worker)


def test_a_child_that_cannot_be_replaced_is_replaced_after_a_pause(
        clock, worker, new_children, monkeypatch):
    limit_processes(monkeypatch, 0)
    os.kill(*new_children(), signal.SIGKILL)
    first, second = errors_of(worker, 2)
    assert 'SIGKILL' in first
    assert 'tried again in' in second
    assert 'Cannot allocate memory' in second


def test_a_worker_that_is_closed_while_its_child_is_replaced_leaves_no_child(
        worker, new_children, monkeypatch):
    starting, go_on, start = Event(), Event(), subprocess.Popen

    def start_later(*args, **kwargs):
        starting.set()
        assert go_on.wait(TIMEOUT)
        return start(*args, **kwargs)

    monkeypatch.setattr(subprocess, 'Popen', start_later)
    os.kill(*new_children(), signal.SIGKILL)
    failing, errors = fail_in_thread(lambda: worker.detect(square_frame()))
    assert starting.wait(TIMEOUT)
    closing = Thread(target=worker.close)
    closing.start()
    wait_until(lambda: 'close' in functions_of(closing))
    go_on.set()
    for thread in (failing, closing):
        thread.join(TIMEOUT)
    assert len(errors) == 1
    assert not new_children()


def test_a_child_that_cannot_be_killed_is_replaced_by_one_with_memory_of_its_own(
        config, new_children, monkeypatch):
    monkeypatch.setattr(child_process, 'KILL_TIMEOUT', 0.1)
    worker = ProcessWorker(config, inference_timeout=0.1)
    worker.wait_until_loaded()
    stuck, = new_children()
    os.kill(stuck, signal.SIGSTOP)
    with monkeypatch.context() as driver:
        driver.setattr(subprocess.Popen, 'kill', lambda process: None)
        with pytest.raises(WorkerError, match='did not answer'):
            worker.detect(square_frame())
    worker.wait_until_loaded()
    new, = new_children() - {stuck}
    assert frame_memory(stuck)
    assert not frame_memory(stuck) & frame_memory(new)
    os.kill(stuck, signal.SIGKILL)
    worker.close()


def frame_memory(process_id):
    """Return the inodes of the frame memory that a process has open."""
    links = Path(f'/proc/{process_id}/fd').iterdir()
    return {link.stat().st_ino for link in links if 'fcos_ros frame' in os.readlink(link)}


def test_while_a_child_is_replaced_the_other_workers_continue_in_order(
        config, new_children, tmp_path, monkeypatch):
    workers = [ProcessWorker(config, inference_timeout=TIMEOUT) for _ in range(3)]
    for worker in workers:
        worker.wait_until_loaded()
    source = FrameSource.of(*workers)
    gate = StartGate(tmp_path, monkeypatch)
    os.kill(min(new_children()), signal.SIGKILL)
    wait_until(lambda: source.submit(0, frame=square_frame()) or gate.held())
    source.wait_until_done()
    for context in range(1, 21):
        source.submit(context, frame=square_frame())
        source.wait_until_done()
    source.stop()
    assert gate.held() == 1, 'the pool does not wait for the worker without a child'
    assert source.contexts[-20:] == list(range(1, 21))
    assert source.counts.failed == 1
    gate.open()
    for worker in workers:
        assert len(worker.detect(square_frame()).detections) == 1
        worker.close()
