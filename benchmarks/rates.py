# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the whole node as ros2_benchmark does: its maximum rate, and its latency at fixed rates.

Run `python benchmarks/rates.py`; it prints a Markdown table. A camera sends images of 640x480,
and another process measures the node from outside, as `fcos bench --node` does. The maximum rate
is the highest one at which less than 5 % of the images are lost. The search begins at the rate of
detections while the camera sends too many images, and ends with a bisection.
Camera, node and measurement share the cores of this machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import NamedTuple

from common.nv12_camera import publish_images
from common.simulated_board import (
    CHECKOUT,
    MODELS,
    START_TIMEOUT,
    PublishedModel,
    SimulatedBoard,
    end,
)
from common.tables import Table, keep, note
import numpy as np

from fcos_ros.core.resize import Size
from fcos_ros.inspection.node_speed import NodeSpeed, ros2_benchmark_metrics
from fcos_ros.node.observer.session import Session
from fcos_ros.node.observer.speed import SpeedMeter

SIZE = Size(640, 480)

FIXED_RATES = (10.0, 30.0)
"""Images per second at which latency and jitter are measured."""

MAX_LOSS = 0.05
"""Maximum share of lost images at the maximum rate."""

FLOOD_RATE = 1000.0
"""Images per second that no node can take."""

LOWEST_RATE = 1.0
"""Images per second at which the search ends without a result."""

STEP = 1.25
"""Factor between two rates of the search, before the bisection."""

PROBES = 2
"""Steps of the bisection, from a rate to its next: the result is 6 % too low at most."""

SETTLE = 0.5
"""Seconds after a change of the rate."""


class Setup(NamedTuple):
    """A model and its engine."""

    title: str
    model: PublishedModel
    parameters: tuple[str, ...]


def setups(board: SimulatedBoard) -> Iterator[Setup]:
    """Yield what is measured."""
    demo = CHECKOUT / 'models' / 'fcos_demo.onnx'
    model = MODELS['b0']
    yield Setup('demo network, ONNX', model, (f'model:={demo}', 'backend:=onnx', 'workers:=1'))
    yield Setup('fcos_efficientnetb0, simulated RDK X5', model, (
        f'model:={board.write(model)}', 'backend:=hobot_dnn', f'workers:={board.workers(model)}'))


def main() -> int:
    """Print the tables; return 1 if a node does not detect."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--seconds', type=float, default=4.0,
                        help='duration of each measurement; half of it for a step of the search')
    options = parser.parse_args()
    note(f'THE BOARD IS SIMULATED, its CPU is this machine ({os.cpu_count()} cores). NV12 images '
         f'of {SIZE}; latency is from the stamp to the arrival in another process; jitter is the '
         'difference of two successive intervals.')
    table = Table({
        'node': '', 'images/s': '', 'sent/s': '.1f', 'detections/s': '.1f', 'lost': '.1%',
        'latency, ms: p50': '.2f', 'p95': '.2f', 'max': '.2f', 'jitter, ms: mean': '.2f',
        'CPU of the node, ms a frame': '.2f', 'CPU of the machine': '.0f'})
    with TemporaryDirectory(prefix='fcos_rates_') as folder:
        board = SimulatedBoard(Path(folder), options.seconds)
        for setup in setups(board):
            found = board.run(__file__, setup.model, 'graph', options.seconds, *setup.parameters)
            for rate, speed in found['speeds'].items():
                table.add(setup.title, rate, *speed)
            keep(title=setup.title, ros2_benchmark=found['metrics'], stages=found['stages'])
    return 0


class Camera:
    """A process that sends images."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def send(self, rate: float) -> None:
        """Send images at another rate."""
        assert self._process.stdin is not None
        print(rate, file=self._process.stdin, flush=True)


