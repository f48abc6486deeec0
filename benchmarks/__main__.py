# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run all benchmarks in at most ten minutes, and write a report.

Run `python benchmarks`, or `make bench`. The report is one Markdown file with a picture of the
stages of a frame, and one JSON file. Each benchmark is run with short durations; run it alone for
more reliable figures. The last line is the path of the report.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.report import Run, write_report
from common.tables import RESULTS, read_results

from fcos_ros.cli.machine import Machine

FOLDER = Path(__file__).resolve().parent

SHORT: Mapping[str, Sequence[str]] = {
    'cameras': ('--seconds', '6'),
    'cluster': ('--videos', '2', '--frames', '50', '--rounds', '1', '--idle-jobs', '20'),
    'decode': ('--sizes', '512'),
    'nms': ('--counts', '50', '500', '1000'),
    'offline': ('--models', 'b0', '--frames', '50'),
    'outages': ('--rounds', '1'),
    'rates': ('--seconds', '3'),
    'recorder': ('--rounds', '1'),
    'shutdown': ('--phases', 'loading', 'active'),
    'throughput': ('--models', 'b0', 'x3', '--seconds', '2'),
    'tiles': ('--scenes', '6'),
    'transport': ('--images', '30'),
    'web': ('--rounds', '1', '--seconds', '3', '--pages', '0', '1', '4'),
    'whole_node': ('--seconds', '4', '--rounds', '1'),
}
"""The options of benchmarks that take long."""

FIRST = 'rates'
"""The benchmark that is run first: its results have their own places in the report."""

MINUTES = 10.0
"""Maximum duration of all benchmarks together."""

MAX_SECONDS = 150.0
"""Maximum duration of one benchmark."""

END_TIMEOUT = 10.0
"""Seconds for a benchmark to end after an interrupt, before it is killed."""


def main() -> int:
    """Run the benchmarks; return 1 if one of them failed or was aborted."""
    names = sorted((path.stem for path in FOLDER.glob('[a-z]*.py')),
                   key=lambda name: (name != FIRST, name))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--only', nargs='+', choices=names, default=names, metavar='NAME',
                        help=f'the benchmarks to run: {", ".join(names)} [all]')
    parser.add_argument('--out', type=Path, default=FOLDER.parent / 'bench', metavar='FOLDER',
                        help='folder of the report [bench]')
    parser.add_argument('--minutes', type=float, default=MINUTES,
                        help='maximum duration; benchmarks that do not fit are left out [10]')
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    machine = Machine.read()
    runs = list(_run_all(options.only, options.out, 60 * options.minutes))
    print(write_report(options.out, machine, runs))
    return 1 if any(run.failure for run in runs) else 0


def _run_all(names: Sequence[str], out: Path, seconds: float) -> Iterator[Run]:
    end = monotonic() + seconds
    for name in names:
        print(f'\n== {name}\n', flush=True)
        yield _run(name, out / f'{name}.jsonl', min(MAX_SECONDS, end - monotonic()))


def _run(name: str, results: Path, timeout: float) -> Run:
    """Run a benchmark until it ends or time is up."""
    results.write_text('')
    path, options = FOLDER / f'{name}.py', SHORT.get(name, ())
    begin, load = monotonic(), os.getloadavg()[0]
    failure = 'not run: there was no time left'
    if timeout > 0:
        process = subprocess.Popen([sys.executable, str(path), *options], start_new_session=True,
                                   env={**os.environ, RESULTS: str(results)})
        try:
            code = process.wait(timeout)
            failure = f'failed with exit code {code}' if code else ''
        except subprocess.TimeoutExpired:
            failure = f'aborted after {timeout:.0f} s'
        finally:
            _end(process)
    return Run(name, path, options, monotonic() - begin, load, failure, read_results(results))


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
