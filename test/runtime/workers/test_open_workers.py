# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`open_workers` chooses the kind of worker by the engine, and leaves nothing after a failure."""

from pathlib import Path

from child_processes import open_files
import pytest
from runtime.fake_backend import FakeBackend
from runtime.limit_processes import limit_processes
from runtime.square_frame import square_frame
from waiting import TIMEOUT

from fcos_ros.backends import ModelError, load
from fcos_ros.runtime import workers
from fcos_ros.runtime.boards import BOARDS
from fcos_ros.runtime.detector import DetectorConfig
from fcos_ros.runtime.workers import (
    LocalWorker,
    ProcessWorker,
    default_workers,
    local,
    open_workers,
)


class EngineHoldingGil:
    """The only attribute of an engine that is read before the model is loaded."""

    holds_gil = True


class UnsharedBackend(FakeBackend):
    """An engine of which each worker needs a model of its own."""

    concurrent = False


def load_by(monkeypatch, backend_type, failing=0):
    """
    Let local workers load models by a type of `FakeBackend`; return the list of loaded models.

    :param failing: number of the load that fails, from 1.
    """
    loaded = []

    def load_fake(path, *_):
        if len(loaded) + 1 == failing:
            raise ModelError('no memory')
        loaded.append(backend_type(load(path)))
        return loaded[-1]
    monkeypatch.setattr(local, 'load', load_fake)
    return loaded


@pytest.mark.parametrize(('backend_type', 'models'), [(FakeBackend, 1), (UnsharedBackend, 3)])
def test_local_workers_share_a_model_only_if_the_engine_is_concurrent(
        config, monkeypatch, backend_type, models):
    loaded = load_by(monkeypatch, backend_type)
    opened = open_workers(config, 3, inference_timeout=TIMEOUT)
    assert len(loaded) == models
    for worker in opened:
        assert isinstance(worker, LocalWorker)
        assert len(worker.detect(square_frame()).detections) == 1
    for worker in opened:
        worker.close()
    assert all(backend.closed for backend in loaded)


def test_a_model_that_is_refused_for_a_later_worker_is_closed_for_the_earlier_ones(
        config, monkeypatch):
    loaded = load_by(monkeypatch, UnsharedBackend, failing=3)
    with pytest.raises(ModelError, match='no memory'):
        open_workers(config, 3, inference_timeout=TIMEOUT)
    assert [backend.closed for backend in loaded] == [1, 1]


def test_an_engine_that_holds_the_gil_runs_in_a_child_process_for_each_worker(
        config, new_children, monkeypatch):
    monkeypatch.setattr(workers, 'choose', lambda *_: EngineHoldingGil)
    opened = open_workers(config, 2, inference_timeout=TIMEOUT)
    assert len(new_children()) == 2
    for worker in opened:
        assert isinstance(worker, ProcessWorker)
        assert len(worker.detect(square_frame()).detections) == 1
        worker.close()
    assert not new_children()


def test_workers_that_cannot_all_be_started_leave_no_process_and_no_open_file(
        config, new_children, monkeypatch):
    monkeypatch.setattr(workers, 'choose', lambda *_: EngineHoldingGil)
    opened = open_files()
    limit_processes(monkeypatch, 2)
    with pytest.raises(ModelError, match=r'no worker process can be started.*Cannot allocate'):
        open_workers(config, 3, inference_timeout=TIMEOUT)
    assert not new_children()
    assert open_files() - opened == set()


@pytest.mark.parametrize('holds_gil', [False, True])
def test_a_model_that_cannot_be_loaded_is_refused_with_the_reason(
        tmp_path, new_children, monkeypatch, holds_gil):
    if holds_gil:
        monkeypatch.setattr(workers, 'choose', lambda *_: EngineHoldingGil)
    path = tmp_path / 'broken.onnx'
    path.write_bytes(b'no model')
    with pytest.raises(ModelError, match='cannot be read as ONNX'):
        open_workers(DetectorConfig(path), 2, inference_timeout=TIMEOUT)
    assert not new_children()


ON_BPU = {'bin': ('model.bin', 'auto'), 'hbm': ('model.hbm', 'auto'),
          'libdnn': ('model.bin', 'libdnn'), 'hbm_runtime': ('model.bin', 'hbm_runtime')}
ON_CPU = {'onnx': ('model.onnx', 'auto'), 'onnx by name': ('model.bin', 'onnx')}


@pytest.mark.parametrize('board', BOARDS, ids=lambda board: board.name)
@pytest.mark.parametrize(('file', 'backend'), ON_BPU.values(), ids=ON_BPU)
def test_an_engine_on_the_bpu_gets_the_number_of_workers_of_the_board(
        monkeypatch, board, file, backend):
    monkeypatch.setattr(workers, 'this_board', lambda: board)
    assert default_workers(DetectorConfig(Path(file), backend)) == board.workers > 1


@pytest.mark.parametrize(('file', 'backend'), ON_CPU.values(), ids=ON_CPU)
def test_an_engine_on_the_cpu_of_a_board_gets_one_worker(monkeypatch, file, backend):
    monkeypatch.setattr(workers, 'this_board', lambda: BOARDS[0])
    assert default_workers(DetectorConfig(Path(file), backend)) == 1


@pytest.mark.parametrize(('file', 'backend'), [*ON_BPU.values(), *ON_CPU.values()],
                         ids=[*ON_BPU, *ON_CPU])
def test_every_engine_gets_one_worker_on_a_machine_that_is_not_a_board(
        monkeypatch, file, backend):
    monkeypatch.setattr(workers, 'this_board', lambda: None)
    assert default_workers(DetectorConfig(Path(file), backend)) == 1


def test_the_number_of_workers_for_an_unknown_file_on_a_board_is_refused(monkeypatch):
    monkeypatch.setattr(workers, 'this_board', lambda: BOARDS[0])
    with pytest.raises(ModelError, match='suffix'):
        default_workers(DetectorConfig(Path('model.pt')))
