# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the model of a detector on one image, with its own settings and without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fcos_ros.backends import InferenceError, ModelError, ModelInfo
from fcos_ros.core.criteria import MAX_DETECTIONS, Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.measurement import Measurement
from fcos_ros.core.resize import Size
from fcos_ros.core.yuv_range import AUTO
from fcos_ros.core.zones import EVERYWHERE
from fcos_ros.runtime.detector import DetectorConfig
from fcos_ros.runtime.model_path import COMPILED_DEMO_MODELS, DEMO_MODEL
from fcos_ros.runtime.workers import Worker, WorkerError, close_workers, open_workers
from fcos_ros.settings.criteria import to_criteria, to_input_size
from fcos_ros.settings.schema import Settings

FLOOR = 0.01
"""The score from which on a response of the network is looked at."""

TIMEOUT = 30.0
"""Seconds for one inference: a slow one is no fault here."""

ENGINES = {'hobot_dnn': 'libdnn', 'libdnn': 'hobot_dnn'}
"""The other engine that runs the same file on a board."""

DEMO_FILES = {Path(model).name for model in (DEMO_MODEL, *COMPILED_DEMO_MODELS.values())}

FILTERS: Mapping[str, Callable[[Criteria], Criteria]] = {
    'class_thresholds': lambda criteria: replace(criteria, class_thresholds=()),
    'classes': lambda criteria: replace(criteria, class_ids=None),
    'min_size': lambda criteria: replace(criteria, min_size=0.0),
    'zones': lambda criteria: replace(criteria, zones=EVERYWHERE),
}
"""Each setting that removes detections, and how to leave it out."""


@dataclass(frozen=True)
class ModelFacts:
    """
    A model, loaded for the inspection.

    :ivar problem: why it cannot be loaded here; empty if it can.
    :ivar warnings: what its description and its outputs contradict.
    :ivar has_names: whether its classes have names.
    :ivar changed: whether the file was changed after the detector had started.
    :ivar is_demo: whether it is the demo network.
    """

    path: str
    backend: str
    problem: str = ''
    warnings: tuple[str, ...] = ()
    has_names: bool = True
    changed: bool = False
    is_demo: bool = False


@dataclass(frozen=True)
class EngineDifference:
    """
    How the detections of two engines differ on one image, at a low threshold.

    :ivar problem: why the other engine cannot be compared; empty if it can.
    :ivar counts: number of detections of the engine in use and of the other one.
    :ivar score: the largest difference of scores.
    :ivar box: the largest difference of box sides in pixels.
    """

    other: str
    problem: str = ''
    counts: tuple[int, int] = (0, 0)
    score: float = 0.0
    box: float = 0.0


@dataclass(frozen=True)
class TrialFacts:
    """
    The response of a model to one image.

    :ivar node: full name of the detector; likewise `camera`.
    :ivar fit: 'letterbox' or 'stretch'.
    :ivar failure: why the model failed on the image; empty if it did not.
    :ivar brightness: mean of all samples, 0 to 255; `contrast` is their standard deviation.
    :ivar best: class and score of the best response, without any filter.
    :ivar threshold: of that class; infinity if it is not wanted.
    :ivar advised: the threshold that the model recommends.
    :ivar found: number of detections with the settings of the detector, at most `limit`.
    :ivar without: number of detections when one setting is left out.
    :ivar swapped: best score with red and blue exchanged; None if that was not tried.
    :ivar stated_range: the stated range of YUV; 'auto' if it is measured.
    :ivar measured_range: the measured one; empty if the image has no luma.
    """

    node: str
    camera: str
    image: Size
    canvas: Size
    fit: str = 'letterbox'
    failure: str = ''
    brightness: float = 128.0
    contrast: float = 50.0
    best: tuple[str, float] = ('', 0.0)
    threshold: float = 0.5
    advised: float = 0.5
    found: int = 0
    limit: int = 100
    without: Mapping[str, int] = field(default_factory=dict)
    swapped: float | None = None
    stated_range: str = 'auto'
    measured_range: str = ''
    engines: EngineDifference | None = None


@dataclass(frozen=True)
class Candidate:
    """
    An image to try, and the settings of its camera.

    :ivar settings: of the detector; None if they are unknown.
    """

    node: str
    camera: str
    frame: Frame
    settings: Settings | None = None


def try_model(
    path: Path, settings: Settings, candidates: list[Candidate], started: float | None = None,
) -> tuple[ModelFacts, list[TrialFacts]]:
    """
    Load a model as the detector does, and run it on images.

    :param settings: the common settings of the detector.
    :param started: when the detector started, in seconds since 1970; None if that is unknown.
    """
    config = DetectorConfig(path, settings.backend, settings.threads, settings.fit,
                            to_input_size(settings.input_size))
    facts = ModelFacts(str(path), settings.backend, is_demo=path.name in DEMO_FILES)
    try:
        workers = open_workers(config, 1, TIMEOUT)
    except ModelError as error:
        return replace(facts, problem=str(error)), []
    try:
        info = workers[0].info
        facts = replace(
            facts, backend=info.backend, warnings=info.warnings, has_names=_has_names(info),
            changed=started is not None and path.stat().st_mtime > started)
        return facts, [_try(workers[0], info, config, candidate) for candidate in candidates]
    finally:
        close_workers(workers)


