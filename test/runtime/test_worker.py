# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Workers in child processes: the same results, and whatever befalls a child stays with it."""

import os
from pathlib import Path
import signal
import subprocess
import sys
from threading import Event, Thread

from child_processes import children, is_alive, open_files
from frame_source import FrameSource
from manual_clock import ManualClock
import numpy as np
from onnx_models import white_square, write_fcos
import pytest
from start_gate import StartGate
from waiting import HANG_TIMEOUT, TIMEOUT, functions_of, wait_until

from fcos_ros import runtime
from fcos_ros.backends import ModelError
from fcos_ros.core.decode import Criteria
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.core.zones import Zones
from fcos_ros.runtime.back_off import BackOff
from fcos_ros.runtime.protocol import Recipe
from fcos_ros.runtime.worker import ProcessWorker, WorkerError, open_workers


@pytest.fixture(scope='module')
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp('model') / 'squares.onnx'
    return Recipe(write_fcos(path, half_box=8.0))


@pytest.fixture
def new_children():
    """Return a function that returns the children since the test began."""
    before = children()
    return lambda: children() - before


@pytest.fixture
def clock(monkeypatch):
    """Return the clock by which workers made from now on wait before they try again."""
    clock = ManualClock()
    monkeypatch.setattr(runtime.worker, 'BackOff', lambda: BackOff(clock))
    return clock


@pytest.fixture
def worker(recipe, new_children):
    made = ProcessWorker(recipe, deadline=TIMEOUT)
    made.wait()
    yield made
    made.close()


