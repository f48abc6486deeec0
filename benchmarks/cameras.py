# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Several cameras on one model, on a simulated board, and whether each gets its share.

Run `python benchmarks/cameras.py`. Cameras of 640x480 NV12 at 30 Hz, each a process, show their
images to one node with fcos_efficientnetb0 on the simulated RDK X5 of `throughput.py`. First the
board has time for all of them, then every camera sends so much that it has not, and one of them
counts twice. A camera's share is its part by weight of what the node publishes in all; where that
is more than it sends, the others share what is left of it. Whoever misses it by more than 5 %, or
gets detections out of order or not accounted for, is named, and the exit status is 1. No figure
here was taken on a board.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
import json
import os
from pathlib import Path
import struct
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any, NamedTuple

from common.simulated_board import ROWS, START, Bench, Row, end, process

from fcos_ros.core.resize import Size

NODE = str(Path(__file__).with_name('throughput.py'))
"""Whose role `node` is the node."""
WARM_UP = 3.0
SIZE = Size(640, 480)
NAMES = ('front', 'rear', 'left', 'right')
LEEWAY = 0.05
"""By which a camera may have less or more than its share."""
PUBLISHED, RECEIVED = 'published', 'received'


class Load(NamedTuple):
    """What the cameras send, images a second each, and the weight of each."""

    title: str
    rate: float
    weights: tuple[float, ...]


LOADS = (Load('time for all', 30.0, (1.0, 1.0, 1.0, 1.0)),
         Load('too much', 90.0, (2.0, 1.0, 1.0, 1.0)))


def main() -> int:
    """Print a table a load, and what is wrong with it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--seconds', type=float, default=60.0, help='that are measured a load')
    parser.add_argument('--backend', default='hobot_dnn', choices=('hobot_dnn', 'libdnn'))
    parser.add_argument('--slow', type=float, default=1.0,
                        help='rates are divided by this, on machines that cannot send as much')
    options = parser.parse_args()
    print(f'THE BOARD IS SIMULATED, its CPU is this machine ({os.cpu_count()} cores).\n')
    row, wrong = ROWS['b0'], []
    with TemporaryDirectory(prefix='fcos_cameras_') as folder:
        bench = Bench(Path(folder), options.seconds)
        for load in LOADS:
            print(f'{load.title}: {len(NAMES)} cameras, {load.rate / options.slow:g} images/s '
                  f'each, {options.seconds:g} s\n')
            found = bench.ask(
                __file__, row, 'graph', bench.model(row), options.backend, options.seconds,
                load.rate / options.slow, *load.weights)
            show(load, found)
            wrong += [f'{load.title}: {fault}' for fault in faults(load, found)]
    print('\n'.join(wrong))
    return 1 if wrong else 0


def parts(load: Load, found: Mapping[str, Any]) -> dict[str, float]:
    """Tell how much of its share each camera had, 1 for all of it; 0 where nothing came."""
    weights = dict(zip(NAMES, load.weights))
    fair = shares(sum(found[name]['rate'] for name in NAMES),
                  {name: found[name]['received'] for name in NAMES}, weights)
    return {name: fair[name] and found[name]['rate'] / fair[name] for name in NAMES}


def shares(
    total: float, sent: Mapping[str, float], weights: Mapping[str, float],
) -> dict[str, float]:
    """Divide by weight; what is more than a camera sends goes to the others (max-min fairness)."""
    each = total / sum(weights.values()) if weights else 0.0
    full = {name for name, weight in weights.items() if sent[name] <= weight * each}
    if not full:
        return {name: weight * each for name, weight in weights.items()}
    others = {name: weight for name, weight in weights.items() if name not in full}
    taken = {name: sent[name] for name in full}
    return {**taken, **shares(total - sum(taken.values()), sent, others)}


def faults(load: Load, found: Mapping[str, Any]) -> Iterator[str]:
    """Say which camera missed its share, or got detections that are not as they should be."""
    for name, part in parts(load, found).items():
        if abs(part - 1) > LEEWAY:
            yield f'{name} had {part:.1%} of its share'
        if not found[name]['ordered']:
            yield f'detections of {name} came out of order'
        if not found[name]['accounted']:
            yield f'the account of {name} does not add up'


def show(load: Load, found: Mapping[str, Any]) -> None:
    """Print what each camera sent and got."""
    had = parts(load, found)
    print('| camera | weight | received/s | published/s | % of its share | median ms of age | '
          'in order | accounted for |')
    print('| --- | ---: | ---: | ---: | ---: | ---: | --- | --- |')
    for name, weight in zip(NAMES, load.weights):
        one = found[name]
        print(f'| {name} | {weight:g} | {one["received"]:.2f} | {one["rate"]:.2f} | '
              f'{had[name]:.1%} | {one["age"]} | {"yes" if one["ordered"] else "NO"} | '
              f'{"yes" if one["accounted"] else "NO"} |')
    total = sum(found[name]['rate'] for name in NAMES)
    print(f'\nAll together {total:.1f} images/s.\n', flush=True)


def play_graph(row: Row, path: str, backend: str, seconds: str, rate: str, *weights: str) -> None:
    """Start the node and the cameras, listen to all of them, and print what came."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    rclpy.init()
    listener = Listener()
    executor = SingleThreadedExecutor()
    executor.add_node(listener.node)

    def spin(seconds: float, condition: Any = lambda: False) -> bool:
        over = time.monotonic() + seconds
        while time.monotonic() < over and not condition():
            executor.spin_once(timeout_sec=0.1)
        return bool(condition())

    own = [word for name, weight in zip(NAMES, weights) for word in (
        '-p', f'{name}.weight:={weight}')]
    node = ('node', row.key, '', '--ros-args', '-p', f'model:={path}', '-p', f'backend:={backend}',
            '-p', f'workers:={row.workers}', '-p', f'cameras:=[{", ".join(NAMES)}]',
            '-p', 'deadline:=5.0', *own)
    with ExitStack() as running:
        detector = running.enter_context(process(NODE, *node))
        spin(START, lambda: all(listener.node.count_publishers(f'fcos/{name}/detections')
                                for name in NAMES))
        eyes = [running.enter_context(process(__file__, 'camera', row.key, name, rate))
                for name in NAMES]
        if not spin(START, lambda: all(listener.stamps[name] for name in NAMES)):
            raise SystemExit(f'no detections of all cameras came in {START:g} s')
        spin(WARM_UP)
        reports = {name: len(listener.accounts[name]) for name in NAMES}
        spin(float(seconds))
        spans = {name: (listener.accounts[name][reports[name] - 1], listener.accounts[name][-1])
                 for name in NAMES}
        for eye in eyes:
            end(eye)
        settled = spin(5.0, lambda: all(map(listener.settled, NAMES)))
        end(detector)
    print(json.dumps({name: {
        'received': rate_of(spans[name], RECEIVED), 'rate': rate_of(spans[name], PUBLISHED),
        'age': listener.ages[name],
        'ordered': listener.stamps[name] == sorted(set(listener.stamps[name])),
        'accounted': settled and listener.settled(name)} for name in NAMES}))


