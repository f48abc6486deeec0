# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The demo: a camera, the detector and a listener, three processes of a real ROS 2 graph.

Shows a latency table, the precision and recall against the exact boxes, and an annotated picture;
ends with 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
from pathlib import Path
import signal
import sys
from tempfile import TemporaryDirectory
from typing import NoReturn

import cv2
import rclpy
from rclpy.signals import SignalHandlerOptions

from fcos_ros.demo.domain import Domain
from fcos_ros.demo.listener import Listener
from fcos_ros.demo.processes import ProcessEnded, Processes
from fcos_ros.demo.report import Run, judge, table
from fcos_ros.demo.watch import DemoFailed, Watch
from fcos_ros.node.fast_dds import PROFILE, surroundings
from fcos_ros.runtime.model_path import DEMO, find

ENCODINGS = ('bgr8', 'nv12')
START = 180.0
"""Seconds each node gets to come up: a small and busy board takes long to render the scenes."""
DRAIN = 5.0
"""Seconds the last frames get to come out after the camera's end: some reports long."""
PICTURE = 5.0
"""Seconds to wait for annotated images."""
PICTURES = 5
"""Annotated images of which the fullest is kept."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code: 0 all promises held, 1 not, 130 interrupted."""
    options = _options(arguments)
    domain = Domain()
    _surround(domain)
    signal.signal(signal.SIGTERM, _interrupt)
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        return _report([_run(encoding, options) for encoding in options.encodings], options)
    except (DemoFailed, ProcessEnded) as error:
        print(f'\nThe demo failed: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nInterrupted.', file=sys.stderr)
        return 130
    finally:
        rclpy.try_shutdown()
        domain.release()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m fcos_ros.demo', description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--seconds', type=float, default=10.0,
                        help='that are measured in each run')
    parser.add_argument('--warm-up', type=float, default=2.0,
                        help='seconds before, while caches and allocations settle')
    parser.add_argument('--encodings', nargs='+', choices=ENCODINGS, default=list(ENCODINGS),
                        help='pixel formats of the camera, one run each')
    parser.add_argument('--rate', type=float, default=12.0, help='images a second')
    parser.add_argument('--size', type=int, nargs=2, default=[640, 480],
                        metavar=('WIDTH', 'HEIGHT'), help='of the images, in pixels, even')
    parser.add_argument('--seed', type=int, default=505, help='another seed shows other worlds')
    parser.add_argument('--scenes', type=int, default=60,
                        help='different images, rendered at the start of each run')
    parser.add_argument('--model', default='', help='another model than the one shipped')
    parser.add_argument('--output', type=Path, default=Path('demo_output'),
                        help='folder for the annotated pictures')
    return parser.parse_args(arguments)


def _surround(domain: Domain) -> None:
    """Keep the graph to this machine and to itself; tell ROS where it is and what to take."""
    os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)
    os.environ['ROS_DOMAIN_ID'] = str(domain.number)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    if os.environ.get('ROS_DISTRO') == 'humble':
        os.environ['ROS_LOCALHOST_ONLY'] = '1'  # later distributions warn about it
    os.environ.update(surroundings(os.environ, find(PROFILE)))


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _run(encoding: str, options: argparse.Namespace) -> Run:
    listener = Listener()
    try:
        with TemporaryDirectory(prefix='fcos_demo_') as folder:
            return _logged(encoding, options, listener, Path(folder))
    finally:
        listener.destroy_node()


def _logged(encoding: str, options: argparse.Namespace, listener: Listener,
            folder: Path) -> Run:
    """Run, and show what the processes said when something went wrong."""
    with Processes(folder) as processes:
        watch = Watch(encoding, listener, processes, sys.stderr)
        try:
            run = _observe(encoding, options, listener, processes, watch)
        except (DemoFailed, ProcessEnded):
            print(f'\n{processes.outputs()}', file=sys.stderr)
            raise
        finally:
            watch.close()
        if run.faults:
            print(processes.outputs(), file=sys.stderr)
        return run


def _observe(encoding: str, options: argparse.Namespace, listener: Listener,
             processes: Processes, watch: Watch) -> Run:
    record = listener.record
    processes.start('detector', 'fcos_ros.node.fcos_node', _detector_parameters(options))
    watch.expect('the detector', START, lambda: listener.ready)
    processes.start('camera', 'fcos_ros.demo.camera', _camera_parameters(encoding, options))
    watch.expect('the first detections', START, lambda: bool(record.answers and record.truths))
    watch.pause('warm-up', options.warm_up)
    begin = len(record.answers)
    watch.pause('measurement', options.seconds)
    measured, stages = record.answers[begin:], record.stages
    listener.watch()
    watch.expect('annotated images', PICTURE, lambda: len(listener.pictures) >= PICTURES)
    listener.unwatch()
    processes.stop('camera')
    record.frames = {}  # the account that counts is one of after the last image
    watch.settle('the last detections', DRAIN, lambda: record.settled)
    _save(listener, options.output / f'{encoding}.png')
    return judge(encoding, record, measured, stages)


def _detector_parameters(options: argparse.Namespace) -> dict[str, object]:
    # Not `auto`, which on a board is a network that knows nothing of these scenes.
    return {'model': options.model or DEMO}


def _camera_parameters(encoding: str, options: argparse.Namespace) -> dict[str, object]:
    width, height = options.size
    return {'encoding': encoding, 'width': width, 'height': height, 'rate': options.rate,
            'seed': options.seed, 'scenes': options.scenes}


def _save(listener: Listener, path: Path) -> None:
    """Save the annotated image that shows the most objects."""
    truths = listener.record.truths
    unknown = [header for header in listener.pictures if header not in truths]
    if unknown:
        raise DemoFailed(f'an annotated image has a header that no image had: {unknown[0]}')
    fullest = max(listener.pictures, key=lambda header: len(truths[header]))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), listener.pictures[fullest].bgr()):
        raise DemoFailed(f'{path} cannot be written')


def _report(runs: Sequence[Run], options: argparse.Namespace) -> int:
    print(table(runs))
    print(f'annotated: {", ".join(str(options.output / f"{run.encoding}.png") for run in runs)}')
    faults = [f'{run.encoding}: {fault}' for run in runs for fault in run.faults]
    for fault in faults:
        print(f'FAILED {fault}', file=sys.stderr)
    return 1 if faults else 0


if __name__ == '__main__':
    raise SystemExit(main())
