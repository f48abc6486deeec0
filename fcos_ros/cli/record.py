# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Record what `fcos replay` decodes again: from pictures, videos and bags, or from a running node.

Without a source, a running node records: all frames for some seconds, or, with --event, the
seconds before and after now. The recording lies in the folder of the node, on its machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
import json
from pathlib import Path
import sys
from time import time_ns
from typing import Any

from fcos_ros.cli.options import (
    FLAGS,
    add_parameters,
    given_parameters,
    node_name,
    seconds,
    whole_number,
)
from fcos_ros.cli.output import Progress, printable_lines, stdout_to_stderr
from fcos_ros.node.observer.start import open_session
from fcos_ros.offline.bags.cameras import BagSource
from fcos_ros.offline.frames import OfflineError
from fcos_ros.offline.inputs import BAG_SUFFIXES, InputOptions, find_sources
from fcos_ros.offline.pictures import Pictures
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.offline.recorded import RecordedRun
from fcos_ros.offline.video import Video, quiet_opencv
from fcos_ros.recording.writer import Entry, new_recording
from fcos_ros.settings.schema import ALWAYS

SUMMARY = 'record frames of files or of a running node for fcos replay'

OUT = 'recording.mcap'

OWN_FLAGS = {'recorder_floor': '--floor', 'recorder_image_width': '--image-width'}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument('sources', metavar='SOURCE', nargs='*',
                        help='a picture, a video, a folder, a pattern such as "a/*.jpg", a bag, '
                             '/dev/video0, or an address of a stream')
    parser.add_argument('--out', type=Path, default=Path(OUT), metavar='FILE.mcap',
                        help=f'the recording of sources [{OUT}]')
    parser.add_argument('--stride', type=whole_number(), default=1, metavar='N',
                        help='use every N-th frame of a video, or picture of a folder [1]')
    parser.add_argument('--frames', type=whole_number(0, 10**9), default=0, metavar='N',
                        help='end a video or a stream after N used frames; 0 for all [0]')
    parser.add_argument('--node', type=node_name, default='', metavar='NAME',
                        help='the running node; needed if there are several')
    parser.add_argument('--seconds', type=seconds(0.1, 10**6), metavar='S',
                        help='how long a running node records [until Ctrl-C]')
    parser.add_argument('--event', action='store_true',
                        help='let a running node record the seconds before and after now; its '
                             'parameter recorder must be on_trigger')
    parser.add_argument('--timeout', type=seconds(0.1, 3600.0), default=10.0, metavar='S',
                        help='seconds to wait for a running node [10]')
    add_parameters(parser, {**FLAGS, **OWN_FLAGS})
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(options: argparse.Namespace) -> int:
    """Record, and print where the recording lies; return 1 if a frame failed."""
    return _record_sources(options) if options.sources else _record_node(options)


def _record_sources(options: argparse.Namespace) -> int:
    quiet_opencv()
    plan = DetectionPlan.read(options.params, {**given_parameters(options), 'recorder': ALWAYS})
    for notice in plan.notices:
        print(f'fcos record: {printable_lines(notice)}', file=sys.stderr)
    sources = list(_sources(options))
    counts = [source.count for source in sources]
    total = None if None in counts else sum(filter(None, counts))
    recorded = failed = 0
    try:
        with (RecordedRun(plan, time_ns()) as recorder, new_recording(options.out) as writer,
              Progress(total, sys.stderr) as progress, stdout_to_stderr()):
            for source in sources:
                progress.begin(source.name)
                for frame in recorder.record(source.frames()):
                    writer.write(Entry.of(frame))
                    recorded += 1
                    failed += bool(frame.error)
                    progress.advance()
    finally:
        if recorded:
            _report({'frames': recorded, 'failed': failed,
                     'results': str(options.out.absolute())}, options)
    return 1 if failed else 0


def _sources(options: argparse.Namespace) -> Iterator[BagSource | Pictures | Video]:
    bags = [text for text in options.sources if _is_bag(Path(text))]
    yield from map(BagSource, map(Path, bags))
    others = [text for text in options.sources if text not in bags]
    if others:
        yield from find_sources(others, InputOptions(options.stride, options.frames, True))


def _is_bag(path: Path) -> bool:
    return path.suffix.lower() in BAG_SUFFIXES or (path / 'metadata.yaml').exists()


def _record_node(options: argparse.Namespace) -> int:
    _refuse_parameters(options)
    with open_session('fcos_record') as session:
        from fcos_ros.node.observer.live_recording import LiveRecorder
        recorder = LiveRecorder(session, options.node, options.timeout)
        if options.event:
            answer = recorder.trigger()
        else:
            print(f'{recorder.node} records; Ctrl-C ends it', file=sys.stderr)
            answer = recorder.record(options.seconds)
    _report({'node': recorder.node, 'answer': answer.text, 'results': answer.path}, options)
    return 0 if answer.is_good else 1


def _refuse_parameters(options: argparse.Namespace) -> None:
    given: Sequence[Any] = [*given_parameters(options), *filter(None, [options.params])]
    if given:
        raise OfflineError(f'{given[0]} is given without a source; accepted: parameters for '
                           'sources; a running node has its own, see ros2 param')


def _report(figures: dict[str, Any], options: argparse.Namespace) -> None:
    """Print the figures, and at last the place of the recording."""
    if options.json:
        print(json.dumps(figures, indent=2, ensure_ascii=False))
        return
    print('\n'.join(f'{name}: {value}' for name, value in figures.items()))
