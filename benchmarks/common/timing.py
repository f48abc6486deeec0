# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the benchmarks time functions side by side."""

from __future__ import annotations

from collections.abc import Callable
import statistics
import time

ROUNDS = 41
"""Odd, so that the median is a measured time."""


def interleaved_medians(*jobs: Callable[[], object]) -> list[float]:
    """Median milliseconds of each job; taken in turn, so that all meet the same machine."""
    times: list[list[float]] = [[] for _ in jobs]
    for _ in range(ROUNDS):
        for job, spent in zip(jobs, times):
            start = time.perf_counter()
            job()
            spent.append(1000 * (time.perf_counter() - start))
    return [statistics.median(spent) for spent in times]
