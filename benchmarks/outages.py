# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the time without detections after a worker is killed or hangs, on a simulated board.

Run `python benchmarks/outages.py`. A camera publishes NV12 images at 30 Hz to the node with
fcos_efficientnetb0 on the simulated RDK X5 of `throughput.py`, all in one process. After a second,
a fault happens. A run ends a second after the first detections that follow the fault.

The table shows the longest time between two detections: median and maximum of several rounds. It
also shows the time in which a child process starts and loads the model, measured before each
round. A node with a single worker has no detections for at least that time. The first row is the
baseline. Times have no bar. Detections out of order, and counts that do not add up, are faults. No
figure was measured on a board.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
import json
import os
from pathlib import Path
import signal
import statistics
import sys
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any, NamedTuple

from common.checks import Checks
from common.simulated_board import MODELS, PublishedModel, SimulatedBoard, children
from common.tables import Cell, Table, note, yes_or_no
from node.graph import COUNT_NAMES, Graph, image_message
from node.repeating_camera import RepeatingCamera
import numpy as np
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray
from waiting import TIMEOUT, wait_until

from fcos_ros.runtime.detector import DetectorConfig
from fcos_ros.runtime.workers import ProcessWorker

RATE = 30.0
"""Images per second."""

MARGIN = 1.0
"""Seconds before the fault and after the outage."""

HANG = 'hang:30'
"""The fault: the inference that comes one second after the first hangs."""


class Fault(NamedTuple):
    """
    A fault.

    :ivar simulated: the fault of the board; see `test/board/simulator/bpu.py`.
    :ivar killed: number of workers that are killed.
    """

    title: str
    backend: str
    workers: int
    simulated: str = ''
    killed: int = 0


FAULTS = {
    'none': Fault('none', 'hobot_dnn', 2),
    'one': Fault('one of two workers is killed', 'hobot_dnn', 2, killed=1),
    'only': Fault('the only worker is killed', 'hobot_dnn', 1, killed=1),
    'hang': Fault('an inference of the only worker hangs', 'hobot_dnn', 1, HANG),
    'libdnn': Fault('an inference of one of two workers hangs in libdnn', 'libdnn', 2, HANG),
}


def main() -> int:
    """Print the table; return the exit code of the checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--rounds', type=int, default=3, help='number of runs with each fault')
    options = parser.parse_args()
    note(f'THE BOARD IS SIMULATED, its CPU is this machine ({os.cpu_count()} cores). '
         f'Images come at {RATE:g} Hz; an inference that hangs is aborted after 1 s.')
    table = Table({'fault': '', 'longest time without detections, s: median': '.2f',
                   'maximum': '.2f', 'start of a child, s': '.2f', 'frames failed': '',
                   'in order': '', 'counts add up': ''})
    checks = Checks()
    with TemporaryDirectory(prefix='fcos_outages_') as folder:
        board, model = SimulatedBoard(Path(folder), 0.0), MODELS['b0']
        for key, fault in FAULTS.items():
            if fault.backend == 'libdnn' and not board.libdnn:
                continue
            runs = [board.run(__file__, model, 'outage', board.write(model), key)
                    for _ in range(options.rounds)]
            table.add(*to_row(fault, runs))
            checks.require(all(run['ordered'] for run in runs),
                           f'{fault.title}: detections are out of order')
            checks.require(all(run['accounted'] for run in runs),
                           f'{fault.title}: the counts of frames do not add up')
    return checks.exit_code()


def to_row(fault: Fault, runs: Sequence[Mapping[str, Any]]) -> tuple[Cell, ...]:
    """Return the cells of the row for the runs with a fault."""
    outages = [run['outage'] for run in runs]
    start = statistics.median(run['start'] for run in runs)
    failed = '/'.join(str(run['failed']) for run in runs)
    return (fault.title, statistics.median(outages), max(outages), start, failed,
            *(yes_or_no(all(run[key] for run in runs)) for key in ('ordered', 'accounted')))


class ArrivalTimes:
    """The times at which messages arrive; a subscription appends them as to a list."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def append(self, message: Detection2DArray) -> None:
        """Append the time of a message."""
        self.times.append(monotonic())


def run_outage(model: PublishedModel, path: str, key: str) -> None:
    """Run the node with a fault, and print the measurements."""
    os.environ['RCUTILS_LOGGING_USE_STDOUT'] = '1'  # keep logs out of the table
    fault, start, arrivals = FAULTS[key], start_time(path), ArrivalTimes()
    os.environ['FCOS_SIM_FAULT'] = fault.simulated
    with Graph(model=path, backend=fault.backend, workers=fault.workers) as graph:
        del os.environ['FCOS_SIM_FAULT']  # later children have no fault
        graph.listen(Detection2DArray, 'fcos/detections', arrivals)
        with RepeatingCamera(graph, image_source(model), 1 / RATE) as camera:
            sleep(MARGIN)
            before = len(arrivals.times)
            for child in sorted(children())[:fault.killed]:
                os.kill(child, signal.SIGKILL)
            if fault.killed or fault.simulated:
                wait_until(lambda: graph.new_counts()['failed'])
            camera.wait_for_next()
            sleep(MARGIN)
        accounted = all_are_counted(graph)
        stamps = [array.header.stamp.sec for array in graph.arrays]
        failed = graph.new_counts()['failed']
    print(json.dumps({
        'outage': max(later - earlier for earlier, later in pairwise(arrivals.times[before - 1:])),
        'start': start, 'failed': failed, 'ordered': stamps == sorted(set(stamps)),
        'accounted': accounted}))


def start_time(path: str) -> float:
    """Return the time in which a child process starts and loads the model, in seconds."""
    begin = monotonic()
    worker = ProcessWorker(DetectorConfig(Path(path), 'hobot_dnn'))
    worker.wait_until_loaded()
    seconds = monotonic() - begin
    worker.close()
    return seconds


def image_source(model: PublishedModel) -> Callable[[int], Image]:
    """Return a function that returns the image with a number; see `RepeatingCamera`."""
    width, height = model.size
    pixels = np.random.default_rng(0).integers(0, 256, (height * 3 // 2, width), np.uint8)
    message = image_message(pixels, 'nv12')

    def image(number: int) -> Image:
        message.header.stamp.sec = number
        return message
    return image


def all_are_counted(graph: Graph) -> bool:
    """Return whether the counts of frames add up, at the latest after `TIMEOUT` seconds."""
    def adds_up() -> bool:
        counts = graph.new_counts()
        return (sum(counts[fate] for fate in COUNT_NAMES) == counts['received']
                and counts['published'] == len(graph.arrays))
    try:
        return wait_until(adds_up, TIMEOUT)
    except AssertionError:
        return False


if __name__ == '__main__':
    if sys.argv[1:2] == ['outage']:
        run_outage(MODELS[sys.argv[2]], *sys.argv[3:])
    else:
        sys.exit(main())
