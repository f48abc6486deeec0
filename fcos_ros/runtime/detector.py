# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A detector: preprocessing, inference and decoding of a frame in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from fcos_ros.backends import Backend, ModelInfo, load
from fcos_ros.core.arrays import Array, Boxes, Mask
from fcos_ros.core.candidates import Candidates, decode_candidates
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame, Window
from fcos_ros.core.labels import Labels
from fcos_ros.core.measurement import UNMEASURED, Measurement
from fcos_ros.core.preprocess import Preprocessor
from fcos_ros.core.resize import Resize, Size
from fcos_ros.core.selection import admitted, select
from fcos_ros.runtime.image_warnings import image_warnings
from fcos_ros.runtime.model_file import unchanged_file
from fcos_ros.runtime.model_path import find_model


@dataclass(frozen=True)
class DetectorConfig:
    """
    The configuration of a detector.

    :ivar path: the model file.
    :ivar backend: a key of `backends.BACKENDS`, or `auto`.
    :ivar threads: CPU threads of one inference, where the engine offers the choice.
    :ivar fit: how a frame is laid on the model's canvas: `letterbox` or `stretch`.
    :ivar input_size: size of the input of a model that leaves it open; None for its own.
    :ivar digest: the only accepted content of the file, see `file_digest`; empty for any.
    :ivar collects_warnings: whether warnings about image files become part of the result, instead
        of lines on standard error; see `image_warnings`.
    """

    path: Path
    backend: str = 'auto'
    threads: int = 1
    fit: str = 'letterbox'
    input_size: Size | None = None
    digest: str = ''
    collects_warnings: bool = False


@dataclass(frozen=True)
class StageTimes:
    """
    Seconds spent on one frame in each stage of a detector.

    :ivar tiles: all stages of the tiles, after those of the whole image; 0 without tiles.
    """

    preprocess: float
    infer: float
    decode: float
    tiles: float = 0.0

    def by_stage(self) -> dict[str, float]:
        """Return the seconds by the name of the stage; those of tiles only if there were any."""
        stages = {'preprocess': self.preprocess, 'infer': self.infer, 'decode': self.decode}
        return {**stages, 'tiles': self.tiles} if self.tiles else stages


class TileCounts(NamedTuple):
    """The number of tiles of a frame that were inferred, and of those that were left out."""

    inferred: int
    left_out: int


NO_TILES = TileCounts(0, 0)
"""The counts of a frame that is not divided."""


@dataclass(frozen=True)
class Result:
    """
    The detections in one frame, in its pixels, and the time that each stage took.

    :ivar warnings: of the decoder of image files, if they are collected.
    :ivar measured: facts about the samples of the frame that were not stated.
    :ivar candidates: of the whole image, if the criteria ask for them, in canvas pixels.
    :ivar tiles: the tiles that contributed, besides the whole image.
    :ivar tile_candidates: the candidates of these tiles, if the criteria ask for them.
    """

    detections: Detections
    times: StageTimes
    warnings: tuple[str, ...] = ()
    measured: Measurement = UNMEASURED
    candidates: Candidates | None = None
    tiles: TileCounts = NO_TILES
    tile_candidates: tuple[tuple[Window, Candidates], ...] = ()


@dataclass(frozen=True)
class InferenceTimes:
    """
    The times of several inferences, one after the other.

    :ivar start: start of the first, on the clock of `perf_counter`, which all processes share.
    :ivar end: end of the last, on the same clock.
    :ivar seconds: duration of each inference.
    """

    start: float
    end: float
    seconds: tuple[float, ...]


