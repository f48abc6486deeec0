# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The far side of a `ProcessWorker`: loads a model, and detects whenever it is sent a frame."""

from __future__ import annotations

from contextlib import closing, suppress
from mmap import ACCESS_READ, mmap
import socket

import numpy as np

from fcos_ros.backends import EngineError, load
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.detector import Detector
from fcos_ros.runtime.protocol import Failure, Line, Recipe, Reply, Task


def serve(end: socket.socket, recipe: Recipe, memory: int) -> None:
    """
    Load a model, then serve frames until the parent hangs up.

    :param memory: file descriptor of the memory in which the parent lays the frames.
    """
    line = Line(end)
    with suppress(EOFError, OSError):  # it has hung up, maybe while something was said
        try:
            detector = Detector(load(recipe.path, recipe.backend, recipe.threads), recipe.fit)
        except Exception as error:  # noqa: BLE001 - the parent has to learn of whatever it is
            line.send(Failure(str(error) or repr(error), fatal=True))
            return
        with closing(detector):
            line.send(detector.info)
            _Server(detector, memory).answer(line)


class _Server:
    """A detector, and the memory that holds its next frame."""

    def __init__(self, detector: Detector, memory: int) -> None:
        self._detector = detector
        self._memory = memory
        self._pixels: mmap | bytes = b''

    def answer(self, line: Line) -> None:
        """Answer each task, until the line ends."""
        while True:
            line.send(self._reply(line.receive()))

    def _reply(self, task: Task) -> Reply:
        try:
            return self._detector.detect(self._frame(task), task.criteria)
        except Exception as error:  # noqa: BLE001 - one bad frame must not end the process
            return Failure(f'{type(error).__name__}: {error}', isinstance(error, EngineError))

    def _frame(self, task: Task) -> Frame:
        counts = [int(np.prod(shape)) for shape in task.shapes]
        if sum(counts) > len(self._pixels):  # the parent has made it larger for this frame
            self._pixels = mmap(self._memory, 0, access=ACCESS_READ)
        planes, offset = [], 0
        for shape, count in zip(task.shapes, counts):
            plane = np.frombuffer(self._pixels, np.uint8, count, offset)
            planes.append(plane.reshape(shape))
            offset += count
        return Frame(task.size, task.encoding, tuple(planes))
