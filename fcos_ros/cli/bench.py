# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure models on this machine, or a running detector with --node.

For each number of workers, the verb measures inference alone, as the vendor's published table
does. Then it measures the whole pipeline, from a camera's frame to its detections. Each of N
workers processes one frame at a time, so the latency is about N / FPS.

With --node, it measures rates, latency, jitter, lost frames and CPU of a running detector from
outside. The detector may run on another machine. Nothing is changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
import re
import sys

from fcos_ros.backends import InferenceError, ModelError
from fcos_ros.cli.bench_node import measure_node
from fcos_ros.cli.frames import FRAME_ENCODINGS, make_frames
from fcos_ros.cli.machine import Machine, machine_rows
from fcos_ros.cli.measure import (
    LatencySummary,
    PipelineTimes,
    Throughput,
    measure_inference,
    measure_pipeline,
)
from fcos_ros.cli.options import (
    MODEL_HELP,
    add_settings,
    chosen_input_size,
    node_name,
    seconds,
    whole_number,
)
from fcos_ros.cli.output import Progress, markdown_table, plain_table, stdout_to_stderr
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.runtime.boards import this_board
from fcos_ros.runtime.detector import DetectorConfig
from fcos_ros.runtime.model_path import find_model
from fcos_ros.runtime.workers import WorkerError

SUMMARY = 'measure the speed of models on this machine, or of a running detector'

DEFAULT_WORKERS = (1, 2)
"""Numbers of workers to measure on a machine that is not a board."""


@dataclass(frozen=True)
class Conditions:
    """
    The conditions that all measurements of a run share.

    :ivar frames: number of frames of each measurement, of all its workers together.
    :ivar size: size of the frames, before they are fitted to the model; likewise `encoding`.
    :ivar threads: CPU threads of one inference.
    :ivar image: path of the image file in the frames; empty for drawn rectangles.
    """

    machine: Machine
    frames: int
    size: Size
    encoding: str
    fit: str
    threads: int
    image: str


@dataclass(frozen=True)
class Measurement:
    """The speed of one model with one number of workers."""

    model: str
    path: str
    workers: int
    inference: Throughput
    pipeline: PipelineTimes