def square(column=5, size=128, encoding='bgr8'):
    image = white_square(size, column, 3)
    if encoding == 'nv12':
        chroma = np.full(size * size // 2, 128, np.uint8)
        data = np.concatenate([image[:, :, 0].ravel(), chroma])
    else:
        data = image.ravel()
    return Frame.wrap(data.tobytes(), Size(size, size), encoding)


def errors_of(worker, count):
    """Return the errors of a worker that fails on so many frames."""
    errors = []
    for _ in range(count):
        with pytest.raises(WorkerError) as caught:
            worker.detect(square())
        errors.append(str(caught.value))
    return errors


def fail_in_thread(worker):
    """Start a thread in which a worker fails on a frame; return it and the list of its errors."""
    errors = []
    thread = Thread(target=lambda: errors.extend(errors_of(worker, 1)))
    thread.start()
    return thread, errors


def shared_memory():
    """Return the names in shared memory, without those of other processes' ROS graphs."""
    return {name for name in os.listdir('/dev/shm') if 'fast' not in name}


@pytest.mark.parametrize('encoding', ['bgr8', 'nv12'])
def test_a_child_finds_the_same_as_a_detector_here(recipe, worker, encoding):
    local, = open_workers(recipe, 1, deadline=TIMEOUT)
    for frame in (square(2, encoding=encoding), square(9, encoding=encoding)):
        here, there = local.detect(frame), worker.detect(frame)
        assert len(here.detections) == 1
        np.testing.assert_array_equal(there.detections.boxes, here.detections.boxes)
        np.testing.assert_array_equal(there.detections.scores, here.detections.scores)
        np.testing.assert_array_equal(there.detections.class_ids, here.detections.class_ids)
        assert there.times.infer > 0


def test_the_model_is_described_as_it_is_here(recipe, worker):
    local, = open_workers(recipe, 1, deadline=TIMEOUT)
    assert worker.info.labels == local.info.labels
    assert worker.info.input == local.info.input
    assert worker.info.criteria == local.info.criteria


def test_frames_of_any_size_in_any_order_go_through(worker):
    for size in (128, 512, 64, 1024, 128):
        width = len(worker.detect(square(5, size)).detections)
        assert width == (1 if size == 128 else width)


def test_criteria_travel_with_the_frame(worker):
    assert len(worker.detect(square(), Criteria(score_threshold=1.0)).detections) == 0
    assert len(worker.detect(square(), Criteria(class_ids=(1,))).detections) == 0
    assert len(worker.detect(square(), Criteria(class_ids=(0,))).detections) == 1
    assert len(worker.detect(square(), Criteria(min_size=64.0)).detections) == 0
    left = ((0.0, 0.0), (0.25, 0.0), (0.25, 1.0), (0.0, 1.0))
    assert len(worker.detect(square(2), Criteria(zones=Zones((left,)))).detections) == 1
    assert len(worker.detect(square(9), Criteria(zones=Zones((left,)))).detections) == 0


def test_criteria_that_do_not_fit_the_model_fail_the_frame_alone(worker, new_children):
    before = new_children()
    with pytest.raises(WorkerError, match='class_ids'):
        worker.detect(square(), Criteria(class_ids=(99,)))
    assert len(worker.detect(square()).detections) == 1
    assert new_children() == before


@pytest.mark.parametrize(('blow', 'complaint'), [
    pytest.param(signal.SIGKILL, 'died: SIGKILL', id='killed'),
    pytest.param(signal.SIGSEGV, 'died: SIGSEGV', id='crashed'),
])
def test_a_lost_child_costs_one_frame_and_is_replaced(worker, new_children, blow, complaint):
    victim, = new_children()
    os.kill(victim, blow)
    wait_until(lambda: not is_alive(victim))
    with pytest.raises(WorkerError, match=complaint):
        worker.detect(square())
    assert len(worker.detect(square()).detections) == 1
    assert len(new_children()) == 1


def test_a_hanging_child_is_replaced_at_its_deadline(recipe, new_children):
    worker = ProcessWorker(recipe, deadline=HANG_TIMEOUT)
    worker.wait()
    victim, = new_children()
    os.kill(victim, signal.SIGSTOP)
    with pytest.raises(WorkerError, match=f'did not answer in {HANG_TIMEOUT:g} s'):
        worker.detect(square())
    assert not is_alive(victim)
    assert len(worker.detect(square()).detections) == 1
    assert len(new_children()) == 1
    worker.close()


def test_a_child_that_cannot_come_back_is_tried_again_with_a_pause(
        recipe, new_children, tmp_path, clock):
    path = tmp_path / 'model.onnx'
    path.write_bytes(recipe.path.read_bytes())
    worker = ProcessWorker(Recipe(path), deadline=TIMEOUT)
    worker.wait()
    path.unlink()
    os.kill(*new_children(), signal.SIGKILL)
    first, second, third = errors_of(worker, 3)
    assert 'SIGKILL' in first
    assert 'is not a file' in second
    assert 'tried again in' in third
    path.write_bytes(recipe.path.read_bytes())
    clock.advance(0.5)
    assert len(worker.detect(square()).detections) == 1
    worker.close()


def test_closing_leaves_neither_process_nor_memory(recipe, new_children):
    memory, opened = shared_memory(), open_files()
    worker = ProcessWorker(recipe, deadline=TIMEOUT)
    worker.detect(square())
    worker.close()
    assert not new_children()
    assert shared_memory() - memory == set()
    assert open_files() - opened == set()


@pytest.mark.parametrize('end', [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
@pytest.mark.parametrize('busy', [False, True], ids=['idle child', 'stuck child'])
def test_no_child_outlives_its_parent_however_that_ends(recipe, end, busy):
    script = (
        'import signal\n'
        'from pathlib import Path\n'
        'from fcos_ros.runtime.protocol import Recipe\n'
        'from fcos_ros.runtime.worker import ProcessWorker\n'
        f'worker = ProcessWorker(Recipe(Path({str(recipe.path)!r})))\n'
        'worker.wait()\n'
        'print("ready", flush=True)\n'
        'signal.pause()\n')
    memory = shared_memory()
    parent = subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b'ready\n'
    child, = children(parent.pid)
    if busy:
        os.kill(child, signal.SIGSTOP)
    parent.send_signal(end)
    parent.wait(TIMEOUT)
    parent.stdout.close()
    if busy:
        os.kill(child, signal.SIGCONT)
    wait_until(lambda: not is_alive(child))
    assert shared_memory() - memory == set()


def test_a_model_that_no_child_can_load_is_refused_with_its_reason(tmp_path):
    path = tmp_path / 'broken.onnx'
    path.write_bytes(b'no model')
    worker = ProcessWorker(Recipe(path))
    with pytest.raises(WorkerError, match='cannot be read as ONNX'):
        worker.wait()
    worker.close()
    with pytest.raises(ModelError, match='cannot be read as ONNX'):
        open_workers(Recipe(path), 2, deadline=TIMEOUT)


def test_a_worker_that_is_closed_while_it_works_stays_closed(worker, new_children, monkeypatch):
    monkeypatch.setattr(runtime.worker, 'FAREWELL', 0.0)
    os.kill(*new_children(), signal.SIGSTOP)
    thread, errors = fail_in_thread(worker)
    wait_until(lambda: 'receive' in functions_of(thread))
    worker.close()
    thread.join(TIMEOUT)
    assert len(errors) == 1
    assert not new_children()
    with pytest.raises(WorkerError, match='closed'):
        worker.detect(square())


@pytest.fixture
def limit_processes(monkeypatch):
    """Return a function that lets no more than so many processes start from now on."""
    def limit(count):
        start, started = subprocess.Popen, []

        def popen(*args, **kwargs):
            if len(started) == count:
                raise OSError(12, 'Cannot allocate memory')
            started.append(start(*args, **kwargs))
            return started[-1]
        monkeypatch.setattr(subprocess, 'Popen', popen)
    return limit


class EngineHoldingGil:
    """All that is asked of an engine before it is loaded."""

    holds_gil = True


def test_workers_that_cannot_all_be_started_leave_nothing(
        recipe, new_children, limit_processes, monkeypatch):
    monkeypatch.setattr(runtime.worker, 'choose', lambda *_: EngineHoldingGil)
    opened = open_files()
    limit_processes(2)
    with pytest.raises(ModelError, match=r'no worker process can be started.*Cannot allocate'):
        open_workers(recipe, 3, deadline=TIMEOUT)
    assert not new_children()
    assert open_files() - opened == set()


def test_a_child_that_cannot_be_replaced_is_tried_again_with_a_pause(
        clock, worker, new_children, limit_processes):
    limit_processes(0)
    os.kill(*new_children(), signal.SIGKILL)
    first, second = errors_of(worker, 2)
    assert 'SIGKILL' in first
    assert 'tried again in' in second
    assert 'Cannot allocate memory' in second


def test_a_worker_that_is_closed_while_its_child_is_replaced_leaves_none(
        worker, new_children, monkeypatch):
    starting, go_on, start = Event(), Event(), subprocess.Popen

    def slowly(*args, **kwargs):
        starting.set()
        assert go_on.wait(TIMEOUT)
        return start(*args, **kwargs)

    monkeypatch.setattr(subprocess, 'Popen', slowly)
    os.kill(*new_children(), signal.SIGKILL)
    failing, errors = fail_in_thread(worker)
    assert starting.wait(TIMEOUT)
    closing = Thread(target=worker.close)
    closing.start()
    wait_until(lambda: 'close' in functions_of(closing))
    go_on.set()
    for thread in (failing, closing):
        thread.join(TIMEOUT)
    assert len(errors) == 1
    assert not new_children()


def test_a_child_that_nothing_ends_is_replaced_by_one_with_memory_of_its_own(
        recipe, new_children, monkeypatch):
    monkeypatch.setattr(runtime.process, 'KILLING', 0.1)
    worker = ProcessWorker(recipe, deadline=0.1)
    worker.wait()
    stuck, = new_children()
    os.kill(stuck, signal.SIGSTOP)
    with monkeypatch.context() as driver:
        driver.setattr(subprocess.Popen, 'kill', lambda process: None)
        with pytest.raises(WorkerError, match='did not answer'):
            worker.detect(square())
    worker.wait()
    new, = new_children() - {stuck}
    assert frame_memory(stuck)
    assert not frame_memory(stuck) & frame_memory(new)
    os.kill(stuck, signal.SIGKILL)
    worker.close()


def frame_memory(process):
    """Return the inodes of the frame memory that a process has open."""
    links = Path(f'/proc/{process}/fd').iterdir()
    return {link.stat().st_ino for link in links if 'fcos_ros frame' in os.readlink(link)}


def test_while_a_child_is_replaced_the_others_go_on_in_order(
        recipe, new_children, tmp_path, monkeypatch):
    workers = [ProcessWorker(recipe, deadline=TIMEOUT) for _ in range(3)]
    for worker in workers:
        worker.wait()
    source = FrameSource.of(*workers)
    gate = StartGate(tmp_path, monkeypatch)
    os.kill(min(new_children()), signal.SIGKILL)
    wait_until(lambda: source.submit(0, frame=square()) or gate.held())
    source.settle()
    for ticket in range(1, 21):
        source.submit(ticket, frame=square())
        source.settle()
    source.stop()
    assert gate.held() == 1, 'the pool waits for no worker that it does not need'
    assert source.tickets[-20:] == list(range(1, 21))
    assert source.account.failed == 1
    gate.open()
    for worker in workers:
        assert len(worker.detect(square()).detections) == 1
        worker.close()
