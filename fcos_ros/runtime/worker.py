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
from contextlib import suppress
from mmap import mmap
import os
import signal
import socket
import subprocess
import sys
from threading import Lock
from typing import Protocol

import numpy as np

from fcos_ros.backends import (
    Backend,
    EngineError,
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
from fcos_ros.runtime.detector import Detector, Result
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
        raise WorkerError(f'the worker failed {back_off.failures} times in a row; it is tried '
                          f'again in {back_off.remaining:.1f} s')


class Worker(Protocol):
    """Whatever turns a frame into a result; one thread at a time drives it."""

    @property
    def info(self) -> ModelInfo:
        """The model behind it."""
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

    :param deadline: seconds a child may spend on one frame before it is replaced.
    :raises ModelError: when the model cannot be used.
    """
    engine = choose(recipe.path, recipe.backend)
    if not engine.holds_gil:
        return _local_workers(recipe, count)
    children = [ProcessWorker(recipe, deadline) for _ in range(count)]
    try:
        for child in children:
            child.wait()
    except WorkerError as error:
        for child in children:
            child.close()
        raise ModelError(str(error)) from error
    return list(children)


def default_workers(recipe: Recipe) -> int:
    """
    Say how many frames at a time keep the engine busy.

    More than one on a CPU would only share the same cores.
    """
    board = this_board()
    return board.workers if board and recipe.path.suffix != '.onnx' else 1


def _local_workers(recipe: Recipe, count: int) -> list[Worker]:
    first = load(recipe.path, recipe.backend, recipe.threads)
    backends = [first]
    while len(backends) < count:
        backends.append(first if first.concurrent else _another(recipe, backends))
    return [LocalWorker(recipe, backend) for backend in backends]


def _another(recipe: Recipe, backends: Sequence[Backend]) -> Backend:
    try:
        return load(recipe.path, recipe.backend, recipe.threads)
    except ModelError:
        for backend in backends:
            backend.close()
        raise


class LocalWorker:
    """
    A detector in this process, made anew when its engine is late or gives up.

    :param backend: a loaded model, which several workers share when it is concurrent.
    """

    def __init__(self, recipe: Recipe, backend: Backend) -> None:
        self.info = backend.info
        self._recipe = recipe
        self._back_off = BackOff()
        self._backend: Backend | None = backend
        self._detector: Detector | None = Detector(backend, recipe.fit)

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """
        Find the objects in a frame.

        :raises InferenceError: when the engine failed on it.
        :raises ModelError: when it failed before, and its model could not be loaded again.
        :raises WorkerError: when it keeps failing, and is left alone for a while.
        """
        _require_attempt(self._back_off)
        try:
            result = self._ready().detect(frame, criteria)
        except (EngineError, LateError, ModelError) as error:
            self._back_off.fail()
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
        if self._backend is None:
            self._backend = load(self._recipe.path, self._recipe.backend, self._recipe.threads)
        if self._detector is None:
            self._detector = Detector(self._backend, self._recipe.fit)
        return self._detector


class ProcessWorker:
    """
    A detector in a child process, replaced whenever it dies, hangs or cannot go on.

    The child ends with this process, however that ends.

    :param deadline: seconds for one frame.
    """

    def __init__(self, recipe: Recipe, deadline: float = 1.0) -> None:
        self._recipe = recipe
        self._deadline = deadline
        self._memory = _Memory()
        self._back_off = BackOff()
        self._closed = False
        self._info: ModelInfo | None = None
        self._child: _Child | None = _Child(recipe, self._memory)

    @property
    def info(self) -> ModelInfo:
        """The model, as the child loaded it; waits for it to do so."""
        return self._info or self.wait()

    def wait(self) -> ModelInfo:
        """
        Wait until the child has loaded its model.

        :raises WorkerError: when it could not; a new child will be tried later.
        """
        child = self._child or self._replace()
        if self._info is None or not child.ready:
            reply = self._ask(child, START)
            if not isinstance(reply, ModelInfo):
                raise self._given_up(f'the worker sent {type(reply).__name__} for a model')
            self._info, child.ready = reply, True
        return self._info

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """
        Find the objects in a frame.

        :raises WorkerError: when the child failed on it, died or hung.
        """
        self.wait()
        child = self._child
        assert child is not None
        shapes = tuple(plane.shape for plane in frame.planes)
        self._memory.write(frame)
        child.send(Task(frame.size, frame.encoding, shapes, criteria))
        reply = self._ask(child, self._deadline)
        if not isinstance(reply, Result):
            raise self._given_up(f'the worker sent {type(reply).__name__} for a result')
        self._back_off.succeed()
        return reply

    def close(self) -> None:
        """End the child, which may be at work for another thread, and free the shared memory."""
        self._closed = True
        if self._child is not None:
            self._child.end(FAREWELL)
            self._child = None
        self._memory.close()

    def _ask(self, child: _Child, patience: float) -> Reply:
        """Wait for the child's reply; whoever does not give one in time is replaced."""
        try:
            reply = child.receive(patience)
        except TimeoutError:
            raise self._given_up(f'the worker did not answer in {patience:g} s') from None
        except (EOFError, OSError):
            raise self._given_up(f'the worker died: {child.end(FAREWELL)}') from None
        if isinstance(reply, Failure):
            raise self._given_up(reply.reason) if reply.fatal else WorkerError(reply.reason)
        return reply

    def _given_up(self, reason: str) -> WorkerError:
        """Start a new child at once; the more often in vain, the later."""
        if self._child is not None:
            self._child.end(0.0)
            self._child = None
        self._back_off.fail()
        if not self._closed and not self._back_off.remaining:
            self._replace()
        return WorkerError(reason)

    def _replace(self) -> _Child:
        if self._closed:
            raise WorkerError('the worker was closed')
        _require_attempt(self._back_off)
        self._child = _Child(self._recipe, self._memory)
        return self._child


class _Memory:
    """Anonymous shared memory that holds one frame, and grows with it."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create('fcos_ros frame')
        self._map: mmap | None = None

    def write(self, frame: Frame) -> None:
        total = sum(plane.size for plane in frame.planes)
        if self._map is None or len(self._map) < total:
            os.ftruncate(self.descriptor, total)
            self._map = mmap(self.descriptor, total)
        flat, offset = np.frombuffer(self._map, np.uint8), 0
        for plane in frame.planes:
            flat[offset:offset + plane.size].reshape(plane.shape)[...] = plane
            offset += plane.size

    def close(self) -> None:
        self._map = None
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class _Child:
    """A running child process and the lines to it; more than one thread may end it."""

    def __init__(self, recipe: Recipe, memory: _Memory) -> None:
        self.ready = False
        self._ending = Lock()
        ours, theirs = socket.socketpair()
        read, self._life = os.pipe()
        descriptors = (theirs.fileno(), memory.descriptor, read)
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'fcos_ros.runtime.child', *map(str, descriptors)],
            stdin=subprocess.DEVNULL, pass_fds=descriptors,
            # A session of its own: Ctrl-C is for the parent, which ends its children in order.
            start_new_session=True)
        theirs.close()
        os.close(read)
        self._line = Line(ours)
        self.send(recipe)

    def send(self, message: Recipe | Task) -> None:
        with suppress(OSError):  # it has died; `receive` tells
            self._line.send(message)

    def receive(self, patience: float) -> Reply:
        reply: Reply = self._line.receive(patience)
        return reply

    def end(self, patience: float) -> str:
        """Let the child go, by force after `patience` seconds; tell how it ended."""
        with self._ending:
            self._line.close()
            try:
                code = self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self._process.kill()
                code = self._process.wait()
            if self._life >= 0:
                os.close(self._life)
                self._life = -1
        return signal.Signals(-code).name if code < 0 else f'exit code {code}'
