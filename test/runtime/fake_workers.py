# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Workers for tests of a pool; their results are empty."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Event, Semaphore
import time

from waiting import TIMEOUT

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.detector import Result, StageTimes

RESULT = Result(Detections.empty(), StageTimes(0.001, 0.002, 0.003))


class ReadyWorker:
    """Returns an empty result at once."""

    def prepare(self, timeout: float) -> bool:
        """Return that it is ready."""
        return True

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """Return an empty result."""
        return RESULT


class SleepingWorker(ReadyWorker):
    """
    Sleeps before it returns a result.

    :param seconds: called for each frame.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """Sleep, and return an empty result."""
        time.sleep(self._seconds())
        return RESULT


class RecordingWorker(ReadyWorker):
    """
    Keeps the criteria of each frame.

    :ivar criteria: in the order of the frames.
    """

    def __init__(self) -> None:
        self.criteria: list[Criteria | None] = []

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """Keep the criteria, and return an empty result."""
        self.criteria.append(criteria)
        return RESULT


class GatedWorker(ReadyWorker):
    """Finishes a frame for each permit."""

    def __init__(self) -> None:
        self._begun = Semaphore(0)
        self._permits = Semaphore(0)

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """Wait for a permit, and return an empty result."""
        self._begun.release()
        assert self._permits.acquire(timeout=TIMEOUT)
        return RESULT

    def has_begun(self) -> bool:
        """Return whether it has begun another frame since the last call that returned True."""
        return self._begun.acquire(blocking=False)

    def wait_until_begun(self) -> None:
        """Wait until it has begun another frame."""
        assert self._begun.acquire(timeout=TIMEOUT)

    def permit(self, count: int = 1) -> None:
        """Let it finish this number of frames."""
        self._permits.release(count)


class StartedWorker(GatedWorker):
    """
    Works on a frame while its thread does something else, and finishes one for each permit.

    :ivar started: the number of frames that it has begun.
    :ivar fails_at: the number of a frame that it cannot begin.
    """

    def __init__(self, fails_at: int = 0) -> None:
        super().__init__()
        self.started = 0
        self.fails_at = fails_at

    def start(self, frame: Frame, criteria: Criteria | None = None) -> Callable[[], Result]:
        """Begin a frame; its result is empty."""
        self.started += 1
        if self.started == self.fails_at:
            raise RuntimeError('the frame cannot be sent')
        return partial(self.detect, frame, criteria)


class FailingWorker(ReadyWorker):
    """Fails on every frame."""

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """Raise an error."""
        raise RuntimeError('the engine is on fire')


class UnreadyWorker(ReadyWorker):
    """
    Becomes ready when `ready` is set.

    :ivar failure: text of the error that `prepare` raises; empty for no error.
    """

    def __init__(self, failure: str = '') -> None:
        self.ready = Event()
        self.failure = failure
        self._prepared = Semaphore(0)

    def prepare(self, timeout: float) -> bool:
        """Return whether it became ready in time."""
        self._prepared.release()
        failure = self.failure  # a test may change it meanwhile
        if failure:
            raise OSError(failure)
        return self.ready.wait(timeout)

    def detect(self, frame: Frame, criteria: Criteria | None = None) -> Result:
        """Return an empty result."""
        assert self.ready.is_set()
        return RESULT

    def wait_until_noted(self) -> None:
        """Wait until the pool has noted that it is not ready: it then calls `prepare` again."""
        for _ in range(2):
            assert self._prepared.acquire(timeout=TIMEOUT)
