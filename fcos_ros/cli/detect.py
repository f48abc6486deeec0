# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Detect objects in pictures, videos and streams, with the settings of the node.

The folder of results has annotated pictures and videos, and frames/*.jsonl with a line for each
frame. A frame that failed is listed with the reason, and never looks like an empty scene.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
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
from fcos_ros.cli.options import FLAGS, add_parameters, given_parameters, whole_number
from fcos_ros.cli.output import printable_lines
from fcos_ros.core.labels import Labels
from fcos_ros.offline.detect import DetectJob, DetectOutputs
from fcos_ros.offline.frames import OfflineError
from fcos_ros.offline.inputs import InputOptions, find_sources
from fcos_ros.offline.jobs import JobResult
from fcos_ros.offline.outputs.coco import write_coco
from fcos_ros.offline.pictures import Pictures
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.offline.video import Video, quiet_opencv

SUMMARY = 'detect objects in pictures, videos and streams'

OUT = 'fcos_detections'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument('sources', metavar='SOURCE', nargs='+',
                        help='a picture, a video, a folder, a pattern such as "a/*.jpg", '
                             '/dev/video0, or an address that begins with http:// or rtsp://')
    add_parameters(parser, FLAGS)
    parser.add_argument('--stride', type=whole_number(), default=1, metavar='N',
                        help='use every N-th frame of a video, or picture of a folder [1]')
    parser.add_argument('--frames', type=whole_number(0, 10**9), default=0, metavar='N',
                        help='end a video or a stream after N used frames; 0 for all [0]')
    parser.add_argument('--out', type=Path, default=Path(OUT), metavar='DIR',
                        help=f'folder of the results [{OUT}]')
    parser.add_argument('--no-pictures', action='store_true',
                        help='write no annotated pictures and videos')
    parser.add_argument('--save-json', action='store_true',
                        help='also write detections.json in the form of COCO results, and '
                             'images.json with the images and categories')
    parser.add_argument('--save-txt', action='store_true',
                        help='also write labels in the form of YOLO')
    parser.add_argument('--save-conf', action='store_true', help='add scores to these labels')
    parser.add_argument('--save-crops', action='store_true', help='also cut the objects out')
    parser.add_argument('--show', action='store_true',
                        help='show the annotated frames in a window; q ends')
    add_cluster_options(parser)
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(options: argparse.Namespace) -> int:
    """Detect, print the counts; return 1 if a frame or an input failed."""
    quiet_opencv()
    plan = DetectionPlan.read(options.params, given_parameters(options))
    tracks = plan.settings_of('').track
    sources = find_sources(
        options.sources, InputOptions(options.stride, options.frames, whole_folders=tracks))
    _require_files(options, sources)
    outputs = DetectOutputs(options.out.absolute(), not options.no_pictures, options.save_txt,
                            options.save_conf, options.save_crops, options.show)
    for notice in plan.notices:
        print(f'fcos detect: {printable_lines(notice)}', file=sys.stderr)
    jobs = [DetectJob(source, plan, outputs) for source in sources]
    return run_jobs(jobs, options, lambda results: _report(results, outputs, options),
                    outputs.folder)


def _require_files(options: argparse.Namespace, sources: Sequence[Pictures | Video]) -> None:
    """Refuse live sources and windows with a cluster."""
    live = [source.name for source in sources if isinstance(source, Video) and source.live]
    if options.cluster and (live or options.show):
        raise OfflineError(f'--cluster does not accept {live[0] if live else "--show"}; accepted: '
                           'files that all machines see')


def _report(results: Sequence[JobResult], outputs: DetectOutputs, options: argparse.Namespace,
            ) -> int:
    """Write COCO's files, print the counts, and return the exit code."""
    summaries = [result.report.summary for result in results if result.report]
    if options.save_json and summaries:
        lines = [result.report.outputs[0] for result in results if result.report]
        write_coco(outputs.folder, lines, Labels(tuple(summaries[0]['labels'])))
    print_failures('detect', results, lists_all=True)
    if options.json:
        print(json.dumps({'inputs': [figures_of(result) for result in results],
                          'results': str(outputs.folder)}, indent=2, ensure_ascii=False))
    else:
        print_tables(results, 'input', 'detections', ('class', 'detections'),
                     class_counts(results))
        print(f'results: {outputs.folder}')
    return exit_code(results)
