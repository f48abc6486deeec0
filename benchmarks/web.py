# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the cost of open pages: the rate of the detector, and the CPU time of the server.

Run `python benchmarks/web.py`. The demo camera publishes images faster than the detector with the
demo network can process them, so each cost lowers its rate. The detector has half of the CPU
cores; the camera, the server and the pages have the other half, as the pages are on other machines
and the inference of a board needs no CPU. The pages are a program without a browser: it receives
each picture and confirms it.

The rounds with different numbers of pages take turns, and each rate is compared with that without
a page in the same round. The table shows medians. The bars: pages cost at most 5 % of the rate,
and the server needs at most one core. A page without a picture is a fault.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
import json
import os
from pathlib import Path
import signal
import statistics
import struct
import subprocess
import sys
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.checks import Checks
from common.cpu_time import cpu_seconds
from common.tables import Table, note

from fcos_ros.demo.domain import Domain
from fcos_ros.runtime.model_path import demo_model
from fcos_ros.runtime.node_status import read_diagnostics
from fcos_ros.settings.fast_dds import fast_dds_environment
from fcos_ros.settings.web_options import ADDRESS_MARK

CHECKOUT = Path(__file__).resolve().parents[1]

MAX_LOSS = 0.05
"""Share of the detector's rate that ten pages may cost."""

MAX_CORES = 1.0
"""CPU cores that the server may use."""

PAGES = (0, 1, 3, 10)

SETTLE = 2.0
"""Seconds before each measurement."""

START_TIMEOUT = 180.0


@dataclass(frozen=True)
class Measurement:
    """
    One measurement with a number of pages.

    :ivar rate: detections per second.
    :ivar detector: CPU cores that the detector used; likewise `server`.
    :ivar pictures: pictures per second of the slowest page.
    :ivar megabytes: per second, of all pages.
    """

    pages: int
    rate: float
    detector: float
    server: float
    pictures: float
    megabytes: float


def main() -> int:
    """Print the table; return the exit code of the checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seconds', type=float, default=6.0, help='of each measurement')
    parser.add_argument('--camera-rate', type=float, default=60.0)
    parser.add_argument('--size', type=int, nargs=2, default=[640, 480])
    parser.add_argument('--pages', type=int, nargs='+', default=list(PAGES))
    parser.add_argument('--watch', nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch:
        asyncio.run(watch(*map(int, options.watch)))
        return 0
    with ExitStack() as stack:
        setting = stack.enter_context(run_all(options))
        rounds = [[setting.measure(pages, options.seconds) for pages in options.pages]
                  for _ in range(options.rounds)]
    return report(rounds, options)


def report(rounds: Sequence[Sequence[Measurement]], options: argparse.Namespace) -> int:
    """Print the table; return the exit code of the checks."""
    width, height = options.size
    note(f'{os.cpu_count()} CPU cores; images of {width}x{height} at {options.camera_rate:g} Hz; '
         f'{len(rounds)} rounds of {options.seconds:g} s')
    table = Table({'pages': 'd', 'detections per second': '.1f', 'of those without a page': '.1%',
                   'CPU of the detector': '.2f', 'CPU of the server': '.2f',
                   'pictures per second and page': '.1f', 'MB/s': '.2f'})
    checks = Checks()
    for column in zip(*rounds):
        share = statistics.median(
            measured.rate / first[0].rate for measured, first in zip(column, rounds))
        rate, detector, server, pictures, megabytes = (
            statistics.median(getattr(measured, name) for measured in column)
            for name in ('rate', 'detector', 'server', 'pictures', 'megabytes'))
        pages = column[0].pages
        table.add(pages, rate, share, detector, server, pictures, megabytes)
        checks.bar(f'rate with {pages} pages relative to none', share, '.1%', least=1 - MAX_LOSS)
        checks.bar(f'cores of the server with {pages} pages', server, '.2f', most=MAX_CORES)
        checks.require(pictures or not pages, f'a page of {pages} got no picture')
    return checks.exit_code()


class Setting:
    """The running programs."""

    def __init__(self, node: Any, detector: int, server: int, port: int) -> None:
        self._node = node
        self._detector = detector
        self._server = server
        self._port = port
        self._published = 0
        node.listen(self._read)

    def _read(self, message: Any) -> None:
        for status in read_diagnostics(message):
            self._published = status.cameras[0].counts.published

    def wait_for_detections(self) -> None:
        """Wait until the detector works."""
        end = monotonic() + START_TIMEOUT
        while not self._published:
            self._node.spin(0.1)
            if monotonic() > end:
                sys.exit('the detector did not start')

    def measure(self, pages: int, seconds: float) -> Measurement:
        """Measure with a number of open pages."""
        watchers = start_watchers(self._port, pages) if pages else None
        self._node.spin(SETTLE)
        if watchers is not None:
            assert watchers.stdout is not None
            watchers.stdout.readline()  # counts begin with a line
            watchers.send_signal(signal.SIGUSR1)
        before, begin = self._state(), monotonic()
        self._node.spin(seconds)
        after, elapsed = self._state(), monotonic() - begin
        counts = [0, 0]
        if watchers is not None:
            watchers.send_signal(signal.SIGUSR2)
            counts = json.loads(watchers.communicate()[0].splitlines()[-1])
        published, detector, server = (
            (now - earlier) / elapsed for now, earlier in zip(after, before))
        return Measurement(pages, published, detector, server, counts[0] / elapsed,
                           counts[1] / elapsed / 1e6)

    def _state(self) -> tuple[int, float, float]:
        """Return detections and CPU seconds, right after a report."""
        last = self._published
        while self._published == last:
            self._node.spin(0.02)
        detector, server = (cpu_seconds(Path(f'/proc/{process}'))
                            for process in (self._detector, self._server))
        return self._published, detector, server


class DiagnosticsNode:
    """A node that only receives reports."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        rclpy.init(args=[])
        self._node = rclpy.create_node('cost_of_pages')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)

    def listen(self, read: Any) -> None:
        """Call a function with each report."""
        from diagnostic_msgs.msg import DiagnosticArray
        self._node.create_subscription(DiagnosticArray, '/diagnostics', read, 10)

    def spin(self, seconds: float) -> None:
        """Handle reports for some time."""
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)


