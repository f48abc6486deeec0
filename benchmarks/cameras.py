# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure how several cameras share one model on a simulated board.

Run `python benchmarks/cameras.py`. Each camera is a process that publishes NV12 images of 640x480
pixels. One node receives them all, with fcos_efficientnetb0 on the simulated RDK X5 of
`throughput.py`. Under the first load, the board can process all images. Under the second load, it
cannot, and one of the cameras has double weight.

The share of a camera is its part, by weight, of all images that the node processes. If it sends
fewer images than that, the other cameras share the rest. The bar: each camera gets its share
within 5 %. Detections out of order, and counts that do not add up, are faults. No figure was
measured on a board.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
import json
import os
from pathlib import Path
import signal
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any, NamedTuple

from common.checks import Checks
from common.nv12_camera import publish_images
from common.simulated_board import (
    END_TIMEOUT,
    MODELS,
    START_TIMEOUT,
    PublishedModel,
    SimulatedBoard,
    end,
    running,
)
from common.tables import Table, note, yes_or_no

from fcos_ros.core.resize import Size
from fcos_ros.messages.detections import stamp_of

NODE = str(Path(__file__).with_name('throughput.py'))
"""The script whose role `node` runs the node."""

WARM_UP = 3.0
"""Seconds before the measurement."""

SETTLE_TIMEOUT = 5.0
"""Seconds for the last images to be processed."""

SIZE = Size(640, 480)
NAMES = ('front', 'rear', 'left', 'right')

TOLERANCE = 0.05
"""Maximum relative difference from a share."""


class Load(NamedTuple):
    """
    The images that the cameras send.

    :ivar rate: images per second of each camera.
    :ivar weights: the weight of each camera.
    """

    title: str
    rate: float
    weights: tuple[float, ...]


LOADS = (Load('light load', 30.0, (1.0, 1.0, 1.0, 1.0)),
         Load('overload', 90.0, (2.0, 1.0, 1.0, 1.0)))


def main() -> int:
    """Print a table for each load; return the exit code of the checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--seconds', type=float, default=60.0, help='duration of each measurement')
    parser.add_argument('--backend', default='hobot_dnn', choices=('hobot_dnn', 'libdnn'))
    parser.add_argument('--slow', type=float, default=1.0,
                        help='divisor of the rates, for a machine that cannot send as many images')
    options = parser.parse_args()
    note(f'THE BOARD IS SIMULATED, its CPU is this machine ({os.cpu_count()} cores).')
    model, checks = MODELS['b0'], Checks()
    with TemporaryDirectory(prefix='fcos_cameras_') as folder:
        board = SimulatedBoard(Path(folder), options.seconds)
        for load in LOADS:
            note(f'{load.title}: {len(NAMES)} cameras, {load.rate / options.slow:g} images/s '
                 f'each, {options.seconds:g} s')
            measured = board.run(
                __file__, model, 'graph', board.write(model), options.backend, options.seconds,
                load.rate / options.slow, *load.weights)
            print_table(load, measured)
            check(checks, load, measured)
    return checks.exit_code()


def relative_rates(load: Load, measured: Mapping[str, Any]) -> dict[str, float]:
    """Return the rate of each camera relative to its share; 0 if its share is 0."""
    weights = dict(zip(NAMES, load.weights))
    fair = shares(sum(measured[name]['rate'] for name in NAMES),
                  {name: measured[name]['received'] for name in NAMES}, weights)
    return {name: fair[name] and measured[name]['rate'] / fair[name] for name in NAMES}


def shares(
    total: float, sent: Mapping[str, float], weights: Mapping[str, float],
) -> dict[str, float]:
    """
    Divide a total by weight; no camera gets more than it sends (max-min fairness).

    :param total: images per second of all cameras.
    :param sent: images per second of each camera.
    """
    each = total / sum(weights.values()) if weights else 0.0
    full = {name for name, weight in weights.items() if sent[name] <= weight * each}
    if not full:
        return {name: weight * each for name, weight in weights.items()}
    others = {name: weight for name, weight in weights.items() if name not in full}
    taken = {name: sent[name] for name in full}
    return {**taken, **shares(total - sum(taken.values()), sent, others)}


def check(checks: Checks, load: Load, measured: Mapping[str, Any]) -> None:
    """Check share, order and counts of each camera."""
    for name, relative in relative_rates(load, measured).items():
        checks.bar(f'{load.title}: rate of {name} relative to its share', relative, '.1%',
                   least=1 - TOLERANCE, most=1 + TOLERANCE)
        checks.require(measured[name]['ordered'],
                       f'{load.title}: detections of {name} are out of order')
        checks.require(measured[name]['accounted'],
                       f'{load.title}: the counts of {name} do not add up')


def print_table(load: Load, measured: Mapping[str, Any]) -> None:
    """Print a row for each camera."""
    relative = relative_rates(load, measured)
    table = Table({'camera': '', 'weight': 'g', 'received/s': '.2f', 'published/s': '.2f',
                   '% of its share': '.1%', 'median age, ms': 's', 'in order': '',
                   'counts add up': ''})
    for name, weight in zip(NAMES, load.weights):
        camera = measured[name]
        table.add(name, weight, camera['received'], camera['rate'], relative[name],
                  camera['age'], yes_or_no(camera['ordered']), yes_or_no(camera['accounted']))
    total = sum(measured[name]['rate'] for name in NAMES)
    note(f'All cameras together: {total:.1f} images/s.')


def run_graph(model: PublishedModel, path: str, backend: str, seconds: str, rate: str,
              *weights: str) -> None:
    """Start the node and the cameras, receive all detections, and print the measurements."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    rclpy.init()
    listener = Listener()
    executor = SingleThreadedExecutor()
    executor.add_node(listener.node)

    def spin(seconds: float, condition: Callable[[], object] = lambda: False) -> bool:
        over = time.monotonic() + seconds
        while time.monotonic() < over and not condition():
            executor.spin_once(timeout_sec=0.1)
        return bool(condition())

    parameters = [
        f'model:={path}', f'backend:={backend}', f'workers:={model.default_workers}',
        f'cameras:=[{", ".join(NAMES)}]', 'inference_timeout:=5.0',
        *(f'{name}.weight:={weight}' for name, weight in zip(NAMES, weights))]
    arguments = [part for parameter in parameters for part in ('-p', parameter)]
    with ExitStack() as stack:
        node = stack.enter_context(
            running(NODE, 'node', model.key, '', '--ros-args', *arguments))
        spin(START_TIMEOUT, lambda: all(
            listener.node.count_publishers(f'fcos/{name}/detections') for name in NAMES))
        cameras = [stack.enter_context(running(__file__, 'camera', model.key, name, rate))
                   for name in NAMES]
        if not spin(START_TIMEOUT, lambda: all(listener.stamps[name] for name in NAMES)):
            raise SystemExit(f'a camera has no detections after {START_TIMEOUT:g} s')
        spin(WARM_UP)
        first = {name: len(listener.counts[name]) - 1 for name in NAMES}
        spin(float(seconds))
        spin(START_TIMEOUT, lambda: all(
            len(listener.counts[name]) >= first[name] + 2 for name in NAMES))
        spans = {name: (listener.counts[name][first[name]], listener.counts[name][-1])
                 for name in NAMES}
        # All at once, and receiving meanwhile: a listener that waits loses detections.
        for camera in cameras:
            camera.send_signal(signal.SIGINT)
        spin(END_TIMEOUT, lambda: all(camera.poll() is not None for camera in cameras))
        spin(SETTLE_TIMEOUT, lambda: all(map(listener.is_settled, NAMES)))
        end(node)
    print(json.dumps({name: {
        'received': rate_of(spans[name], 'received'), 'rate': rate_of(spans[name], 'published'),
        'age': listener.ages[name],
        'ordered': listener.stamps[name] == sorted(set(listener.stamps[name])),
        'accounted': listener.is_settled(name)} for name in NAMES}))


