# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Workers in child processes: the same results, and whatever befalls a child stays with it."""

from itertools import pairwise
import os
from pathlib import Path
import signal
import subprocess
import sys
from threading import Event, Thread
import time

from child_processes import children, descriptors
import numpy as np
from onnx_models import white_square, write_fcos
import pytest

from fcos_ros import runtime
from fcos_ros.backends import ModelError
from fcos_ros.core.decode import Criteria
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.core.zones import Zones
from fcos_ros.runtime.back_off import BackOff
from fcos_ros.runtime.lane import Books
from fcos_ros.runtime.pool import Pool
from fcos_ros.runtime.protocol import Recipe
from fcos_ros.runtime.worker import ProcessWorker, WorkerError, open_workers

PATIENCE = 20.0
HANGING = 3.0
"""Seconds after which a child hangs: on a busy machine others must not take as long."""
STALL = 1.0
"""Seconds without a result that show that workers wait for one another, not for a CPU."""


@pytest.fixture(scope='module')
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp('model') / 'squares.onnx'
    return Recipe(write_fcos(path, half_box=8.0))


@pytest.fixture
def offspring():
    """List the children that a test has made; others may have helpers that stay."""
    before = children()
    return lambda: children() - before


@pytest.fixture
def worker(recipe, offspring):
    made = ProcessWorker(recipe, deadline=PATIENCE)
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


def complaints(worker, count):
    """Have a worker fail on so many frames, and tell what it says of each."""
    said = []
    for _ in range(count):
        with pytest.raises(WorkerError) as caught:
            worker.detect(square())
        said.append(str(caught.value))
    return said


def shared_memory():
    """List what lies in named shared memory, but for that of ROS graphs of other processes."""
    return {name for name in os.listdir('/dev/shm') if 'fast' not in name}


def alive(process):
    try:
        state = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[0]
    except FileNotFoundError:
        return False
    return state != 'Z'


