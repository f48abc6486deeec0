# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run the detector of the node on the frames of a source.

Unlike the node, no frame is skipped: a slow model slows the reading down. Each frame has exactly
one result, in the order of the frames. The results do not depend on the number of workers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
import os
from queue import Empty, Queue
from time import monotonic, sleep
from types import TracebackType

from fcos_ros.backends import InferenceError, ModelInfo, choose
from fcos_ros.core.candidates import Candidates
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame, Window
from fcos_ros.core.measurement import Measurement
from fcos_ros.core.samples import SampleProperties
from fcos_ros.core.tiles import Tiling
from fcos_ros.core.tracking import Tracker
from fcos_ros.offline.frames import OfflineError, SourceFrame
from fcos_ros.offline.ordered import ordered_map
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.runtime.detector import NO_TILES, DetectorConfig, Result, StageTimes, TileCounts
from fcos_ros.runtime.statistics import FrameStatistics
from fcos_ros.runtime.tiled import detect_in_tiles
from fcos_ros.runtime.workers import (
    Worker,
    WorkerError,
    close_workers,
    default_workers,
    open_workers,
)
from fcos_ros.settings.criteria import ActiveCriteria, to_tracker_settings
from fcos_ros.settings.schema import Settings

AHEAD = 16
"""
Maximum number of frames that are read and whose results are not taken.

It keeps up to 16 workers busy. It does not depend on their number, so that neither do the results:
properties of samples that are measured in a frame are used for the frame that is so much later.
"""

WORKER_FACTOR = 2
"""
Workers on a BPU, relative to those of the node: while some infer, the others read image files,
prepare and decode. See benchmarks/offline.py.
"""

ATTEMPTS = 2
"""Attempts for one frame: a worker that dies may have died of the frame before."""

PREPARE_TIMEOUT = 0.1
"""Seconds between two attempts to get a worker ready."""

READY_TIMEOUT = 60.0
"""Seconds for a worker to get ready after a failure; then the run ends."""

CLOSE_TIMEOUT = 1.0
"""Seconds for the workers to finish their frames when the run is interrupted."""


@dataclass(frozen=True, eq=False)
class FrameResult:
    """
    The result of one frame: detections or an error.

    :ivar detections: in pixels of the image; None if the frame failed.
    :ivar error: why the frame failed.
    :ivar warnings: of the decoder of image files.
    :ivar candidates: if the settings ask for them, as `recorder` does.
    :ivar tiles: see `Result`; likewise `tile_candidates`.
    """

    frame: SourceFrame
    detections: Detections | None = None
    error: Exception | None = None
    times: StageTimes | None = None
    warnings: tuple[str, ...] = ()
    candidates: Candidates | None = None
    tiles: TileCounts = NO_TILES
    tile_candidates: tuple[tuple[Window, Candidates], ...] = ()


