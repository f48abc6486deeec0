# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the jobs of a verb, here or on a cluster, with one progress bar."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
import sys

from fcos_ros.backends import InferenceError
from fcos_ros.cli.output import Progress, stdout_to_stderr
from fcos_ros.offline.cluster import run_on_cluster
from fcos_ros.offline.jobs import Job, JobResult, run_here
from fcos_ros.offline.manifest import Manifest
from fcos_ros.runtime.workers import WorkerError

Report = Callable[[Sequence[JobResult]], int]
"""Prints the results of jobs, and returns the exit code."""


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a verb that can run on several machines."""
    parser.add_argument('--cluster', metavar='ADDRESS',
                        help='run on the machines of a Dask scheduler such as '
                             'tcp://10.0.0.1:8786, which see the same files; or on N processes of '
                             'this machine: local:N. Inputs that are done are not done again')
    parser.add_argument('--redo', action='store_true',
                        help='with --cluster, also do inputs that are done')


def run_jobs(jobs: Sequence[Job], options: argparse.Namespace, report: Report,
             folder: Path) -> int:
    """
    Run jobs, report their results in the order of the jobs, and return the exit code.

    After an interrupt, and when the model failed, the results so far are reported as well.

    :param folder: of the manifest of a run on a cluster.
    """
    results: dict[str, JobResult] = {}

    def finish() -> int:
        return report([results[job.name] for job in jobs if job.name in results])
    try:
        with stdout_to_stderr(), _progress(jobs) as progress, closing(
                _results(jobs, options, folder, progress)) as finished:
            for result in finished:
                results[result.name] = result
    except (KeyboardInterrupt, InferenceError, WorkerError):
        finish()
        raise
    return finish()


def _progress(jobs: Sequence[Job]) -> Progress:
    frames = [job.frames for job in jobs]
    return Progress(sum(frames) if all(frames) else None, sys.stderr)


def _results(jobs: Sequence[Job], options: argparse.Namespace, folder: Path,
             progress: Progress) -> Generator[JobResult, None, None]:
    if not options.cluster:
        yield from run_here(_announced(jobs, progress), progress.advance)
        return
    progress.begin(f'{len(jobs)} inputs on {options.cluster}')
    yield from run_on_cluster(
        options.cluster, jobs, Manifest(folder), progress.advance, options.redo)


def _announced(jobs: Sequence[Job], progress: Progress) -> Iterator[Job]:
    """Yield jobs, and show the name of each."""
    for number, job in enumerate(jobs, 1):
        progress.begin(job.name if len(jobs) == 1 else f'{number}/{len(jobs)}: {job.name}')
        yield job
