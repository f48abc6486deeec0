# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure latency, CPU time and losses of images between two processes.

Run `python benchmarks/transport.py`; it prints a Markdown table. A camera publishes each kind of
image at 30 Hz. Another process subscribes with a queue of one image, as the node does, and reads
every page of the pixels. The latency begins before the message is filled, and ends at the end of
the subscriber's callback. The CPU time is that of the subscriber's process, for each image that
arrives after the warm-up.

- `default`: ROS 2 without settings, and the executor of rclpy.
- `profile`: `config/fastdds_images.xml` in both processes, and the node's receiver of images.
- `node`: as `profile`, and the subscriber keeps the memory of images, as the node does when
  `fcos.launch.py` starts it.

The last columns are those of `node` relative to `default`. Their bar is a quarter, for reliable
images of 1920x1080.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
import json
import os
from pathlib import Path
import statistics
import subprocess
import sys
from threading import Thread
import time
from typing import Any, NamedTuple

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.checks import Checks
from common.tables import Table, note

from fcos_ros.demo.domain import Domain
from fcos_ros.node.memory import SWITCH, keep_memory
from fcos_ros.settings.fast_dds import fast_dds_environment

CHECKOUT = Path(__file__).resolve().parents[1]
PROFILE = CHECKOUT / 'config' / 'fastdds_images.xml'

RATE = 30.0
"""Images per second."""

WARM_UP = 10
"""Images before the measurement."""

SETTLE_TIME = 0.3
"""Seconds for the last images to arrive."""

DISCOVERY_TIMEOUT = 30.0
"""Seconds for the processes to discover each other."""


class Kind(NamedTuple):
    """A kind of image that cameras publish."""

    topic: str
    title: str
    type_name: str
    width: int
    height: int
    encoding: str


KINDS = {kind.topic: kind for kind in (
    Kind('nv12', '1080p nv12', 'Image', 1920, 1080, 'nv12'),
    Kind('bgr8', '1080p bgr8', 'Image', 1920, 1080, 'bgr8'),
    Kind('vga', '640x480 bgr8', 'Image', 640, 480, 'bgr8'),
    Kind('jpeg', '1080p JPEG', 'CompressedImage', 1920, 1080, 'jpeg'),
    Kind('hbmem', '1080p nv12 in HbmMsg1080P', 'HbmMsg1080P', 1920, 1080, 'nv12'))}

BARRED = ('nv12', 'bgr8')
"""The kinds with a bar."""

MAX_SHARE = 0.25
"""The bar: latency and CPU time of the node relative to the default."""


class Setup(NamedTuple):
    """
    The settings of the subscriber.

    :ivar profile: whether the profile of Fast DDS is set; also for the camera.
    :ivar receiver: whether the node's receiver takes the place of an executor.
    :ivar keeps_memory: the value of the environment variable `SWITCH`.
    """

    profile: bool
    receiver: bool
    keeps_memory: str


SETUPS = {'default': Setup(False, False, '0'), 'profile': Setup(True, True, '0'),
          'node': Setup(True, True, '1')}

RELIABILITIES = ('reliable', 'best_effort')