def busy_workers(config: DetectorConfig) -> int:
    """
    Return the number of workers with the best frame rate on this machine.

    The node has few workers, for the lowest latency. Here only the frame rate counts: one worker
    prepares its frame while another one infers.

    :raises ModelError: no engine reads such a file.
    """
    if choose(config.path, config.backend).uses_bpu:
        return WORKER_FACTOR * default_workers(config)
    return max(1, min(AHEAD, len(os.sched_getaffinity(0)) // config.threads))


class UnreadyError(WorkerError):
    """No worker gets ready any more; the run cannot continue."""


class OfflineDetector:
    """
    The workers of a plan. One run at a time uses them.

    :raises ModelError: the model cannot be used.
    :raises OfflineError: the settings do not fit the model.
    """

    def __init__(self, plan: DetectionPlan) -> None:
        timeout = plan.settings_of('').inference_timeout
        self._plan = plan
        self._workers = open_workers(
            plan.config, plan.workers or busy_workers(plan.config), timeout)
        self._idle: Queue[Worker] = Queue()
        for worker in self._workers:
            self._idle.put(worker)
        try:
            for settings in plan.settings.values():
                self._criteria(settings)
        except OfflineError:
            self.close()
            raise

    def __enter__(self) -> OfflineDetector:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    @property
    def plan(self) -> DetectionPlan:
        """The plan that was given."""
        return self._plan

    @property
    def info(self) -> ModelInfo:
        """The description of the model."""
        return self._workers[0].info

    def criteria(self, camera: str = '') -> ActiveCriteria:
        """Return the settings of a camera with the criteria made of them."""
        return self._criteria(self._plan.settings_of(camera))

    def run(self, frames: Iterable[SourceFrame], statistics: FrameStatistics | None = None,
            ) -> Generator[FrameResult, None, None]:
        """
        Yield the result of each frame, in order. Each run begins with no tracks.

        :param statistics: counts the frames by fate, and collects the times of the stages.
        :raises UnreadyError: the workers failed and do not get ready any more.
        """
        statistics = statistics or FrameStatistics()
        cameras: dict[str, _CameraState] = {}

        def prepared() -> Iterator[_Task]:
            for number, frame in enumerate(frames):
                statistics.count_received()
                if frame.camera not in cameras:
                    cameras[frame.camera] = _CameraState(self.criteria(frame.camera))
                yield cameras[frame.camera].prepare(number, frame)

        with closing(ordered_map(self._detect, prepared(), len(self._workers), AHEAD)) as answers:
            for task, answer in answers:
                result = cameras[task.source.camera].finish(task, answer)
                _count(result, statistics)
                yield result

    def close(self) -> None:
        """Release the model. A worker that hangs is left to the end of the process."""
        idle: list[Worker] = []
        end = monotonic() + CLOSE_TIMEOUT
        while len(idle) < len(self._workers):
            try:
                idle.append(self._idle.get(timeout=max(0.0, end - monotonic())))
            except Empty:
                break
        close_workers(idle)

    def _criteria(self, settings: Settings) -> ActiveCriteria:
        try:
            return ActiveCriteria.of(settings, self.info)
        except ValueError as error:
            raise OfflineError(str(error)) from None

    def _detect(self, task: _Task) -> tuple[_Task, Result | Exception]:
        """Return a task with its result or with the error of the frame."""
        if isinstance(task.image, FrameError):
            return task, task.image
        worker = self._idle.get()
        try:
            return task, _detect(worker, task)
        except UnreadyError:
            raise
        except Exception as error:  # noqa: BLE001 - one bad frame must not end the run
            return task, error
        finally:
            self._idle.put(worker)


@dataclass(frozen=True, eq=False)
class _Task:
    """
    A frame on its way through a worker.

    :ivar number: of the frame in the run, from 0.
    :ivar image: with the known properties of its samples.
    """

    number: int
    source: SourceFrame
    image: Frame | FrameError
    criteria: Criteria
    tiling: Tiling | None


class _CameraState:
    """The knowledge of a camera from its earlier frames: its samples, and the tracks."""

    def __init__(self, active: ActiveCriteria) -> None:
        self._active = active
        self._samples = SampleProperties()
        self._measured: deque[tuple[int, Measurement]] = deque()
        self._tracker = Tracker(to_tracker_settings(active.settings))

    def prepare(self, number: int, source: SourceFrame) -> _Task:
        """Return the task of a frame; use what was measured in frames `AHEAD` and more before."""
        while self._measured and self._measured[0][0] <= number - AHEAD:
            self._samples.learn(self._measured.popleft()[1])
        image, settings = source.image, self._active.settings
        if isinstance(image, Frame):
            image = self._samples.complete(image, settings.bit_depth, settings.nv12_range)
        return _Task(number, source, image, self._active.decoded, self._active.tiling)

    def finish(self, task: _Task, answer: Result | Exception) -> FrameResult:
        """Return the result of a frame, with track numbers if tracking is on."""
        if isinstance(answer, Exception):
            return FrameResult(task.source, error=answer)
        self._measured.append((task.number, answer.measured))
        found = answer.detections
        if self._active.settings.track:
            found = self._tracker.update(found, task.source.stamp / 1e9, self._active.wanted)
        return FrameResult(task.source, found, times=answer.times, warnings=answer.warnings,
                           candidates=answer.candidates, tiles=answer.tiles,
                           tile_candidates=answer.tile_candidates)


def _detect(worker: Worker, task: _Task) -> Result:
    """Detect in an image, and in all of its tiles: results do not depend on the time they take."""
    image, criteria = task.image, task.criteria
    assert isinstance(image, Frame)
    tiling, canvas = task.tiling, worker.info.input.size
    tiles = tiling.tiles(image.size, canvas) if tiling else None
    if tiles is None:
        return _attempt(worker, image, criteria)
    return detect_in_tiles(partial(_attempt, worker), image, tiles, criteria)


def _attempt(worker: Worker, image: Frame, criteria: Criteria) -> Result:
    """Detect with a worker; try again after an error that may not be the fault of the frame."""
    for _ in range(ATTEMPTS - 1):
        _await_ready(worker)
        with suppress(InferenceError, WorkerError):
            return worker.detect(image, criteria)
    _await_ready(worker)
    return worker.detect(image, criteria)


def _await_ready(worker: Worker) -> None:
    end = monotonic() + READY_TIMEOUT
    fault: Exception | None = None
    while monotonic() < end:
        try:
            if worker.prepare(PREPARE_TIMEOUT):
                return
        except Exception as error:  # noqa: BLE001 - the next attempt is not due yet, or fails, too
            fault = error
            sleep(PREPARE_TIMEOUT)
    raise UnreadyError(f'the worker did not get ready in {READY_TIMEOUT:g} s: {fault}')


def _count(result: FrameResult, statistics: FrameStatistics) -> None:
    if result.error is not None:
        statistics.count_failed(result.error)
        return
    times = {} if result.times is None else result.times.by_stage()
    statistics.count_published(result.tiles, **times)
