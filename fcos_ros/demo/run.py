# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run a synthetic camera, the detector and a listener as three processes of a ROS 2 graph.

Prints a table of frames and latencies, with precision and recall against the exact boxes, and
saves annotated images. The page is served meanwhile, and a browser saves a picture of it. Also
records bags of the camera, and runs `fcos bag` on them. The exit code is 0 if all checks passed, 1
if one failed, 130 after an interruption, and 141 if the reader of its output ended.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
from pathlib import Path
import signal
import sys
from tempfile import TemporaryDirectory

import cv2
import rclpy
from rclpy.signals import SignalHandlerOptions

from fcos_ros.demo.bags import BagRecorder, detect_in_bags
from fcos_ros.demo.domain import Domain
from fcos_ros.demo.listener import Listener
from fcos_ros.demo.monitor import DemoFailed, Monitor
from fcos_ros.demo.page import DemoPage
from fcos_ros.demo.processes import ProcessEnded, Processes
from fcos_ros.demo.report import RunResult, format_table, summarise
from fcos_ros.offline.frames import OfflineError
from fcos_ros.runtime.end_signals import INTERRUPTED, INTERRUPTED_MESSAGE, EndSignals
from fcos_ros.runtime.model_path import demo_model, find_shared_file
from fcos_ros.runtime.stop_request import StopRequest, StopRequested
from fcos_ros.settings.fast_dds import PROFILE, fast_dds_environment
from fcos_ros.settings.web_options import ADDRESS_MARK

CAMERA_ENCODINGS = ('bgr8', 'nv12')
START_TIMEOUT = 180.0
"""Seconds until a node must be ready: a small and busy board renders the scenes slowly."""
DRAIN_TIMEOUT = 5.0
"""Seconds to wait for the last messages after the camera has stopped: five reports."""
IMAGE_TIMEOUT = 60.0
"""Seconds to wait for annotated images: a slow model has a camera of a low rate."""
RECORD_TIMEOUT = 60.0
"""Seconds to wait for the images of a bag: a slow camera needs 20 periods."""
PICTURE_TIMEOUT = 180.0
"""Seconds to wait for the picture of the page: the browser has its own timeouts."""
ANNOTATED_IMAGES = 5
"""Annotated images to receive; the one with the most objects is saved."""


def run(signals: EndSignals, arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    options = _parse_options(arguments)
    domain = Domain()
    _set_environment(domain)
    stop_request = StopRequest()
    signals.call(stop_request.make)
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        code = _run_all(options, stop_request)
        print(f'\n{_detect_in_bags(options, stop_request)}', flush=True)
        return code
    except BrokenPipeError:  # such as `fcos_demo | head`
        return 128 + signal.SIGPIPE
    except (DemoFailed, ProcessEnded, OfflineError, OSError) as error:
        print(f'\nThe demo failed: {error}', file=sys.stderr)
        return 1
    except StopRequested:
        sys.stderr.write(INTERRUPTED_MESSAGE)
        return INTERRUPTED
    finally:
        rclpy.try_shutdown()
        domain.release()


def _run_all(options: argparse.Namespace, stop_request: StopRequest) -> int:
    """Measure with each encoding, while one server shows the page; return the exit code."""
    with TemporaryDirectory(prefix='fcos_demo_') as folder, Processes(Path(folder)) as server:
        page = DemoPage(server, options.output / 'page.png') if options.page else None
        try:
            runs = [_run(encoding, options, stop_request, page) for encoding in options.encodings]
        finally:
            if page is not None:
                page.cancel()
    return _report(runs, options, page)


def _parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m fcos_ros.demo', description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--seconds', type=float, default=10.0,
                        help='length of the measurement in each run')
    parser.add_argument('--warm-up', type=float, default=2.0,
                        help='seconds before the measurement, until caches are filled')
    parser.add_argument('--encodings', nargs='+', choices=CAMERA_ENCODINGS,
                        default=list(CAMERA_ENCODINGS),
                        help='pixel formats of the camera, one run each')
    parser.add_argument('--rate', type=float, default=12.0,
                        help='frame rate of the camera in Hz')
    parser.add_argument('--size', type=int, nargs=2, default=[640, 480],
                        metavar=('WIDTH', 'HEIGHT'), help='size of the images in pixels, even')
    parser.add_argument('--seed', type=int, default=505, help='seed of the rendered scenes')
    parser.add_argument('--scenes', type=int, default=60,
                        help='number of different images, rendered at the start of each run')
    parser.add_argument('--model', default='', help='model file; the demo network if empty')
    parser.add_argument('--output', type=Path, default=Path('demo_output'),
                        help='folder for the annotated images, the bags and a picture of the page')
    parser.add_argument('--no-page', dest='page', action='store_false',
                        help='neither serve the page nor take a picture of it')
    return parser.parse_args(arguments)


def _set_environment(domain: Domain) -> None:
    """Isolate the graph from other ROS graphs, and let ROS find this package and its profile."""
    os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)
    os.environ['ROS_DOMAIN_ID'] = str(domain.number)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    if os.environ.get('ROS_DISTRO') == 'humble':
        os.environ['ROS_LOCALHOST_ONLY'] = '1'  # later distributions warn about it
    os.environ.update(fast_dds_environment(os.environ, find_shared_file(PROFILE)))


