# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure what tiles gain with far toys, what they cost, and whether frames keep their budget.

Run `python benchmarks/tiles.py`; it prints Markdown tables. The demo network detects the toys of
`scenes.FAR_TOYS` in pictures of 1920x1080. The baseline is the whole image alone, in the same run.
The bar: tiles gain at least `MIN_GAIN` of AP of small objects.
"""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from dataclasses import replace
from pathlib import Path
from statistics import median
import sys
from threading import Semaphore
from time import perf_counter
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.checks import Checks
from common.tables import Table, note
import numpy as np

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.demo.scenes import FAR_TOYS, render
from fcos_ros.evaluation.average_precision import evaluate, precision_recall
from fcos_ros.runtime.detector import Detector, DetectorConfig
from fcos_ros.runtime.model_path import find_model
from fcos_ros.runtime.pool import Pool
from fcos_ros.runtime.statistics import FrameStatistics
from fcos_ros.runtime.streams import Outcome
from fcos_ros.runtime.tiled import detect_in_tiles
from fcos_ros.runtime.workers import close_workers, open_workers
from fcos_ros.settings.criteria import to_tiling
from fcos_ros.settings.schema import Settings

SIZE = Size(1920, 1080)

TILES = ('none', '2x1', '2x2', 'auto')
"""Values of the parameter `tiles`."""

LOWEST_SCORE = 0.05
"""For average precision; precision and recall are those of the model's own threshold."""

MIN_GAIN = 5.0
"""Points of AP of small objects that `auto` must gain."""

BUDGETS = (3.0, 6.0, 12.0)
"""Budgets in multiples of the time of a frame without tiles."""

BUDGET_FRAMES = 30

WORKERS = (1, 2)


class Example(NamedTuple):
    """A picture with its true objects."""

    frame: Frame
    truth: Detections


def main() -> int:
    """Print the tables; return the exit code of the checks."""
    parser = ArgumentParser(formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument('--scenes', type=int, default=12)
    parser.add_argument('--first-seed', type=int, default=0)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.scenes)
    examples = [_example(seed) for seed in seeds]
    objects = sum(len(example.truth) for example in examples)
    note(f'{len(examples)} pictures of {SIZE} with {objects} far toys, demo network')
    detector = Detector.load(str(_model()))
    try:
        small, seconds = _print_gains(detector, examples)
    finally:
        detector.close()
    _print_budgets(examples[0].frame, seconds)
    gain = small['auto'] - small['none']
    note(f'tiles gain {gain:.1f} AP of small objects')
    checks = Checks()
    checks.bar('gain of tiles in AP of small objects', gain, '.1f', least=MIN_GAIN)
    return checks.exit_code()


def _model() -> Path:
    return find_model(str(Path(__file__).resolve().parents[1] / 'models' / 'fcos_demo.onnx'))


def _example(seed: int) -> Example:
    scene = render(seed, SIZE, FAR_TOYS)
    scores = np.ones(len(scene.boxes), np.float32)
    return Example(Frame.from_bgr(scene.image), Detections(scene.boxes, scores, scene.class_ids))


def _print_gains(
    detector: Detector, examples: list[Example],
) -> tuple[dict[str, float], float]:
    """Print the first table; return AP of small objects by `tiles`, and the time without tiles."""
    criteria = replace(detector.info.criteria, score_threshold=LOWEST_SCORE)
    truth = [example.truth for example in examples]
    table = Table({'tiles': '', 'inferences': 'd', 'AP': '.1f', 'AP of small objects': '.1f',
                   'precision': '.2f', 'recall': '.2f', 'time of a frame, ms': '.0f'})
    small, durations = {}, {}
    for tiles in TILES:
        found, seconds, inferences = [], [], 0
        for example in examples:
            start = perf_counter()
            detections, inferences = _detect(detector, example.frame, tiles, criteria)
            seconds.append(perf_counter() - start)
            found.append(detections)
        figures = evaluate(found, truth)
        kept = [own[own.scores >= detector.info.criteria.score_threshold] for own in found]
        at = precision_recall(kept, truth)
        small[tiles], durations[tiles] = 100 * figures.small, median(seconds)
        table.add(tiles, inferences, 100 * figures.ap, small[tiles], at.precision, at.recall,
                  1000 * durations[tiles])
    return small, durations['none']


def _detect(
    detector: Detector, frame: Frame, tiles: str, criteria: Criteria,
) -> tuple[Detections, int]:
    """Return the detections in a picture, and the number of inferences."""
    tiling = to_tiling(Settings(tiles=tiles))
    divided = tiling and tiling.tiles(frame.size, detector.info.input.size)
    if divided is None:
        return detector.detect(frame, criteria).detections, 1
    result = detect_in_tiles(detector.detect, frame, divided, criteria)
    return result.detections, 1 + result.tiles.inferred


def _print_budgets(frame: Frame, seconds: float) -> None:
    """Print how many tiles fit into budgets, and how many frames were late."""
    note(f'{BUDGET_FRAMES} frames each with tiles=auto, by the pool of the node')
    table = Table({'workers': 'd', 'budget, ms': '.0f', 'tiles of a frame': '.1f',
                   'left out': '.1f', 'median, ms': '.0f', 'late without a tile': 'd',
                   'late by tiles': 'd'})
    for count in WORKERS:
        workers = open_workers(DetectorConfig(_model()), count, 10.0)
        try:
            for multiple in BUDGETS:
                table.add(count, *_budget_row(workers, frame, multiple * seconds))
        finally:
            close_workers(workers)


def _budget_row(workers: list[Any], frame: Frame, budget: float) -> tuple[float, ...]:
    """
    Return the cells of a row, from the budget on.

    A frame is late without a tile if the whole image alone took longer than the budget.
    """
    pool, statistics, latencies = Pool(workers), FrameStatistics(), list[tuple[float, float]]()
    delivered = Semaphore(0)

    def deliver(outcome: Outcome[Any]) -> None:
        if outcome.result is not None:
            times = outcome.result.times
            whole = outcome.waited + times.preprocess + times.infer + times.decode
            latencies.append((whole, perf_counter() - outcome.job.arrived))
        delivered.release()

    stream = pool.open_stream(deliver, statistics)
    stream.tiling = to_tiling(Settings(tiles='auto', tiles_budget=1000 * budget))
    for number in range(BUDGET_FRAMES):
        statistics.count_received()
        pool.submit(stream, frame, number)
        delivered.acquire()
    pool.stop()
    counts = statistics.counts()
    return (1000 * budget, counts.tiles / BUDGET_FRAMES, counts.tiles_left_out / BUDGET_FRAMES,
            1000 * median(total for _, total in latencies),
            sum(whole > budget for whole, _ in latencies),
            sum(whole <= budget < total for whole, total in latencies))


if __name__ == '__main__':
    sys.exit(main())
