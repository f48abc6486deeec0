# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measures a network file on scenes it has never seen: `python -m training.evaluate`.

It goes the way of the product: frame, preprocessing, onnxruntime, decoding. What comes out is
written beside the file, as JSON.
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
from fcos_ros.core.evaluation import Evaluation, evaluate, rates
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.demo.scenes import CLASS_NAMES, render
from fcos_ros.runtime.detector import Detector, Result

HELD_OUT_SEEDS = range(500)
LOWEST_SCORE = 0.05
"""Average precision needs the doubtful detections as well."""


@dataclass(frozen=True)
class Scenes:
    """Frames and what is in them."""

    frames: Sequence[Frame]
    truth: Sequence[Detections]

    @classmethod
    def render(cls, seeds: Sequence[int]) -> Scenes:
        """Render the scenes of some seeds."""
        frames, truth = [], []
        for seed in tqdm(seeds, 'render', unit=' scenes', leave=False):
            scene = render(seed)
            height, width = scene.image.shape[:2]
            frames.append(Frame.wrap(scene.image.ravel(), Size(width, height), 'bgr8'))
            truth.append(Detections(
                scene.boxes, np.ones(len(scene.boxes), np.float32), scene.class_ids))
        return cls(frames, truth)

    def score(self, results: Sequence[Result]) -> Evaluation:
        """Compare what was found in each frame with the truth."""
        return evaluate([result.detections for result in results], self.truth)


def detections_of(path: Path, scenes: Scenes) -> list[Result]:
    """Run a network file on all scenes, with one thread."""
    backend = load(path)
    detector = Detector(backend)
    criteria = replace(backend.info.criteria, score_threshold=LOWEST_SCORE)
    results = [detector.detect(frame, criteria) for frame in scenes.frames]
    backend.close()
    return results


def evaluate_file(path: Path, training: Mapping[str, Any] | None = None) -> None:
    """
    Write the evaluation of a network file beside it.

    :param training: how it was made; when not given, what the last evaluation said.
    """
    record = path.with_suffix('.json')
    if training is None and record.exists():
        training = json.loads(record.read_text())['training']
    scenes = Scenes.render(HELD_OUT_SEEDS)
    results = detections_of(path, scenes)
    found = [result.detections for result in results]
    score = scenes.score(results)
    backend = load(path)
    threshold = backend.info.criteria.score_threshold
    backend.close()
    counted = rates(found, scenes.truth, threshold)
    report = {
        'scenes': f'seeds {HELD_OUT_SEEDS[0]} to {HELD_OUT_SEEDS[-1]}, 640x480',
        'objects': sum(map(len, scenes.truth)),
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
    """Evaluate the file that is named, or the committed one."""
    parser = ArgumentParser(description=__doc__.split('\n')[1],
                            formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument('path', nargs='?', type=Path, default=Path('models/fcos_demo.onnx'))
    evaluate_file(parser.parse_args().path)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value


if __name__ == '__main__':
    main()