def _run(encoding: str, options: argparse.Namespace, stop_request: StopRequest,
         page: DemoPage | None) -> RunResult:
    listener = Listener()
    try:
        with TemporaryDirectory(prefix='fcos_demo_') as folder:
            return _run_processes(encoding, options, listener, Path(folder), stop_request, page)
    finally:
        listener.destroy_node()


def _run_processes(encoding: str, options: argparse.Namespace, listener: Listener,
                   folder: Path, stop_request: StopRequest, page: DemoPage | None) -> RunResult:
    """Start the processes and measure; after a problem, print their output."""
    with Processes(folder) as processes:
        monitor = Monitor(encoding, listener, processes, stop_request, sys.stderr)
        try:
            run = _measure(encoding, options, listener, processes, monitor, page)
        except (DemoFailed, ProcessEnded):
            print(f'\n{processes.outputs()}', file=sys.stderr)
            raise
        finally:
            monitor.close()
        if run.problems:
            print(processes.outputs(), file=sys.stderr)
        return run


def _measure(encoding: str, options: argparse.Namespace, listener: Listener,
             processes: Processes, monitor: Monitor, page: DemoPage | None) -> RunResult:
    recording = listener.recording
    processes.start('detector', 'fcos_ros.node', _detector_parameters(options))
    monitor.require('the detector', START_TIMEOUT, lambda: listener.ready)
    processes.start('camera', 'fcos_ros.demo.camera_program',
                    _camera_parameters(encoding, options))
    monitor.require('the first detections', START_TIMEOUT,
                    lambda: bool(recording.received and recording.ground_truth))
    if page is not None and encoding == options.encodings[0]:
        monitor.require('the page', START_TIMEOUT, lambda: bool(page.address))
        monitor.say(f'{ADDRESS_MARK}{page.address}')
    monitor.spin_for('warm-up', options.warm_up)
    begin = len(recording.received)
    monitor.spin_for('measurement', options.seconds)
    measured, latencies = recording.received[begin:], recording.latencies
    if page is not None and encoding == options.encodings[-1]:
        page.start_picture()
        monitor.require('a picture of the page', PICTURE_TIMEOUT, lambda: page.has_picture)
    listener.subscribe_to_images()
    monitor.require('annotated images', IMAGE_TIMEOUT,
                    lambda: len(listener.annotated_images) >= ANNOTATED_IMAGES)
    listener.unsubscribe_from_images()
    _record(listener, monitor, _bag(encoding, options))
    processes.stop('camera')
    recording.frame_diagnostics = {}  # only a report from after the last image counts
    monitor.spin_until('the last detections', DRAIN_TIMEOUT, lambda: recording.complete)
    _save_image(listener, options.output / f'{encoding}.png')
    return summarise(encoding, recording, measured, latencies)


def _record(listener: Listener, monitor: Monitor, path: Path) -> None:
    """Record a bag of the camera."""
    recorder = BagRecorder(listener)
    monitor.require('images for the bag', RECORD_TIMEOUT, lambda: recorder.complete)
    recorder.close()
    recorder.write(path)


def _bag(encoding: str, options: argparse.Namespace) -> Path:
    path: Path = options.output / f'bag_{encoding}'
    return path


def _detect_in_bags(options: argparse.Namespace, stop_request: StopRequest) -> str:
    bags = [_bag(encoding, options) for encoding in options.encodings]
    return detect_in_bags(bags, options.output / 'bags_with_detections',
                          options.model or demo_model(), stop_request)


def _detector_parameters(options: argparse.Namespace) -> dict[str, object]:
    # Not `auto`: on a board it chooses a network that does not know the objects of the scenes.
    return {'model': options.model or demo_model()}


def _camera_parameters(encoding: str, options: argparse.Namespace) -> dict[str, object]:
    width, height = options.size
    return {'encoding': encoding, 'width': width, 'height': height, 'rate': options.rate,
            'seed': options.seed, 'scenes': options.scenes}


def _save_image(listener: Listener, path: Path) -> None:
    """Save the annotated image that shows the most objects."""
    ground_truth = listener.recording.ground_truth
    unknown = [header for header in listener.annotated_images if header not in ground_truth]
    if unknown:
        raise DemoFailed(f'an annotated image has a header that no image had: {unknown[0]}')
    fullest = max(listener.annotated_images, key=lambda header: len(ground_truth[header]))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), listener.annotated_images[fullest].bgr()):
        raise DemoFailed(f'{path} cannot be written')


def _report(runs: Sequence[RunResult], options: argparse.Namespace,
            page: DemoPage | None) -> int:
    """Print the table and the problems; return 1 if there are any problems."""
    print(format_table(runs))
    images = (str(options.output / f'{run.encoding}.png') for run in runs)
    print(f'annotated: {", ".join(images)}', flush=True)
    if page is not None:
        print(f'the page: no picture; {page.problem}' if page.problem
              else f'the page: {page.path}', flush=True)
    problems = [f'{run.encoding}: {problem}' for run in runs for problem in run.problems]
    for problem in problems:
        print(f'FAILED {problem}', file=sys.stderr)
    return 1 if problems else 0
