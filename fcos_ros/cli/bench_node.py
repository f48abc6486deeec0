# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos bench --node`: measure a running detector from outside."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
import json
import sys

from fcos_ros.cli.machine import Machine, machine_rows
from fcos_ros.cli.output import Progress, Row, markdown_table, plain_table, printable_lines
from fcos_ros.inspection.node_speed import (
    CameraSpeed,
    NodeSpeed,
    NodeSpeedError,
    Spread,
    ros2_benchmark_metrics,
)
from fcos_ros.node.observer.start import open_session
from fcos_ros.runtime.statistics import FATES

TICKS = 10
"""Steps of the progress bar in one second."""


def measure_node(options: argparse.Namespace) -> int:
    """Measure and print the speed of a node; return 1 if it does not report or detect."""
    from fcos_ros.node.observer.speed import SpeedMeter
    machine, meter = Machine.read(), SpeedMeter(options.node, options.timeout)
    try:
        with (open_session('fcos_bench', meter.hear) as session,
              Progress(round(TICKS * options.seconds), sys.stderr) as progress):
            progress.begin(f'{options.node} is measured for {options.seconds:g} s')
            speed = meter.measure(session, options.seconds,
                                  lambda seconds: progress.advance(round(TICKS * seconds)))
    except NodeSpeedError as error:
        print(f'fcos bench: {error}', file=sys.stderr)
        return 1
    print(to_json(speed, machine) if options.json else
          '\n\n'.join(map(markdown_table if options.markdown else plain_table,
                          to_tables(speed, machine))))
    for complaint in _complaints(speed):
        print(f'fcos bench: {printable_lines(complaint)}', file=sys.stderr)
    return 1 if any(not camera.counts['published'] for camera in speed.cameras) else 0


def to_json(speed: NodeSpeed, machine: Machine) -> str:
    """Convert the results to one JSON object."""
    return json.dumps({
        'machine': asdict(machine), **asdict(speed), 'cpu_per_frame': speed.cpu_per_frame,
        'ros2_benchmark': {camera.name: ros2_benchmark_metrics(camera, speed.machine_cpu)
                           for camera in speed.cameras}}, indent=2)


def to_tables(speed: NodeSpeed, machine: Machine) -> Iterator[list[Row]]:
    """Yield the tables of rates, fates, stages and conditions; the first row is the head."""
    yield [('camera', 'images/s', 'detections/s', 'lost', 'latency, ms: mean', 'p50', 'p95',
            'p99', 'max', 'jitter, ms: mean', 'max'),
           *(_rates(camera) for camera in speed.cameras)]
    yield [('camera', 'sent', *FATES, 'missed', 'in work'),
           *((_name(camera), str(camera.sent),
              *(str(camera.counts[fate]) for fate in (*FATES, 'missed')),
              f'{camera.in_flight_change:+}')
             for camera in speed.cameras)]
    yield [('camera', 'stage', 'p50, ms', 'p95', 'p99'),
           *((_name(camera), stage, *(f'{1000 * value:.2f}' for value in (
               spread.p50, spread.p95, spread.p99)))
             for camera in speed.cameras for stage, spread in camera.stages.items())]
    yield [('condition', 'value'), *_conditions(speed), *machine_rows(machine)]


def _name(camera: CameraSpeed) -> str:
    return camera.name or camera.topic


def _rates(camera: CameraSpeed) -> Row:
    latency, jitter = camera.latency, camera.jitter
    return (_name(camera), f'{camera.image_rate:.1f}', f'{camera.detection_rate:.1f}',
            f'{camera.lost_share:.1%}',
            *_numbers(latency, 'mean', 'p50', 'p95', 'p99', 'maximum'),
            *_numbers(jitter, 'mean', 'maximum'))


def _numbers(spread: Spread | None, *names: str) -> Iterator[str]:
    yield from ('-' if spread is None else f'{getattr(spread, name):.2f}' for name in names)


def _conditions(speed: NodeSpeed) -> Iterator[tuple[str, str]]:
    process, model = speed.status.process, speed.status.model
    yield 'node', f'{speed.status.name} on {process.board or process.host}, {process.state}'
    yield 'model', f'{model.name} {model.input}, {model.backend}' if model.path else 'none'
    yield 'workers', f'{process.working} of {process.workers}'
    yield 'seconds', f'{speed.seconds:.1f}'
    if speed.cpu is not None:
        frame = '' if speed.cpu_per_frame is None else f', {speed.cpu_per_frame:.2f} ms a frame'
        yield 'CPU of the node', f'{speed.cpu:.2f} cores{frame}'
    yield 'memory of the node', f'{process.memory / 1e6:.0f} MB'
    yield 'latency', 'from the stamp of an image to the arrival of its detections here'
    yield 'jitter', 'difference of two successive intervals between detections'


def _complaints(speed: NodeSpeed) -> Iterator[str]:
    for camera in speed.cameras:
        name = _name(camera)
        if not camera.counts['published']:
            yield (f'there were no detections of {name}, with {camera.image_rate:.1f} images a '
                   'second; `fcos doctor` looks for the reason')
        elif camera.latency is None and camera.clock_difference is not None:
            yield (f'the stamps of {name} are {camera.clock_difference:.0f} s from the clock of '
                   'this machine, so that its latency is unknown; accepted: stamps of the same '
                   'clock; the stages are right in any case')
