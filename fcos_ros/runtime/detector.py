# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One frame in, its detections and stage times out."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from fcos_ros.backends.base import Backend, ModelInfo
from fcos_ros.core.decode import Criteria, Decoder
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.preprocess import Preprocessor
from fcos_ros.core.selection import select


@dataclass(frozen=True)
class StageTimes:
    """Seconds spent on one frame in each stage of a detector."""

    preprocess: float
    infer: float
    decode: float


@dataclass(frozen=True)
class Result:
    """What a detector says of one frame: detections in its pixels, and what they cost."""

    detections: Detections
    times: StageTimes


class Detector:
    """
    Preprocessing, a model and its decoder, as one function of a frame.

    One thread at a time may use it. Several detectors may share a backend that is concurrent.

    :param backend: the loaded model.
    :param fit: how a frame is laid on the model's canvas.
    """

    def __init__(self, backend: Backend, fit: str = 'letterbox') -> None:
        self._backend = backend
        self._preprocess = Preprocessor(backend.info.input, fit, backend.new_input())
        self._decode = Decoder(backend.info.head)

    @property
    def info(self) -> ModelInfo:
        """The model behind it."""
        return self._backend.info

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """
        Find the objects in a frame.

        :param criteria: which detections to keep; the model's own when not given.
        :returns: detections with boxes in the frame's pixels and clipped to it, best score first.
        :raises InferenceError: when the engine fails on this frame.
        """
        start = perf_counter()
        tensor, resize = self._preprocess(frame)
        prepared = perf_counter()
        outputs = self._backend.infer(tensor)
        inferred = perf_counter()
        criteria = criteria or self.info.criteria
        found = self._decode(outputs, criteria)
        found = found.with_boxes(resize.to_image(found.boxes))
        detections = select(found, criteria, frame.size)
        decoded = perf_counter()
        times = StageTimes(prepared - start, inferred - prepared, decoded - inferred)
        return Result(detections, times)

    def close(self) -> None:
        """Give back the model; of detectors that share it, each may be told."""
        self._backend.close()
