# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Train the demo network from random weights: `python -m training.demo`.

Its scenes are rendered first, as a dataset. The results are the network, its log and its
evaluation on scenes that were not used for training.
"""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
import json
from pathlib import Path
import platform
from statistics import median
import sys
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
from fcos_ros.deploy.export import export_checkpoint
from fcos_ros.deploy.targets import TARGET_SUFFIXES
from fcos_ros.evaluation.datasets import open_dataset, split
from fcos_ros.runtime.detector import Detector
from training.command import INTERRUPTED, guarded, train
from training.evaluate import MIN_SCORE, Validation, rounded
from training.files import write
from training.run import CHECKPOINT, Run
from training.scenes import render_dataset
from training.settings import Settings, add_machine_options, machine_of

SETTINGS = Settings(crop=Size(384, 256), steps=5300, mosaic=0.0)
"""Many scenes need no mosaics; the small crop makes a step 2.7 times cheaper than the canvas."""

TRAIN_SCENES, VAL_SCENES = 6000, 50
HELD_OUT_SEEDS = range(500)
SCORE_THRESHOLD = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Render, train, export and evaluate.

    :returns: 0 for success, 2 if a file cannot be used, 130 if it was interrupted.
    """
    parsed = _parser().parse_args(arguments)
    if parsed.evaluate:
        return guarded(lambda: _evaluate(parsed.evaluate))
    return guarded(lambda: _main(parsed))


def _main(parsed: Namespace) -> int:
    scenes = parsed.cache / 'scenes'
    render_dataset(scenes, parsed.scenes, VAL_SCENES, parsed.threads + parsed.workers)
    images, val = split(open_dataset(scenes))
    settings = replace(SETTINGS, steps=parsed.steps, seed=parsed.seed)
    run = Run(images, val, settings, machine_of(parsed), parsed.cache / 'run', None,
              SCORE_THRESHOLD)
    training = train(run, parsed.resume)
    if training is None:
        return INTERRUPTED
    facts = training.finish()
    for target, suffix in TARGET_SUFFIXES.items():
        export_checkpoint(run.output / CHECKPOINT, target,
                          parsed.output.with_stem(parsed.output.stem + suffix))
    write(parsed.output.with_suffix('.csv'), (run.output / 'log.csv').read_bytes())
    evaluate_file(parsed.output, {key: facts[key] for key in (
        'data', 'settings', 'machine', 'steps', 'best_step', 'seconds', 'versions')})
    return 0


def _evaluate(path: Path) -> int:
    """Repeat the evaluation of a file; how it was trained is copied from its last evaluation."""
    record = path.with_suffix('.json')
    evaluate_file(path, json.loads(record.read_text())['training'] if record.exists() else {})
    return 0


def evaluate_file(path: Path, training: Mapping[str, Any]) -> None:
    """
    Evaluate a network file on the held-out scenes, and write the result beside it.

    :param training: how the network was trained.
    """
    detector = Detector(load(path))
    criteria = replace(detector.info.criteria, score_threshold=MIN_SCORE)
    found, truth, times = [], [], []
    for seed in tqdm(HELD_OUT_SEEDS, 'evaluate', unit=' scenes', disable=None, leave=False):
        scene = render(seed)
        result = detector.detect(Frame.from_bgr(scene.image), criteria)
        found.append(result.detections)
        times.append(result.times)
        truth.append(Detections(scene.boxes, np.ones(len(scene.boxes), np.float32),
                                scene.class_ids))
    figures = Validation(found, truth).figures(CLASS_NAMES, detector.info.criteria.score_threshold)
    detector.close()
    report = {
        'scenes': f'seeds {HELD_OUT_SEEDS[0]} to {HELD_OUT_SEEDS[-1]}, 640x480', **figures,
        'file_bytes': path.stat().st_size,
        'milliseconds': {stage: 1000 * median(getattr(own, stage) for own in times)
                         for stage in ('preprocess', 'infer', 'decode')},
        'training': dict(training),
        'versions': {'python': platform.python_version(), 'numpy': np.__version__,
                     'opencv': cv2.__version__, 'onnxruntime': onnxruntime.__version__}}
    text = json.dumps(rounded(report), indent=2) + '\n'
    write(path.with_suffix('.json'), text)
    print(text)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__.split('\n')[1],
                            formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument('--steps', type=int, default=SETTINGS.steps, help='length of the training')
    parser.add_argument('--seed', type=int, default=SETTINGS.seed,
                        help='of the weights and the crops')
    parser.add_argument('--scenes', type=int, default=TRAIN_SCENES, help='to render for training')
    parser.add_argument('--cache', type=Path, default=Path('.cache/training'),
                        help='folder for the scenes and the run')
    parser.add_argument('--output', type=Path, default=Path('models/fcos_demo.onnx'),
                        help='the network file')
    parser.add_argument('--evaluate', type=Path, metavar='FILE',
                        help='only evaluate a network file on the held-out scenes')
    add_machine_options(parser)
    # The weights depend on the number of threads.
    parser.set_defaults(threads=1)
    return parser


if __name__ == '__main__':
    sys.exit(main())
