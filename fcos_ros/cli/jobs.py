# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the jobs of a verb with one progress bar."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
import sys

from fcos_ros.backends import InferenceError
from fcos_ros.cli.output import Progress, stdout_to_stderr
from fcos_ros.offline.jobs import Job, JobResult, run_here
from fcos_ros.runtime.workers import WorkerError


def run_jobs(jobs: Sequence[Job], options: argparse.Namespace,
             report: Callable[[Sequence[JobResult]], int]) -> int:
    """
    Run jobs, and return the exit code that the report returns.

    After an interrupt, and when the model failed, the results so far are reported as well.

    :param report: prints the results, and returns the exit code.
    """
    results: list[JobResult] = []
    frames = [job.frames for job in jobs]
    try:
        with (stdout_to_stderr(),
              Progress(sum(frames) if all(frames) else None, sys.stderr) as progress):
            results.extend(run_here(_announced(jobs, progress), progress.advance))
    except (KeyboardInterrupt, InferenceError, WorkerError):
        report(results)
        raise
    return report(results)


def _announced(jobs: Sequence[Job], progress: Progress) -> Iterator[Job]:
    """Yield jobs, and show the name of each."""
    for number, job in enumerate(jobs, 1):
        progress.begin(job.name if len(jobs) == 1 else f'{number}/{len(jobs)}: {job.name}')
        yield job
