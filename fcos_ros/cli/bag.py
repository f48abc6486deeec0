# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Detect objects in bags of ROS 1 and ROS 2, with the settings of the node and without ROS 2.

The new bag has the original messages with their times, and the topics of the node: detections,
label_info and vision_info. It plays in `ros2 bag play` and opens in Foxglove. A damaged bag is
read as far as it goes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
import json
from pathlib import Path
import sys

from fcos_ros.cli.job_results import (
    class_counts,
    exit_code,
    figures_of,
    print_failures,
    print_tables,
)
from fcos_ros.cli.jobs import add_cluster_options, run_jobs
from fcos_ros.cli.options import FLAGS, add_parameters, given_parameters
from fcos_ros.cli.output import printable_lines
from fcos_ros.offline.bags.job import BagJob
from fcos_ros.offline.bags.writer import STORAGES
from fcos_ros.offline.frames import OfflineError
from fcos_ros.offline.jobs import JobResult
from fcos_ros.offline.manifest import Manifest
from fcos_ros.offline.plan import DetectionPlan

SUMMARY = 'detect objects in bags, and write bags with the detections'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument('bags', metavar='IN', nargs='+', type=Path,
                        help='a bag: a folder with metadata.yaml, or a file .mcap, .db3 or .bag')
    parser.add_argument('output', metavar='OUT', type=Path,
                        help='folder of the new bag; with several bags or a cluster, the folder '
                             'of all of them')
    parser.add_argument('--topics', nargs='+', metavar='[NAME:=]TOPIC', default=[],
                        help='topics of images, perhaps with names of cameras [all topics of '
                             'images, but not distances and annotated images]')
    parser.add_argument('--annotated', action='store_true',
                        help='also write images with the detections drawn on them')
    parser.add_argument('--no-images', action='store_true',
                        help='leave out the original images')
    parser.add_argument('--storage', choices=STORAGES, default='mcap',
                        help='format of the new bag [mcap]')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace a bag that is there')
    add_parameters(parser, FLAGS)
    add_cluster_options(parser)
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(options: argparse.Namespace) -> int:
    """Write the bags, print the counts; return 1 if a frame or a part of a bag failed."""
    plan = DetectionPlan.read(options.params, given_parameters(options))
    for notice in plan.notices:
        print(f'fcos bag: {printable_lines(notice)}', file=sys.stderr)
    pairs = outputs_of(options.bags, options.output, several=bool(options.cluster))
    if options.cluster:  # the workers have another working folder
        pairs = [(path.absolute(), output) for path, output in pairs]
    jobs = [BagJob(path, output, plan, tuple(options.topics), options.storage, options.annotated,
                   not options.no_images, options.overwrite) for path, output in pairs]
    folder = options.output.absolute()
    if options.cluster:
        jobs = _replacing_own(jobs, Manifest(folder))
    return run_jobs(jobs, options, lambda results: _report(results, options), folder)


def _replacing_own(jobs: Iterable[BagJob], manifest: Manifest) -> list[BagJob]:
    """Let jobs replace bags that an earlier run on a cluster has written."""
    return [replace(job, overwrite=job.overwrite or manifest.record(job.name) is not None)
            for job in jobs]


def outputs_of(bags: Sequence[Path], output: Path, several: bool = False,
               ) -> list[tuple[Path, Path]]:
    """
    Return each bag with the folder of the bag that is made of it.

    :param several: whether `output` is the folder of all bags, even of one.
    :raises OfflineError: two bags have the same name.
    """
    if len(bags) == 1 and not several:
        return [(bags[0], output.absolute())]
    names = [path.resolve().name if path.is_dir() else path.stem for path in bags]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise OfflineError(f'two bags have the name {twice[0]}; accepted: different names; run '
                           'the command for each of them, or rename one')
    return [(path, output.absolute() / name) for path, name in zip(bags, names)]


def _report(results: Sequence[JobResult], options: argparse.Namespace) -> int:
    print_failures('bag', results)
    if options.json:
        print(json.dumps({'inputs': [figures_of(result) for result in results],
                          'results': str(options.output.absolute())},
                         indent=2, ensure_ascii=False))
    else:
        print_tables(results, 'bag', 'detections', ('class', 'detections'),
                     class_counts(results))
        print(f'results: {options.output.absolute()}')
    return exit_code(results)