class Detector:
    """
    Detect objects in frames.

    One thread at a time may use a detector. Several detectors may share a concurrent backend.

    :param backend: the loaded model.
    :param fit: how a frame is laid on the model's canvas: `letterbox` or `stretch`.
    :param collects_warnings: see `DetectorConfig`.
    """

    def __init__(self, backend: Backend, fit: str = 'letterbox',
                 collects_warnings: bool = False) -> None:
        self._backend = backend
        self._collects_warnings = collects_warnings
        self._preprocessor = Preprocessor(backend.info.input, fit, backend.new_input())
        self._decoder = make_decoder(backend.info.head)

    @classmethod
    def load(cls, model: str | Path = 'auto', *, backend: str = 'auto', threads: int = 1,
             fit: str = 'letterbox', input_size: Size | None = None) -> Detector:
        """
        Load a model.

        :param model: a path, `package://NAME/PATH`, or `auto` for the model of the board and, on
            any other machine, the demo network.
        :param backend: a key of `backends.BACKENDS`, or `auto` to choose by the file's suffix.
        :param threads: CPU threads of one inference, where the engine offers the choice.
        :param fit: `letterbox` keeps the aspect ratio, `stretch` fills the canvas.
        :param input_size: size of the input of a model that leaves it open; None for its own.
        :raises ModelError: the file is not found or cannot be used.
        """
        return cls.from_config(
            DetectorConfig(find_model(str(model)), backend, threads, fit, input_size))

    @classmethod
    def from_config(cls, config: DetectorConfig) -> Detector:
        """
        Load the model of a configuration.

        :raises ModelError: the file cannot be used, or has another content.
        """
        with unchanged_file(config.path, config.digest):
            backend = load(config.path, config.backend, config.threads, config.input_size)
        return cls(backend, config.fit, config.collects_warnings)

    @property
    def info(self) -> ModelInfo:
        """The description of the model."""
        return self._backend.info

    @property
    def labels(self) -> Labels:
        """The names of the classes."""
        return self._backend.info.labels

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """
        Detect the objects in a frame.

        :param criteria: which detections to keep; None for the model's own criteria.
        :returns: detections with boxes in the frame's pixels, clipped to it, best score first.
        :raises FrameError: the frame is a damaged image file.
        :raises InferenceError: the engine failed on this frame.
        """
        start = perf_counter()
        with image_warnings(frame) if self._collects_warnings else nullcontext(()) as warnings:
            tensor, resize = self._preprocessor.prepare(frame)
        prepared = perf_counter()
        outputs = self._backend.infer(tensor)
        inferred = perf_counter()
        criteria = criteria or self.info.criteria
        detections, candidates = self._decode(outputs, criteria, resize)
        decoded = perf_counter()
        times = StageTimes(prepared - start, inferred - prepared, decoded - inferred)
        return Result(
            detections, times, tuple(warnings), self._preprocessor.measured, candidates)

    def _decode(
        self, outputs: Sequence[Array], criteria: Criteria, resize: Resize,
    ) -> tuple[Detections, Candidates | None]:
        """Return the detections in image pixels, and the candidates if they are asked for."""
        candidates = None
        if criteria.candidate_floor is not None:
            lowest = float(criteria.thresholds(self.info.head.num_classes).min())
            candidates = self._decoder.candidates(outputs, min(criteria.candidate_floor, lowest))
        # Decoding the candidates gives the same, but the compiled decoder takes less time.
        found = self._decoder.decode(outputs, criteria, _counted(criteria, resize))
        return _on_image(found, criteria, resize), candidates

    def time_inference(self, frame: Frame, count: int) -> InferenceTimes:
        """
        Run the model several times on one frame, without preprocessing and decoding.

        :param count: number of inferences, at least one.
        :raises FrameError: the frame is a damaged image file.
        :raises InferenceError: the engine failed.
        """
        tensor, _ = self._preprocessor.prepare(frame)
        marks = [perf_counter()]
        for _ in range(count):
            self._backend.infer(tensor)
            marks.append(perf_counter())
        seconds = tuple(after - before for before, after in pairwise(marks))
        return InferenceTimes(marks[0], marks[-1], seconds)

    def close(self) -> None:
        """Release the model; detectors that share a backend may each call it."""
        self._backend.close()


def detect_again(
    candidates: Candidates, num_classes: int, criteria: Criteria, resize: Resize,
) -> Detections:
    """
    Return the detections that a detector finds in the image of some candidates.

    :param criteria: without a threshold below `Candidates.floor`.
    :returns: as `Detector.detect` does, in image pixels.
    :raises ValueError: the criteria name a class that the network does not have.
    """
    found = decode_candidates(candidates, num_classes, criteria, _counted(criteria, resize))
    return _on_image(found, criteria, resize)


def _counted(criteria: Criteria, resize: Resize) -> Callable[[Boxes], Mask]:
    """Return a function that finds the boxes on the canvas which the criteria admit."""
    return lambda boxes: admitted(resize.to_image(boxes), criteria, resize.image)


def _on_image(found: Detections, criteria: Criteria, resize: Resize) -> Detections:
    return select(found.with_boxes(resize.to_image(found.boxes)), criteria, resize.image)
