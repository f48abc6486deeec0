# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The vendor's published table, for this machine.

First latency and rate of inference alone, as published, for each number of workers; then of all
that becomes of a camera's frame until its detections are known. Each of N workers has one frame at
a time and takes the next when it is done, so the latency is about N / rate.
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
from fcos_ros.cli.frames import ENCODINGS, make_frames
from fcos_ros.cli.machine import Machine, rows as machine_rows
from fcos_ros.cli.measure import (
    PipelineTimes,
    Rate,
    Spread,
    measure_inference,
    measure_pipeline,
)
from fcos_ros.cli.options import MODEL_HELP, add_settings, whole_number
from fcos_ros.cli.output import Progress, markdown, plain, undisturbed
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.runtime.board import this_board
from fcos_ros.runtime.model_path import find
from fcos_ros.runtime.protocol import Recipe
from fcos_ros.runtime.worker import WorkerError

SUMMARY = 'measure models on this machine'

PERCENTILES = 'p50 / p95 / p99'

ELSEWHERE = (1, 2)
"""Numbers of workers where there is no board."""


@dataclass(frozen=True)
class Setup:
    """
    What all measurements of a run have in common.

    :ivar count: frames of each measurement, of all its workers together.
    :ivar picture: what the frames show; empty for painted rectangles.
    """

    machine: Machine
    count: int
    size: Size
    encoding: str
    fit: str
    threads: int
    picture: str


@dataclass(frozen=True)
class Measured:
    """One model with one number of workers."""

    model: str
    path: str
    workers: int
    inference: Rate
    pipeline: PipelineTimes


@dataclass(frozen=True)
class Report:
    """
    A whole run.

    :ivar failures: models that could not be measured, and why.
    """

    setup: Setup
    measured: tuple[Measured, ...]
    failures: tuple[str, ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument('models', metavar='MODEL', nargs='*', default=['auto'],
                        help=f'{MODEL_HELP} [auto]')
    board = this_board()
    parser.add_argument('--workers', type=whole_number(1, 32), nargs='+',
                        default=list(board.published if board else ELSEWHERE), metavar='N',
                        help='frames at a time, measured one after the other [as published for '
                             'the board, elsewhere 1 2]')
    parser.add_argument('--frames', type=whole_number(), default=200, metavar='N',
                        help='that each measurement takes [200]')
    parser.add_argument('--size', type=_size, default=Size(1920, 1080), metavar='WIDTHxHEIGHT',
                        help="of the camera's frames [1920x1080]")
    parser.add_argument('--encoding', choices=ENCODINGS, default='nv12',
                        help="of the camera's frames [nv12]")
    parser.add_argument('--image', type=Path, metavar='FILE',
                        help='what the frames show; decoding takes longer the more is seen '
                             '[painted rectangles]')
    add_settings(parser, 'backend', 'threads', 'fit')
    form = parser.add_mutually_exclusive_group()
    form.add_argument('--json', action='store_true', help='as JSON')
    form.add_argument('--markdown', action='store_true', help='as Markdown')


def run(options: argparse.Namespace) -> int:
    """Measure and show; returns 1 when a model could not be measured."""
    paths = [find(model) for model in options.models]
    frames = make_frames(options.size, options.encoding, options.image)
    setup = Setup(Machine.look(), options.frames, options.size, options.encoding, options.fit,
                  options.threads, str(options.image or ''))
    recipes = [Recipe(path, options.backend, options.threads, options.fit) for path in paths]
    with undisturbed():
        report = gather(setup, recipes, options.workers, frames)
    if report.measured:
        print(_form(options)(report))
    for failure in report.failures:
        print(f'fcos bench: {failure}', file=sys.stderr)
    return 1 if report.failures else 0


def gather(setup: Setup, recipes: Sequence[Recipe], workers: Sequence[int],
           frames: Sequence[Frame]) -> Report:
    """Measure each model with each number of workers; a model that fails stops no other."""
    measured: list[Measured] = []
    failures = []
    progress = Progress(2 * setup.count * len(recipes) * len(workers), sys.stderr)
    try:
        for recipe in recipes:
            try:
                for number in workers:
                    measured.append(_measure(setup.count, recipe, number, frames, progress))
            except (InferenceError, ModelError, WorkerError) as error:
                if _interrupted(error):
                    raise KeyboardInterrupt from error
                failures.append(f'{recipe.path} was not measured: {error}')
    finally:
        progress.end()
    return Report(setup, tuple(measured), tuple(failures))


def as_json(report: Report) -> str:
    """Write the report as one JSON object."""
    return json.dumps(asdict(report), indent=2)


def as_markdown(report: Report) -> str:
    """Lay the report out as two tables of Markdown."""
    facts = [('machine', ''), *_facts(report.setup)]
    return f'{markdown(_table(report))}\n\n{markdown(facts)}'


def as_text(report: Report) -> str:
    """Lay the report out for a terminal."""
    return f'{plain(_table(report))}\n\n{plain(_facts(report.setup))}'


def _size(text: str) -> Size:
    sides = re.fullmatch(r'([1-9]\d{0,4})[xX]([1-9]\d{0,4})', text)
    if sides is None:
        raise argparse.ArgumentTypeError(f'{text!r} is not a size such as 1920x1080')
    return Size(*map(int, sides.groups()))


def _form(options: argparse.Namespace) -> Callable[[Report], str]:
    if options.json:
        return as_json
    return as_markdown if options.markdown else as_text


def _measure(count: int, recipe: Recipe, workers: int, frames: Sequence[Frame],
             progress: Progress) -> Measured:
    name = recipe.path.stem
    crew = f'{name}, {workers} worker{"s" if workers > 1 else ""}'
    progress.begin(f'{crew}: inference')
    inference = measure_inference(recipe, workers, count, frames[0], progress.advance)
    progress.begin(f'{crew}: whole pipeline')
    pipeline = measure_pipeline(recipe, workers, count, frames, progress.advance)
    return Measured(name, str(recipe.path), workers, inference, pipeline)


def _interrupted(error: BaseException | None) -> bool:
    """Tell whether Ctrl-C is behind an error: a native module may fail to load because of it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _table(report: Report) -> list[tuple[str, ...]]:
    head = ('model', 'workers', 'inference', 'FPS', f'preprocess {PERCENTILES}',
            f'decode {PERCENTILES}', f'whole pipeline {PERCENTILES}', 'FPS', 'detections')
    return [head, *map(_row, report.measured)]


def _row(row: Measured) -> tuple[str, ...]:
    pipeline = row.pipeline
    return (row.model, str(row.workers), f'{row.inference.latency.mean:.2f}',
            f'{row.inference.fps:.1f}', _spread(pipeline.preprocess), _spread(pipeline.decode),
            _spread(pipeline.whole.latency), f'{pipeline.whole.fps:.1f}',
            f'{pipeline.detections:.1f}')


def _spread(times: Spread) -> str:
    return f'{times.p50:.2f} / {times.p95:.2f} / {times.p99:.2f}'


def _facts(setup: Setup) -> list[tuple[str, str]]:
    return list(_conditions(setup)) + machine_rows(setup.machine)


def _conditions(setup: Setup) -> Iterator[tuple[str, str]]:
    yield 'times', 'ms; of inference the mean, as published; with N workers about 1000 N / FPS'
    yield 'frames', (f'{setup.count} each, {setup.size} {setup.encoding}, {setup.fit}, showing '
                     f'{setup.picture or "painted rectangles"}')
    yield 'threads', (f'{setup.threads} for one inference, where the engine has a choice; '
                      f'OpenCV {setup.machine.opencv_threads}')
