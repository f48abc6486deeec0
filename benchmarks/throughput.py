# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Frames a second of the pool and of the whole node, on a simulated board.

Run `python benchmarks/throughput.py`. The board is simulated: an inference waits for a core of
the BPU and then for the time that the vendor's benchmark gives, without work for the CPU, and
answers recorded outputs. All else is real and is this machine's work: shared memory, the input's
copy, the outputs' copies, decoding, order, ROS 2. No figure here was taken on a board.

First the pool: NV12 frames of the model's own size come as fast as they are taken, and none is
superseded. `children` is what the node does around the binding that holds the GIL, a process for
each worker; `threads` is a thread for each worker in one process around the same binding; `libdnn`
is threads around the C runtime. Then the node: a camera, the node and a listener are processes of
a ROS 2 graph of this machine only.

Last a profile of the node's threads with the fastest model. On two CPUs no single step limits that
row: camera, node, children and listener share the CPUs, and each thread of the node waits for the
interpreter's lock after each call of the system. Most work a frame is the executor's, 0.9 ms: it
makes its list of what to wait for anew, and takes 0.4 MB of image. Handing a frame to a child and
back takes 0.4 ms, and detections as a message 0.4 ms, most of that in the serialiser.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
import cProfile
from itertools import cycle
import json
import os
from pathlib import Path
import pstats
import struct
import sys
from tempfile import TemporaryDirectory
from threading import Semaphore
import time
from typing import Any

from common.simulated_board import ROWS, START, Bench, Row, children, end, process
import numpy as np

from fcos_ros.core.decode import Criteria
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.runtime.detector import Result
from fcos_ros.runtime.lane import Books, Outcome
from fcos_ros.runtime.pool import Pool
from fcos_ros.runtime.protocol import Recipe
from fcos_ros.runtime.worker import LocalWorker, Worker, load, open_workers

WARM_UP = 1.0
HEADROOM = 1.05
"""The camera sends this much more than the board can take."""
NUMBERS = 10**6
"""Images of the camera are numbered in their stamps, so many a second."""
LEAST = 0.95
"""What the pool must reach of a published rate."""
BACKEND = {'children': 'hobot_dnn', 'threads': 'hobot_dnn', 'libdnn': 'libdnn'}


