# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the frame rates of the pool and of the whole node on a simulated board.

Run `python benchmarks/throughput.py`. The board is simulated: an inference waits for a core of the
BPU, then for the time that the vendor measured on a board, and returns recorded outputs. All else
is real work of this machine: shared memory, the copy of the input, the copies of the outputs,
decoding, ordering, ROS 2. No figure was measured on a board.

The first table is about the pool. A new NV12 frame of the model's size comes whenever a worker has
taken one, so no frame is superseded. `children`: a child process for each worker, as the node runs
a binding that holds the GIL. `threads`: a thread for each worker in one process, with the same
binding. `libdnn`: threads with the C runtime.

The second table is about the node. Camera, node and listener are processes of a ROS 2 graph that
is limited to this machine.

The last output is a profile of the node's threads with the fastest model. On two CPUs, no single
step limits the frame rate: camera, node, children and listener share the CPUs, and each thread of
the node waits for the GIL after each system call. Sending a frame to a child and receiving its
result takes 0.4 ms. `whole_node.py` shows the CPU time of the whole node at the rate of a camera.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import cycle
import json
import os
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
from threading import Semaphore
import time
from typing import Any

from common.checks import Checks
from common.cpu_time import cpu_seconds
from common.simulated_board import (
    MODELS,
    START_TIMEOUT,
    PublishedModel,
    SimulatedBoard,
    children,
    end,
    running,
)
from common.tables import Table, note, yes_or_no
from common.thread_profile import profile_threads
import numpy as np

from fcos_ros.backends import load
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.core.yuv_range import FULL
from fcos_ros.messages.detections import stamp_of
from fcos_ros.runtime.detector import DetectorConfig, Result
from fcos_ros.runtime.pool import Pool
from fcos_ros.runtime.statistics import FrameStatistics
from fcos_ros.runtime.streams import Outcome
from fcos_ros.runtime.workers import LocalWorker, Worker, open_workers

WARM_UP = 1.0
"""Seconds before each measurement."""

SETTLE_TIMEOUT = 5.0
"""Seconds for the last images to be processed."""

QUEUE = 1000
"""Detections that may wait for the listener, which may get no CPU time for a while."""

INFERENCE_TIMEOUT = 5.0
"""Seconds; longer than the default, as this machine may be slower than a board."""

HEADROOM = 1.05
"""Images that the camera sends, relative to the published frame rate."""

IMAGES_PER_SECOND = 10**6
"""Images are numbered by their stamps: this number of images for each second of the stamp."""

MIN_RELATIVE_RATE = 0.95
"""The bar: minimum frame rate of pool and node, relative to the published frame rate."""

PARTS = ('pool', 'node', 'profile')

BACKENDS = {'children': 'hobot_dnn', 'threads': 'hobot_dnn', 'libdnn': 'libdnn'}
"""The backend of each kind of worker."""


