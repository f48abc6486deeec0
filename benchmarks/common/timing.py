# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time functions side by side."""

from __future__ import annotations

from collections.abc import Callable
import statistics
import time

ROUNDS = 41
"""An odd number, so that the median is a measured time."""


def interleaved_medians(
    *jobs: Callable[[], object], clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """
    Return the median time of each job in milliseconds.

    The jobs run in turn, so the load of the machine is the same for all.

    :param clock: `time.thread_time` leaves out the time in which other programs had the CPU; for
        jobs that neither wait nor use other threads.
    """
    times: list[list[float]] = [[] for _ in jobs]
    for _ in range(ROUNDS):
        for job, samples in zip(jobs, times):
            start = clock()
            job()
            samples.append(1000 * (clock() - start))
    return [statistics.median(samples) for samples in times]