def _has_names(info: ModelInfo) -> bool:
    return not all(info.labels.name(index).isdecimal() for index in range(info.head.num_classes))


def _try(worker: Worker, info: ModelInfo, config: DetectorConfig,
         candidate: Candidate) -> TrialFacts:
    facts = TrialFacts(candidate.node, candidate.camera, candidate.frame.size, info.input.size,
                       config.fit)
    try:
        facts = _respond(worker, info, candidate, facts)
        return replace(facts, engines=_compare_engines(info, config, worker, candidate.frame))
    except (FrameError, InferenceError, WorkerError, TimeoutError) as error:
        return replace(facts, failure=str(error) or repr(error))


def _respond(worker: Worker, info: ModelInfo, candidate: Candidate,
             facts: TrialFacts) -> TrialFacts:
    """Return the facts with the response of the model to the image."""
    settings = candidate.settings or Settings()
    frame = replace(candidate.frame, yuv_range=settings.nv12_range, bit_depth=settings.bit_depth)
    criteria = to_criteria(settings, info)
    picture, measured = frame.bgr(), _measure(candidate.frame)
    facts = replace(
        facts, brightness=float(picture.mean()), contrast=float(picture.std()),
        advised=info.criteria.score_threshold, threshold=criteria.score_threshold,
        found=len(_detect(worker, frame, criteria)), limit=criteria.max_detections,
        without=dict(_without(worker, frame, criteria)), swapped=_swapped(worker, info, frame),
        stated_range=settings.nv12_range,
        measured_range=measured.yuv_range if measured.luma else '')
    raw = _detect(worker, frame, _unfiltered(info))
    if not len(raw):
        return facts
    class_id, score = int(raw.class_ids[0]), float(raw.scores[0])
    thresholds = criteria.thresholds(info.head.num_classes)
    return replace(facts, best=(info.labels.name(class_id), score),
                   threshold=float(thresholds[class_id]))


def _measure(frame: Frame) -> Measurement:
    """Measure the samples of a frame, also what is stated about them."""
    return replace(frame.decoded(), yuv_range=AUTO).measure()[1]


def _unfiltered(info: ModelInfo) -> Criteria:
    return replace(info.criteria, score_threshold=FLOOR, max_detections=MAX_DETECTIONS)


def _detect(worker: Worker, frame: Frame, criteria: Criteria) -> Detections:
    return worker.detect(frame, criteria).detections


def _without(worker: Worker, frame: Frame, criteria: Criteria) -> Iterator[tuple[str, int]]:
    """Yield the number of detections without each setting that has an effect."""
    for name, leave_out in FILTERS.items():
        changed = leave_out(criteria)
        if changed != criteria:
            yield name, len(_detect(worker, frame, changed))


def _swapped(worker: Worker, info: ModelInfo, frame: Frame) -> float | None:
    """Return the best score with red and blue exchanged; None for a network that takes NV12."""
    if info.input.pixels not in {'rgb', 'bgr'}:
        return None
    exchanged = Frame.from_bgr(np.ascontiguousarray(frame.bgr()[..., ::-1]))
    return float(max(_detect(worker, exchanged, _unfiltered(info)).scores, default=0.0))


def _compare_engines(info: ModelInfo, config: DetectorConfig, worker: Worker,
                     frame: Frame) -> EngineDifference | None:
    """Run the other engine of the board on the same image; None if there is no other one."""
    other = ENGINES.get(info.backend)
    if other is None:
        return None
    try:
        workers = open_workers(replace(config, backend=other), 1, TIMEOUT)
    except ModelError as error:
        return EngineDifference(other, str(error))
    try:
        criteria = _unfiltered(info)
        return _difference(other, _detect(worker, frame, criteria),
                           _detect(workers[0], frame, criteria))
    except (InferenceError, WorkerError, TimeoutError) as error:
        return EngineDifference(other, str(error) or repr(error))
    finally:
        close_workers(workers)


def _difference(other: str, used: Detections, found: Detections) -> EngineDifference:
    counts = len(used), len(found)
    if counts[0] != counts[1] or (used.class_ids != found.class_ids).any():
        return EngineDifference(other, counts=counts, score=1.0)
    return EngineDifference(
        other, counts=counts, score=float(np.abs(used.scores - found.scores).max(initial=0.0)),
        box=float(np.abs(used.boxes - found.boxes).max(initial=0.0)))
