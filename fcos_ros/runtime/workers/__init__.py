# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Workers for a pool: detectors in this process, or each in a child process.

A binding that holds the GIL during an inference blocks every thread of its process, and two
inferences never overlap. Such a binding therefore runs in child processes, one for each worker.
Frames reach a child through anonymous shared memory, which cannot outlive the processes. Only the
detections come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from operator import methodcaller

from fcos_ros.backends import ModelError, choose
from fcos_ros.runtime.boards import this_board
from fcos_ros.runtime.detector import DetectorConfig
from fcos_ros.runtime.model_file import file_digest, require_same_model
from fcos_ros.runtime.stop_request import StopRequest
from fcos_ros.runtime.workers.base import SeparateWorker, Worker, WorkerError
from fcos_ros.runtime.workers.local import LocalWorker, open_local_workers
from fcos_ros.runtime.workers.process import ProcessWorker

__all__ = ['LocalWorker', 'ProcessWorker', 'SeparateWorker', 'Worker', 'WorkerError',
           'close_workers', 'default_workers', 'open_workers']

STOP_CHECK_PERIOD = 0.1
"""Seconds between two checks for a stop request while children load a model."""


def open_workers(
    config: DetectorConfig, count: int, inference_timeout: float,
    stop_request: StopRequest | None = None,
) -> list[Worker]:
    """
    Load a model for `count` frames at a time.

    A worker that loads it again later refuses any other model.

    :param inference_timeout: seconds for one frame in a child process, which is replaced
        afterwards; or seconds for one inference in this process, if the engine can abort it.
    :raises ModelError: the model cannot be used.
    :raises StopRequested: the process shall end.
    """
    stop_request = stop_request or StopRequest()
    holds_gil = choose(config.path, config.backend).holds_gil
    digest = stop_request.run(lambda: file_digest(config.path))
    config = replace(config, digest=digest)
    if not holds_gil:
        return list(open_local_workers(config, count, inference_timeout, stop_request))
    try:
        return list(_open_process_workers(config, count, inference_timeout, stop_request))
    except WorkerError as error:
        raise ModelError(str(error)) from error


def close_workers(workers: Sequence[Worker]) -> None:
    """Close all workers at the same time, as each waits for the end of its child process."""
    with ThreadPoolExecutor(max(1, len(workers))) as threads:
        list(threads.map(methodcaller('close'), workers))


def default_workers(config: DetectorConfig) -> int:
    """
    Return the number of workers that keep the engine busy.

    On a CPU it is one: more workers would share the same cores.

    :raises ModelError: no engine reads such a file.
    """
    board = this_board()
    return board.workers if board and choose(config.path, config.backend).uses_bpu else 1


def _open_process_workers(
    config: DetectorConfig, count: int, inference_timeout: float, stop_request: StopRequest,
) -> list[ProcessWorker]:
    workers: list[ProcessWorker] = []
    with ExitStack() as undo:
        undo.callback(close_workers, workers)
        for _ in range(count):
            workers.append(ProcessWorker(config, inference_timeout))
        for worker in workers:  # all children load the model at the same time
            while not worker.prepare(STOP_CHECK_PERIOD):
                stop_request.check()
            require_same_model(workers[0].info, worker.info)
        undo.pop_all()
    return workers