def main() -> int:
    """Print the tables; return the exit code of the checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--seconds', type=float, default=3.0, help='duration of each measurement')
    parser.add_argument('--models', nargs='+', choices=MODELS, default=list(MODELS))
    parser.add_argument('--backends', nargs='+', default=['hobot_dnn', 'libdnn'],
                        choices=('hobot_dnn', 'libdnn'), help='backends of the node')
    parser.add_argument('--workers', type=int, default=0,
                        help='number of workers; 0 for the default of the node on the board')
    parser.add_argument('--annotated', action='store_true',
                        help='the listener of the node also subscribes to annotated_image')
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=PARTS)
    options = parser.parse_args()
    note(f'THE BOARD IS SIMULATED, its CPU is this machine ({os.cpu_count()} cores). The time on '
         'the BPU is simulated, too.')
    models = [MODELS[key] for key in options.models]
    with TemporaryDirectory(prefix='fcos_throughput_') as folder:
        board = SimulatedBoard(Path(folder), options.seconds, options.workers)
        checks = Checks()
        if 'pool' in options.parts:
            print_pool_table(board, models, checks)
        if 'node' in options.parts:
            print_node_table(board, models, options.backends, options.annotated, checks)
        if 'profile' in options.parts:
            print_profile(board, models[0])
    return checks.exit_code()


# The pool

def print_pool_table(
    board: SimulatedBoard, models: Sequence[PublishedModel], checks: Checks,
) -> None:
    """Print the frame rates of the pool; `threads` may be slow."""
    kinds = [kind for kind in BACKENDS if board.libdnn or kind != 'libdnn']
    note(f'Pool, {board.seconds:g} s each; numpy {np.__version__}')
    rates = {f'{kind}{unit}': form for kind in kinds
             for unit, form in ((' FPS', '.1f'), (' %', '.1%'))}
    table = Table({'model': '', 'workers': 'd', 'published FPS': 'g', **rates, 'in order': '',
                   'counts add up': ''})
    for model in models:
        workers = board.workers(model)
        measured = [board.run(__file__, model, 'pool', board.write(model), kind, board.seconds,
                              workers) for kind in kinds]
        table.add(model.key, workers, model.fps,
                  *(rate for one in measured for rate in (one['rate'], one['rate'] / model.fps)),
                  _all(measured, 'ordered'), _all(measured, 'accounted'))
        for kind, one in zip(kinds, measured):
            check(checks, f'pool, {model.key}, {kind}', one,
                  model.fps if kind != 'threads' else None)


def check(checks: Checks, name: str, measured: Mapping[str, Any], fps: float | None) -> None:
    """Check order, counts, and the frame rate, if there is a published one."""
    checks.require(measured['ordered'], f'{name}: frames are out of order')
    checks.require(measured['accounted'], f'{name}: the counts of frames do not add up')
    if fps is not None:
        checks.bar(f'{name}: rate relative to the published one', measured['rate'] / fps, '.1%',
                   least=MIN_RELATIVE_RATE)


class NotifyingWorker:
    """A worker that releases a semaphore when it takes a frame."""

    def __init__(self, worker: Worker, taken: Semaphore) -> None:
        self._worker = worker
        self._taken = taken
        self.info = worker.info
        self.prepare = worker.prepare
        self.time_inference = worker.time_inference
        self.close = worker.close

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """Detect the objects in a frame."""
        self._taken.release()
        return self._worker.detect(frame, criteria)


def run_pool(model: PublishedModel, path: str, kind: str, seconds: str, number: str) -> None:
    """Submit a frame to a pool whenever it has taken one, and print the measurements."""
    config = DetectorConfig(Path(path), BACKENDS[kind])
    workers: Sequence[Worker] = (
        [LocalWorker(config, load(config.path, config.backend)) for _ in range(int(number))]
        if kind == 'threads' else open_workers(config, int(number), INFERENCE_TIMEOUT))
    taken, statistics = Semaphore(), FrameStatistics()
    arrivals: list[tuple[int, float]] = []

    def deliver(outcome: Outcome[int]) -> None:
        arrivals.append((outcome.job.context, time.perf_counter()))

    pool = Pool([NotifyingWorker(worker, taken) for worker in workers])
    stream = pool.open_stream(deliver, statistics)
    begin = time.perf_counter() + WARM_UP
    over, count = begin + float(seconds), 0
    for count, frame in enumerate(cycle(_frames(model.size)), 1):
        taken.acquire()
        if time.perf_counter() > over:
            break
        statistics.count_received()
        pool.submit(stream, frame, count)
    stopped = pool.stop()
    for worker in workers:
        worker.close()
    counts = statistics.counts()
    times = [arrived for _, arrived in arrivals if begin <= arrived < over]
    print(json.dumps({
        'rate': (len(times) - 1) / (times[-1] - times[0]),
        'ordered': [context for context, _ in arrivals] == list(range(1, count)),
        'accounted': stopped and counts.received == counts.published == count - 1}))


def _frames(size: Size) -> list[Frame]:
    rng = np.random.default_rng(0)
    count = size.width * size.height * 3 // 2
    frames = (Frame.wrap(rng.integers(0, 256, count, np.uint8), size, 'nv12') for _ in range(4))
    # As from the decoder of a board: in the range of the network.
    return [replace(frame, yuv_range=FULL) for frame in frames]


def _all(measured: Sequence[Mapping[str, Any]], key: str) -> str:
    return yes_or_no(all(one[key] for one in measured))


# The node

def print_node_table(board: SimulatedBoard, models: Sequence[PublishedModel],
                     backends: Sequence[str], annotated: bool, checks: Checks) -> None:
    """Print the frame rate of the node, and the CPU time of each part."""
    parts = ('camera', 'executor', 'pool', 'Fast DDS', 'children', 'listener')
    note(f'Node, {board.seconds:g} s each; camera, node and listener are processes on this '
         'machine. The last columns are in % of a core.')
    table = Table({'model': '', 'backend': '', 'published FPS': 'g', 'images sent/s': '.1f',
                   'received/s': '.1f', 'node FPS': '.1f', '%': '.1%', 'median ms': 's',
                   'in order': '', 'counts add up': '', **dict.fromkeys(parts, '.0f')})
    for model in models:
        for backend in [name for name in backends if board.libdnn or name != 'libdnn']:
            measured = board.run(__file__, model, 'graph', board.write(model), backend,
                                 board.seconds, board.workers(model),
                                 'annotated' if annotated else '')
            table.add(
                model.key, backend, model.fps, measured['sent'], measured['received'],
                measured['rate'], measured['rate'] / model.fps, measured['stages']['total'],
                _all([measured], 'ordered'), _all([measured], 'accounted'),
                *(100 * measured['loads'].get(part, 0) for part in parts))
            check(checks, f'node, {model.key}, {backend}', measured, model.fps)


def print_profile(board: SimulatedBoard, model: PublishedModel) -> None:
    """Print where the threads of the node spend their time."""
    print(f'The threads of the node, {model.key}, under cProfile, in CPU time.\n')
    measured = board.run(__file__, model, 'graph', board.write(model), 'hobot_dnn', board.seconds,
                         board.workers(model), '', 'profile')
    print(measured['profile'].rstrip())
    print('\nMedian milliseconds of each stage, and seconds of CPU per second:')
    print(', '.join(f'{stage} {median}' for stage, median in measured['stages'].items()))
    print(', '.join(f'{part} {load:.2f}' for part, load in measured['loads'].items()))
    loads, rate = measured['loads'], measured['rate']
    busiest = max(('executor', 'pool', 'Fast DDS'), key=lambda part: loads.get(part, 0.0))
    note(f'{rate:.0f} frames per second. The busiest part of the node is {busiest}: '
         f'{1000 * loads[busiest] / rate:.2f} ms of CPU for each frame. All processes together '
         f'use {sum(loads.values()):.2f} of {os.cpu_count()} CPUs.')


def run_graph(model: PublishedModel, path: str, backend: str, seconds: str, workers: str,
              annotated: str = '', profile: str = '') -> None:
    """Start a node and a camera, receive the detections, and print the measurements."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    rclpy.init()
    listener = Listener(bool(annotated))
    executor = SingleThreadedExecutor()
    executor.add_node(listener.node)

    def spin(seconds: float, condition: Callable[[], object] = lambda: False) -> bool:
        over = time.monotonic() + seconds
        while time.monotonic() < over and not condition():
            executor.spin_once(timeout_sec=0.1)
        return bool(condition())

    parameters = (f'qos_overrides./fcos/detections.publisher.depth:={QUEUE}',
                  f'model:={path}', f'backend:={backend}', f'workers:={workers}',
                  f'inference_timeout:={INFERENCE_TIMEOUT}')
    arguments = [part for parameter in parameters for part in ('-p', parameter)]
    with ExitStack() as stack:
        node = stack.enter_context(
            running(__file__, 'node', model.key, profile, '--ros-args', *arguments))
        spin(START_TIMEOUT, lambda: listener.node.count_publishers('fcos/detections'))
        spin(1.0)  # until the node has discovered the listener
        camera = stack.enter_context(
            running(__file__, 'camera', model.key, HEADROOM * model.fps))
        if not spin(START_TIMEOUT, lambda: listener.stamps):
            raise SystemExit(f'{model.key}: there are no detections after {START_TIMEOUT:g} s')
        spin(WARM_UP)
        processes = {'camera': camera.pid, 'node': node.pid, 'listener': os.getpid()}
        reports = len(listener.received)
        before, known, start = _loads(processes), len(listener.stamps), time.perf_counter()
        spin(float(seconds))
        spin(START_TIMEOUT, lambda: len(listener.received) >= reports + 2)
        spent, count = time.perf_counter() - start, len(listener.stamps) - known
        sent = _number(listener.stamps[-1]) - _number(listener.stamps[known])
        after = _loads(processes)
        (first, old), (last, new) = (listener.received[index] for index in (reports, -1))
        end(camera)
        accounted = spin(SETTLE_TIMEOUT, listener.is_settled)
        end(node)
        report = node.stdout.read().decode() if profile and node.stdout else ''
    print(json.dumps({
        'sent': sent / spent,
        'received': (new - old) / (last - first),
        'rate': count / spent, 'stages': listener.stages,
        'ordered': listener.stamps == sorted(set(listener.stamps)), 'accounted': accounted,
        'loads': {part: (after[part] - before[part]) / spent for part in after},
        'profile': report}))


