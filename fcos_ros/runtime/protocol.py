# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a worker process and its parent say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fcos_ros.backends import ModelInfo
from fcos_ros.core.decode import Criteria
from fcos_ros.core.resize import Size
from fcos_ros.runtime.detector import Result


@dataclass(frozen=True)
class Recipe:
    """
    All that makes a detector.

    :ivar backend: a name of `backends.BACKENDS`, or `auto`.
    :ivar threads: CPU threads of one inference, where the engine has such a choice.
    :ivar fit: how a frame is laid on the model's canvas.
    """

    path: Path
    backend: str = 'auto'
    threads: int = 1
    fit: str = 'letterbox'


@dataclass(frozen=True)
class Task:
    """
    A frame in shared memory, its planes packed one after the other.

    :ivar shapes: of the planes, in order.
    """

    size: Size
    encoding: str
    shapes: tuple[tuple[int, ...], ...]
    criteria: Criteria | None


@dataclass(frozen=True)
class Failure:
    """
    What went wrong in the child, in words: exceptions of vendors' modules may not travel.

    :ivar fatal: the child is of no more use.
    """

    reason: str
    fatal: bool = False


Reply = ModelInfo | Result | Failure
