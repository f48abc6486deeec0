# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Workers in this process, for engines that release the GIL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol, TypeVar, runtime_checkable

from fcos_ros.backends import (
    Backend,
    EngineError,
    InferenceError,
    LateError,
    ModelError,
    load,
)
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.back_off import BackOff
from fcos_ros.runtime.detector import Detector, DetectorConfig, InferenceTimes, Result
from fcos_ros.runtime.model_file import require_same_model, unchanged_file
from fcos_ros.runtime.stop_request import StopRequest
from fcos_ros.runtime.workers.base import require_attempt

Answer = TypeVar('Answer')


@runtime_checkable
class _HasTimeout(Protocol):
    """An engine that aborts an inference that takes longer than `inference_timeout` seconds."""

    inference_timeout: float


def open_local_workers(
    config: DetectorConfig, count: int, inference_timeout: float, stop_request: StopRequest,
) -> list[LocalWorker]:
    """
    Load a model for `count` workers; they share it if the engine is concurrent.

    :param inference_timeout: seconds for one inference, if the engine can abort it.
    :raises ModelError: the model cannot be used.
    :raises StopRequested: the process shall end.
    """
    with ExitStack() as undo:
        def load_one() -> Backend:
            backend = stop_request.run(lambda: _load(config, inference_timeout))
            undo.callback(backend.close)
            return backend

        backends = [load_one()]
        while len(backends) < count:
            first = backends[0]
            backends.append(first if first.concurrent else load_one())
        undo.pop_all()
    return [LocalWorker(config, backend, inference_timeout) for backend in backends]


def _load(config: DetectorConfig, inference_timeout: float) -> Backend:
    with ExitStack() as undo:
        with unchanged_file(config.path, config.digest):
            backend = load(config.path, config.backend, config.threads, config.input_size)
            undo.callback(backend.close)
        undo.pop_all()
    if isinstance(backend, _HasTimeout):
        backend.inference_timeout = inference_timeout
    return backend


def _detector(backend: Backend, config: DetectorConfig) -> Detector:
    return Detector(backend, config.fit, config.collects_warnings)


class LocalWorker:
    """
    A detector in this process; it is replaced when its engine fails or times out.

    :param backend: a loaded model; workers may share it if the engine is concurrent.
    :param inference_timeout: seconds for one inference, if the engine can abort it.
    """

    def __init__(
        self, config: DetectorConfig, backend: Backend, inference_timeout: float = 1.0,
    ) -> None:
        self.info = backend.info
        self._config = config
        self._inference_timeout = inference_timeout
        self._back_off = BackOff()
        self._backend: Backend | None = backend
        self._detector: Detector | None = _detector(backend, config)

    def prepare(self, timeout: float) -> bool:
        """
        Load the model again if its engine failed.

        :raises ModelError: the model could not be loaded.
        :raises InferenceError: the engine has no memory left, or still runs late inferences.
        :raises WorkerError: the model failed repeatedly; the next attempt is not due yet.
        """
        self._ready()
        return True

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """
        Detect the objects in a frame.

        :raises InferenceError: the engine failed on this frame.
        :raises ModelError: the engine failed before, and the model could not be loaded again.
        :raises WorkerError: the model failed repeatedly; the next attempt is not due yet.
        """
        return self._run(lambda detector: detector.detect(frame, criteria))

    def time_inference(self, frame: Frame, count: int) -> InferenceTimes:
        """Run the model several times on one frame; raise as `detect` does."""
        return self._run(lambda detector: detector.time_inference(frame, count))

    def close(self) -> None:
        """Release the model; each worker that shares it may call this."""
        self._detector = None
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def _run(self, task: Callable[[Detector], Answer]) -> Answer:
        detector = self._ready()
        try:
            answer = task(detector)
        except (EngineError, LateError) as error:
            self._back_off.fail(error)
            self._detector = None
            if isinstance(error, EngineError):
                self.close()
            raise
        self._back_off.succeed()
        return answer

    def _ready(self) -> Detector:
        require_attempt(self._back_off)
        try:
            if self._backend is None:
                self._backend = self._load_again()
            if self._detector is None:
                self._detector = _detector(self._backend, self._config)
        except (InferenceError, ModelError) as error:
            self._back_off.fail(error)
            raise
        return self._detector

    def _load_again(self) -> Backend:
        backend = _load(self._config, self._inference_timeout)
        try:
            require_same_model(self.info, backend.info)
        except ModelError:
            backend.close()
            raise
        return backend
