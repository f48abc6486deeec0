# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Evaluate a network file on scenes that were not used for training: `python -m training.evaluate`.

The images pass through the pipeline of the package: preprocessing, onnxruntime, decoding. The
result is written beside the file, as JSON.
"""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
import json
from pathlib import Path
import platform
from statistics import median
from typing import Any

import cv2
import numpy as np
import onnxruntime
from tqdm import tqdm

from fcos_ros.backends import load
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.demo.scenes import CLASS_NAMES, render
from fcos_ros.evaluation.average_precision import Evaluation, evaluate, precision_recall
from fcos_ros.runtime.detector import Detector, Result

HELD_OUT_SEEDS = range(500)
MIN_SCORE = 0.05
"""Minimum score of a detection; average precision also needs those with low scores."""


@dataclass(frozen=True)
class SceneSet:
    """Frames of several scenes and their ground truth."""

    frames: Sequence[Frame]
    ground_truth: Sequence[Detections]

    @classmethod
    def render(cls, seeds: Sequence[int]) -> SceneSet:
        """Render the scenes of these seeds."""
        frames, ground_truth = [], []
        for seed in tqdm(seeds, 'render', unit=' scenes', leave=False):
            scene = render(seed)
            height, width = scene.image.shape[:2]
            frames.append(Frame.wrap(scene.image.ravel(), Size(width, height), 'bgr8'))
            ground_truth.append(Detections(
                scene.boxes, np.ones(len(scene.boxes), np.float32), scene.class_ids))
        return cls(frames, ground_truth)

    def score(self, results: Sequence[Result]) -> Evaluation:
        """Compare the detections in each frame with the ground truth."""
        return evaluate([result.detections for result in results], self.ground_truth)


def detect_all(path: Path, scenes: SceneSet) -> list[Result]:
    """Run a network file on all scenes with one thread."""
    backend = load(path)
    detector = Detector(backend)
    criteria = replace(backend.info.criteria, score_threshold=MIN_SCORE)
    results = [detector.detect(frame, criteria) for frame in scenes.frames]
    backend.close()
    return results


def evaluate_file(path: Path, training: Mapping[str, Any] | None = None) -> None:
    """
    Evaluate a network file and write the result beside it.

    :param training: how the network was trained; if None, it is copied from the last result.
    """
    record = path.with_suffix('.json')
    if training is None and record.exists():
        training = json.loads(record.read_text())['training']
    scenes = SceneSet.render(HELD_OUT_SEEDS)
    results = detect_all(path, scenes)
    found = [result.detections for result in results]
    score = scenes.score(results)
    backend = load(path)
    threshold = backend.info.criteria.score_threshold
    backend.close()
    counted = precision_recall(found, scenes.ground_truth, threshold)
    report = {
        'scenes': f'seeds {HELD_OUT_SEEDS[0]} to {HELD_OUT_SEEDS[-1]}, 640x480',
        'objects': sum(map(len, scenes.ground_truth)),
        'ap': score.ap, 'ap50': score.ap50, 'ap75': score.ap75,
        'ap_by_class': {CLASS_NAMES[key]: value for key, value in score.by_class.items()},
        'at_score': threshold, 'precision': counted.precision, 'recall': counted.recall,
        'file_bytes': path.stat().st_size,
        'milliseconds': {
            stage: 1000 * median(getattr(result.times, stage) for result in results)
            for stage in ('preprocess', 'infer', 'decode')},
        'training': dict(training or {}),
        'versions': {'python': platform.python_version(), 'numpy': np.__version__,
                     'opencv': cv2.__version__, 'onnxruntime': onnxruntime.__version__}}
    record.write_text(json.dumps(_rounded(report), indent=2) + '\n')
    print(record.read_text())


def main() -> None:
    """Evaluate the given file, by default the committed one."""
    parser = ArgumentParser(description=__doc__.split('\n')[1],
                            formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument('path', nargs='?', type=Path, default=Path('models/fcos_demo.onnx'),
                        help='the network file')
    evaluate_file(parser.parse_args().path)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value


if __name__ == '__main__':
    main()
