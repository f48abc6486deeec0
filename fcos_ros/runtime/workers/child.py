# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The child process of a `ProcessWorker`: it loads a model and processes frames."""

from __future__ import annotations

from contextlib import closing, suppress
from mmap import ACCESS_READ, mmap
import socket

import cv2

from fcos_ros.backends import EngineError
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.channel import Channel, Failure
from fcos_ros.runtime.detector import Detector, DetectorConfig
from fcos_ros.runtime.workers.protocol import PackedResult, Reply, Task


def serve(end: socket.socket, config: DetectorConfig, memory: int) -> None:
    """
    Load a model, send its description, then process tasks until the parent closes the channel.

    :param memory: file descriptor of the shared memory for frames, which the parent writes.
    """
    channel = Channel(end)
    # Children run side by side already, and waking OpenCV's threads for each frame costs CPU time.
    cv2.setNumThreads(1)
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
        self._task: Task | None = None
        self._frame: Frame | None = None

    def run(self, channel: Channel) -> None:
        """Receive tasks and send replies until the channel is closed."""
        while True:
            task = channel.receive()
            if task is not None:
                self._task, self._frame = task, None
            channel.send(self._reply())

    def _reply(self) -> Reply:
        task = self._task
        assert task is not None
        try:
            # The parent writes each frame of the same task to the same memory.
            frame = self._frame = self._frame or self._view(task)
            if task.time_inferences:
                return self._detector.time_inference(frame, task.time_inferences)
            return PackedResult.of(self._detector.detect(frame, task.criteria))
        except FrameError as error:
            return Failure(str(error), frame_error=error.kind)
        except Exception as error:  # noqa: BLE001 - one bad frame must not end the process
            return Failure(f'{type(error).__name__}: {error}', isinstance(error, EngineError))

    def _view(self, task: Task) -> Frame:
        if task.nbytes > len(self._pixels):  # the parent has enlarged the memory
            self._pixels = mmap(self._memory, 0, access=ACCESS_READ)
        return task.frame(self._pixels)
