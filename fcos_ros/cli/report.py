# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Write a web page about the work of a detector: fates of frames, latency, detections, settings.

The page is one file that needs no network. Attach it to a bug report. The source is a recording, a
bag with detections, or the running detectors, which are observed for a while.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
import json
from pathlib import Path
import sys
from typing import Any

import numpy as np

from fcos_ros.cli.options import node_name, seconds, whole_number
from fcos_ros.cli.output import Progress, plain_table
from fcos_ros.cli.result_files import require_folder, write_result
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.node.observer.start import open_session
from fcos_ros.offline.frames import SourceError
from fcos_ros.recording.reader import find_recordings
from fcos_ros.report.bag_history import bag_history, bag_messages
from fcos_ros.report.history import FrameRecord, NodeHistory
from fcos_ros.report.message_history import MessageHistory
from fcos_ros.report.node_page import node_page
from fcos_ros.report.picture import small_jpeg
from fcos_ros.report.recording_history import is_recording, recording_history
from fcos_ros.report.worst_pictures import KeptPicture, WorstPictures
from fcos_ros.runtime.end_signals import INTERRUPTED, finish_result

SUMMARY = 'write a web page about the work of a detector'

PICTURES = 12


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument('source', nargs='*', type=Path, metavar='SOURCE',
                        help='recordings, or one bag with detections; without it, the running '
                             'detectors')
    parser.add_argument('--out', type=Path, metavar='FILE', default=Path('fcos_report.html'),
                        help='the page [fcos_report.html]')
    parser.add_argument('--seconds', type=seconds(1.0, 86400.0), default=60.0, metavar='S',
                        help='how long running detectors are observed [60]')
    parser.add_argument('--timeout', type=seconds(0.1, 3600.0), default=10.0, metavar='S',
                        help='how long to wait for a running detector [10]')
    parser.add_argument('--node', type=node_name, default='', metavar='NAME',
                        help='only the node of this name')
    parser.add_argument('--pictures', type=whole_number(0, 1000), default=PICTURES, metavar='N',
                        help=f'frames that are shown, the worst [{PICTURES}]; running detectors '
                             'draw annotated images for it, 0 avoids that')
    parser.add_argument('--private', action='store_true',
                        help='leave out pictures, paths, and the names of hosts, nodes, topics '
                             'and cameras')
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(options: argparse.Namespace) -> int:
    """Write the page; return 1 if nothing was observed."""
    require_folder(options.out.absolute().parent)
    if options.source:
        history, is_complete = _read(options), True
    else:
        history, is_complete = _observe(options)
    if history.is_empty:
        state = f'{options.node} has not reported' if options.node else 'no detector reports'
        print(f'fcos report: {state}; `fcos doctor` looks for the reason', file=sys.stderr)
        return 1 if is_complete else INTERRUPTED
    write_result(options.out, node_page(history, options.private))
    print(json.dumps(_figures(history), indent=2, ensure_ascii=False) if options.json else
          _text(history))
    print(f'written: {options.out}', file=sys.stderr)
    return 0 if is_complete else INTERRUPTED


def _read(options: argparse.Namespace) -> NodeHistory:
    """Return the history in files."""
    first = options.source[0]
    if is_recording(first):
        with Progress(None, sys.stderr) as progress:
            progress.begin(str(first))
            return recording_history(find_recordings(options.source), options.pictures,
                                     progress.advance)
    if len(options.source) > 1:
        raise SourceError(f'there are {len(options.source)} sources, and {first} is no recording; '
                          'accepted: several recordings, or one bag')
    with Progress(bag_messages(first), sys.stderr) as progress:
        progress.begin(str(first))
        return bag_history(first, options.node, options.pictures, progress.advance)


def _observe(options: argparse.Namespace) -> tuple[NodeHistory, bool]:
    """Return the history of running detectors, and whether the user did not interrupt."""
    messages, pictures = MessageHistory(options.node), WorstPictures(options.pictures)
    shows = options.pictures > 0 and not options.private

    def keep(stream: str, stamp: int, jpeg: bytes) -> None:
        frame = messages.frame(stream, stamp)
        if frame is not None:
            pictures.add(stream, stamp, jpeg, frame.latency or 0.0, frame.lowest_score)

    settings: dict[str, Any] = {}
    known: set[str] = set()
    is_complete = True
    with open_session('fcos_report') as session, Progress(
            round(options.seconds), sys.stderr) as progress:
        from fcos_ros.node.observer.observation import Observation
        progress.begin('observing')
        observation = Observation(session, messages.add, keep if shows else None)
        try:
            session.wait(options.timeout, lambda: bool(messages.newest()))
            for _ in range(round(options.seconds) if messages.newest() else 0):
                for status in messages.newest():
                    if status.name not in known:
                        known.add(status.name)
                        settings.update(observation.settings(status))
                        observation.follow(status)
                session.wait(1.0)
                progress.advance(1)
        except KeyboardInterrupt:
            finish_result()
            is_complete = False
    history = messages.history(f'observed for {options.seconds:g} s', settings=settings)
    frames = {(frame.camera, frame.stamp): frame for frame in history.frames}
    worst = [(kept.reason, _with_picture(frames[kept.stream, kept.stamp], kept))
             for kept in pictures.worst(options.pictures) if (kept.stream, kept.stamp) in frames]
    return replace(history, worst=worst), is_complete


def _with_picture(frame: FrameRecord, kept: KeptPicture) -> FrameRecord:
    """Return a frame with its annotated image; the boxes are drawn on it already."""
    try:
        image = Frame.compressed(np.frombuffer(kept.jpeg, np.uint8))
        return replace(frame, image=small_jpeg(image), size=image.size, detections=None)
    except FrameError:  # it is damaged
        return frame


def _figures(history: NodeHistory) -> dict[str, Any]:
    latencies = history.latencies()
    return {
        'source': history.source, 'seconds': history.seconds, 'frames': history.counts(),
        'latency_ms': _percentiles(latencies) if latencies else None,
        'classes': [{'name': name, 'detections': count, 'mean_score': score}
                    for name, count, score in history.class_counts()],
        'failures': [{'kind': kind, 'reason': reason, 'frames': count}
                     for kind, reason, count in history.failures()],
        'problems': [{'level': problem.level.name.lower(), 'part': problem.part,
                      'message': problem.message, 'reports': count}
                     for problem, count in history.problems()],
        'facts': dict(history.facts), 'remarks': list(history.remarks)}


def _percentiles(latencies: list[float]) -> dict[str, float]:
    values = np.percentile(latencies, (50, 95, 99)) * 1000
    return dict(zip(('p50', 'p95', 'p99'), values.round(3).tolist()))


def _text(history: NodeHistory) -> str:
    rows = [('frames', str(sum(history.counts().values()))),
            *((fate, str(count)) for fate, count in history.counts().items())]
    latencies = history.latencies()
    if latencies:
        rows.append(('latency ms', ', '.join(f'{name} {value:.1f}' for name, value in
                                             _percentiles(latencies).items())))
    rows += [(name, f'{count} detections') for name, count, _ in history.class_counts()]
    return plain_table([*rows, *(('remark', remark) for remark in history.remarks)])
