# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Workers in child processes, for engines that hold the GIL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from mmap import mmap
import os
from threading import Lock
from time import monotonic
from typing import Any, TypeVar

import numpy as np

from fcos_ros.backends import ModelError, ModelInfo, crash_advice
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.back_off import BackOff
from fcos_ros.runtime.channel import Channel, Failure
from fcos_ros.runtime.child_process import ChildProcess
from fcos_ros.runtime.detector import DetectorConfig, InferenceTimes, Result
from fcos_ros.runtime.model_file import require_same_model
from fcos_ros.runtime.workers.base import WorkerError, require_attempt
from fcos_ros.runtime.workers.child import serve
from fcos_ros.runtime.workers.protocol import PackedResult, Reply, Task

Answer = TypeVar('Answer', Result, InferenceTimes)
Unpacked = ModelInfo | Result | InferenceTimes | Failure

LOAD_TIMEOUT = 30.0
"""Seconds for a child to load its model: storage may be slow, and several children may load."""

EXIT_TIMEOUT = 1.0
"""Seconds for a child to end by itself, before it is killed."""


class ProcessWorker:
    """
    A detector in a child process; the child is replaced when it dies, hangs or fails.

    One thread uses the worker. Another thread may call `close` at the same time.

    :param inference_timeout: seconds for one frame.
    :raises WorkerError: no process can be started.
    """

    def __init__(self, config: DetectorConfig, inference_timeout: float = 1.0) -> None:
        self._config = config
        self._inference_timeout = inference_timeout
        self._back_off = BackOff()
        self._info: ModelInfo | None = None
        # Guards the child while it is replaced or sent a frame: another thread may close it.
        self._lock = Lock()
        self._closed = False
        self._child: _Child | None = None
        self._start()

    @property
    def info(self) -> ModelInfo:
        """The description of the model. Reading it waits until the child has loaded the model."""
        return self._info or self.wait_until_loaded()

    def wait_until_loaded(self) -> ModelInfo:
        """
        Wait until the child has loaded its model.

        :raises WorkerError: the child could not load it; a new child is tried later.
        """
        while not self.prepare(LOAD_TIMEOUT):
            pass
        assert self._info is not None
        return self._info

    def prepare(self, timeout: float) -> bool:
        """
        Start a child if there is none, and wait until it has loaded its model.

        :raises WorkerError: the child failed, or the next attempt is not due yet.
        """
        child = self._child or self._start()
        if child.ready:
            return True
        if not child.wait(timeout):
            if child.age < LOAD_TIMEOUT:
                return False
            raise self._replace_child(
                child, f'the worker did not load its model in {LOAD_TIMEOUT:g} s')
        reply = self._receive(child, LOAD_TIMEOUT)
        if not isinstance(reply, ModelInfo):
            raise self._replace_child(
                child, f'the worker sent {type(reply).__name__} instead of ModelInfo')
        try:
            require_same_model(self._info or reply, reply)
        except ModelError as error:
            raise self._replace_child(child, str(error)) from error
        self._info, child.ready = reply, True
        return True

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """
        Detect the objects in a frame.

        :raises FrameError: the frame is a damaged image file.
        :raises WorkerError: the child failed on this frame, died or timed out.
        """
        return self.start(frame, criteria)()

    def start(self, frame: Frame, criteria: Criteria | None = None) -> Callable[[], Result]:
        """
        Send a frame to the child; see `SeparateWorker.start`.

        :raises WorkerError: there is no child, and the next attempt is not due yet.
        """
        return self._start_task(frame, Result, criteria=criteria)

    def time_inference(self, frame: Frame, count: int) -> InferenceTimes:
        """Run the model several times on one frame; raise as `detect` does."""
        return self._start_task(frame, InferenceTimes, time_inferences=count)()

    def close(self) -> None:
        """End the child, even while another thread waits for its reply."""
        with self._lock:
            self._closed = True
            child, self._child = self._child, None
        if child is not None:
            # A child that still loads its model does not notice that the channel is closed.
            child.end(EXIT_TIMEOUT if child.ready else 0.0)

    def _start_task(
        self, frame: Frame, kind: type[Answer], **details: Any,
    ) -> Callable[[], Answer]:
        self.wait_until_loaded()
        return partial(self._answer, self._send(frame, **details), kind)

    def _answer(self, child: _Child, kind: type[Answer]) -> Answer:
        reply = self._receive(child, self._inference_timeout)
        if not isinstance(reply, kind):
            raise self._replace_child(
                child, f'the worker sent {type(reply).__name__} instead of {kind.__name__}')
        self._back_off.succeed()
        return reply

    def _send(self, frame: Frame, **details: Any) -> _Child:
        with self._lock:
            if self._child is None:
                raise WorkerError('the worker was closed')
            self._child.send(frame, **details)
            return self._child

    def _receive(self, child: _Child, timeout: float) -> ModelInfo | Result | InferenceTimes:
        """Wait for the child's reply; replace the child if it times out, dies or fails."""
        try:
            reply = child.receive(timeout)
        except TimeoutError:
            raise self._replace_child(
                child, f'the worker did not answer in {timeout:g} s') from None
        except (EOFError, OSError):
            advice = '' if child.ready else crash_advice(self._config.path, self._config.backend)
            reasons = [f'the worker died: {child.end(EXIT_TIMEOUT)}', *filter(None, [advice])]
            raise self._replace_child(child, '; '.join(reasons)) from None
        if isinstance(reply, Failure):
            raise self._error(child, reply)
        return reply

    def _error(self, child: _Child, failure: Failure) -> Exception:
        if failure.fatal:
            return self._replace_child(child, failure.reason)
        if failure.frame_error:
            return FrameError(failure.reason, failure.frame_error)
        return WorkerError(failure.reason)

    def _replace_child(self, child: _Child, reason: str) -> WorkerError:
        """End a child and start a new one, unless the next attempt is not due yet."""
        with self._lock:
            self._child = None
        child.end(0.0)
        self._back_off.fail(reason)
        with suppress(WorkerError):
            self._start()
        return WorkerError(reason)

    def _start(self) -> _Child:
        with self._lock:
            if self._closed:
                raise WorkerError('the worker was closed')
            require_attempt(self._back_off)
            try:
                self._child = _Child(self._config)
            except OSError as error:
                self._back_off.fail(error)
                raise WorkerError(f'no worker process can be started: {error}') from error
            return self._child


