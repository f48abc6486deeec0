# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Workers for a pool: detectors in this process, or each in a child process of its own.

A binding that holds the GIL through the inference would freeze every thread of the node, and two
of its inferences would never overlap; its workers are children. The frame goes there through
anonymous shared memory, which cannot outlive the processes, and only detections come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from mmap import mmap
import os
from threading import Lock
from time import monotonic
from typing import Protocol, runtime_checkable

import numpy as np

from fcos_ros.backends import (
    Backend,
    EngineError,
    InferenceError,
    LateError,
    ModelError,
    ModelInfo,
    choose,
    load,
)
from fcos_ros.core.decode import Criteria
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.back_off import BackOff
from fcos_ros.runtime.board import this_board
from fcos_ros.runtime.child import serve
from fcos_ros.runtime.detector import Detector, Result
from fcos_ros.runtime.process import Process
from fcos_ros.runtime.protocol import Failure, Line, Recipe, Reply, Task

START = 30.0
"""Seconds a child gets to load its model: a slow card, several at a time, a large file."""

FAREWELL = 1.0
"""Seconds a child gets to end by itself."""


class WorkerError(RuntimeError):
    """A worker could not finish a frame; it has been replaced, or will be."""


def _require_attempt(back_off: BackOff) -> None:
    """Refuse a frame at once, rather than have it wait for what will fail again."""
    if back_off.remaining:
        raise WorkerError(f'the worker failed {back_off.failures} times in a row '
                          f'({back_off.reason}); it is tried again in '
                          f'{back_off.remaining:.1f} s')


class Worker(Protocol):
    """Whatever turns a frame into a result; one thread at a time drives it."""

    @property
    def info(self) -> ModelInfo:
        """The model behind it."""
        ...

    def prepare(self, patience: float) -> bool:
        """
        Get ready for a frame.

        :param patience: seconds to wait for a process; a model that is loaded here takes its time.
        :returns: whether it is ready; if not, call again.
        :raises Exception: when it cannot be for now.
        """
        ...

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """Find the objects in a frame."""
        ...

    def close(self) -> None:
        """Give back the model."""
        ...


def open_workers(recipe: Recipe, count: int, deadline: float) -> list[Worker]:
    """
    Load a model for `count` frames at a time.

    :param deadline: seconds a child may spend on one frame before it is replaced, or an engine in
        this process that watches the time itself on one inference.
    :raises ModelError: when the model cannot be used.
    """
    engine = choose(recipe.path, recipe.backend)
    if not engine.holds_gil:
        return _local_workers(recipe, count, deadline)
    try:
        return _process_workers(recipe, count, deadline)
    except WorkerError as error:
        raise ModelError(str(error)) from error


def default_workers(recipe: Recipe) -> int:
    """
    Say how many frames at a time keep the engine busy.

    More than one on a CPU would only share the same cores.
    """
    board = this_board()
    return board.workers if board and recipe.path.suffix != '.onnx' else 1


def _process_workers(recipe: Recipe, count: int, deadline: float) -> list[Worker]:
    workers: list[ProcessWorker] = []
    with ExitStack() as undo:
        for _ in range(count):
            workers.append(ProcessWorker(recipe, deadline))
            undo.callback(workers[-1].close)
        for worker in workers:  # all load at the same time
            worker.wait()
        undo.pop_all()
    return list(workers)


def _local_workers(recipe: Recipe, count: int, deadline: float) -> list[Worker]:
    first = _loaded(recipe, deadline)
    backends = [first]
    while len(backends) < count:
        backends.append(first if first.concurrent else _another(recipe, deadline, backends))
    return [LocalWorker(recipe, backend, deadline) for backend in backends]


def _loaded(recipe: Recipe, deadline: float) -> Backend:
    backend = load(recipe.path, recipe.backend, recipe.threads)
    if isinstance(backend, _Watchful):
        backend.time_limit = deadline
    return backend


