# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The far side of a `ProcessWorker`: loads a model, and detects whenever it is sent a frame.

Started as `python -m fcos_ros.runtime.child CONNECTION MEMORY LIFE`, three file descriptors: a
socket for messages, shared memory for the frame, and a pipe whose other end only the parent has.
"""

from __future__ import annotations

import fcntl
from mmap import ACCESS_READ, mmap
import os
import socket
import sys

import numpy as np

from fcos_ros.backends import EngineError, load
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.detector import Detector
from fcos_ros.runtime.protocol import Failure, Line, Recipe, Reply, Task


def main(line: Line, memory: int) -> None:
    """Load the model that the first message names, then serve frames until the parent hangs up."""
    try:
        recipe: Recipe = line.receive()
    except EOFError:  # the parent ended before it could say what to load
        return
    try:
        backend = load(recipe.path, recipe.backend, recipe.threads)
    except Exception as error:  # noqa: BLE001 - the parent has to learn of whatever it is
        line.send(Failure(str(error) or repr(error), fatal=True))
        return
    detector = Detector(backend, recipe.fit)
    line.send(detector.info)
    pixels: mmap | bytes = b''
    while True:
        try:
            task: Task = line.receive()
        except EOFError:
            break
        pixels = _mapped(memory, pixels, task)
        line.send(_reply(detector, task, pixels))
    backend.close()


def _reply(detector: Detector, task: Task, pixels: mmap | bytes) -> Reply:
    try:
        return detector.detect(_frame(task, pixels), task.criteria)
    except Exception as error:  # noqa: BLE001 - one bad frame must not end the process
        return Failure(f'{type(error).__name__}: {error}', isinstance(error, EngineError))


def _mapped(memory: int, pixels: mmap | bytes, task: Task) -> mmap | bytes:
    """See the shared memory whole, anew when the parent has made it larger for this frame."""
    if sum(int(np.prod(shape)) for shape in task.shapes) <= len(pixels):
        return pixels
    return mmap(memory, 0, access=ACCESS_READ)


def _frame(task: Task, pixels: mmap | bytes) -> Frame:
    planes, offset = [], 0
    for shape in task.shapes:
        count = int(np.prod(shape))
        planes.append(np.frombuffer(pixels, np.uint8, count, offset).reshape(shape))
        offset += count
    return Frame(task.size, task.encoding, tuple(planes))


def die_with_parent(life: int) -> None:
    """
    Have the kernel end this process when the other end of the pipe `life` closes.

    It does so whatever Python is doing; a binding that holds the GIL for ever included. The signal
    is SIGIO, which nobody handles here and whose default is to terminate.
    """
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)


if __name__ == '__main__':
    descriptors = [int(word) for word in sys.argv[1:]]
    die_with_parent(descriptors[2])
    main(Line(socket.socket(fileno=descriptors[0])), descriptors[1])
