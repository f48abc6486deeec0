# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Jobs: the work on one input or on one part of a large one.

A job is a frozen value that can be pickled, so that any machine can run it. Its `repr` has all of
its settings. A job that fails fails alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from fcos_ros.offline.frames import SourceError
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.offline.runner import OfflineDetector

Advance = Callable[[int], None]
"""Called with the number of frames that were finished."""


@dataclass(frozen=True)
class JobReport:
    """
    The outcome of a job that succeeded.

    :ivar outputs: the files that it wrote, complete.
    :ivar summary: of JSON values, such as the numbers of frames and of detections.
    """

    outputs: tuple[Path, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)


class JobInterrupted(KeyboardInterrupt):
    """
    The user has interrupted a job.

    :ivar report: what it has done so far.
    """

    def __init__(self, report: JobReport) -> None:
        super().__init__()
        self.report = report


class Job(Protocol):
    """The work on one input."""

    @property
    def name(self) -> str:
        """The name for the user; different for each job of a run."""
        ...

    @property
    def frames(self) -> int:
        """The number of frames, or an estimate, for the progress."""
        ...

    def inputs(self) -> Sequence[Path]:
        """Return the files and folders whose content decides the result, the model included."""
        ...

    def run(self, detectors: Detectors, advance: Advance) -> JobReport:
        """
        Do the work, and write the outputs.

        :raises JobInterrupted: the user has interrupted it; the outputs so far are valid.
        :raises SourceError: the input cannot be used.
        :raises OfflineError: an output cannot be written, or a setting is not accepted.
        """
        ...


@dataclass(frozen=True)
class JobResult:
    """
    The end of a job: a report or an error.

    :ivar kept: whether an earlier run had done it.
    """

    name: str
    report: JobReport | None = None
    error: str = ''
    kept: bool = False


class Detectors:
    """The detectors of several jobs; each plan is opened once. Use it as a context manager."""

    def __init__(self) -> None:
        self._opened: list[OfflineDetector] = []

    def __enter__(self) -> Detectors:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        while self._opened:
            self._opened.pop().close()

    def open(self, plan: DetectionPlan) -> OfflineDetector:
        """
        Return the detector of a plan.

        :raises ModelError: the model cannot be used.
        :raises OfflineError: the settings do not fit the model.
        """
        for detector in self._opened:
            if detector.plan == plan:
                return detector
        self._opened.append(OfflineDetector(plan))
        return self._opened[-1]


def run_here(jobs: Iterable[Job], advance: Advance) -> Iterator[JobResult]:
    """
    Run jobs one after the other in this process, and yield their results.

    An input that cannot be used fails alone. All other errors are raised.
    """
    with Detectors() as detectors:
        for job in jobs:
            try:
                yield JobResult(job.name, job.run(detectors, advance))
            except JobInterrupted as interrupt:
                yield JobResult(job.name, interrupt.report)
                raise
            except SourceError as error:
                yield JobResult(job.name, error=str(error))