def rate_of(span: Sequence[dict[str, float]], what: str) -> float:
    """Tell how many frames a second there were between two accounts."""
    first, last = span
    return (last[what] - first[what]) / (last['moment'] - first['moment'])


def stamp_of(serialised: bytes) -> tuple[int, int]:
    """Read the first field of a message without the rest: a header of four bytes, the stamp."""
    sec, nanosec = struct.unpack_from('<iI', serialised, 4)
    return sec, nanosec


class Listener:
    """Keeps the stamps of all detections, and every camera's accounts."""

    def __init__(self) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.node import Node
        from vision_msgs.msg import Detection2DArray
        self.node = Node('listener')
        self.stamps: dict[str, list[tuple[int, int]]] = {name: [] for name in NAMES}
        self.accounts: dict[str, list[dict[str, float]]] = {name: [] for name in NAMES}
        self.ages = dict.fromkeys(NAMES, '')
        for name in NAMES:
            self.node.create_subscription(
                Detection2DArray, f'fcos/{name}/detections',
                lambda raw, name=name: self.stamps[name].append(stamp_of(raw)), 100, raw=True)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._read, 10)

    def settled(self, name: str) -> bool:
        """Tell whether the four fates of a camera's frames add up to what came in."""
        account = self.accounts[name][-1]
        fates = sum(account[fate] for fate in (PUBLISHED, 'superseded', 'expired', 'failed'))
        return fates == account[RECEIVED] and account[PUBLISHED] == len(self.stamps[name])

    def _read(self, message: Any) -> None:
        moment = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
        for status in message.status:
            camera, _, part = status.name.rpartition(': ')[2].partition(' ')
            values = {entry.key: entry.value for entry in status.values}
            if part == 'frames':
                self.accounts[camera].append({'moment': moment, **{
                    key: float(value) for key, value in values.items() if value.isdecimal()}})
            elif part == 'latency' and values:
                self.ages[camera] = values['age p50/p95/p99 ms'].split(' / ')[0]


def play_camera(row: Row, name: str, rate: str) -> None:
    """Publish NV12 images at a rate, with the stamps of their time."""
    import numpy as np
    import rclpy
    from rclpy.node import Node
    from rclpy.signals import SignalHandlerOptions
    from sensor_msgs.msg import Image

    from fcos_ros.node.qos import newest
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node(f'camera_{name}')
    publisher = node.create_publisher(Image, f'{name}/image', newest())
    message = Image(width=SIZE.width, height=SIZE.height, encoding='nv12', step=SIZE.width)
    message.data.frombytes(np.random.default_rng(0).bytes(SIZE.width * SIZE.height * 3 // 2))
    due, period = time.perf_counter(), 1 / float(rate)
    try:
        while True:
            message.header.stamp = node.get_clock().now().to_msg()
            publisher.publish(message)
            due = max(due + period, time.perf_counter() - period)
            time.sleep(max(0.0, due - time.perf_counter()))
    except KeyboardInterrupt:
        pass


ROLES = {'graph': play_graph, 'camera': play_camera}

if __name__ == '__main__':
    if sys.argv[1:2] and sys.argv[1] in ROLES:
        ROLES[sys.argv[1]](ROWS[sys.argv[2]], *sys.argv[3:])
    else:
        sys.exit(main())