class Listener:
    """
    Keeps the stamps of all detections, and the reported counts.

    :ivar stages: the median time of each stage in milliseconds, as text.
    :ivar received: time and number of received images of each report.

    :param annotated: whether it also receives the annotated images.
    """

    def __init__(self, annotated: bool = False) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.node import Node
        from sensor_msgs.msg import Image
        from vision_msgs.msg import Detection2DArray
        self.node = Node('listener')
        self.stamps: list[tuple[int, int]] = []
        self.stages: dict[str, str] = {}
        self.received: list[tuple[float, int]] = []
        self._counts: dict[str, str] = {}
        self.node.create_subscription(
            Detection2DArray, 'fcos/detections', self._keep_stamp, QUEUE, raw=True)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._read, 10)
        if annotated:
            self.node.create_subscription(
                Image, 'fcos/annotated_image', lambda image: None, 1, raw=True)

    def is_settled(self) -> bool:
        """Return whether each received image was published or superseded."""
        received, published, superseded = (
            int(self._counts.get(fate, -1)) for fate in ('received', 'published', 'superseded'))
        return received == published + superseded and published == len(self.stamps)

    def _keep_stamp(self, serialised: bytes) -> None:
        self.stamps.append(stamp_of(serialised))

    def _read(self, message: Any) -> None:
        frames, latency, *_ = (
            {entry.key: entry.value for entry in status.values} for status in message.status)
        self._counts = frames
        seconds = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
        self.received.append((seconds, int(frames['received'])))
        self.stages = {key.split(' ')[0]: percentiles.split(' / ')[0]
                       for key, percentiles in latency.items()}


