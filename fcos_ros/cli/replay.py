# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Decode recordings again, with other thresholds, NMS, classes or zones.

Without options, the settings are those of each frame, and the detections those that the node has
published. No model, no board and no ROS 2 are needed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, time
import json
from pathlib import Path
import re
import sys
from time import perf_counter
from typing import Any

from fcos_ros.cli.options import add_parameters, given_parameters
from fcos_ros.cli.output import Progress, plain_table, printable_lines
from fcos_ros.core.detections import Detections
from fcos_ros.core.labels import Labels
from fcos_ros.recording.reader import Recording, find_recordings
from fcos_ros.recording.rerun import ChooseSettings, ReplayedFrame, ReplayTally, Rerun
from fcos_ros.recording.values import RecordedFrame, RecordingError
from fcos_ros.recording.writer import Entry, new_recording
from fcos_ros.runtime.model_path import find_shared_file
from fcos_ros.runtime.statistics import FATES
from fcos_ros.settings.cameras import given_settings
from fcos_ros.settings.parameter_file import find_parameter_file, parameters_for, read_text
from fcos_ros.settings.schema import Settings

SUMMARY = 'decode recordings again with other thresholds, NMS, classes or zones'

FLAGS = {'score_threshold': '--conf', 'nms_threshold': '--iou', 'classes': '--classes',
         'max_detections': '--max-det'}
"""The options of parameters, called as in other verbs."""

MAX_LISTED = 5
"""Detections of a frame in a list."""

ADVANCE = 100
"""Frames between two updates of the progress."""