class _Child:
    """
    A child process with a model, for one frame at a time.

    Each child has shared memory of its own: a child that hangs may still read from it.
    """

    def __init__(self, config: DetectorConfig) -> None:
        self.ready = False
        self._start = monotonic()
        self._task: Task | None = None  # the last one that was sent
        self._memory = _FrameMemory()
        with ExitStack() as undo:
            undo.callback(self._memory.close)
            memory = self._memory.descriptor
            self._process = ChildProcess(serve, config, memory, shared=[memory])
            undo.pop_all()
        self._channel = Channel(self._process.socket)

    @property
    def age(self) -> float:
        """Seconds since the start of the child."""
        return monotonic() - self._start

    def send(self, frame: Frame, **details: Any) -> None:
        task = Task.of(frame, **details)
        self._memory.write(frame)
        message, self._task = None if task == self._task else task, task
        with suppress(OSError):  # the child has died; `receive` reports it
            self._channel.send(message)

    def wait(self, timeout: float) -> bool:
        return self._channel.wait(timeout)

    def receive(self, timeout: float) -> Unpacked:
        reply: Reply = self._channel.receive(timeout)
        return reply.unpack() if isinstance(reply, PackedResult) else reply

    def end(self, timeout: float) -> str:
        """End the child, or kill it after `timeout` seconds; return how it ended."""
        ending = self._process.end(timeout)
        self._memory.close()
        return ending


class _FrameMemory:
    """Anonymous shared memory for one frame; it grows when frames get larger."""

    def __init__(self) -> None:
        self._file = open(os.memfd_create('fcos_ros frame'), 'r+b', buffering=0)  # noqa: SIM115
        self._map: mmap | None = None

    @property
    def descriptor(self) -> int:
        """The file descriptor."""
        return self._file.fileno()

    def write(self, frame: Frame) -> None:
        total = sum(plane.nbytes for plane in frame.planes)
        if self._map is None or len(self._map) < total:
            self._file.truncate(total)
            self._map = mmap(self.descriptor, total)
        offset = 0
        for plane in frame.planes:
            np.ndarray(plane.shape, plane.dtype, self._map, offset)[...] = plane
            offset += plane.nbytes

    def close(self) -> None:
        self._map = None
        self._file.close()
