# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Compare the whole node with a node as tutorials write it: CPU time, latency, jitter, start, memory.

Run `python benchmarks/whole_node.py`; it prints Markdown tables. A camera publishes 640x480 NV12
images at 30 Hz. A listener receives the detections. Camera, node and listener are processes of a
ROS 2 graph that is limited to this machine. All nodes get the same images and the same settings of
Fast DDS, and take turns. They run the same inferences on the same engine, except for `relay`: it
detects nothing, and shows what ROS 2 alone takes.

- CPU: of the node's process and its children for each image, without the inferences. `receiver`
  is the thread that receives the images.
- Latency: from the stamp of the image to the arrival of its detections, without the inference.
- Jitter: mean deviation of the time between two detections from its median.
- Start: from the start of the process to the first detection; `imports` is the part until the
  module of the node is imported.
- Memory: resident memory of the node at the end, and its change in the second half.

The board is simulated: its inferences take the published time and hold the GIL. `--profile`
prints where the threads of the node and its children spend their time.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import pairwise
import json
import os
from pathlib import Path
import signal
import statistics
import sys
from tempfile import TemporaryDirectory
import threading
import time
from typing import Any, NamedTuple

from common.cpu_time import cpu_nanoseconds
from common.inference_log import Inference, InferenceLog, log_children, read_children
from common.simulated_board import (
    END_TIMEOUT,
    MODELS,
    START_TIMEOUT,
    SimulatedBoard,
    children,
    running,
)
from common.tables import Table, note
from common.thread_profile import profile_threads, to_text

from fcos_ros.messages.detections import stamp_of

CHECKOUT = Path(__file__).resolve().parents[1]

RATE = 30.0
"""Images per second."""

SIZE = (640, 480)

WARM_UP = 2.0
"""Seconds before the measurement."""

NODES = ('relay', 'tutorial', 'fcos_ros')

SAMPLE_PERIOD = 1.0
"""Seconds between two readings of the memory."""


class Engine(NamedTuple):
    """
    An engine that runs the inferences.

    :ivar model: key of the model of the simulated board; it also gives the environment.
    :ivar path: the model file; empty for that of the simulated board.
    """

    title: str
    backend: str
    model: str
    path: str = ''


ENGINES = {
    'board': Engine('simulated RDK X5', 'hobot_dnn', 'b0'),
    'libdnn': Engine('simulated RDK X5, libdnn', 'libdnn', 'b0'),
    'onnx': Engine('ONNX, one thread', 'onnx', 'b0', str(CHECKOUT / 'models' / 'fcos_demo.onnx'))}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--seconds', type=float, default=20.0, help='duration of each measurement')
    parser.add_argument('--rounds', type=int, default=3, help='measurements of each node')
    parser.add_argument('--engines', nargs='+', choices=ENGINES, default=['board', 'onnx'])
    parser.add_argument('--nodes', nargs='+', choices=NODES, default=list(NODES))
    parser.add_argument('--workers', type=int, default=0,
                        help='number of workers; 0 for the default of fcos_ros on the board')
    parser.add_argument('--profile', action='store_true', help='print profiles of fcos_ros only')
    options = parser.parse_args()
    with TemporaryDirectory(prefix='fcos_node_') as folder:
        # Installed packages have bytecode. The first start of each node compiles it.
        os.environ.pop('PYTHONDONTWRITEBYTECODE', None)
        os.environ['PYTHONPYCACHEPREFIX'] = folder
        board = SimulatedBoard(Path(folder), options.seconds)
        for key in options.engines:
            if options.profile:
                print(measure(board, ENGINES[key], 'fcos_ros', options.workers, 'profile')
                      ['profile'])
            else:
                print_table(board, ENGINES[key], options.nodes, options.rounds, options.workers)


def print_table(board: SimulatedBoard, engine: Engine, nodes: Sequence[str], rounds: int,
                workers: int) -> None:
    """Print the medians of the rounds of each node."""
    load = os.getloadavg()[0]
    found: dict[str, list[dict[str, float]]] = {node: [] for node in nodes}
    for _ in range(rounds):
        for node in nodes:
            found[node].append(without_inference(measure(board, engine, node, workers)))
    note(f'{engine.title}; medians of {rounds} rounds of {board.seconds:g} s; load of the machine '
         f'before: {load:.1f}')
    table = Table({'node': '', **dict.fromkeys(COLUMNS, '.2f')})
    for node, results in found.items():
        table.add(node, *(statistics.median(result[key] for result in results)
                          for key in COLUMNS.values()))


COLUMNS = {
    'detections/s': 'rate', 'CPU ms': 'cpu', 'main thread': 'main', 'receiver': 'receiver',
    'Fast DDS': 'dds', 'children': 'children', 'latency ms': 'latency', 'p95': 'latency_p95',
    'jitter ms': 'jitter', 'inference ms': 'infer', 'its CPU ms': 'infer_cpu',
    'imports s': 'imports', 'start s': 'start', 'memory MB': 'memory', 'change MB': 'growth'}
