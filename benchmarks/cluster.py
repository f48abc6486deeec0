# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure how `fcos detect --cluster` scales with its workers.

Run `python benchmarks/cluster.py`. The workers are processes of this machine, each with the demo
network on one thread. The jobs are videos of equal length. The time is that of the jobs, without
the start of the workers. Each number of workers is measured in turn, several times.

The last lines are the figures for an estimate of a larger cluster: the time of the scheduler for
a job that does nothing, and the rate at which inputs are hashed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
import logging
import os
from pathlib import Path
from statistics import median
import sys
from tempfile import TemporaryDirectory
from time import perf_counter

from common.tables import Table, note
import cv2

from fcos_ros.demo.scenes import render
from fcos_ros.offline.cluster import run_on_cluster
from fcos_ros.offline.detect import DetectJob, DetectOutputs
from fcos_ros.offline.inputs import InputOptions, find_sources
from fcos_ros.offline.jobs import Advance, Detectors, Job, JobReport
from fcos_ros.offline.manifest import Manifest, file_digest
from fcos_ros.offline.plan import DetectionPlan

NUM_SCENES = 8
"""Different images; they repeat."""

MEGABYTES = 256
"""Size of the file that is hashed."""


@dataclass(frozen=True)
class IdleJob:
    """A job that does nothing."""

    name: str
    frames: int = 1

    def inputs(self) -> Sequence[Path]:
        """Return no files."""
        return ()

    def run(self, detectors: Detectors, advance: Advance) -> JobReport:
        """Do nothing."""
        return JobReport()


def main() -> int:
    """Print the table; return 1 if a job failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--videos', type=int, default=8)
    parser.add_argument('--frames', type=int, default=200, help='frames of each video')
    parser.add_argument('--workers', type=int, nargs='+', default=[1, 2])
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--idle-jobs', type=int, default=200)
    options = parser.parse_args()
    if find_spec('distributed') is None:
        note('not run: Dask is not installed; python3 -m pip install distributed')
        return 0
    with TemporaryDirectory(prefix='fcos_cluster_') as name:
        folder = Path(name)
        jobs = video_jobs(folder, options.videos, options.frames)
        folders = (folder / f'manifest_{number}' for number in count())
        seconds: dict[int, list[float]] = {number: [] for number in options.workers}
        for _ in range(options.rounds):
            for number in options.workers:
                seconds[number].append(timed_run(jobs, number, next(folders)))
        total = options.videos * options.frames
        note(f'{options.videos} videos of {options.frames} frames, {os.cpu_count()} cores, load '
             f'{os.getloadavg()[0]:.1f}')
        table = Table({'workers': 'd', 'seconds': '.1f', 'FPS': '.1f',
                       'relative to the first': '.2f'})
        first = median(seconds[options.workers[0]])
        for number, samples in seconds.items():
            middle = median(samples)
            table.add(number, middle, total / middle, first / middle)
        idle = [IdleJob(f'{number}') for number in range(options.idle_jobs)]
        overhead = timed_run(idle, options.workers[-1], next(folders)) / len(idle)
        note(f'scheduling: {1000 * overhead:.1f} ms a job; '
             f'hashing: {hash_rate(folder):.0f} MB/s')
    return 0


def video_jobs(folder: Path, videos: int, frames: int) -> list[Job]:
    """Write videos, and return a job for each."""
    scenes = [render(seed).image for seed in range(NUM_SCENES)]
    (folder / 'in').mkdir()
    for number in range(videos):
        writer = cv2.VideoWriter(str(folder / 'in' / f'{number}.mp4'),
                                 cv2.VideoWriter_fourcc(*'mp4v'), 30.0, scenes[0].shape[1::-1])
        for index in range(frames):
            writer.write(scenes[index % NUM_SCENES])
        writer.release()
    plan = DetectionPlan.of({'model': 'package://fcos_ros/models/fcos_demo.onnx', 'workers': 1})
    outputs = DetectOutputs(folder / 'out', pictures=False)
    return [DetectJob(source, plan, outputs)
            for source in find_sources([str(folder / 'in')], InputOptions())]


def timed_run(jobs: Sequence[Job], workers: int, folder: Path) -> float:
    """Run jobs on new workers, and return the seconds from the first job to the last."""
    import distributed
    with distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, host='127.0.0.1',
            dashboard_address='127.0.0.1:0', silence_logs=logging.CRITICAL) as cluster:
        with distributed.Client(cluster, set_as_default=False) as client:
            client.wait_for_workers(workers)
        start = perf_counter()
        results = list(run_on_cluster(
            cluster.scheduler_address, jobs, Manifest(folder), lambda frames: None))
        seconds = perf_counter() - start
    errors = [result.error for result in results if result.error]
    if errors:
        sys.exit(f'a job failed: {errors[0]}')
    return seconds


def hash_rate(folder: Path) -> float:
    """Return how many megabytes a second are read from memory and hashed."""
    file = folder / 'large'
    file.write_bytes(os.urandom(MEGABYTES << 20))
    file_digest(file)
    start = perf_counter()
    file_digest(file)
    return MEGABYTES / (perf_counter() - start)


if __name__ == '__main__':
    sys.exit(main())
