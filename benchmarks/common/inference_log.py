# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Log the inferences of a node and of its children, and profile the children."""

from __future__ import annotations

from cProfile import Profile
import json
import os
from pathlib import Path
import socket
import time
from typing import Any, NamedTuple

from fcos_ros.runtime.detector import DetectorConfig
from fcos_ros.runtime.workers import child, process

FOLDER, PROFILES = 'FCOS_CHILD_LOGS', 'FCOS_CHILD_PROFILES'
"""Environment variables of children: the folder for their logs; whether to profile them."""


class Inference(NamedTuple):
    """End on the clock of `monotonic`, duration and CPU time of an inference, in seconds."""

    end: float
    seconds: float
    cpu: float


class InferenceLog:
    """Keep each inference of a class of backends in this process, from now on."""

    def __init__(self, backend: str) -> None:
        from fcos_ros.backends import BACKENDS
        self.entries: list[Inference] = []
        kind = BACKENDS[backend]
        infer, entries = kind.infer, self.entries

        def logged(self: Any, tensor: Any) -> Any:
            start, cpu = time.monotonic(), time.thread_time()
            outputs = infer(self, tensor)
            end = time.monotonic()
            entries.append(Inference(end, end - start, time.thread_time() - cpu))
            return outputs
        kind.infer = logged  # type: ignore[method-assign]


def log_children(folder: Path, profiles: bool) -> None:
    """Let the children that this process starts from now on write their logs into a folder."""
    os.environ[FOLDER] = str(folder)
    os.environ[PROFILES] = '1' if profiles else ''
    process.serve = serve


def read_children(folder: Path) -> list[Inference]:
    """Return the inferences of children that have ended."""
    return [Inference(*entry) for path in folder.glob('*.json')
            for entry in json.loads(path.read_text())]


def serve(end: socket.socket, config: DetectorConfig, memory: int) -> None:
    """Run a child of a worker, and write its logs when it ends."""
    log, profile = InferenceLog(config.backend), Profile(time.thread_time)
    base = Path(os.environ[FOLDER], str(os.getpid()))
    if os.environ[PROFILES]:
        profile.runcall(child.serve, end, config, memory)
        profile.dump_stats(base.with_suffix('.prof'))
    else:
        child.serve(end, config, memory)
    base.with_suffix('.json').write_text(json.dumps(log.entries))