@dataclass(frozen=True)
class BenchmarkReport:
    """
    The results of a run.

    :ivar failures: a sentence for each model that could not be measured.
    """

    conditions: Conditions
    measurements: tuple[Measurement, ...]
    failures: tuple[str, ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument('models', metavar='MODEL', nargs='*', help=f'{MODEL_HELP} [auto]')
    parser.add_argument('--node', type=node_name, default='', metavar='NAME',
                        help='Measure the running node of this name instead of a model.')
    parser.add_argument('--seconds', type=seconds(1.0, 86400.0), default=10.0, metavar='S',
                        help='With --node: how long to measure. [10]')
    parser.add_argument('--timeout', type=seconds(0.1, 3600.0), default=10.0, metavar='S',
                        help='With --node: seconds to wait for a report of the node. [10]')
    board = this_board()
    parser.add_argument('--workers', type=whole_number(1, 32), nargs='+',
                        default=list(board.published if board else DEFAULT_WORKERS), metavar='N',
                        help='Numbers of workers to measure, one after the other. [on a board as '
                             'published by the vendor, elsewhere 1 2]')
    parser.add_argument('--frames', type=whole_number(), default=200, metavar='N',
                        help='Number of frames of each measurement. [200]')
    parser.add_argument('--size', type=_parse_size, default=Size(1920, 1080),
                        metavar='WIDTHxHEIGHT', help='Size of the frames. [1920x1080]')
    parser.add_argument('--encoding', choices=FRAME_ENCODINGS, default='nv12',
                        help='Pixel format of the frames. [nv12]')
    parser.add_argument('--image', type=Path, metavar='FILE',
                        help='Image file for the frames. More detections take longer to decode. '
                             '[drawn rectangles]')
    add_settings(parser, 'backend', 'input_size', 'threads', 'fit')
    output = parser.add_mutually_exclusive_group()
    output.add_argument('--json', action='store_true', help='Print JSON.')
    output.add_argument('--markdown', action='store_true', help='Print tables in Markdown.')


def run(options: argparse.Namespace) -> int:
    """Measure and print models or a node; return 1 if one of them could not be measured."""
    if not options.node:
        return _measure_all(options)
    if options.models:
        print(f'fcos bench: both --node and the model {options.models[0]} are given; accepted: '
              'one of them', file=sys.stderr)
        return 2
    return measure_node(options)


def _measure_all(options: argparse.Namespace) -> int:
    paths = [find_model(model) for model in options.models or ['auto']]
    frames = make_frames(options.size, options.encoding, options.image)
    conditions = Conditions(
        Machine.read(), options.frames, options.size, options.encoding, options.fit,
        options.threads, str(options.image or ''))
    configs = [DetectorConfig(path, options.backend, options.threads, options.fit,
                              chosen_input_size(options))
               for path in paths]
    with stdout_to_stderr():
        report = measure_models(conditions, configs, options.workers, frames)
    if report.measurements:
        print(_formatter(options)(report))
    for failure in report.failures:
        print(f'fcos bench: {failure}', file=sys.stderr)
    return 1 if report.failures else 0


def measure_models(conditions: Conditions, configs: Sequence[DetectorConfig],
                   workers: Sequence[int], frames: Sequence[Frame]) -> BenchmarkReport:
    """Measure each model with each number of workers; continue after a model that fails."""
    measurements: list[Measurement] = []
    failures = []
    progress = Progress(2 * conditions.frames * len(configs) * len(workers), sys.stderr)
    try:
        for config in configs:
            try:
                for number in workers:
                    measurements.append(
                        _measure(conditions.frames, config, number, frames, progress))
            except (InferenceError, ModelError, WorkerError) as error:
                if _is_interrupt(error):
                    raise KeyboardInterrupt from error
                failures.append(f'{config.path} was not measured: {error}')
    finally:
        progress.end()
    return BenchmarkReport(conditions, tuple(measurements), tuple(failures))


def to_json(report: BenchmarkReport) -> str:
    """Convert a report to one JSON object."""
    return json.dumps(asdict(report), indent=2)


def to_markdown(report: BenchmarkReport) -> str:
    """Convert a report to two tables in Markdown."""
    conditions = [('condition', 'value'), *_condition_rows(report.conditions)]
    return f'{markdown_table(_result_rows(report))}\n\n{markdown_table(conditions)}'


def to_text(report: BenchmarkReport) -> str:
    """Convert a report to two tables for a terminal."""
    conditions = _condition_rows(report.conditions)
    return f'{plain_table(_result_rows(report))}\n\n{plain_table(list(conditions))}'


def _parse_size(text: str) -> Size:
    sides = re.fullmatch(r'([1-9]\d{0,4})[xX]([1-9]\d{0,4})', text)
    if sides is None:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not accepted; accepted: a size such as 1920x1080')
    return Size(*map(int, sides.groups()))


def _formatter(options: argparse.Namespace) -> Callable[[BenchmarkReport], str]:
    if options.json:
        return to_json
    return to_markdown if options.markdown else to_text


def _measure(count: int, config: DetectorConfig, workers: int, frames: Sequence[Frame],
             progress: Progress) -> Measurement:
    name = config.path.stem
    step = f'{name}, {workers} worker{"s" if workers > 1 else ""}'
    progress.begin(f'{step}: inference')
    inference = measure_inference(config, workers, count, frames[0], progress.advance)
    progress.begin(f'{step}: whole pipeline')
    pipeline = measure_pipeline(config, workers, count, frames, progress.advance)
    return Measurement(name, str(config.path), workers, inference, pipeline)


def _is_interrupt(error: BaseException | None) -> bool:
    """Return whether Ctrl-C caused an error, such as a native module that failed to load."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _result_rows(report: BenchmarkReport) -> list[tuple[str, ...]]:
    percentiles = 'p50 / p95 / p99'
    head = ('model', 'workers', 'inference', 'FPS', f'preprocess {percentiles}',
            f'decode {percentiles}', f'whole pipeline {percentiles}', 'FPS', 'detections')
    return [head, *map(_result_row, report.measurements)]


def _result_row(measurement: Measurement) -> tuple[str, ...]:
    inference, pipeline = measurement.inference, measurement.pipeline
    return (measurement.model, str(measurement.workers), f'{inference.latency.mean:.2f}',
            f'{inference.fps:.1f}', _percentiles(pipeline.preprocess),
            _percentiles(pipeline.decode), _percentiles(pipeline.whole.latency),
            f'{pipeline.whole.fps:.1f}', f'{pipeline.detections:.1f}')


def _percentiles(latency: LatencySummary) -> str:
    return f'{latency.p50:.2f} / {latency.p95:.2f} / {latency.p99:.2f}'


def _condition_rows(conditions: Conditions) -> Iterator[tuple[str, str]]:
    yield 'times', ('in ms; inference is the mean, as the vendor publishes it; with N workers '
                    'about 1000 N / FPS')
    yield 'frames', (f'{conditions.frames} for each measurement, {conditions.size} '
                     f'{conditions.encoding}, {conditions.fit}, of '
                     f'{conditions.image or "drawn rectangles"}')
    yield 'threads', (f'{conditions.threads} for one inference (ONNX models only), '
                      f'{conditions.machine.opencv_threads} for OpenCV')
    yield from machine_rows(conditions.machine)