def run_node(model: PublishedModel, profile: str, *arguments: str) -> None:
    """Run the node; with `profile`, print a profile of its threads at the end."""
    from fcos_ros.node.fcos_node import run
    from fcos_ros.runtime.end_signals import EndSignals, exit_without_error
    signals = EndSignals(exit_without_error)
    profiles = profile_threads() if profile else []
    run(signals, ['fcos_node', *arguments])
    print('\n'.join(map(str, profiles)))


def run_camera(model: PublishedModel, rate: str) -> None:
    """Publish NV12 images of the model's size at a rate."""
    import rclpy
    from rclpy.node import Node
    from rclpy.signals import SignalHandlerOptions
    from sensor_msgs.msg import Image

    from fcos_ros.node.qos import latest_qos
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('camera')
    publisher = node.create_publisher(Image, 'image', latest_qos())
    width, height = model.size
    message = Image(width=width, height=height, encoding='nv12', step=width)
    message.data.frombytes(np.random.default_rng(0).bytes(width * height * 3 // 2))
    due, number, period = time.perf_counter(), 0, 1 / float(rate)
    with suppress(KeyboardInterrupt):
        while True:
            number += 1
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(
                number, IMAGES_PER_SECOND)
            publisher.publish(message)
            # An image that is late by more than a period delays all later ones.
            due = max(due + period, time.perf_counter() - period)
            time.sleep(max(0.0, due - time.perf_counter()))


def _number(stamp: tuple[int, int]) -> int:
    """Return the number of an image."""
    return stamp[0] * IMAGES_PER_SECOND + stamp[1]


def _loads(processes: Mapping[str, int]) -> Counter[str]:
    """Return the CPU time of each part in seconds: threads of the node, and other processes."""
    spent = Counter({name: cpu_seconds(Path(f'/proc/{process}'))
                     for name, process in processes.items()})
    spent['children'] = sum(cpu_seconds(Path(f'/proc/{child}'))
                            for child in children(processes['node']))
    for task in Path(f'/proc/{processes["node"]}/task').iterdir():
        with suppress(OSError):
            spent[_part(processes['node'], task)] += cpu_seconds(task)
    spent['pool'] = spent.pop('node') - spent['executor'] - spent['Fast DDS']
    return spent


def _part(process: int, task: Path) -> str:
    """Return the part of the node that a thread belongs to."""
    if int(task.name) == process:
        return 'executor'
    return 'Fast DDS' if (task / 'comm').read_text().startswith('dds.') else 'pool'


ROLES = {'pool': run_pool, 'graph': run_graph, 'node': run_node, 'camera': run_camera}

if __name__ == '__main__':
    if sys.argv[1:2] and sys.argv[1] in ROLES:
        ROLES[sys.argv[1]](MODELS[sys.argv[2]], *sys.argv[3:])
    else:
        raise SystemExit(main())