def rate_of(span: Sequence[dict[str, float]], count: str) -> float:
    """Return the number of frames per second between two reports."""
    first, last = span
    return (last[count] - first[count]) / (last['time'] - first['time'])


class Listener:
    """Keeps the stamps of all detections, and the reported counts of each camera."""

    def __init__(self) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.node import Node
        from vision_msgs.msg import Detection2DArray
        self.node = Node('listener')
        self.stamps: dict[str, list[tuple[int, int]]] = {name: [] for name in NAMES}
        self.counts: dict[str, list[dict[str, float]]] = {name: [] for name in NAMES}
        self.ages = dict.fromkeys(NAMES, '')
        for name in NAMES:
            self.node.create_subscription(
                Detection2DArray, f'fcos/{name}/detections',
                lambda raw, name=name: self.stamps[name].append(stamp_of(raw)), 100, raw=True)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._read, 10)

    def is_settled(self, name: str) -> bool:
        """Return whether the counts of a camera add up, and all its detections have arrived."""
        counts = self.counts[name][-1]
        total = sum(counts[fate] for fate in ('published', 'superseded', 'expired', 'failed'))
        return total == counts['received'] and counts['published'] == len(self.stamps[name])

    def _read(self, message: Any) -> None:
        seconds = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
        for status in message.status:
            camera, _, part = status.name.rpartition(': ')[2].partition(' ')
            values = {entry.key: entry.value for entry in status.values}
            if part == 'frames':
                self.counts[camera].append({'time': seconds, **{
                    key: float(value) for key, value in values.items() if value.isdecimal()}})
            elif part == 'latency' and values:
                self.ages[camera] = values['age p50/p95/p99 ms'].split(' / ')[0]


def run_camera(model: PublishedModel, name: str, rate: str) -> None:
    """Publish images at a rate."""
    publish_images(f'camera_{name}', f'{name}/image', SIZE, lambda: 1 / float(rate))


ROLES = {'graph': run_graph, 'camera': run_camera}

if __name__ == '__main__':
    if sys.argv[1:2] and sys.argv[1] in ROLES:
        ROLES[sys.argv[1]](MODELS[sys.argv[2]], *sys.argv[3:])
    else:
        sys.exit(main())
