# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
How long no detections come when a worker is killed or hangs, on a simulated board.

Run `python benchmarks/outages.py`. A camera publishes NV12 images at 30 Hz to the node with
fcos_efficientnetb0 on the simulated RDK X5 of `throughput.py`, all in one process. After a second
something goes wrong; a second after detections have come again, the run ends. The table shows the
longest time between two detections, the median and the maximum of some rounds. Beside it stands
the time that a child process needs to start and to load the model, measured before each round:
until then nothing can come from a worker that is alone and was lost. The first row is the
baseline. Times have no limit. The exit status is 1 when detections come out of order or a frame
is not accounted for. No figure here was taken on a board.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
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

from common.simulated_board import ROWS, Bench, Row, children
from node.graph import FATES, Graph, image_message
from node.repeating_camera import RepeatingCamera
import numpy as np
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray
from waiting import TIMEOUT, wait_until

from fcos_ros.runtime.protocol import Recipe
from fcos_ros.runtime.worker import ProcessWorker

RATE = 30.0
"""Images a second."""
CALM = 1.0
"""Seconds before and after the outage."""
HANG = 'hang:30'
"""The inference that hangs: one second after the first."""


class Fault(NamedTuple):
    """
    What goes wrong.

    :ivar simulated: of the board; see `test/board/simulator/bpu.py`.
    :ivar killed: how many workers are killed.
    """

    title: str
    backend: str
    workers: int
    simulated: str = ''
    killed: int = 0


FAULTS = {
    'none': Fault('nothing', 'hobot_dnn', 2),
    'one': Fault('one of two workers is killed', 'hobot_dnn', 2, killed=1),
    'only': Fault('the only worker is killed', 'hobot_dnn', 1, killed=1),
    'hang': Fault('an inference of the only worker hangs', 'hobot_dnn', 1, HANG),
    'libdnn': Fault('an inference of two hangs in libdnn', 'libdnn', 2, HANG),
}


def main() -> int:
    """Print the table; return 1 when the order or the account of frames is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--rounds', type=int, default=3, help='of each fault')
    options = parser.parse_args()
    print(f'THE BOARD IS SIMULATED, its CPU is this machine ({os.cpu_count()} cores). '
          f'Images come at {RATE:g} Hz; an inference that hangs is aborted after 1 s.\n')
    print('| what goes wrong | longest time without detections, s: median | maximum | '
          'start of a child, s | frames failed | in order | accounted for |')
    print('| --- | ---: | ---: | ---: | ---: | --- | --- |')
    wrong: list[str] = []
    with TemporaryDirectory(prefix='fcos_outages_') as folder:
        bench, row = Bench(Path(folder), 0.0), ROWS['b0']
        for key, fault in FAULTS.items():
            if fault.backend == 'libdnn' and not bench.libdnn:
                continue
            found = [bench.ask(__file__, row, 'outage', bench.model(row), key)
                     for _ in range(options.rounds)]
            print(line(fault, found), flush=True)
            wrong += (f'{fault.title}: {error}' for error in errors(found))
    print('', *wrong, sep='\n')
    return 1 if wrong else 0


def line(fault: Fault, found: Sequence[Mapping[str, Any]]) -> str:
    """Return the row of the table for one fault."""
    outages = [one['outage'] for one in found]
    start = statistics.median(one['start'] for one in found)
    failed = '/'.join(str(one['failed']) for one in found)
    yes_or_no = ['yes' if all(one[what] for one in found) else 'NO'
                 for what in ('ordered', 'accounted')]
    return (f'| {fault.title} | {statistics.median(outages):.2f} | {max(outages):.2f} | '
            f'{start:.2f} | {failed} | {" | ".join(yes_or_no)} |')


def errors(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name what is wrong with the detections."""
    if not all(one['ordered'] for one in found):
        yield 'detections came out of order'
    if not all(one['accounted'] for one in found):
        yield 'the account of frames does not add up'


class ArrivalTimes:
    """The times at which messages came; given to a subscription in place of a list."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def append(self, message: Detection2DArray) -> None:
        """Add the time of a message."""
        self.times.append(monotonic())


def play_outage(row: Row, path: str, key: str) -> None:
    """Run the node, let something go wrong, and print how long no detections came."""
    os.environ['RCUTILS_LOGGING_USE_STDOUT'] = '1'  # not into the table
    fault, start, arrivals = FAULTS[key], start_time(path), ArrivalTimes()
    os.environ['FCOS_SIM_FAULT'] = fault.simulated
    with Graph(model=path, backend=fault.backend, workers=fault.workers) as graph:
        del os.environ['FCOS_SIM_FAULT']  # the children to come work
        graph.listen(Detection2DArray, 'fcos/detections', arrivals)
        with RepeatingCamera(graph, images(row), 1 / RATE) as camera:
            sleep(CALM)
            before = len(arrivals.times)
            for child in children(os.getpid())[:fault.killed]:
                os.kill(child, signal.SIGKILL)
            if fault.killed or fault.simulated:
                wait_until(lambda: graph.new_counts()['failed'])
            camera.wait_for_next()
            sleep(CALM)
        accounted = is_accounted_for(graph)
        stamps = [array.header.stamp.sec for array in graph.arrays]
        failed = graph.new_counts()['failed']
    print(json.dumps({
        'outage': max(later - earlier for earlier, later in pairwise(arrivals.times[before - 1:])),
        'start': start, 'failed': failed, 'ordered': stamps == sorted(set(stamps)),
        'accounted': accounted}))


def start_time(path: str) -> float:
    """Return how many seconds a child process needs to start and to load the model."""
    begin = monotonic()
    worker = ProcessWorker(Recipe(Path(path), 'hobot_dnn'))
    worker.wait()
    spent = monotonic() - begin
    worker.close()
    return spent


def images(row: Row) -> Any:
    """Return a function that returns the image with a number; see `RepeatingCamera`."""
    width, height = row.size
    pixels = np.random.default_rng(0).integers(0, 256, (height * 3 // 2, width), np.uint8)
    message = image_message(pixels, 'nv12')

    def image(number: int) -> Image:
        message.header.stamp.sec = number
        return message
    return image


def is_accounted_for(graph: Graph) -> bool:
    """Wait until every frame has come to an end; return whether it does."""
    def adds_up() -> bool:
        counts = graph.new_counts()
        return (sum(counts[fate] for fate in FATES) == counts['received']
                and counts['published'] == len(graph.arrays))
    try:
        return wait_until(adds_up, TIMEOUT)
    except AssertionError:
        return False


if __name__ == '__main__':
    if sys.argv[1:2] == ['outage']:
        play_outage(ROWS[sys.argv[2]], *sys.argv[3:])
    else:
        sys.exit(main())
