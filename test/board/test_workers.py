# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Workers in child processes whose engine fails, crashes or hangs on the simulated board."""

from pathlib import Path

from board_environment import BoardEnvironment
from child_processes import children
import pytest
from tiny_models import SIZE, tensor, tiny, with_output
from waiting import HANG_TIMEOUT, TIMEOUT

from fcos_ros.backends import ModelError
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.runtime.detector import DetectorConfig
from fcos_ros.runtime.workers import ProcessWorker, WorkerError, open_workers

FRAME = Frame.wrap(tensor(1), Size(SIZE, SIZE), 'nv12')

REASONS = {'hobot_dnn': 'forward execution failed', 'hbm_runtime': 'raise fault'}
"""The reason of a failed inference, by the name of the engine."""

every_engine = pytest.mark.parametrize('backend', REASONS)

# Inference 1 is that of loading the model.
CALLS = {'detect': ('2', lambda worker: worker.detect(FRAME)),
         'time_inference': ('4', lambda worker: worker.time_inference(FRAME, 5))}
"""The number of the inference that fails, and a call in which it fails."""

either_call = pytest.mark.parametrize(('number', 'call'), CALLS.values(), ids=CALLS)


@pytest.fixture
def board(tmp_path, monkeypatch):
    board = BoardEnvironment(tmp_path, monkeypatch)
    board.use_image('x5')
    return board


@pytest.fixture
def open_faulty(board):
    """Return a function that opens a worker whose first child has a fault."""
    before, opened = children(), []

    def open_one(backend, fault, inference_timeout=TIMEOUT):
        board.set_fault(fault)
        config = DetectorConfig(Path(board.write(tiny())), backend)
        opened.extend(open_workers(config, 1, inference_timeout))
        board.clear_fault()
        return opened[-1]
    yield open_one
    for worker in opened:
        worker.close()
    assert children() == before


def require_replaced(worker, before):
    """Assert that a new child detects the car in the frame, and times inferences."""
    assert len(worker.detect(FRAME).detections) == 1
    assert len(worker.time_inference(FRAME, 3).seconds) == 3
    assert len(children() - before) == 1


@either_call
@every_engine
def test_an_engine_error_in_the_child_is_reported_and_the_child_is_replaced(
        open_faulty, backend, number, call):
    before = children()
    worker = open_faulty(backend, f'raise:{number}')
    assert isinstance(worker, ProcessWorker)
    first = children() - before
    with pytest.raises(WorkerError, match=f'EngineError: .*{REASONS[backend]}'):
        call(worker)
    assert not children() & first
    require_replaced(worker, before)


@either_call
@every_engine
def test_a_child_that_crashes_is_replaced(open_faulty, backend, number, call):
    before = children()
    worker = open_faulty(backend, f'crash:{number}')
    with pytest.raises(WorkerError, match='the worker died: SIGSEGV'):
        call(worker)
    require_replaced(worker, before)


@either_call
def test_a_child_that_hangs_is_replaced_after_the_inference_timeout(open_faulty, number, call):
    before = children()
    worker = open_faulty('hobot_dnn', f'hang:{number}', HANG_TIMEOUT)
    with pytest.raises(WorkerError, match=f'did not answer in {HANG_TIMEOUT:g} s'):
        call(worker)
    require_replaced(worker, before)


def test_a_child_that_dies_while_it_loads_names_the_likely_cause_and_the_cure(board):
    """The binding crashes at a name of 73 bytes before the name can be read."""
    path = Path(board.write(with_output(tiny(), 3, name='n' * 73)))
    before = children()
    with pytest.raises(ModelError, match=r'the worker died: SIG\w+.*more than 63 bytes: try the '
                                          r'backend libdnn'):
        open_workers(DetectorConfig(path, 'hobot_dnn'), 1, TIMEOUT)
    assert children() <= before
