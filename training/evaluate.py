# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluate a network on labelled images, through the pipeline of the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fcos_ros.backends import ModelInfo
from fcos_ros.core.arrays import Array
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.head import HeadSpec, OutputSpec
from fcos_ros.core.labels import Labels
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.recognition import recognise
from fcos_ros.core.resize import Size
from fcos_ros.deploy.checkpoint import Checkpoint
from fcos_ros.deploy.network import STRIDES, Fcos
from fcos_ros.evaluation.average_precision import Evaluation, evaluate, precision_recall
from fcos_ros.evaluation.datasets import LabelledImage
from fcos_ros.runtime.detector import Detector

PARTS = ('class', 'box', 'centerness')
"""The parts of the outputs, in their order."""

MIN_SCORE = 0.05
"""Minimum score of a detection; average precision also needs those with low scores."""

THRESHOLDS = tuple(percent / 100 for percent in range(10, 90, 5))
"""Score thresholds of which `best_threshold` chooses one."""


class NetworkBackend:
    """
    A network in torch, as an inference engine for `Detector`.

    :param checkpoint: what the network is; its weights are not used.
    """

    name = 'torch'
    suffixes: tuple[str, ...] = ()
    modules: tuple[str, ...] = ('torch',)
    commands: tuple[str, ...] = ()
    crash_advice = ''
    uses_bpu = False
    concurrent = False
    holds_gil = False

    def __init__(self, network: Fcos, checkpoint: Checkpoint, device: str) -> None:
        self._network, self._device = network, device
        spec = InputSpec('image', checkpoint.size, 'rgb', 'NCHW', np.dtype(np.float32),
                         checkpoint.mean, checkpoint.std)
        outputs = _output_specs(checkpoint.size, len(checkpoint.labels))
        head = recognise(outputs, checkpoint.size, HeadSpec(
            strides=STRIDES, spacing='stride', box_unit='stride', point_offset=0.5,
            order=tuple(part for part in PARTS for _ in STRIDES)))
        self.info = ModelInfo(
            checkpoint.architecture, Path('checkpoint.pt'), self.name, spec, outputs, head,
            Labels(checkpoint.labels),
            Criteria(checkpoint.score_threshold, checkpoint.nms_threshold))

    def new_input(self) -> Array:
        """Allocate an array for inputs."""
        return np.empty(self.info.input.shape, self.info.input.dtype)

    @torch.no_grad()
    def infer(self, tensor: Array) -> Sequence[Array]:
        """Run the network on one image."""
        outputs = self._network(torch.from_numpy(tensor).to(self._device))
        levels = [*outputs.classes, *map(torch.exp, outputs.boxes), *outputs.centerness]
        return [level.float().cpu().numpy() for level in levels]

    def close(self) -> None:
        """Keep the network: it belongs to the training."""


@dataclass(frozen=True)
class Validation:
    """The detections in labelled images, and the objects."""

    found: Sequence[Detections]
    truth: Sequence[Detections]

    @classmethod
    def of(cls, detector: Detector, images: Sequence[LabelledImage],
           advance: Callable[[], object] = lambda: None) -> Validation:
        """
        Detect the objects in all images.

        :param advance: called after each image.
        :raises FrameError: an image cannot be read.
        """
        criteria = replace(detector.info.criteria, score_threshold=MIN_SCORE)
        found = []
        for image in images:
            found.append(detector.detect(image.frame(), criteria).detections)
            advance()
        return cls(found, [image.truth() for image in images])

    def average_precision(self) -> Evaluation:
        """Return the average precisions."""
        return evaluate(self.found, self.truth)

    def best_threshold(self) -> float:
        """Return the score threshold with the best balance of precision and recall (F1)."""
        return max(THRESHOLDS, key=self._f1)  # the lowest of equals

    def _f1(self, threshold: float) -> float:
        counted = precision_recall(self.found, self.truth, threshold)
        total = np.nan_to_num(counted.precision) + np.nan_to_num(counted.recall)
        return float(2 * counted.precision * counted.recall / total) if total else 0.0

    def figures(self, labels: Sequence[str], threshold: float) -> dict[str, Any]:
        """Return all figures as plain values; None if there is nothing to measure."""
        score = self.average_precision()
        counted = precision_recall(self.found, self.truth, threshold)
        return rounded({
            'images': len(self.truth), 'objects': sum(map(len, self.truth)),
            'ap': score.ap, 'ap50': score.ap50, 'ap75': score.ap75,
            'ap_by_class': {labels[key]: value for key, value in score.by_class.items()},
            'score_threshold': threshold, 'precision': counted.precision,
            'recall': counted.recall})


def rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values for a JSON file: numbers rounded, and None for those without a value."""
    return {key: _rounded(value) for key, value in values.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return rounded(value)
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 4)
    return value


def _output_specs(size: Size, classes: int) -> tuple[OutputSpec, ...]:
    return tuple(
        OutputSpec(f'{part}_{stride}',
                   (1, channels, -(-size.height // stride), -(-size.width // stride)),
                   np.dtype(np.float32))
        for part, channels in zip(PARTS, (classes, 4, 1)) for stride in STRIDES)