@contextmanager
def run_all(options: argparse.Namespace) -> Iterator[Setting]:
    """Run the camera, the detector and the server."""
    domain = Domain()
    os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)
    os.environ.update(ROS_DOMAIN_ID=str(domain.number), ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST',
                      RCUTILS_LOGGING_USE_STDOUT='1')
    os.environ.update(
        fast_dds_environment(os.environ, CHECKOUT / 'config' / 'fastdds_images.xml'))
    cores = sorted(os.sched_getaffinity(0))
    half = max(1, len(cores) // 2)
    width, height = options.size
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix='fcos_web_')))
        detector = start(stack, folder / 'detector', 'fcos_ros.node', cores[:half],
                         model=demo_model())
        os.sched_setaffinity(0, cores[half:] or cores)
        start(stack, folder / 'camera', 'fcos_ros.demo.camera_program', cores[half:] or cores,
              rate=options.camera_rate, width=width, height=height, scenes=12)
        server = start(stack, folder / 'server', 'fcos_ros.web', cores[half:] or cores, web_port=0)
        setting = Setting(DiagnosticsNode(), detector, server, port_in(folder / 'server'))
        setting.wait_for_detections()
        yield setting


def start(stack: ExitStack, log: Path, module: str, cores: Sequence[int],
          **parameters: object) -> int:
    """Start a program on some CPU cores; return its process."""
    words = [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
    with log.open('wb') as out:
        process = subprocess.Popen(
            [sys.executable, '-m', module, '--ros-args', *words], stdout=out, cwd=CHECKOUT,
            stdin=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, cores))

    def end() -> None:
        process.terminate()
        process.wait()
    stack.callback(end)
    return process.pid


def port_in(log: Path) -> int:
    """Wait for the address that the server prints; return its port."""
    end = monotonic() + START_TIMEOUT
    while ADDRESS_MARK not in log.read_text():
        if monotonic() > end:
            sys.exit(f'the server did not start:\n{log.read_text()}')
        sleep(0.1)
    return int(log.read_text().split('localhost:')[1].split('/')[0])


def start_watchers(port: int, pages: int) -> subprocess.Popen[str]:
    """Open pages in a process of their own; it ends with their counts."""
    return subprocess.Popen([sys.executable, __file__, '--watch', str(port), str(pages)],
                            stdout=subprocess.PIPE, text=True)


async def watch(port: int, pages: int) -> None:
    """Open pages; SIGUSR1 begins to count, SIGUSR2 prints pictures and bytes."""
    counts, sizes = [0] * pages, [0] * pages
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def begin() -> None:
        counts[:], sizes[:] = [0] * pages, [0] * pages

    loop.add_signal_handler(signal.SIGUSR1, begin)
    loop.add_signal_handler(signal.SIGUSR2, ended.set)
    tasks = [asyncio.ensure_future(open_page(port, index, counts, sizes))
             for index in range(pages)]
    while not all(counts):
        await asyncio.sleep(0.05)
    print('open', flush=True)
    await ended.wait()
    print(json.dumps([min(counts), sum(sizes)]), flush=True)
    for task in tasks:
        task.cancel()


async def open_page(port: int, index: int, counts: list[int], sizes: list[int]) -> None:
    """Receive and confirm the pictures of all cameras."""
    import aiohttp
    origin = f'http://localhost:{port}'
    async with aiohttp.ClientSession() as session, session.ws_connect(
            f'{origin}/api/socket', headers={'Origin': origin}, max_msg_size=0) as socket:
        await socket.send_json({'type': 'watch', 'cameras': None})
        async for message in socket:
            if message.type == aiohttp.WSMsgType.BINARY:
                length, = struct.unpack_from('<I', message.data)
                header = json.loads(message.data[4:4 + length])
                counts[index] += 1
                sizes[index] += len(message.data)
                await socket.send_json({'type': 'shown', 'camera': header['camera'],
                                        'number': header['number']})


if __name__ == '__main__':
    sys.exit(main())
