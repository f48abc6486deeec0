# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the recorder: the CPU time that it costs the node, and the rate of a replay.

Run `python benchmarks/recorder.py`; it prints Markdown tables. A real node gets images one after
the other. Its network gives recorded outputs at once, so the node does everything but the
inference. The recorder is off and on in turn, and the difference of the CPU times of the process
for an image is its cost. The bars: the recorder needs at most 3 % of a core, and a replay has at
least 1,000 frames a second.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
import statistics
import sys
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import monotonic, perf_counter, process_time, sleep, thread_time
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.checks import Checks
from common.tables import Table, note

from fcos_ros.backends.onnx import OnnxBackend
from fcos_ros.core.arrays import Array
from fcos_ros.core.frame import Frame
from fcos_ros.core.preprocess import Preprocessor
from fcos_ros.demo.scenes import render
from fcos_ros.node.fcos_node import FcosNode
from fcos_ros.recording.reader import Recording, find_recordings
from fcos_ros.recording.rerun import Rerun
from fcos_ros.recording.writer import Entry, RecordingWriter

RATE = 30.0
"""Images per second."""

MODEL = Path(__file__).parents[1] / 'models' / 'fcos_demo.onnx'

MAX_COST = 3.0
"""Percent of a core."""

MIN_REPLAY = 1000.0
"""Frames per second on one core."""

SCENES = 50
"""More than a second of a recording, so that the compression finds no repetition."""

REPLAYED = 3000
"""Frames of the recording that is replayed."""

TRACKS = 'tracks'
"""Reported without a bar: the tracker takes most of the time."""

DOUBTFUL = 'waiting for a doubtful score'
"""Reported without a bar: it decodes each frame a second time."""

CASES: dict[str, dict[str, Any]] = {
    'all frames': {'recorder': 'always'},
    'waiting for an event': {'recorder': 'on_trigger'},
    DOUBTFUL: {
        'recorder': 'on_trigger', 'recorder_triggers': ['score: 0.21 0.22']},
    'all frames, one image of 320 pixels per second': {
        'recorder': 'always', 'recorder_image_width': 320},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; return the exit code of the checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=3, help='phases of each kind [3]')
    parser.add_argument('--frames', type=int, default=150, help='images in a phase [150]')
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        costs = _measure_costs(Path(folder), options.rounds, options.frames)
        rates = _measure_replay(Path(folder))
    checks = Checks()
    for name, cost in costs.items():
        if name != DOUBTFUL:
            checks.bar(f'{name}: % of a core', cost, '.1f', most=MAX_COST)
    for name, rate in rates.items():
        if name != TRACKS:
            checks.bar(f'replay, {name}: frames per second', rate, '.0f', least=MIN_REPLAY)
    return checks.exit_code()


def _measure_costs(folder: Path, rounds: int, count: int) -> dict[str, float]:
    """Print and return the CPU time of the recorder at 30 Hz, in percent of a core."""
    note(f'640x480 bgr8, without inference, {count} images in a phase, best of {rounds} rounds')
    table = Table({'recorder': '', 'node, ms per image': '.2f', 'with recorder': '.2f',
                   'cost at 30 Hz, % of a core': '.2f', 'bytes per image': '.0f'})
    costs = {}
    with _running_node(folder, count) as camera:
        for name, parameters in CASES.items():
            before = _recorded_bytes(folder)
            pairs = [(camera.phase({'recorder': 'never'}), camera.phase(parameters))
                     for _ in range(rounds)]
            # Other programs only add CPU time, as they share the caches.
            off, on = (1000 * min(column) for column in zip(*pairs))
            costs[name] = RATE * (on - off) / 10
            written = (_recorded_bytes(folder) - before) / (rounds * count)
            table.add(name, off, on, costs[name], written)
    return costs