_SECOND = 10**9
"""In nanoseconds."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument('recordings', metavar='FILE', nargs='+', type=Path,
                        help='a recording (.mcap), or a folder with recordings')
    add_parameters(parser, FLAGS)
    parser.add_argument('--labels', type=Path, metavar='FILE',
                        help='other names of the classes: a text file with one name in each line')
    parser.add_argument('--camera', metavar='NAME', help='use the frames of this camera only')
    parser.add_argument('--start', type=_moment, metavar='TIME',
                        help='use the frames from this time on: seconds after the first frame, '
                             'or HH:MM:SS in local time')
    parser.add_argument('--end', type=_moment, metavar='TIME',
                        help='use the frames up to this time')
    parser.add_argument('--list', action='store_true', help='list the frames')
    parser.add_argument('--out', type=Path, metavar='FILE.mcap',
                        help='also write a recording with the new detections')
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(options: argparse.Namespace) -> int:
    """Replay, and print the figures; return 1 if a recording ends early."""
    recordings = [Recording(path) for path in find_recordings(options.recordings)]
    labels = None if options.labels is None else _read_labels(options.labels)
    rerun = Rerun(_settings_chooser(options), labels)
    tally, listed, start = ReplayTally(), list[dict[str, Any]](), perf_counter()

    def report() -> int:
        figures = _figures(tally, rerun.below_floor, labels or tally.labels, start)
        return _report(figures, listed, recordings, options)
    try:
        with Progress(_total(recordings), sys.stderr) as progress, _output(options.out) as write:
            for replayed in rerun.run(_chosen(recordings, options, progress)):
                tally.add(replayed)
                write(replayed)
                if options.list:
                    listed.append(_listed(replayed, labels))
    except KeyboardInterrupt:
        report()
        raise
    return report()


def _moment(text: str) -> float | time:
    """Read seconds after the first frame, or a time of the day."""
    if re.fullmatch(r'\d{1,2}:\d{2}(:\d{2})?', text):
        hours, minutes, seconds = [*map(int, text.split(':')), 0][:3]
        with suppress(ValueError):
            return time(hours, minutes, seconds)
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not accepted; accepted: seconds, or HH:MM:SS') from None


def _chosen(
    recordings: Sequence[Recording], options: argparse.Namespace, progress: Progress,
) -> Iterator[RecordedFrame]:
    """Yield the frames of the wanted camera and time."""
    first: int | None = None
    for recording in recordings:
        progress.begin(str(recording.path))
        for number, frame in enumerate(recording.frames()):
            if number % ADVANCE == 0:
                progress.advance(ADVANCE)
            first = frame.arrived if first is None else first
            if options.camera not in (None, frame.camera):
                continue
            if not _is_before(frame, options.start, first, default=False) and (
                    _is_before(frame, options.end, first, default=True)):
                yield frame


def _is_before(
    frame: RecordedFrame, moment: float | time | None, first: int, *, default: bool,
) -> bool:
    if moment is None:
        return default
    if isinstance(moment, time):
        return datetime.fromtimestamp(frame.arrived / _SECOND).time() < moment
    return (frame.arrived - first) / _SECOND < moment


def _settings_chooser(options: argparse.Namespace) -> ChooseSettings:
    """
    Return a function that gives the settings with which a frame is decoded.

    They are those of the parameter file, or else those of the frame, with the options.
    """
    given = given_parameters(options)
    cached: dict[tuple[int, str, str], tuple[Settings, Settings]] = {}

    def chosen(frame: RecordedFrame) -> Settings:
        key = id(frame.settings), frame.session.node, frame.camera
        if key not in cached or cached[key][0] is not frame.settings:
            if options.params is None:
                settings = replace(frame.settings, **given)
            else:
                settings = _file_settings(options.params, given, frame)
            cached[key] = frame.settings, settings
        return cached[key][1]
    return chosen


def _file_settings(params: str, given: Mapping[str, Any], frame: RecordedFrame) -> Settings:
    """Return the settings of a parameter file for the node and the camera of a frame."""
    try:
        path = find_parameter_file(params, find_shared_file('package://fcos_ros/config'))
        found = parameters_for(frame.session.node, read_text(path), path)
        if not found.matches:
            raise ValueError(found.notice(frame.session.node, path))
        cameras = given_settings({**found.values, **given})
    except ValueError as error:
        raise RecordingError(str(error)) from None
    return cameras.get(frame.camera) or next(iter(cameras.values()))


def _read_labels(path: Path) -> Labels:
    try:
        return Labels.from_text(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise RecordingError(f'{path} cannot be read: {error.strerror}') from error
    except ValueError as error:
        raise RecordingError(f'{path} has no class names: {error}') from None


def _total(recordings: Sequence[Recording]) -> int | None:
    counts = [recording.count for recording in recordings]
    return None if None in counts else sum(filter(None, counts))


@contextmanager
def _output(path: Path | None) -> Iterator[Callable[[ReplayedFrame], None]]:
    """Give a function that writes frames to a new recording, or does nothing without a path."""
    if path is None:
        yield lambda _: None
        return
    with new_recording(path) as writer:
        yield lambda replayed: writer.write(Entry.of(replayed.renewed()))


def _listed(replayed: ReplayedFrame, labels: Labels | None) -> dict[str, Any]:
    """Describe a frame in JSON values."""
    frame = replayed.frame
    names = labels or frame.session.model.labels
    return {
        'time': datetime.fromtimestamp(frame.arrived / _SECOND).isoformat(' ', 'milliseconds'),
        'stamp': frame.stamp, 'camera': frame.camera, 'fate': frame.fate, 'error': frame.error,
        'reason': frame.reason, 'times': dict(frame.times), 'changed': replayed.is_changed,
        'published': _objects(frame.detections, names), 'found': _objects(replayed.found, names)}


def _objects(found: Detections | None, labels: Labels) -> list[dict[str, Any]] | None:
    if found is None:
        return None
    rows = zip(found.class_ids.tolist(), found.scores.tolist(), found.boxes.tolist())
    return [{'class': labels.name(class_id), 'class_id': class_id, 'score': score, 'box': box}
            for class_id, score, box in rows]


def _figures(
    tally: ReplayTally, below_floor: int, labels: Labels, start: float,
) -> dict[str, Any]:
    """Return the figures in JSON values."""
    cameras = sorted({camera for camera, _ in tally.fates})
    return {
        'frames': tally.frames, 'decoded': tally.decoded, 'changed': tally.changed,
        'below_floor': below_floor, 'seconds': round(perf_counter() - start, 3),
        'cameras': {camera: {fate: tally.fates[camera, fate] for fate in FATES}
                    for camera in cameras},
        'failures': dict(tally.failures),
        'classes': {labels.name(class_id): {
            'published': tally.published[class_id], 'found': tally.found[class_id]}
            for class_id in sorted(tally.published | tally.found)}}


def _report(
    figures: Mapping[str, Any], listed: Sequence[Mapping[str, Any]],
    recordings: Sequence[Recording], options: argparse.Namespace,
) -> int:
    """Print the figures, and return the exit code."""
    problems = [recording.problem for recording in recordings if recording.problem]
    result = None if options.out is None else str(options.out.absolute())
    if options.json:
        print(json.dumps({**figures, 'list': listed, 'problems': problems, 'results': result},
                         indent=2, ensure_ascii=False))
    else:
        _print(figures, listed)
        if result is not None:
            print(f'results: {result}')
    for line in (*problems, *_notices(figures['below_floor'])):
        print(f'fcos replay: {printable_lines(line)}', file=sys.stderr)
    return 1 if problems else 0


def _print(figures: Mapping[str, Any], listed: Sequence[Mapping[str, Any]]) -> None:
    if listed:
        print(plain_table([('time', 'camera', 'fate', 'published', 'found'),
                           *map(_list_row, listed)]))
        print()
    print(plain_table([('camera', *FATES), *(
        (camera or '-', *(str(counts[fate]) for fate in FATES))
        for camera, counts in figures['cameras'].items())]))
    for kind, count in figures['failures'].items():
        print(f'failed because of {kind}: {count}')
    print()
    if figures['classes']:
        print(plain_table([('class', 'published', 'found'), *(
            (name, str(counts['published']), str(counts['found']))
            for name, counts in figures['classes'].items())]))
        print()
    rate = figures['frames'] / max(figures['seconds'], 0.001)
    print(f'{figures["changed"]} of {figures["decoded"]} frames have other detections than those '
          f'that were published ({rate:.0f} frames per second)')


def _list_row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    fate = ': '.join(filter(None, (entry['fate'], entry['error'])))
    found = entry['found'] if entry['changed'] else None
    return (entry['time'], entry['camera'] or '-', fate, _short(entry['published']),
            'the same' if entry['found'] is not None and not entry['changed'] else _short(found))


def _short(objects: Sequence[Mapping[str, Any]] | None) -> str:
    if objects is None:
        return '-'
    names = [f'{entry["class"]} {entry["score"]:.2f}' for entry in objects]
    more = len(names) - MAX_LISTED
    return ', '.join(names[:MAX_LISTED]) + (f' and {more} more' if more > 0 else '') or 'nothing'


def _notices(below_floor: int) -> Iterator[str]:
    if below_floor:
        yield (f'{below_floor} frames were recorded with higher scores than the threshold, so '
               'detections are missing; set recorder_floor to a lower score for the next '
               'recording')