def _another(recipe: Recipe, deadline: float, backends: Sequence[Backend]) -> Backend:
    try:
        return _loaded(recipe, deadline)
    except ModelError:
        for backend in backends:
            backend.close()
        raise


@runtime_checkable
class _Watchful(Protocol):
    """An engine that gives up an inference by itself when that takes too long."""

    time_limit: float


class LocalWorker:
    """
    A detector in this process, made anew when its engine is late or gives up.

    :param backend: a loaded model, which several workers share when it is concurrent.
    :param deadline: seconds for one frame, where the engine can give up.
    """

    def __init__(self, recipe: Recipe, backend: Backend, deadline: float = 1.0) -> None:
        self.info = backend.info
        self._recipe = recipe
        self._deadline = deadline
        self._back_off = BackOff()
        self._backend: Backend | None = backend
        self._detector: Detector | None = Detector(backend, recipe.fit)

    def prepare(self, patience: float) -> bool:
        """
        Load the model anew where its engine gave up.

        :raises ModelError: when it could not be loaded.
        :raises InferenceError: when the engine has no memory for it, or ends nothing.
        :raises WorkerError: when it keeps failing, and is left alone for a while.
        """
        self._ready()
        return True

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """
        Find the objects in a frame.

        :raises InferenceError: when the engine failed on it.
        :raises ModelError: when it failed before, and its model could not be loaded again.
        :raises WorkerError: when it keeps failing, and is left alone for a while.
        """
        detector = self._ready()
        try:
            result = detector.detect(frame, criteria)
        except (EngineError, LateError) as error:
            self._back_off.fail(error)
            self._detector = None
            if isinstance(error, EngineError):
                self.close()
            raise
        self._back_off.succeed()
        return result

    def close(self) -> None:
        """Give back the model; of workers that share it, each may be told."""
        self._detector = None
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def _ready(self) -> Detector:
        _require_attempt(self._back_off)
        try:
            if self._backend is None:
                self._backend = _loaded(self._recipe, self._deadline)
            if self._detector is None:
                self._detector = Detector(self._backend, self._recipe.fit)
        except (InferenceError, ModelError) as error:
            self._back_off.fail(error)
            raise
        return self._detector