"""The key of each column."""


def without_inference(result: Mapping[str, Any]) -> dict[str, float]:
    """Subtract the inference from CPU time and latency."""
    infer, infer_cpu = result['inference']['infer'], result['inference']['infer_cpu']
    children = max(0.0, result['children'] - infer_cpu)
    return {**result, 'infer': infer, 'infer_cpu': infer_cpu, 'cpu': result['cpu'] - infer_cpu,
            'children': children, 'latency': result['latency'] - infer,
            'latency_p95': result['latency_p95'] - infer}


def measure(
    board: SimulatedBoard, engine: Engine, node: str, workers: int, profile: str = '',
) -> dict[str, Any]:
    """Run a node in a graph and return the measurements."""
    model = MODELS[engine.model]
    path = engine.path or board.write(model)
    workers = workers or (1 if engine.path else model.default_workers)
    return board.run(__file__, model, 'graph', node, path, engine.backend, board.seconds, workers,
                     profile)


# The graph

class Listener:
    """
    Keep the stamp and the arrival of all detections.

    :ivar arrivals: seconds of the monotonic clock, seconds since the image, for each detection.
    """

    def __init__(self) -> None:
        from rclpy.node import Node
        from vision_msgs.msg import Detection2DArray
        self.node = Node('listener')
        self.arrivals: list[tuple[float, float]] = []
        self.node.create_subscription(
            Detection2DArray, 'fcos/detections', self._keep, 100, raw=True)

    def _keep(self, serialised: bytes) -> None:
        now, wall = time.monotonic(), time.time_ns()
        seconds, nanoseconds = stamp_of(serialised)
        self.arrivals.append((now, (wall - seconds * 10**9 - nanoseconds) / 1e9))


def run_graph(key: str, node: str, path: str, backend: str, seconds: str, workers: str,
              profile: str) -> None:
    """Start a camera and a node, receive the detections, and print the measurements."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    rclpy.init()
    listener = Listener()
    executor = SingleThreadedExecutor()
    executor.add_node(listener.node)
    with ExitStack() as stack:
        stack.enter_context(running(__file__, 'camera'))
        _spin(executor, WARM_UP)
        begin = time.monotonic()
        process = stack.enter_context(running(__file__, node, path, backend, workers, profile))
        while not listener.arrivals:
            executor.spin_once(timeout_sec=0.1)
            if time.monotonic() > begin + START_TIMEOUT:
                raise SystemExit(f'{node}: there are no detections after {START_TIMEOUT:g} s')
        _spin(executor, WARM_UP)
        before, start, memory = _spent(process.pid), time.monotonic(), []
        while time.monotonic() < start + float(seconds):
            _spin(executor, SAMPLE_PERIOD)
            memory.append(_memory(process.pid))
        after, stop = _spent(process.pid), time.monotonic()
        process.send_signal(signal.SIGINT)
        # A long report must be read while it is written: a pipe holds 64 kB.
        printed, _ = process.communicate(timeout=END_TIMEOUT)
        report = json.loads(printed.decode().splitlines()[-1])
    found = [(at, age) for at, age in listener.arrivals if start <= at < stop]
    print(json.dumps({
        **_figures(found, stop - start),
        **_shares(before, after, report['threads'], process.pid, len(found)),
        'inference': _inference(report['inferences'], start, stop),
        'start': listener.arrivals[0][0] - begin, 'imports': report['imported'] - begin,
        'memory': memory[-1], 'growth': memory[-1] - memory[len(memory) // 2],
        'profile': report['profile']}))


def _figures(found: Sequence[tuple[float, float]], seconds: float) -> dict[str, float]:
    """Return the rate, and latency and jitter in milliseconds."""
    ages = sorted(1000 * age for _, age in found)
    gaps = [1000 * (late - early) for (early, _), (late, _) in pairwise(found)]
    usual = statistics.median(gaps)
    return {
        'rate': len(found) / seconds, 'latency': statistics.median(ages),
        'latency_p95': ages[int(0.95 * len(ages))],
        'jitter': statistics.fmean(abs(gap - usual) for gap in gaps)}


def _inference(
    entries: Sequence[Sequence[float]], start: float, stop: float,
) -> dict[str, float]:
    """Return duration and CPU time of an inference in milliseconds."""
    logged = [each for each in map(Inference._make, entries) if start <= each.end < stop]
    if not logged:
        return {'infer': 0.0, 'infer_cpu': 0.0}
    return {'infer': 1000 * statistics.median(each.seconds for each in logged),
            'infer_cpu': 1000 * statistics.fmean(each.cpu for each in logged)}


def _shares(
    before: Mapping[int, int], after: Mapping[int, int], names: Mapping[str, str], process: int,
    images: int,
) -> dict[str, float]:
    """Return the CPU time of all threads, and of some, in milliseconds for each image."""
    spent = {'main': 0.0, 'receiver': 0.0, 'dds': 0.0, 'pool': 0.0, 'children': 0.0}
    for thread, nanoseconds in after.items():
        part = 'main' if thread == process else names.get(str(thread), 'children')
        spent[part] += (nanoseconds - before.get(thread, 0)) / 1e6 / images
    return {**spent, 'cpu': sum(spent.values())}


def _spin(executor: Any, seconds: float) -> None:
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        executor.spin_once(timeout_sec=0.1)


def _spent(process: int) -> dict[int, int]:
    """Return the nanoseconds of CPU time of each thread of a process and of its children."""
    return {thread: spent for each in (process, *children(process))
            for thread, spent in cpu_nanoseconds(each).items()}


def _memory(process: int) -> float:
    """Return the resident memory of a process in MB."""
    pages = int(Path(f'/proc/{process}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


# The processes

class ThreadLog:
    """Keep the part of the node that each thread belongs to, by its id."""

    def __init__(self) -> None:
        self.parts: dict[int, str] = {}
        threading.Thread(target=self._run, name='thread log', daemon=True).start()

    def _run(self) -> None:
        while True:
            names = {thread.native_id: thread.name for thread in threading.enumerate()}
            for task in Path('/proc/self/task').iterdir():
                with suppress(OSError):  # the thread has ended
                    is_dds = (task / 'comm').read_text().startswith('dds.')
                    receives = names.get(int(task.name), '').startswith('fcos-receiver')
                    self.parts[int(task.name)] = (
                        'dds' if is_dds else 'receiver' if receives else 'pool')
            time.sleep(SAMPLE_PERIOD)


def run_relay(path: str, backend: str, workers: str, profile: str) -> None:
    """Run the node that detects nothing, and print a report at the end."""
    from common import relay_node
    imported, threads = time.monotonic(), ThreadLog()
    relay_node.run([])
    _print_report(imported, [], threads)


def run_tutorial(path: str, backend: str, workers: str, profile: str) -> None:
    """Run the tutorial's node, and print a report at the end."""
    from common import tutorial_node
    imported = time.monotonic()
    inferences, threads = InferenceLog(backend), ThreadLog()
    tutorial_node.run(path, backend, [])
    _print_report(imported, inferences.entries, threads)


