# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated board, the published models, and processes beside them, for benchmarks of rates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np

sys.path.extend(str(Path(__file__).resolve().parents[2] / place)
                for place in ('', 'test', 'test/board'))

from board.libdnn.build import build, compiler
from decode import synthetic_outputs
from model_file import PUBLISHED, Answer, write_model

from fcos_ros.core.head import STRIDES
from fcos_ros.core.resize import Size
from fcos_ros.demo.domain import Domain
from fcos_ros.node.fast_dds import surroundings as fast_dds
from fcos_ros.runtime.board import BOARDS

CHECKOUT = Path(__file__).resolve().parents[2]
BOARD = CHECKOUT / 'test' / 'board'

START = 60.0
"""Seconds a process gets to come up."""
OBJECTS = 8
"""In each image; among noise as in `decode.py`."""


class Row(NamedTuple):
    """A published model, the image of its board, and the frames a second published for it."""

    key: str
    image: str
    published: float

    @property
    def size(self) -> Size:
        """Of the model's canvas."""
        return Size(*PUBLISHED[self.key].canvas)

    @property
    def workers(self) -> int:
        """As many as the node takes on such a board."""
        return next(board.workers for board in BOARDS if board.mark.lower() in self.image)


ROWS = {row.key: row for row in (
    Row('b0', 'x5', 323.0), Row('b2', 'x5', 70.9), Row('b3', 'x5', 38.7),
    Row('x3', 'x3_jammy', 173.9))}


class Bench:
    """
    Where models are written, and how processes are started beside the simulated board.

    :param seconds: that each run measures.
    :param workers: instead of as many as the node takes on the board; 0 for that.
    """

    def __init__(self, folder: Path, seconds: float, workers: int = 0) -> None:
        self.seconds = seconds
        self._folder = folder
        self._workers = workers
        self._domain = Domain()
        self.libdnn = build(folder) if compiler() else None

    def model(self, row: Row) -> Path:
        """Write the published model of a row; it sees the same objects in any image."""
        path = self._folder / f'{row.key}.bin'
        if not path.exists():
            model = PUBLISHED[row.key]
            _, outputs = synthetic_outputs(
                row.size.width, OBJECTS, 'float32', np.random.default_rng(1))
            if not model.quantised:  # boxes in pixels
                levels = len(STRIDES)
                for index, stride in enumerate(STRIDES, levels):
                    outputs[index] = outputs[index] * np.float32(stride)
            write_model(path, model.answering(Answer(outputs)))
        return path

    def environment(self, row: Row) -> dict[str, str]:
        """Make the board's modules and its C runtime findable."""
        paths = [BOARD / 'simulator' / 'images' / row.image, CHECKOUT]
        surroundings = {**os.environ, 'PYTHONPATH': os.pathsep.join(map(str, paths)),
                        'FCOS_SIM_DIR': str(self._folder / 'cores'),
                        'ROS_DOMAIN_ID': str(self._domain.number),
                        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
                        'AMENT_PREFIX_PATH': os.environ.get('AMENT_PREFIX_PATH', sys.prefix)}
        surroundings |= fast_dds(surroundings, CHECKOUT / 'config' / 'fastdds_images.xml')
        if os.environ.get('ROS_DISTRO') == 'humble':
            surroundings['ROS_LOCALHOST_ONLY'] = '1'
        if self.libdnn:
            surroundings['FCOS_LIBDNN'] = str(self.libdnn)
        return surroundings

    def workers(self, row: Row) -> int:
        """Tell how many workers a row has."""
        return self._workers or row.workers

    def ask(self, script: str, row: Row, role: str, *words: object) -> dict[str, Any]:
        """Have a process play a role of a script, and read the JSON that it prints last."""
        done = subprocess.run(
            [sys.executable, script, role, row.key, *map(str, words)], check=True,
            env=self.environment(row), stdout=subprocess.PIPE, text=True)
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer


def children(process: int) -> list[int]:
    """List the process ids of the children of a process."""
    found = []
    for task in Path(f'/proc/{process}/task').iterdir():
        with suppress(OSError):  # threads come and go
            found += [int(child) for child in (task / 'children').read_text().split()]
    return found


@contextmanager
def process(script: str, role: str, *words: object) -> Iterator[subprocess.Popen[bytes]]:
    """Have a process play a role of a script as long as the block lasts."""
    running = subprocess.Popen([sys.executable, script, role, *map(str, words)],
                               stdout=subprocess.PIPE, start_new_session=True)
    try:
        yield running
    finally:
        end(running)
        if running.stdout:
            running.stdout.close()


def end(running: subprocess.Popen[bytes]) -> None:
    """Interrupt a process and wait for its end."""
    if running.poll() is None:
        running.send_signal(signal.SIGINT)
        try:
            running.wait(10.0)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
