# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure latency, CPU time and losses of images between two processes.

Run `python benchmarks/transport.py`; it prints a Markdown table. A camera publishes each kind of
image at 30 Hz. Another process subscribes with a queue of one image, as the node does, and reads
every page of the pixels. The latency begins before the message is filled, and ends at the end of
the subscriber's callback. The CPU time is that of the subscriber's process, for each image.

`default` is ROS 2 without settings. `profile` is `config/fastdds_images.xml` in both processes.
`profile, memory` is `profile`, and the subscriber keeps the memory of images, as the node does
when `fcos.launch.py` starts it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
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

SETUPS = {'default': (False, '0'), 'profile': (True, '0'), 'profile, memory': (True, '1')}
"""Whether the profile is set, and the value of the environment variable `SWITCH`."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--images', type=int, default=40, help='number of images of each kind')
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    results = {(setup, reliability): _measure(setup, reliability, options)
               for reliability in ('reliable', 'best_effort') for setup in SETUPS}
    note(f'{options.images} images of each kind at {RATE:g} Hz: median latency in ms / CPU time '
         'of the subscriber for an image in ms / images received')
    table = Table({'image': '', 'reliability': '', **dict.fromkeys(SETUPS, 's')})
    for topic in options.kinds:
        for reliability in ('reliable', 'best_effort'):
            size = results['default', reliability][topic]['size']
            table.add(f'{KINDS[topic].title}, {size}', reliability.replace('_', ' '),
                      *(_cell(results[setup, reliability][topic]) for setup in SETUPS))


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
    profile, switch = SETUPS[setup]
    environment[SWITCH] = switch
    if profile:
        environment.update(fast_dds_environment(environment, PROFILE))
    if os.environ.get('ROS_DISTRO') == 'humble':
        environment['ROS_LOCALHOST_ONLY'] = '1'
    done = subprocess.run(
        [sys.executable, __file__, 'subscriber', reliability, str(options.images),
         *options.kinds], check=True, env=environment, stdout=subprocess.PIPE, text=True)
    domain.release()
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


# The subscriber

def run_subscriber(reliability: str, images: str, *kinds: str) -> None:
    """Receive one kind of image after the other, and print the measurements."""
    keep_memory(os.environ)
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from rclpy.node import Node
    rclpy.init()
    node = Node('subscriber')
    arrivals: dict[str, list[tuple[int, float]]] = {kind: [] for kind in kinds}
    for kind in kinds:
        node.create_subscription(
            _message_type(KINDS[kind]), kind, _receiver(arrivals[kind]), _qos(reliability))
    results: dict[str, Any] = {}

    def direct_camera() -> None:
        with subprocess.Popen(
                [sys.executable, __file__, 'camera', reliability, images], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE) as camera:
            assert camera.stdin is not None
            assert camera.stdout is not None
            for kind in kinds:
                before = time.process_time()
                print(kind, file=camera.stdin, flush=True)
                size, published = camera.stdout.readline().split()
                time.sleep(SETTLE_TIME)
                spent = time.process_time() - before
                results[kind] = _summary(arrivals[kind], spent, int(size), int(published))
            camera.stdin.close()
        rclpy.try_shutdown()

    Thread(target=direct_camera).start()
    with suppress(ExternalShutdownException):
        rclpy.spin(node)
    print(json.dumps(results))


def _summary(arrivals: list[tuple[int, float]], spent: float, size: int,
             published: int) -> dict[str, Any]:
    """Summarise one kind of image; the CPU time is divided by all images, with the warm-up."""
    latencies = [1000 * latency for number, latency in arrivals if number >= WARM_UP]
    return {'latency': statistics.median(latencies) if latencies else None,
            'cpu': 1000 * spent / max(len(arrivals), 1), 'received': len(latencies),
            'sent': published - WARM_UP, 'size': f'{size / 1e6:.2f} MB'}


def _receiver(arrivals: list[tuple[int, float]]) -> Callable[[Any], None]:
    def receive(message: Any) -> None:
        pixels = np.frombuffer(message.data, np.uint8)
        pixels[::4096].sum()  # one byte of each page
        stamp = message.time_stamp if hasattr(message, 'time_stamp') else message.header.stamp
        # The stamp is on the monotonic clock; its last three digits are the image's number.
        begun = stamp.sec + 1e-9 * stamp.nanosec
        arrivals.append((stamp.nanosec % 1000, time.monotonic() - begun))
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
        main()
