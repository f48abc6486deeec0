# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated board with the published models, and processes on it, for benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np

sys.path.extend(str(Path(__file__).resolve().parents[2] / folder)
                for folder in ('', 'test', 'test/board'))

from child_processes import children
from decode import synthetic_outputs
from libdnn.build import build, compiler
from model_file import PUBLISHED, Answer, write_model

from fcos_ros.core.head import STRIDES
from fcos_ros.core.resize import Size
from fcos_ros.demo.domain import Domain
from fcos_ros.runtime.boards import BOARDS
from fcos_ros.settings.fast_dds import fast_dds_environment

__all__ = ['MODELS', 'START_TIMEOUT', 'PublishedModel', 'SimulatedBoard', 'children', 'end',
           'running']

CHECKOUT = Path(__file__).resolve().parents[2]
BOARD = CHECKOUT / 'test' / 'board'
PROFILE = CHECKOUT / 'config' / 'fastdds_images.xml'

START_TIMEOUT = 60.0
"""Seconds for a process to start."""

END_TIMEOUT = 10.0
"""Seconds for a process to end after an interrupt, before it is killed."""

OBJECTS = 8
"""Number of objects in each image; the other outputs are noise, as in `decode.py`."""


class PublishedModel(NamedTuple):
    """
    A model that the vendor publishes.

    :ivar key: its key in `model_file.PUBLISHED`.
    :ivar image: the system image of its board; see `test/board/simulator/images`.
    :ivar fps: the frame rate that the vendor publishes.
    """

    key: str
    image: str
    fps: float

    @property
    def size(self) -> Size:
        """The size of its canvas."""
        return Size(*PUBLISHED[self.key].canvas)

    @property
    def default_workers(self) -> int:
        """The number of workers that the node uses on its board."""
        return next(board.workers for board in BOARDS
                    if board.marks[0].lower() == self.image.partition('_')[0])


MODELS = {model.key: model for model in (
    PublishedModel('b0', 'x5', 323.0), PublishedModel('b2', 'x5', 70.9),
    PublishedModel('b3', 'x5', 38.7), PublishedModel('x3', 'x3_jammy', 173.9))}


class SimulatedBoard:
    """
    Write the published models, and run processes on the simulated board.

    :param folder: for model files and the state of the board.
    :param seconds: duration of each measurement.
    :param workers: number of workers; 0 for that of the node on the board.
    """

    def __init__(self, folder: Path, seconds: float, workers: int = 0) -> None:
        self.seconds = seconds
        self._folder = folder
        self._workers = workers
        self._domain = Domain()
        self.libdnn = build(folder) if compiler() else None

    def write(self, model: PublishedModel) -> Path:
        """Write the file of a model; it detects the same objects in any image."""
        path = self._folder / f'{model.key}.bin'
        if not path.exists():
            file = PUBLISHED[model.key]
            _, outputs = synthetic_outputs(
                model.size.width, OBJECTS, 'float32', np.random.default_rng(1))
            if not file.quantised:  # boxes in pixels
                levels = len(STRIDES)
                for index, stride in enumerate(STRIDES, levels):
                    outputs[index] = outputs[index] * np.float32(stride)
            write_model(path, file.answering(Answer(outputs)))
        return path

    def environment(self, model: PublishedModel) -> dict[str, str]:
        """Return the environment of a process that finds the vendor's modules and libdnn."""
        paths = [BOARD / 'simulator' / 'images' / model.image, CHECKOUT]
        environment = {
            **os.environ, 'PYTHONPATH': os.pathsep.join(map(str, paths)),
            'FCOS_SIM_DIR': str(self._folder / 'cores'),
            'ROS_DOMAIN_ID': str(self._domain.number),
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
            'AMENT_PREFIX_PATH': os.environ.get('AMENT_PREFIX_PATH', sys.prefix)}
        environment |= fast_dds_environment(environment, PROFILE)
        if os.environ.get('ROS_DISTRO') == 'humble':
            environment['ROS_LOCALHOST_ONLY'] = '1'
        if self.libdnn:
            environment['FCOS_LIBDNN'] = str(self.libdnn)
        return environment

    def workers(self, model: PublishedModel) -> int:
        """Return the number of workers for a model."""
        return self._workers or model.default_workers

    def run(self, script: str, model: PublishedModel, role: str,
            *arguments: object) -> dict[str, Any]:
        """
        Run a role of a script in a process, and return the JSON that it prints last.

        An interrupt of all processes leaves it the time to end its own ones.
        """
        command = [sys.executable, script, role, model.key, *map(str, arguments)]
        with subprocess.Popen(command, env=self.environment(model), stdout=subprocess.PIPE,
                              text=True) as process:
            try:
                printed, _ = process.communicate()
            except KeyboardInterrupt:
                process.wait(END_TIMEOUT)
                raise
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        result: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return result


@contextmanager
def running(script: str, role: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a role of a script in a process until the end of the block."""
    process = subprocess.Popen([sys.executable, script, role, *map(str, arguments)],
                               stdout=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        end(process)
        if process.stdout:
            process.stdout.close()


def end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a process and wait for its end."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