def main() -> int:
    """Print the tables; returns 1 when the pool is too slow, or loses frames or their order."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--seconds', type=float, default=3.0, help='that are measured in each run')
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=list(ROWS))
    parser.add_argument('--backends', nargs='+', default=['hobot_dnn', 'libdnn'],
                        choices=('hobot_dnn', 'libdnn'), help='of the node')
    parser.add_argument('--workers', type=int, default=0, help='instead of as many as the node '
                        'takes on the board')
    parser.add_argument('--only', choices=('pool', 'node', 'profile'))
    options = parser.parse_args()
    print(f'THE BOARD IS SIMULATED, its CPU is this machine ({os.cpu_count()} cores): times on '
          'the BPU are waited for, nothing was measured on a board.\n')
    rows = [ROWS[key] for key in options.rows]
    with TemporaryDirectory(prefix='fcos_throughput_') as folder:
        bench = Bench(Path(folder), options.seconds, options.workers)
        good = True
        if options.only in (None, 'pool'):
            good = pool_table(bench, rows)
        if options.only in (None, 'node'):
            node_table(bench, rows, options.backends)
        if options.only in (None, 'profile'):
            node_profile(bench, rows[0])
    return 0 if good else 1


# The pool

def pool_table(bench: Bench, rows: Sequence[Row]) -> bool:
    """Print what the pool does around each kind of worker; tell whether it is as it should be."""
    good = True
    kinds = [kind for kind in BACKEND if bench.libdnn or kind != 'libdnn']
    print(f'Pool, {bench.seconds:g} s each; numpy {np.__version__}\n')
    print('| model | workers | published FPS |', ' | '.join(
        f'{kind} FPS | %' for kind in kinds), '| in order | accounted for |')
    print('| --- | --- | ---: |', ' | '.join('---: | ---:' for _ in kinds), '| --- | --- |')
    for row in rows:
        workers = bench.workers(row)
        found = [bench.ask(__file__, row, 'pool', bench.model(row), kind, bench.seconds, workers)
                 for kind in kinds]
        rates = ' | '.join(
            f'{one["rate"]:.1f} | {one["rate"] / row.published:.1%}' for one in found)
        print(f'| {row.key} | {workers} | {row.published} | {rates} | '
              f'{_all(found, "ordered")} | {_all(found, "accounted")} |', flush=True)
        good &= all(_good(kind, one, row) for kind, one in zip(kinds, found))
    print('' if good else f'\nTOO SLOW, below {LEAST:.0%} of a published rate, or not in order.\n')
    return good


def _good(kind: str, found: Mapping[str, Any], row: Row) -> bool:
    """Tell whether a run was fast enough, where that is not what the pool is there to cure."""
    fast = kind == 'threads' or found['rate'] >= LEAST * row.published
    return bool(fast and found['ordered'] and found['accounted'])


class Hungry:
    """A worker that tells when it takes a frame."""

    def __init__(self, worker: Worker, taken: Semaphore) -> None:
        self._worker = worker
        self._taken = taken
        self.info = worker.info
        self.prepare = worker.prepare
        self.close = worker.close

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """Find the objects in a frame."""
        self._taken.release()
        return self._worker.detect(frame, criteria)


def play_pool(row: Row, path: str, kind: str, seconds: str, number: str) -> None:
    """Feed a pool a new frame whenever it has taken one, and print how it did."""
    recipe = Recipe(Path(path), BACKEND[kind])
    count = int(number)
    workers: Sequence[Worker] = (
        [LocalWorker(recipe, load(recipe.path, recipe.backend)) for _ in range(count)]
        if kind == 'threads' else open_workers(recipe, count, deadline=5.0))
    taken, books = Semaphore(), Books()
    arrivals: list[tuple[int, float]] = []

    def deliver(outcome: Outcome[int]) -> None:
        arrivals.append((outcome.job.ticket, time.perf_counter()))

    pool = Pool([Hungry(worker, taken) for worker in workers])
    lane = pool.lane(deliver, books)
    begin = time.perf_counter() + WARM_UP
    end, count = begin + float(seconds), 0
    for count, frame in enumerate(cycle(_frames(row.size)), 1):
        taken.acquire()
        if time.perf_counter() > end:
            break
        books.ledger.enter()
        pool.submit(lane, frame, count)
    stopped = pool.stop()
    for worker in workers:
        worker.close()
    account = books.ledger.account()
    times = [moment for _, moment in arrivals if begin <= moment < end]
    print(json.dumps({
        'rate': (len(times) - 1) / (times[-1] - times[0]),
        'ordered': [ticket for ticket, _ in arrivals] == list(range(1, count)),
        'accounted': stopped and account.received == account.published == count - 1,
        'stages': {stage: spread.p50 for stage, spread in books.latencies.percentiles().items()}}))


def _frames(size: Size) -> list[Frame]:
    rng = np.random.default_rng(0)
    count = size.width * size.height * 3 // 2
    return [Frame.wrap(rng.integers(0, 256, count, np.uint8), size, 'nv12') for _ in range(4)]


def _all(found: Sequence[Mapping[str, Any]], what: str) -> str:
    return 'yes' if all(one[what] for one in found) else 'NO'


# The node

def node_table(bench: Bench, rows: Sequence[Row], backends: Sequence[str]) -> None:
    """Print what the whole node does, and who needs how much of the CPU for it."""
    print(f'Node, {bench.seconds:g} s each; camera, node and listener are processes on this '
          'machine\n')
    print('| model | backend | published FPS | images sent/s | received/s | node FPS | % | '
          'median ms | in order | accounted for | % of a core: camera | executor | pool | '
          'Fast DDS | children | listener |')
    print('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |' + ' ---: |' * 6)
    for row in rows:
        for backend in [name for name in backends if bench.libdnn or name != 'libdnn']:
            found = bench.ask(__file__, row, 'graph', bench.model(row), backend, bench.seconds,
                              bench.workers(row))
            loads = ' | '.join(f'{100 * found["loads"].get(who, 0):.0f}' for who in (
                'camera', 'executor', 'pool', 'Fast DDS', 'children', 'listener'))
            print(f'| {row.key} | {backend} | {row.published} | {found["sent"]:.1f} | '
                  f'{found["received"]:.1f} | {found["rate"]:.1f} | '
                  f'{found["rate"] / row.published:.1%} | {found["stages"]["total"]} | '
                  f'{_all([found], "ordered")} | {_all([found], "accounted")} | {loads} |',
                  flush=True)
    print()


def node_profile(bench: Bench, row: Row) -> None:
    """Print where the threads of the node spend their time."""
    print(f'The threads of the node, {row.key}, under cProfile. Time in calls of the system is '
          "mostly waiting: for\nthe BPU, for the interpreter's lock or for a CPU.\n")
    found = bench.ask(__file__, row, 'graph', bench.model(row), 'hobot_dnn', bench.seconds,
                      bench.workers(row), 'profile')
    print(found['profile'].rstrip())
    print('\nMedian milliseconds of a frame, and seconds of CPU a second:')
    print(', '.join(f'{stage} {median}' for stage, median in found['stages'].items()))
    print(', '.join(f'{part} {load:.2f}' for part, load in found['loads'].items()))
    loads, rate = found['loads'], found['rate']
    parts = ('executor', 'pool', 'Fast DDS')
    most = max(parts, key=lambda part: loads.get(part, 0.0))
    print(f'\n{rate:.0f} frames a second. Most work in the node: {most}, '
          f'{1000 * loads[most] / rate:.2f} ms of CPU for each; all processes together keep '
          f'{sum(loads.values()):.2f} of {os.cpu_count()} CPUs busy.')


def play_graph(row: Row, path: str, backend: str, seconds: str, workers: str,
               profile: str = '') -> None:
    """Start a node and a camera, listen, and print what came."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    rclpy.init()
    listener = Listener()
    executor = SingleThreadedExecutor()
    executor.add_node(listener.node)

    def spin(seconds: float, condition: Any = lambda: False) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not condition():
            executor.spin_once(timeout_sec=0.1)
        return bool(condition())

    node = ('node', row.key, profile, '--ros-args', '-p', f'model:={path}',
            '-p', f'backend:={backend}', '-p', f'workers:={workers}', '-p', 'deadline:=5.0')
    with ExitStack() as running:
        detector = running.enter_context(process(__file__, *node))
        spin(START, lambda: listener.node.count_publishers('fcos/detections'))
        spin(1.0)  # for the node to find the listener, too
        eye = running.enter_context(process(__file__, 'camera', row.key, HEADROOM * row.published))
        if not spin(START, lambda: listener.stamps):
            raise SystemExit(f'{row.key}: no detections came in {START:g} s')
        spin(WARM_UP)
        who = {'camera': eye.pid, 'node': detector.pid, 'listener': os.getpid()}
        reports = len(listener.received)
        before, known, start = _loads(who), len(listener.stamps), time.perf_counter()
        spin(float(seconds))
        spent, count = time.perf_counter() - start, len(listener.stamps) - known
        sent = _number(listener.stamps[-1]) - _number(listener.stamps[known])
        after = _loads(who)
        (first, old), (last, new) = (listener.received[index] for index in (reports, -1))
        end(eye)
        accounted = spin(5.0, listener.settled)
        end(detector)
        report = detector.stdout.read().decode() if profile and detector.stdout else ''
    print(json.dumps({
        'sent': sent / spent,
        'received': (new - old) / (last - first),
        'rate': count / spent, 'stages': listener.stages,
        'ordered': listener.stamps == sorted(set(listener.stamps)), 'accounted': accounted,
        'loads': {part: (after[part] - before[part]) / spent for part in after},
        'profile': report}))