class ProcessWorker:
    """
    A detector in a child process, replaced whenever it dies, hangs or cannot go on.

    One thread drives it; any other may close it meanwhile.

    :param deadline: seconds for one frame.
    :raises WorkerError: when no process can be started.
    """

    def __init__(self, recipe: Recipe, deadline: float = 1.0) -> None:
        self._recipe = recipe
        self._deadline = deadline
        self._back_off = BackOff()
        self._info: ModelInfo | None = None
        # Whoever changes the child or hands it a frame holds the lock: `close` comes between.
        self._lock = Lock()
        self._closed = False
        self._child: _Child | None = None
        self._replace()

    @property
    def info(self) -> ModelInfo:
        """The model, as the child loaded it; waits for it to do so."""
        return self._info or self.wait()

    def wait(self) -> ModelInfo:
        """
        Wait until the child has loaded its model.

        :raises WorkerError: when it could not; a new child will be tried later.
        """
        while not self.prepare(START):
            pass
        assert self._info is not None
        return self._info

    def prepare(self, patience: float) -> bool:
        """
        See to it that there is a child, and that it has loaded its model; see `Worker.prepare`.

        :raises WorkerError: when it could not, and while it is left alone for that.
        """
        child = self._child or self._replace()
        if child.ready:
            return True
        if not child.poll(patience):
            if child.age < START:
                return False
            raise self._given_up(child, f'the worker did not load its model in {START:g} s')
        reply = self._ask(child, START)
        if not isinstance(reply, ModelInfo):
            raise self._given_up(child, f'the worker sent {type(reply).__name__} for a model')
        self._info, child.ready = reply, True
        return True

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """
        Find the objects in a frame.

        :raises WorkerError: when the child failed on it, died or hung.
        """
        self.wait()
        child = self._hand_over(frame, criteria)
        reply = self._ask(child, self._deadline)
        if not isinstance(reply, Result):
            raise self._given_up(child, f'the worker sent {type(reply).__name__} for a result')
        self._back_off.succeed()
        return reply

    def close(self) -> None:
        """End the child, which may be at work for another thread."""
        with self._lock:
            self._closed = True
            child, self._child = self._child, None
        if child is not None:
            child.end(FAREWELL)

    def _hand_over(self, frame: Frame, criteria: Criteria | None) -> _Child:
        with self._lock:
            if self._child is None:
                raise WorkerError('the worker was closed')
            self._child.give(frame, criteria)
            return self._child

    def _ask(self, child: _Child, patience: float) -> Reply:
        """Wait for the child's reply; whoever does not give one in time is replaced."""
        try:
            reply = child.receive(patience)
        except TimeoutError:
            raise self._given_up(
                child, f'the worker did not answer in {patience:g} s') from None
        except (EOFError, OSError):
            raise self._given_up(child, f'the worker died: {child.end(FAREWELL)}') from None
        if isinstance(reply, Failure):
            raise (self._given_up(child, reply.reason) if reply.fatal
                   else WorkerError(reply.reason))
        return reply

    def _given_up(self, child: _Child, reason: str) -> WorkerError:
        """Let a child go, and start a new one at once; the more often in vain, the later."""
        with self._lock:
            self._child = None
        child.end(0.0)
        self._back_off.fail(reason)
        with suppress(WorkerError):
            self._replace()
        return WorkerError(reason)

    def _replace(self) -> _Child:
        with self._lock:
            if self._closed:
                raise WorkerError('the worker was closed')
            _require_attempt(self._back_off)
            try:
                self._child = _Child(self._recipe)
            except OSError as error:
                self._back_off.fail(error)
                raise WorkerError(f'no worker process can be started: {error}') from error
            return self._child


class _Child:
    """
    A process that loads a model, and detects in one frame at a time.

    Its memory is shared with nobody else: one that was given up may go on reading for a while.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.ready = False
        self._start = monotonic()
        self._memory = _Memory()
        with ExitStack() as undo:
            undo.callback(self._memory.close)
            memory = self._memory.descriptor
            self._process = Process(serve, recipe, memory, shared=[memory])
            undo.pop_all()
        self._line = Line(self._process.socket)

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return monotonic() - self._start

    def give(self, frame: Frame, criteria: Criteria | None) -> None:
        self._memory.write(frame)
        shapes = tuple(plane.shape for plane in frame.planes)
        with suppress(OSError):  # it has died; `receive` tells
            self._line.send(Task(frame.size, frame.encoding, shapes, criteria))

    def poll(self, patience: float) -> bool:
        return self._line.poll(patience)

    def receive(self, patience: float) -> Reply:
        reply: Reply = self._line.receive(patience)
        return reply

    def end(self, patience: float) -> str:
        """Let the child go, by force after `patience` seconds; tell how it ended."""
        ending = self._process.end(patience)
        self._memory.close()
        return ending


class _Memory:
    """Anonymous shared memory that holds one frame, and grows with it."""

    def __init__(self) -> None:
        self._file = open(os.memfd_create('fcos_ros frame'), 'r+b', buffering=0)  # noqa: SIM115
        self._map: mmap | None = None

    @property
    def descriptor(self) -> int:
        """The file descriptor."""
        return self._file.fileno()

    def write(self, frame: Frame) -> None:
        total = sum(plane.size for plane in frame.planes)
        if self._map is None or len(self._map) < total:
            self._file.truncate(total)
            self._map = mmap(self.descriptor, total)
        flat, offset = np.frombuffer(self._map, np.uint8), 0
        for plane in frame.planes:
            flat[offset:offset + plane.size].reshape(plane.shape)[...] = plane
            offset += plane.size

    def close(self) -> None:
        self._map = None
        self._file.close()