def main() -> int:
    """Print the table; return the exit code of the checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--images', type=int, default=40, help='number of images of each kind')
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=list(KINDS))
    parser.add_argument('--reliabilities', nargs='+', choices=RELIABILITIES,
                        default=RELIABILITIES)
    options = parser.parse_args()
    note(f'{options.images} images of each kind at {RATE:g} Hz: median latency in ms / CPU time '
         'of the subscriber for an image in ms / images received')
    table = Table({'image': '', 'reliability': '', **dict.fromkeys(SETUPS, 's'),
                   'latency of node': '.0%', 'CPU of node': '.0%'})
    checks = Checks()
    for reliability in options.reliabilities:
        results = {setup: _measure(setup, reliability, options) for setup in SETUPS}
        for topic in options.kinds:
            found = {setup: result[topic] for setup, result in results.items()}
            shares = {figure: _share(found, figure) for figure in ('latency', 'cpu')}
            title = f'{KINDS[topic].title}, {found["default"]["size"]}'
            table.add(title, reliability.replace('_', ' '), *map(_cell, found.values()),
                      *shares.values())
            checks.require(found['node']['received'], f'{title}, {reliability}: no image arrived')
            if topic in BARRED and reliability == 'reliable':
                for figure, share in shares.items():
                    if share is not None:
                        checks.bar(f'{title}: {figure} of the node relative to default', share,
                                   '.0%', most=MAX_SHARE)
    return checks.exit_code()


def _share(found: Mapping[str, dict[str, Any]], figure: str) -> float | None:
    """Return a figure of the node relative to the default; None if one of them is missing."""
    if not (found['default']['received'] and found['node']['received']):
        return None
    return float(found['node'][figure] / found['default'][figure])


def _cell(result: dict[str, Any]) -> str:
    if not result['received']:
        return f'- / - / 0 of {result["sent"]}'
    return (f'{result["latency"]:.1f} / {result["cpu"]:.1f} / '
            f'{result["received"]} of {result["sent"]}')


def _measure(setup: str, reliability: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run the subscriber in a process, and return the JSON that it prints last."""
    domain = Domain()
    inherited = {name: value for name, value in os.environ.items() if 'PROFILES_FILE' not in name}
    environment = {
        **inherited, 'PYTHONPATH': str(CHECKOUT), 'ROS_DOMAIN_ID': str(domain.number),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'AMENT_PREFIX_PATH': os.environ.get('AMENT_PREFIX_PATH', sys.prefix)}
    environment[SWITCH] = SETUPS[setup].keeps_memory
    if SETUPS[setup].profile:
        environment.update(fast_dds_environment(environment, PROFILE))
    if os.environ.get('ROS_DISTRO') == 'humble':
        environment['ROS_LOCALHOST_ONLY'] = '1'
    done = subprocess.run(
        [sys.executable, __file__, 'subscriber', setup, reliability, str(options.images),
         *options.kinds], check=True, env=environment, stdout=subprocess.PIPE, text=True)
    domain.release()
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


# The subscriber

class Arrival(NamedTuple):
    """
    The arrival of an image.

    :ivar latency: in seconds.
    :ivar cpu: CPU time of the process until then, in seconds.
    """

    number: int
    latency: float
    cpu: float


def run_subscriber(setup: str, reliability: str, images: str, *kinds: str) -> None:
    """Receive one kind of image after the other, and print the measurements."""
    keep_memory(os.environ)
    import rclpy
    from rclpy.node import Node

    from fcos_ros.node.input.receiver import Receiver
    rclpy.init()
    node = Node('subscriber')
    arrivals: dict[str, list[Arrival]] = {kind: [] for kind in kinds}
    with ExitStack() as stack:
        for kind in kinds:
            message_type, keep = _message_type(KINDS[kind]), _keep_in(arrivals[kind])
            if SETUPS[setup].receiver:
                receiver = Receiver(node, message_type, kind, _qos(reliability), keep)
                stack.callback(receiver.close)
            else:
                node.create_subscription(message_type, kind, keep, _qos(reliability))
        if not SETUPS[setup].receiver:
            stack.enter_context(_spinning(node))
        results = _direct_camera(reliability, images, arrivals)
    rclpy.try_shutdown()
    print(json.dumps(results))


@contextmanager
def _spinning(node: Any) -> Iterator[None]:
    """Run an executor in a thread until the end of the block."""
    from rclpy.executors import SingleThreadedExecutor
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = Thread(target=executor.spin)
    thread.start()
    yield
    executor.shutdown()
    thread.join()


def _direct_camera(reliability: str, images: str,
                   arrivals: Mapping[str, list[Arrival]]) -> dict[str, Any]:
    """Let a camera publish one kind of image after the other; return the measurements of each."""
    results = {}
    with subprocess.Popen(
            [sys.executable, __file__, 'camera', reliability, images], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE) as camera:
        assert camera.stdin is not None
        assert camera.stdout is not None
        for kind, received in arrivals.items():
            before = time.process_time()
            print(kind, file=camera.stdin, flush=True)
            size, published = camera.stdout.readline().split()
            time.sleep(SETTLE_TIME)
            results[kind] = _summary(received, before, int(size), int(published))
        camera.stdin.close()
    return results