class Listener:
    """Counts detections without reading more of them than the stamp, and keeps the account."""

    def __init__(self) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.node import Node
        from vision_msgs.msg import Detection2DArray
        self.node = Node('listener')
        self.stamps: list[tuple[int, int]] = []
        self.stages: dict[str, str] = {}
        self.received: list[tuple[float, int]] = []
        self._frames: dict[str, str] = {}
        self.node.create_subscription(
            Detection2DArray, 'fcos/detections', self._count, 100, raw=True)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._read, 10)

    def settled(self) -> bool:
        """Tell whether every frame that came in has been published or superseded."""
        received, published, superseded = (
            int(self._frames.get(what, -1)) for what in ('received', 'published', 'superseded'))
        return received == published + superseded and published == len(self.stamps)

    def _count(self, serialised: bytes) -> None:
        # A header of four bytes, then the message's first field: the stamp of its header.
        self.stamps.append(struct.unpack_from('<iI', serialised, 4))

    def _read(self, message: Any) -> None:
        frames, latency, _ = (
            {entry.key: entry.value for entry in status.values} for status in message.status)
        self._frames = frames
        moment = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
        self.received.append((moment, int(frames['received'])))
        self.stages = {key.split(' ')[0]: spread.split(' / ')[0]
                       for key, spread in latency.items()}