class _Camera:
    """
    A camera of 30 Hz that also waits for the detections of the image before.

    No image is lost on a machine that is busy.

    :param count: images in a phase.
    """

    def __init__(self, node: FcosNode, peer: Node, messages: Sequence[Image],
                 count: int) -> None:
        self._node = node
        self._peer = peer
        self._messages = cycle(messages)
        self._count = count
        self._arrived = Event()
        self._publisher = peer.create_publisher(Image, 'image', 10)
        peer.create_subscription(
            Detection2DArray, 'fcos/detections', lambda _: self._arrived.set(), 10)

    def phase(self, parameters: dict[str, Any]) -> float:
        """Return the CPU time of the process for an image, in seconds, with these parameters."""
        given = {'recorder_triggers': [''], 'recorder_image_width': 0, **parameters}
        result = self._node.set_parameters_atomically(
            [Parameter(name, value=value) for name, value in given.items()])
        assert result.successful, result.reason
        self._publish()
        cpu = process_time()
        due = monotonic()
        for _ in range(self._count):
            self._publish()
            due = max(due + 1 / RATE, monotonic())
            sleep(max(0.0, due - monotonic()))
        return (process_time() - cpu) / self._count

    def _publish(self) -> None:
        message = next(self._messages)
        message.header.stamp = self._peer.get_clock().now().to_msg()
        self._arrived.clear()
        while not self._arrived.is_set():  # the first ones may come before the subscription
            self._publisher.publish(message)
            self._arrived.wait(1.0)


@contextmanager
def _running_node(folder: Path, count: int) -> Iterator[_Camera]:
    """Run a node and a camera; the outputs of its network are computed before."""
    scenes = [render(number).image for number in range(SCENES)]
    _give_recorded_outputs(scenes)
    rclpy.init()
    peer = Node('camera')
    node = FcosNode(parameter_overrides=[
        Parameter('model', value=str(MODEL)), Parameter('recorder_folder', value=str(folder)),
        Parameter('recorder_free_space', value=0)])
    camera = _Camera(node, peer, [_message(image) for image in scenes], count)
    executor = SingleThreadedExecutor()
    executor.add_node(peer)
    executor.add_node(node)
    thread = Thread(target=executor.spin, daemon=True)
    thread.start()
    yield camera
    executor.shutdown()
    thread.join(5.0)
    node.destroy_node()
    peer.destroy_node()
    rclpy.try_shutdown()


def _give_recorded_outputs(scenes: Sequence[Any]) -> None:
    """Replace the inference: outputs of the network for scenes, one after the other."""
    backend = OnnxBackend(MODEL)
    preprocessor = Preprocessor(backend.info.input)
    outputs = cycle([[np.array(output) for output in backend.infer(
        preprocessor.prepare(Frame.from_bgr(image))[0])] for image in scenes])

    def infer(backend: OnnxBackend, tensor: Array) -> Sequence[Array]:
        return next(outputs)
    OnnxBackend.infer = infer  # type: ignore[method-assign]


def _message(image: Any) -> Image:
    height, width = image.shape[:2]
    message = Image(height=height, width=width, encoding='bgr8', step=3 * width)
    message.data.frombytes(image.tobytes())
    return message


def _recorded_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob('*.mcap'))


def _measure_replay(folder: Path) -> dict[str, float]:
    """Print and return frames per second of a replay on one core."""
    frames = [frame for path in find_recordings([folder]) for frame in Recording(path).frames()
              if frame.candidates is not None and not frame.image][:SCENES]
    path = folder / 'replayed.mcap'
    writer = RecordingWriter(path)
    for number, frame in zip(range(REPLAYED), cycle(frames)):
        writer.write(Entry.of(replace(frame, stamp=frame.stamp + number)))
    writer.close()
    candidates = statistics.mean(len(frame.candidates.scores) for frame in frames
                                 if frame.candidates is not None)
    note(f'{REPLAYED} frames with {candidates:.0f} candidates in the mean, '
         f'{path.stat().st_size / REPLAYED:.0f} bytes each; one thread')
    table = Table({'replay': '', 'frames per second, CPU time': '.0f', 'real time': '.0f'})
    base = frames[0].settings
    cases = {
        'as recorded': base,
        'other thresholds, all classes of a cell': replace(
            base, score_threshold=0.25, nms_threshold=0.4, one_class_per_cell='false',
            hypotheses=3),
        'zones': replace(base, include_zones=('0 0.2, 1 0.2, 1 1, 0 1',)),
        TRACKS: replace(base, track=True, track_threshold=0.2)}
    rates = {}
    for name, settings in cases.items():
        rerun = Rerun(lambda frame, settings=settings: settings)  # type: ignore[misc]
        cpu, start = thread_time(), perf_counter()
        count = sum(1 for _ in rerun.run(Recording(path).frames()))
        assert count == REPLAYED
        rates[name] = count / (thread_time() - cpu)
        table.add(name, rates[name], count / (perf_counter() - start))
    return rates


if __name__ == '__main__':
    raise SystemExit(main())
