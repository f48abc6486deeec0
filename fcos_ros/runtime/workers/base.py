# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The protocol of a worker and its error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from fcos_ros.backends import ModelInfo
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.back_off import BackOff
from fcos_ros.runtime.detector import InferenceTimes, Result


class WorkerError(RuntimeError):
    """A worker could not process a frame; the next frame may succeed."""


class Worker(Protocol):
    """A detector in this process or in a child process; one thread at a time uses it."""

    @property
    def info(self) -> ModelInfo:
        """The description of the model."""
        ...

    def prepare(self, timeout: float) -> bool:
        """
        Get ready for a frame.

        :param timeout: seconds to wait for a child process; without effect in this process.
        :returns: whether the worker is ready; if not, call again.
        :raises Exception: the worker cannot get ready for now.
        """
        ...

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """Detect the objects in a frame; see `Detector.detect`."""
        ...

    def time_inference(self, frame: Frame, count: int) -> InferenceTimes:
        """Run the model several times on one frame; see `Detector.time_inference`."""
        ...

    def close(self) -> None:
        """Release the model."""
        ...


@runtime_checkable
class SeparateWorker(Protocol):
    """The method of workers that detect while the thread that uses them does other work."""

    def start(self, frame: Frame, criteria: Criteria | None = None) -> Callable[[], Result]:
        """
        Begin to detect the objects in a frame.

        :returns: a function that waits for the result. It must be called before any other use of
            the worker. It raises errors as `detect` does.
        """
        ...


def require_attempt(back_off: BackOff) -> None:
    """
    Check that the next attempt is due; frames fail at once until then.

    :raises WorkerError: it is not due; the message has the reason of the last failure.
    """
    if back_off.remaining:
        raise WorkerError(f'the worker failed {back_off.failures} times in a row '
                          f'({back_off.reason}); it is tried again in '
                          f'{back_off.remaining:.1f} s')