def play_node(row: Row, profile: str, *arguments: str) -> None:
    """Run the node, under a profile of its threads if so wished."""
    from fcos_ros.node import fcos_node
    if not profile:
        fcos_node.main(['fcos_node', *arguments])
        return
    threads: list[cProfile.Profile] = []
    work = Pool._work

    def profiled(pool: Pool[Any], worker: Worker) -> None:
        threads.append(cProfile.Profile())
        threads[-1].runcall(work, pool, worker)

    Pool._work = profiled  # type: ignore[method-assign]
    measured = cProfile.Profile()
    measured.runcall(fcos_node.main, ['fcos_node', *arguments])
    for title, profiles in (('executor', [measured]), ('workers', threads)):
        print(f'Thread of the {title}:')
        pstats.Stats(*profiles).strip_dirs().sort_stats('tottime').print_stats(24)


def play_camera(row: Row, rate: str) -> None:
    """Publish NV12 images of the model's size at a rate."""
    import rclpy
    from rclpy.node import Node
    from rclpy.signals import SignalHandlerOptions
    from sensor_msgs.msg import Image

    from fcos_ros.node.qos import newest
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('camera')
    publisher = node.create_publisher(Image, 'image', newest())
    width, height = row.size
    message = Image(width=width, height=height, encoding='nv12', step=width)
    message.data.frombytes(np.random.default_rng(0).bytes(width * height * 3 // 2))
    due, number, period = time.perf_counter(), 0, 1 / float(rate)
    with suppress(KeyboardInterrupt):
        while True:
            number += 1
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(number, NUMBERS)
            publisher.publish(message)
            # Whoever is late by more than a frame does not make up for it.
            due = max(due + period, time.perf_counter() - period)
            time.sleep(max(0.0, due - time.perf_counter()))


def _number(stamp: tuple[int, int]) -> int:
    """Tell which image of the camera it is."""
    return stamp[0] * NUMBERS + stamp[1]


def _loads(processes: Mapping[str, int]) -> Counter[str]:
    """Add up the seconds of CPU of each part: of the node by thread, of the rest by process."""
    spent = Counter({name: _seconds(Path(f'/proc/{process}/stat'))
                     for name, process in processes.items()})
    spent['children'] = sum(_seconds(Path(f'/proc/{child}/stat'))
                            for child in children(processes['node']))
    for task in Path(f'/proc/{processes["node"]}/task').iterdir():
        with suppress(OSError):
            spent[_thread(processes['node'], task)] += _seconds(task / 'stat')
    spent['pool'] = spent.pop('node') - spent['executor'] - spent['Fast DDS']
    return spent


def _thread(process: int, task: Path) -> str:
    if int(task.name) == process:
        return 'executor'
    return 'Fast DDS' if (task / 'comm').read_text().startswith('dds.') else 'pool'


def _seconds(stat: Path) -> float:
    words = stat.read_text().rpartition(')')[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')


ROLES = {'pool': play_pool, 'graph': play_graph, 'node': play_node, 'camera': play_camera}

if __name__ == '__main__':
    if sys.argv[1:2] and sys.argv[1] in ROLES:
        ROLES[sys.argv[1]](ROWS[sys.argv[2]], *sys.argv[3:])
    else:
        raise SystemExit(main())