def run_fcos_ros(path: str, backend: str, workers: str, profile: str) -> None:
    """Run the node of fcos_ros, and print a report at the end."""
    from fcos_ros.runtime.end_signals import EndSignals, exit_without_error
    signals = EndSignals(exit_without_error)
    from fcos_ros.node.fcos_node import run
    imported = time.monotonic()
    inferences, threads = InferenceLog(backend), ThreadLog()
    command = ['fcos_node', '--ros-args', '-p', f'model:={path}', '-p', f'backend:={backend}',
               '-p', f'workers:={workers}']
    profiles = profile_threads() if profile else []
    with TemporaryDirectory(prefix='fcos_children_') as name:
        logs = Path(name)
        log_children(logs, bool(profile))
        run(signals, command)
        texts = [*map(str, profiles),
                 *(to_text('child', str(path)) for path in logs.glob('*.prof'))]
        _print_report(imported, [*inferences.entries, *read_children(logs)], threads,
                      '\n'.join(texts))


def _print_report(
    imported: float, inferences: Sequence[Inference], threads: ThreadLog, profile: str = '',
) -> None:
    print(json.dumps({'imported': imported, 'threads': threads.parts,
                      'inferences': inferences, 'profile': profile}))


def run_camera() -> None:
    """Publish a rendered NV12 image at `RATE`."""
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from rclpy.node import Node
    from sensor_msgs.msg import Image

    from fcos_ros.core.resize import Size
    from fcos_ros.demo.camera import to_nv12
    from fcos_ros.demo.scenes import render
    from fcos_ros.node.qos import latest_qos
    rclpy.init()
    node = Node('camera')
    publisher = node.create_publisher(Image, 'image', latest_qos())
    width, height = SIZE
    message = Image(width=width, height=height, encoding='nv12', step=width)
    message.header.frame_id = 'camera'
    message.data.frombytes(to_nv12(render(3, Size(*SIZE)).image).data)

    def publish() -> None:
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
    node.create_timer(1 / RATE, publish)
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


ROLES = {'graph': run_graph, 'relay': run_relay, 'tutorial': run_tutorial,
         'fcos_ros': run_fcos_ros, 'camera': run_camera}

if __name__ == '__main__':
    if sys.argv[1:2] and sys.argv[1] in ROLES:
        ROLES[sys.argv[1]](*sys.argv[2:])
    else:
        main()
