# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the frame rates of `fcos detect` and `fcos bag` against that of the model alone.

Run `python benchmarks/offline.py`. The rate of the model is that of `fcos bench`: inference alone,
with the number of workers that the node uses. Both are measured in turn in one process, and each
pair gives a share. The table has the median share. The time to load the model is not included.

The demo network runs on the CPU of this machine. The node uses one worker for it, and `detect` one
for each core: a worker then prepares its frame while another one infers. The board is simulated:
an inference waits for the time that the vendor measured on a board, and `detect` has twice the
workers of the node. All else is real work of this machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
import json
import os
from pathlib import Path
from statistics import median
import sys
from tempfile import TemporaryDirectory
from time import perf_counter

from builtin_interfaces.msg import Time
from common.checks import Checks
from common.simulated_board import MODELS, PublishedModel, SimulatedBoard
from common.tables import Table, note
import cv2
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from fcos_ros.cli.measure import measure_inference
from fcos_ros.core.arrays import Pixels
from fcos_ros.demo.scenes import render
from fcos_ros.node.output.messages import to_image
from fcos_ros.offline.bags.job import BagJob
from fcos_ros.offline.bags.reader import Topic
from fcos_ros.offline.bags.types import BagTypes
from fcos_ros.offline.bags.writer import BagWriter
from fcos_ros.offline.detect import DetectJob, DetectOutputs
from fcos_ros.offline.inputs import InputOptions, find_sources
from fcos_ros.offline.jobs import Detectors
from fcos_ros.offline.pictures import read_picture
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.offline.runner import WORKER_FACTOR

DEMO = 'demo'
"""The demo network on the CPU."""

NUM_SCENES = 8
"""Different images; they repeat."""

MIN_SHARE = 0.9
"""The bar: minimum rate without drawing, relative to that of the model alone."""

KINDS = {'pictures': False, 'pictures, annotated': True, 'video': False, 'video, annotated': True,
         'bag': False, 'bag, annotated': True}
"""
The inputs, and whether annotated images are also written.

A bag has raw images, and all of its messages are copied.
"""


def main() -> int:
    """Print the table; return the exit code of the checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--frames', type=int, default=150, help='frames of each measurement')
    parser.add_argument('--models', nargs='+', choices=[DEMO, *MODELS], default=[DEMO, *MODELS])
    parser.add_argument('--pairs', type=int, default=3, help='measurements of each, in turn')
    parser.add_argument('--inputs', nargs='+', choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    note(f'THE BOARD IS SIMULATED, its CPU is this machine ({os.cpu_count()} cores).')
    table = Table({'model': '', 'input': '', 'workers': 'd', 'model alone, FPS': '.1f',
                   'fcos, FPS': '.1f', 'share': '.0%'})
    checks = Checks()
    with TemporaryDirectory(prefix='fcos_offline_') as folder:
        board = SimulatedBoard(Path(folder), 0.0)
        for name in options.models:
            model = MODELS.get(name, MODELS['b0'])
            path = 'package://fcos_ros/models/fcos_demo.onnx' if name == DEMO \
                else board.write(model)
            workers = 1 if name == DEMO else board.workers(model)
            for kind in options.inputs:
                found = board.run(__file__, model, 'measure', path, workers, kind, options.frames,
                                  options.pairs)
                share = median(after / before for before, after in zip(
                    found['model'], found['detect']))
                table.add(name, kind, workers, median(found['model']), median(found['detect']),
                          share)
                if not KINDS[kind]:
                    checks.bar(f'{name}, {kind}: rate relative to the model alone', share, '.0%',
                               least=MIN_SHARE)
    return checks.exit_code()


def measure(path: str, workers: int, kind: str, frames: int, pairs: int,
            ) -> dict[str, Sequence[float]]:
    """Return the rates of the model alone and of the verb, in frames a second, in turn."""
    with TemporaryDirectory(prefix='fcos_offline_') as name, Detectors() as detectors:
        folder = Path(name)
        source = write_source(folder, kind, frames)
        own = 0 if path.endswith('.onnx') else WORKER_FACTOR * workers
        plan = DetectionPlan.of({'model': path, 'workers': own, 'inference_timeout': 10.0})
        job = make_job(source, plan, folder / 'out', kind)
        frame = read_picture(folder / 'first.jpg')
        detectors.open(plan)
        job.run(detectors, lambda count: None)  # warm up
        rates: dict[str, list[float]] = {'model': [], 'detect': []}
        for _ in range(pairs):
            rates['model'].append(measure_inference(
                plan.config, workers, frames, frame, lambda count: None).fps)
            rates['detect'].append(frames / seconds_of(
                lambda: job.run(detectors, lambda count: None)))
    return rates


def make_job(source: Path, plan: DetectionPlan, output: Path, kind: str) -> DetectJob | BagJob:
    """Return the job that writes the results of a source."""
    if 'bag' in kind:
        return BagJob(source, output, plan, annotated=KINDS[kind], overwrite=True)
    return DetectJob(find_sources([str(source)], InputOptions(whole_folders=True))[0], plan,
                     DetectOutputs(output, pictures=KINDS[kind]))


def write_source(folder: Path, kind: str, frames: int) -> Path:
    """Write a folder of pictures, or a video, of scenes of the demo; return its path."""
    scenes = [render(seed).image for seed in range(NUM_SCENES)]
    cv2.imwrite(str(folder / 'first.jpg'), scenes[0])
    if 'video' in kind:
        path = folder / 'video.mp4'
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 30.0,
                                 scenes[0].shape[1::-1])
        for number in range(frames):
            writer.write(scenes[number % NUM_SCENES])
        writer.release()
        return path
    if 'bag' in kind:
        return write_bag(folder / 'bag', [scenes[n % NUM_SCENES] for n in range(frames)])
    pictures = folder / 'pictures'
    pictures.mkdir()
    for number in range(frames):
        cv2.imwrite(str(pictures / f'{number}.jpg'), scenes[number % NUM_SCENES])
    return pictures


def write_bag(path: Path, images: Sequence[Pixels]) -> Path:
    """Write a bag of raw images."""
    type_name = 'sensor_msgs/msg/Image'
    topic = Topic('/image', type_name, BagTypes({type_name: ''}).definition(type_name))
    with BagWriter(path, 'mcap') as writer:
        writer.add(topic)
        for number, bgr in enumerate(images, 1):
            message = to_image(bgr, Header(stamp=Time(sec=number)))
            writer.write(topic, number * 10**9, serialize_message(message))
    return path


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def run_role(role: str, key: str, path: str, workers: str, kind: str, frames: str,
             pairs: str) -> None:
    """Run the role of a process of this benchmark, and print its result as JSON."""
    model: PublishedModel = MODELS[key]
    assert role == 'measure', (role, model)
    print(json.dumps(measure(path, int(workers), kind, int(frames), int(pairs))))


if __name__ == '__main__':
    if sys.argv[1:2] == ['measure']:
        run_role(*sys.argv[1:])
    else:
        sys.exit(main())
