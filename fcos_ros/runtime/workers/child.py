# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The child process of a `ProcessWorker`: it loads a model and processes frames."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import accumulate
from mmap import ACCESS_READ, mmap
import socket

import numpy as np

from fcos_ros.backends import EngineError, ModelInfo
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.channel import Channel, Failure
from fcos_ros.runtime.detector import Detector, DetectorConfig, InferenceTimes, Result


@dataclass(frozen=True)
class Task:
    """
    A frame to process; its planes are in shared memory, one after the other.

    :ivar frame: the frame without its planes.
    :ivar planes: shape and dtype of each plane, in order.
    :ivar time_inferences: 0 to detect; else the number of inferences to time.
    """

    frame: Frame
    planes: tuple[tuple[tuple[int, ...], str], ...]
    criteria: Criteria | None = None
    time_inferences: int = 0


Reply = ModelInfo | Result | InferenceTimes | Failure


def serve(end: socket.socket, config: DetectorConfig, memory: int) -> None:
    """
    Load a model, send its description, then process tasks until the parent closes the channel.

    :param memory: file descriptor of the shared memory for frames, which the parent writes.
    """
    channel = Channel(end)
    with suppress(EOFError, OSError):  # the parent has closed the channel
        try:
            detector = Detector.from_config(config)
        except Exception as error:  # noqa: BLE001 - the parent reports it, whatever it is
            channel.send(Failure(str(error) or repr(error), fatal=True))
            return
        with closing(detector):
            channel.send(detector.info)
            _Server(detector, memory).run(channel)


class _Server:
    """Run a detector on the frames in shared memory."""

    def __init__(self, detector: Detector, memory: int) -> None:
        self._detector = detector
        self._memory = memory
        self._pixels: mmap | bytes = b''

    def run(self, channel: Channel) -> None:
        """Receive tasks and send replies until the channel is closed."""
        while True:
            channel.send(self._reply(channel.receive()))

    def _reply(self, task: Task) -> Reply:
        try:
            frame = self._frame(task)
            if task.time_inferences:
                return self._detector.time_inference(frame, task.time_inferences)
            return self._detector.detect(frame, task.criteria)
        except FrameError as error:
            return Failure(str(error), frame_error=error.kind)
        except Exception as error:  # noqa: BLE001 - one bad frame must not end the process
            return Failure(f'{type(error).__name__}: {error}', isinstance(error, EngineError))

    def _frame(self, task: Task) -> Frame:
        lengths = [int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in task.planes]
        if sum(lengths) > len(self._pixels):  # the parent has enlarged the memory
            self._pixels = mmap(self._memory, 0, access=ACCESS_READ)
        offsets = [0, *accumulate(lengths)]
        return replace(task.frame, planes=tuple(
            np.ndarray(shape, dtype, self._pixels, offset)
            for (shape, dtype), offset in zip(task.planes, offsets)))
