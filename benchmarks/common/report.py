# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the report of all benchmarks: Markdown, JSON and a picture."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
import shlex
from typing import Any

from common.tables import Result, to_markdown

from fcos_ros.cli.machine import Machine, machine_rows
from fcos_ros.cli.output import markdown_table
from fcos_ros.report.charts import standalone
from fcos_ros.report.node_page import stages_chart
from fcos_ros.runtime.statistics import Percentiles

REPORT, DATA, PICTURE = 'report.md', 'report.json', 'waterfall.svg'

ROS2_BENCHMARK, STAGES = 'ros2_benchmark', 'stages'
"""The values of `rates.py` that have their own places in the report."""


@dataclass(frozen=True)
class Run:
    """
    One benchmark and its results.

    :ivar options: of its command line.
    :ivar load: load average of the last minute before the run.
    :ivar failure: why it has no or wrong results; empty if it has not failed.
    :ivar cut_off: whether its time was up before its end; the results are those until then.
    """

    name: str
    path: Path
    options: Sequence[str]
    seconds: float
    load: float
    failure: str
    results: Sequence[Result]
    cut_off: bool = False

    @property
    def question(self) -> str:
        """The first sentence of the file."""
        text = ast.get_docstring(ast.parse(self.path.read_text())) or ''
        return text.split('\n\n')[0].replace('\n', ' ')

    @property
    def missed_bars(self) -> list[str]:
        """The notes about figures that miss their bars."""
        return [result.note for result in self.results if result.missed_bar]

    @property
    def outcome(self) -> str:
        """The verdict in some words."""
        return self.failure or ', '.join(text for text, holds in (
            ('bar missed', self.missed_bars), ('cut off', self.cut_off)) if holds) or 'good'

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        return shlex.join(['python', f'benchmarks/{self.path.name}', *self.options])


def write_report(folder: Path, machine: Machine, runs: Sequence[Run]) -> Path:
    """Write all files of the report, and return the path of the Markdown file."""
    (folder / PICTURE).unlink(missing_ok=True)
    pictures = [(values['title'], values[STAGES]) for values in _values(runs) if STAGES in values]
    if pictures:
        title, stages = pictures[-1]
        chart = stages_chart(title, {
            stage: Percentiles(**spread) for stage, spread in stages.items()})
        (folder / PICTURE).write_text(standalone(chart))
    (folder / DATA).write_text(json.dumps(_data(machine, runs), indent=2))
    (folder / REPORT).write_text('\n\n'.join(_sections(machine, runs, pictures[-1:])) + '\n')
    return folder / REPORT


def _values(runs: Sequence[Run]) -> Iterator[Mapping[str, Any]]:
    yield from (result.values for run in runs for result in run.results if result.values)


def _data(machine: Machine, runs: Sequence[Run]) -> dict[str, Any]:
    return {
        'machine': asdict(machine),
        ROS2_BENCHMARK: {values['title']: values[ROS2_BENCHMARK] for values in _values(runs)
                         if ROS2_BENCHMARK in values},
        'benchmarks': {run.name: {
            'command': run.command, 'seconds': run.seconds, 'load': run.load,
            'failure': run.failure, 'cut_off': run.cut_off, 'missed_bars': run.missed_bars,
            'results': [asdict(result) for result in run.results]}
            for run in runs}}


def _sections(machine: Machine, runs: Sequence[Run],
              picture: Sequence[tuple[str, Any]]) -> Iterator[str]:
    yield '# Benchmarks'
    yield 'The runs were short. Other programs on the machine make all figures worse.'
    yield markdown_table([('machine', 'value'), *machine_rows(machine)])
    yield markdown_table([('benchmark', 'seconds', 'load before it', 'result'), *(
        (run.name, f'{run.seconds:.0f}', f'{run.load:.1f}', run.outcome)
        for run in runs)])
    missed = [f'- {run.name}: {text}' for run in runs for text in run.missed_bars]
    if missed:
        yield 'Figures that miss their bars:'
        yield '\n'.join(missed)
    for title, _ in picture:
        yield f'![The stages of a frame]({PICTURE})'
        yield (f'The stages of a frame: {title}, at 30 images per second. A bar is the median; '
               'the marks are p95 and p99.')
    for run in runs:
        yield f'## {run.name}'
        yield run.question
        yield f'`{run.command}`'
        if run.failure:
            yield f'**The benchmark {run.failure}.**'
        if run.cut_off:
            yield f'Its time was up after {run.seconds:.0f} s; more results did not fit.'
        yield to_markdown(run.results)