def run_graph(model: PublishedModel, seconds: str, *parameters: str) -> None:
    """Start a node and a camera, and print the measurements."""
    meter = SpeedMeter('/fcos', START_TIMEOUT)
    duration = float(seconds)
    with Session('rates', meter.hear) as session, _graph(model, parameters) as camera:
        camera.send(FIXED_RATES[0])
        meter.measure(session, SETTLE)  # waits until the node detects

        def measure(rate: float, seconds: float) -> NodeSpeed:
            camera.send(rate)
            session.wait(SETTLE)
            return meter.measure(session, seconds)

        speeds = {'maximum': _maximum(measure, duration),
                  **{f'{rate:g}': measure(rate, duration) for rate in FIXED_RATES}}
    metrics = {rate: ros2_benchmark_metrics(speed.cameras[0], speed.machine_cpu)
               for rate, speed in speeds.items()}
    print(json.dumps({
        'speeds': {rate: _cells(speed) for rate, speed in speeds.items()},
        # As in the files of ros2_benchmark, a fixed rate is a part of its own.
        'metrics': {**metrics.pop('maximum'), **{f'{float(rate):.1f}fps': values
                                                 for rate, values in metrics.items()}},
        'stages': {stage: asdict(spread)
                   for stage, spread in speeds['30'].cameras[0].stages.items()}}))


def _maximum(measure: Callable[[float, float], NodeSpeed], seconds: float) -> NodeSpeed:
    """Return the speed at the highest rate at which few images are lost."""
    def loses_few(rate: float) -> bool:
        return _loses_few(measure(rate, seconds / 2))

    low = max(LOWEST_RATE, measure(FLOOD_RATE, seconds / 2).cameras[0].detection_rate)
    while not loses_few(low):
        low /= STEP
        if low < LOWEST_RATE:
            raise SystemExit(f'{MAX_LOSS:.0%} of the images are lost at any rate')
    high = STEP * low
    while loses_few(high):
        low, high = high, STEP * high
    for _ in range(PROBES):
        middle = (low + high) / 2
        low, high = (middle, high) if loses_few(middle) else (low, middle)
    while not _loses_few(speed := measure(low, seconds)):  # a step is short, and may be lucky
        low *= 1 - MAX_LOSS
    return speed


def _loses_few(speed: NodeSpeed) -> bool:
    return bool(speed.cameras[0].lost_share < MAX_LOSS)


def _cells(speed: NodeSpeed) -> list[float | None]:
    camera, = speed.cameras
    latency, jitter = camera.latency, camera.jitter
    return [camera.sent / camera.seconds, camera.detection_rate, camera.lost_share,
            *((latency.p50, latency.p95, latency.maximum) if latency else (None, None, None)),
            jitter.mean if jitter else None, speed.cpu_per_frame,
            float(np.mean(speed.machine_cpu)) if speed.machine_cpu else None]


@contextmanager
def _graph(model: PublishedModel, parameters: tuple[str, ...]) -> Iterator[Camera]:
    """Run a node and a camera until the end of the block."""
    arguments = [part for parameter in parameters for part in ('-p', parameter)]
    with ExitStack() as stack:
        for command in ([sys.executable, '-m', 'fcos_ros.node', '--ros-args', *arguments],
                        [sys.executable, __file__, 'camera', model.key]):
            process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                                       stdout=subprocess.DEVNULL, start_new_session=True)
            stack.callback(end, process)
        yield Camera(process)


def run_camera(_: PublishedModel) -> None:
    """Publish images; stdin gives the rates."""
    os.set_blocking(sys.stdin.fileno(), False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rate = 1.0

    def period() -> float:
        nonlocal rate
        if line := sys.stdin.readline():
            rate = float(line)
        return 1 / rate
    publish_images('camera', 'image', SIZE, period)


ROLES = {'graph': run_graph, 'camera': run_camera}

if __name__ == '__main__':
    if sys.argv[1:2] and sys.argv[1] in ROLES:
        ROLES[sys.argv[1]](MODELS[sys.argv[2]], *sys.argv[3:])
    else:
        raise SystemExit(main())
