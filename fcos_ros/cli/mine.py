# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Find the frames of bags that are worth labelling: those that are hard for the model.

A frame is hard if scores are near their threshold, if tracks flicker, or if two models disagree.
The hardest frame of each interval of time is written, without duplicates. The folder of results is
a dataset in the form of COCO with the detections as labels to correct; train with
`make train DATA=DIR`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
import json
from pathlib import Path
import sys

from fcos_ros.cli.bag import outputs_of
from fcos_ros.cli.job_results import exit_code, figures_of, print_failures, print_tables
from fcos_ros.cli.jobs import add_cluster_options, run_jobs
from fcos_ros.cli.options import FLAGS, add_parameters, given_parameters, whole_number
from fcos_ros.cli.output import printable_lines
from fcos_ros.core.labels import Labels
from fcos_ros.offline.files import OutputError
from fcos_ros.offline.jobs import JobResult
from fcos_ros.offline.mining.job import MineJob, write_labels
from fcos_ros.offline.plan import DetectionPlan

SUMMARY = 'find the frames of bags that are worth labelling'

OUT, LABELS = 'fcos_mined', 'annotations.json'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument('bags', metavar='BAG', nargs='+', type=Path,
                        help='a bag: a folder with metadata.yaml, or a file .mcap, .db3 or .bag')
    parser.add_argument('--out', type=Path, default=Path(OUT), metavar='DIR',
                        help=f'folder of the dataset [{OUT}]')
    parser.add_argument('--second', metavar='MODEL',
                        help='another model; frames are hard where the two disagree')
    parser.add_argument('--count', type=whole_number(), default=100, metavar='N',
                        help='maximum number of frames of each camera of a bag [100]')
    parser.add_argument('--even', action='store_true',
                        help='take a frame of each interval, also where none is hard')
    parser.add_argument('--topics', nargs='+', metavar='[NAME:=]TOPIC', default=[],
                        help='topics of images, perhaps with names of cameras [all topics of '
                             'images, but not distances and annotated images]')
    parser.add_argument('--overwrite', action='store_true',
                        help=f'replace {LABELS} in the folder')
    add_parameters(parser, FLAGS)
    add_cluster_options(parser)
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(options: argparse.Namespace) -> int:
    """Write the dataset, print the counts; return 1 if a frame or a part of a bag failed."""
    folder = options.out.absolute()
    if (folder / LABELS).exists() and not options.overwrite:
        raise OutputError(f'{folder / LABELS} exists and may have your labels; accepted: a new '
                          'folder; choose another with --out, or add --overwrite')
    plan = DetectionPlan.read(options.params, given_parameters(options))
    second = None
    if options.second:
        second = DetectionPlan.read(options.params, {
            **given_parameters(options), 'model': options.second, 'track': False})
    for notice in plan.notices:
        print(f'fcos mine: {printable_lines(notice)}', file=sys.stderr)
    pairs = outputs_of(options.bags, folder, several=True)
    if options.cluster:  # the workers have another working folder
        pairs = [(path.absolute(), place) for path, place in pairs]
    jobs = [MineJob(path, place.name, folder, plan, second, tuple(options.topics), options.count,
                    options.even)
            for path, place in pairs]
    return run_jobs(jobs, options, lambda results: _report(results, options, folder), folder)


def _report(results: Sequence[JobResult], options: argparse.Namespace, folder: Path) -> int:
    """Write the labels of all bags, print the counts, and return the exit code."""
    reports = [result.report for result in results if result.report]
    images = duplicates = 0
    if any(report.summary['chosen'] for report in reports):
        images, duplicates = write_labels(
            folder / LABELS, [report.outputs[0] for report in reports],
            Labels(tuple(reports[0].summary['labels'])))
    reasons = _reasons(folder) if images else {}
    if options.json:
        print(json.dumps({'inputs': [figures_of(result) for result in results], 'images': images,
                          'duplicates': duplicates, 'reasons': reasons,
                          'results': str(folder)}, indent=2, ensure_ascii=False))
    else:
        print_tables(results, 'bag', 'chosen', ('reason', 'images'), reasons)
        print(f'images: {images}, left out as duplicates of other bags: {duplicates}')
        print(f'results: {folder / LABELS if images else "none, as no frame is hard"}')
    print_failures('mine', results)
    return exit_code(results)


def _reasons(folder: Path) -> dict[str, int]:
    """Return the number of images for each reason."""
    images = json.loads((folder / LABELS).read_text(encoding='utf-8'))['images']
    return dict(Counter(reason for image in images for reason in image['reasons']).most_common())
