# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run all benchmarks in at most ten minutes, and write a report.

Run `python benchmarks`, or `make bench`. The report is one Markdown file with a picture of the
stages of a frame, and one JSON file. Each benchmark is run with short durations; run it alone for
more reliable figures. The last line is the path of the report.

Each benchmark has a share of the time that is left. On a slow machine, it is cut off when its
share is used, and the report has the results until then. The exit code is 1 if a benchmark fails,
or has no result. It is 0 if figures only miss their bars; the report names them. See
`common/checks.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
import os
from pathlib import Path
import signal
import subprocess
import sys
from time import monotonic
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.checks import BAR_MISSED
from common.report import Run, write_report
from common.tables import RESULTS, Result, read_results

from fcos_ros.cli.machine import Machine

FOLDER = Path(__file__).resolve().parent


class Plan(NamedTuple):
    """
    How a benchmark is run among all.

    :ivar seconds: its duration on two x86 cores. All benchmarks share the time in this proportion.
    :ivar options: short durations.
    """

    seconds: float
    options: Sequence[str] = ()


PLANS: Mapping[str, Plan] = {
    'rates': Plan(65, ('--seconds', '2')),
    'whole_node': Plan(75, ('--seconds', '4', '--rounds', '1')),
    'decode': Plan(52, ('--sizes', '512')),
    'throughput': Plan(38, ('--models', 'b0', '--seconds', '2', '--parts', 'pool', 'node')),
    'cameras': Plan(32, ('--seconds', '4')),
    'cluster': Plan(20, ('--videos', '2', '--frames', '50', '--rounds', '1', '--idle-jobs', '20')),
    'nms': Plan(3, ('--counts', '50', '500', '1000')),
    'offline': Plan(25, ('--models', 'b0', '--pairs', '1',
                         '--inputs', 'pictures', 'video', 'bag')),
    'outages': Plan(34, ('--rounds', '1')),
    'outputs': Plan(6),
    'preprocess': Plan(40),
    'recorder': Plan(34, ('--rounds', '1', '--frames', '60')),
    'shutdown': Plan(20, ('--phases', 'loading', 'active')),
    'tiles': Plan(28, ('--scenes', '6')),
    'tracking': Plan(6),
    'transport': Plan(22, ('--images', '30', '--kinds', 'nv12', 'bgr8',
                           '--reliabilities', 'reliable')),
    'web': Plan(32, ('--rounds', '1', '--seconds', '3', '--pages', '0', '1', '4')),
}
"""The benchmarks in the order of their runs: the most telling ones come first."""

UNPLANNED = Plan(10)
"""The plan of a benchmark that has none."""

MINUTES = 9.5
"""Maximum duration of all benchmarks; after it, the last one ends, and the report is written."""

END_TIMEOUT = 10.0
"""Seconds for a benchmark to end after an interrupt, before it is killed."""


def main() -> int:
    """Run the benchmarks; return 1 if one of them failed."""
    order = list(PLANS)
    names = sorted((path.stem for path in FOLDER.glob('[a-z]*.py')), key=lambda name: (
        order.index(name) if name in PLANS else len(order), name))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--only', nargs='+', choices=names, default=names, metavar='NAME',
                        help=f'the benchmarks to run: {", ".join(names)} [all]')
    parser.add_argument('--out', type=Path, default=FOLDER.parent / 'bench', metavar='FOLDER',
                        help='folder of the report [bench]')
    parser.add_argument('--minutes', type=float, default=MINUTES,
                        help=f'maximum duration, shared by the benchmarks [{MINUTES:g}]')
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    machine = Machine.read()
    runs = list(_run_all(options.only, options.out, 60 * options.minutes))
    print(write_report(options.out, machine, runs))
    return 1 if any(run.failure for run in runs) else 0


def _run_all(names: Sequence[str], out: Path, seconds: float) -> Iterator[Run]:
    """Run benchmarks in turn; each has a share of the time that is left."""
    end = monotonic() + seconds
    plans = [PLANS.get(name, UNPLANNED) for name in names]
    for index, (name, plan) in enumerate(zip(names, plans)):
        print(f'\n== {name}\n', flush=True)
        share = plan.seconds / sum(later.seconds for later in plans[index:])
        yield _run(name, plan.options, out / f'{name}.jsonl', share * (end - monotonic()))


def _run(name: str, options: Sequence[str], results: Path, timeout: float) -> Run:
    """Run a benchmark until it ends or time is up."""
    results.write_text('')
    path, code = FOLDER / f'{name}.py', None
    begin, load = monotonic(), os.getloadavg()[0]
    process = subprocess.Popen([sys.executable, str(path), *options], start_new_session=True,
                               env={**os.environ, RESULTS: str(results)})
    try:
        code = process.wait(max(0.0, timeout))
    except subprocess.TimeoutExpired:
        print(f'{name}: its time is up', flush=True)
    finally:
        _end(process)
    found = read_results(results)
    return Run(name, path, options, monotonic() - begin, load, _failure(code, found, timeout),
               found, cut_off=code is None)


def _failure(code: int | None, found: Sequence[Result], timeout: float) -> str:
    """Return why a benchmark failed; empty if it has not."""
    if code is None:
        return '' if any(result.rows for result in found) else f'no result in {timeout:.0f} s'
    return '' if code in (0, BAR_MISSED) else f'failed with exit code {code}'


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a benchmark and its processes, if they still run."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(END_TIMEOUT)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


if __name__ == '__main__':
    raise SystemExit(main())