def eventually(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize('encoding', ['bgr8', 'nv12'])
def test_a_child_finds_the_same_as_a_detector_here(recipe, worker, encoding):
    local, = open_workers(recipe, 1, deadline=1.0)
    for frame in (square(2, encoding=encoding), square(9, encoding=encoding)):
        here, there = local.detect(frame), worker.detect(frame)
        assert len(here.detections) == 1
        np.testing.assert_array_equal(there.detections.boxes, here.detections.boxes)
        np.testing.assert_array_equal(there.detections.scores, here.detections.scores)
        np.testing.assert_array_equal(there.detections.class_ids, here.detections.class_ids)
        assert there.times.infer > 0


def test_the_model_is_described_as_it_is_here(recipe, worker):
    local, = open_workers(recipe, 1, deadline=1.0)
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


def test_criteria_that_do_not_fit_the_model_fail_the_frame_alone(worker, offspring):
    before = offspring()
    with pytest.raises(WorkerError, match='class_ids'):
        worker.detect(square(), Criteria(class_ids=(99,)))
    assert len(worker.detect(square()).detections) == 1
    assert offspring() == before


@pytest.mark.parametrize(('blow', 'complaint'), [
    pytest.param(signal.SIGKILL, 'died: SIGKILL', id='killed'),
    pytest.param(signal.SIGSEGV, 'died: SIGSEGV', id='crashed'),
])
def test_a_lost_child_costs_one_frame_and_is_replaced(worker, offspring, blow, complaint):
    victim, = offspring()
    os.kill(victim, blow)
    eventually(lambda: not alive(victim))
    with pytest.raises(WorkerError, match=complaint):
        worker.detect(square())
    assert len(worker.detect(square()).detections) == 1
    assert len(offspring()) == 1


def test_a_hanging_child_is_replaced_at_its_deadline(recipe, offspring):
    worker = ProcessWorker(recipe, deadline=HANGING)
    worker.wait()
    victim, = offspring()
    os.kill(victim, signal.SIGSTOP)
    with pytest.raises(WorkerError, match=f'did not answer in {HANGING:g} s'):
        worker.detect(square())
    assert not alive(victim)
    assert len(worker.detect(square()).detections) == 1
    assert len(offspring()) == 1
    worker.close()


def test_a_child_that_cannot_come_back_is_tried_again_with_a_pause(
        recipe, offspring, tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(runtime.worker, 'BackOff', lambda: BackOff(lambda: clock[0]))
    path = tmp_path / 'model.onnx'
    path.write_bytes(recipe.path.read_bytes())
    worker = ProcessWorker(Recipe(path), deadline=PATIENCE)
    worker.wait()
    path.unlink()
    os.kill(*offspring(), signal.SIGKILL)
    first, second, third = complaints(worker, 3)
    assert 'SIGKILL' in first
    assert 'is not a file' in second
    assert 'tried again in' in third
    path.write_bytes(recipe.path.read_bytes())
    clock[0] += 0.5
    assert len(worker.detect(square()).detections) == 1
    worker.close()


def test_closing_leaves_neither_process_nor_memory(recipe, offspring):
    memory, opened = shared_memory(), descriptors()
    worker = ProcessWorker(recipe, deadline=PATIENCE)
    worker.detect(square())
    worker.close()
    assert not offspring()
    assert shared_memory() - memory == set()
    assert descriptors() - opened == set()


@pytest.mark.parametrize('end', [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
@pytest.mark.parametrize('busy', [False, True], ids=['idle child', 'stuck child'])
def test_no_child_outlives_its_parent_however_that_ends(recipe, end, busy):
    script = (
        'import sys, time\n'
        'from pathlib import Path\n'
        'from fcos_ros.runtime.protocol import Recipe\n'
        'from fcos_ros.runtime.worker import ProcessWorker\n'
        f'worker = ProcessWorker(Recipe(Path({str(recipe.path)!r})))\n'
        'worker.wait()\n'
        'print("ready", flush=True)\n'
        'time.sleep(60)\n')
    memory = shared_memory()
    parent = subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b'ready\n'
    child, = children(parent.pid)
    if busy:
        os.kill(child, signal.SIGSTOP)
    parent.send_signal(end)
    parent.wait(PATIENCE)
    parent.stdout.close()
    if busy:
        os.kill(child, signal.SIGCONT)
    eventually(lambda: not alive(child))
    assert shared_memory() - memory == set()


def test_a_model_that_no_child_can_load_is_refused_with_its_reason(tmp_path):
    path = tmp_path / 'broken.onnx'
    path.write_bytes(b'no model')
    worker = ProcessWorker(Recipe(path))
    with pytest.raises(WorkerError, match='cannot be read as ONNX'):
        worker.wait()
    worker.close()
    with pytest.raises(ModelError, match='cannot be read as ONNX'):
        open_workers(Recipe(path), 2, deadline=1.0)


def test_a_worker_that_is_closed_while_it_works_stays_closed(recipe):
    before = children()
    worker = ProcessWorker(recipe, deadline=PATIENCE)
    worker.wait()
    child, = children() - before
    os.kill(child, signal.SIGSTOP)
    failures = []

    def work():
        with pytest.raises(WorkerError) as failure:
            worker.detect(square())
        failures.append(str(failure.value))

    thread = Thread(target=work)
    thread.start()
    worker.close()
    thread.join(PATIENCE)
    assert len(failures) == 1
    assert children() == before
    with pytest.raises(WorkerError, match='closed'):
        worker.detect(square())


@pytest.fixture
def no_more(monkeypatch):
    """Let the system have no more processes from the n-th on."""
    start, started = subprocess.Popen, []

    def no_more(number=1):
        def popen(*args, **kwargs):
            if len(started) + 1 >= number:
                raise OSError(12, 'Cannot allocate memory')
            started.append(start(*args, **kwargs))
            return started[-1]
        monkeypatch.setattr(subprocess, 'Popen', popen)
    return no_more


def test_workers_that_cannot_all_be_started_leave_nothing(recipe, offspring, no_more, monkeypatch):
    monkeypatch.setattr(runtime.worker, 'choose', lambda *_: HoldsGil)
    opened = descriptors()
    no_more(3)
    with pytest.raises(ModelError, match=r'no worker process can be started.*Cannot allocate'):
        open_workers(recipe, 3, deadline=PATIENCE)
    assert not offspring()
    assert descriptors() - opened == set()


class HoldsGil:
    """What is asked of an engine before it is loaded."""

    holds_gil = True


def test_a_child_that_cannot_be_replaced_is_tried_again_with_a_pause(worker, offspring, no_more):
    no_more()
    os.kill(*offspring(), signal.SIGKILL)
    first, second = complaints(worker, 2)
    assert 'SIGKILL' in first
    assert 'tried again in' in second
    assert 'Cannot allocate memory' in second


def test_a_worker_that_is_closed_while_its_child_is_replaced_leaves_none(
        worker, offspring, monkeypatch):
    starting, go_on, start = Event(), Event(), subprocess.Popen

    def slowly(*args, **kwargs):
        starting.set()
        assert go_on.wait(PATIENCE)
        return start(*args, **kwargs)

    monkeypatch.setattr(subprocess, 'Popen', slowly)
    os.kill(*offspring(), signal.SIGKILL)
    failures = []

    def work():
        with pytest.raises(WorkerError) as failure:
            worker.detect(square())
        failures.append(failure)

    threads = [Thread(target=work), Thread(target=worker.close)]
    threads[0].start()
    assert starting.wait(PATIENCE)
    threads[1].start()
    threads[1].join(0.1)  # as far as it gets meanwhile
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(failures) == 1
    assert not offspring()


def test_a_child_that_nothing_ends_is_replaced_by_one_with_memory_of_its_own(
        recipe, offspring, monkeypatch):
    monkeypatch.setattr(runtime.process, 'KILLING', 0.1)
    worker = ProcessWorker(recipe, deadline=0.1)
    worker.wait()
    stuck, = offspring()
    os.kill(stuck, signal.SIGSTOP)
    with monkeypatch.context() as driver:
        driver.setattr(subprocess.Popen, 'kill', lambda process: None)
        with pytest.raises(WorkerError, match='did not answer'):
            worker.detect(square())
    worker.wait()
    new, = offspring() - {stuck}
    assert frame_memory(stuck)
    assert not frame_memory(stuck) & frame_memory(new)
    os.kill(stuck, signal.SIGKILL)
    worker.close()


def frame_memory(process):
    """Tell which shared memory a process has open."""
    links = Path(f'/proc/{process}/fd').iterdir()
    return {link.stat().st_ino for link in links if 'fcos_ros frame' in os.readlink(link)}


def test_while_a_child_is_replaced_the_others_go_on_in_order(
        recipe, offspring, tmp_path, monkeypatch):
    workers = [ProcessWorker(recipe, deadline=PATIENCE) for _ in range(3)]
    for worker in workers:
        worker.wait()
    (tmp_path / 'sitecustomize.py').write_text('import time\ntime.sleep(60)\n')
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    monkeypatch.setenv('PYTHONPATH', path)  # whoever starts from now on needs a minute
    arrivals, books, pool = [], Books(), Pool(workers)
    lane = pool.lane(lambda outcome: arrivals.append((outcome, time.monotonic())), books)
    os.kill(min(offspring()), signal.SIGKILL)
    end = time.monotonic() + 1.25 * STALL
    while time.monotonic() < end:
        books.ledger.enter()
        pool.submit(lane, square(), time.monotonic())
        time.sleep(0.01)
    assert pool.stop(), 'nobody is needed who is not ready'
    for worker in workers:
        worker.close()
    moments = [moment for _, moment in arrivals]
    tickets = [outcome.job.ticket for outcome, _ in arrivals]
    assert max(later - earlier for earlier, later in pairwise([*moments, end])) < STALL
    assert tickets == sorted(tickets)
    assert books.ledger.account().failed == 1
    assert books.ledger.account().in_flight == 0