def _summary(arrivals: Sequence[Arrival], cpu: float, size: int,
             published: int) -> dict[str, Any]:
    """
    Summarise one kind of image, without those of the warm-up.

    :param cpu: CPU time of the process before the first image, in seconds.
    """
    latencies = [1000 * each.latency for each in arrivals if each.number >= WARM_UP]
    before = max((each.cpu for each in arrivals if each.number < WARM_UP), default=cpu)
    return {'latency': statistics.median(latencies) if latencies else None,
            'cpu': 1000 * (time.process_time() - before) / max(len(latencies), 1),
            'received': len(latencies),
            'sent': published - WARM_UP, 'size': f'{size / 1e6:.2f} MB'}


def _keep_in(arrivals: list[Arrival]) -> Callable[..., None]:
    def receive(message: Any, info: Any = None) -> None:
        pixels = np.frombuffer(message.data, np.uint8)
        pixels[::4096].sum()  # one byte of each page
        stamp = message.time_stamp if hasattr(message, 'time_stamp') else message.header.stamp
        # The stamp is on the monotonic clock; its last three digits are the image's number.
        begun = stamp.sec + 1e-9 * stamp.nanosec
        arrivals.append(Arrival(
            stamp.nanosec % 1000, time.monotonic() - begun, time.process_time()))
    return receive


# The camera

def run_camera(reliability: str, images: str) -> None:
    """Publish images of each kind that is named on standard input."""
    import rclpy
    from rclpy.node import Node
    rclpy.init()
    node = Node('camera')
    for line in sys.stdin:
        kind = KINDS[line.strip()]
        pixels = _pixels(kind)
        publisher = node.create_publisher(_message_type(kind), kind.topic, _qos(reliability))
        deadline = time.monotonic() + DISCOVERY_TIMEOUT
        while not publisher.get_subscription_count() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(SETTLE_TIME)
        count = WARM_UP + int(images)
        start = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, start + number / RATE - time.monotonic()))
            begun = time.monotonic_ns() // 1000 * 1000 + number
            publisher.publish(_message(kind, pixels, begun))
        time.sleep(SETTLE_TIME)
        node.destroy_publisher(publisher)
        print(len(pixels), count, flush=True)
    rclpy.try_shutdown()


def _pixels(kind: Kind) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    if kind.encoding == 'nv12':
        return rng.integers(0, 256, kind.width * kind.height * 3 // 2, np.uint8)
    if kind.encoding == 'bgr8':
        return rng.integers(0, 256, kind.width * kind.height * 3, np.uint8)
    # A JPEG file of noise would be too large; images of cameras are smooth.
    coarse = rng.integers(0, 256, (kind.height // 20, kind.width // 20, 3), np.uint8)
    return cv2.imencode('.jpg', cv2.resize(coarse, (kind.width, kind.height)))[1].ravel()


def _message(kind: Kind, pixels: np.ndarray[Any, Any], stamp: int) -> Any:
    message = _message_type(kind)()
    if kind.type_name == 'HbmMsg1080P':
        time_stamp = message.time_stamp
        message.data[:len(pixels)] = pixels
        message.data_size, message.encoding[:4] = len(pixels), np.frombuffer(b'nv12', np.uint8)
    else:
        time_stamp = message.header.stamp
        message.data.frombytes(pixels.data)
    if kind.type_name == 'CompressedImage':
        message.format = kind.encoding
    else:
        message.width, message.height, message.step = kind.width, kind.height, kind.width
    if kind.type_name == 'Image':
        message.encoding = kind.encoding
    time_stamp.sec, time_stamp.nanosec = divmod(stamp, 10**9)
    return message


def _message_type(kind: Kind) -> Any:
    if kind.type_name.startswith('Hbm'):
        from hbm_img_msgs import msg
    else:
        from sensor_msgs import msg
    return getattr(msg, kind.type_name)


def _qos(reliability: str) -> Any:
    from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                      reliability=ReliabilityPolicy[reliability.upper()])


ROLES: dict[str, Callable[..., None]] = {'subscriber': run_subscriber, 'camera': run_camera}


if __name__ == '__main__':
    if sys.argv[1:] and sys.argv[1] in ROLES:
        ROLES[sys.argv[1]](*sys.argv[2:])
    else:
        sys.exit(main())
