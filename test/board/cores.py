# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What was booked on the cores of the simulated board."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def bookings(folder: Path) -> list[float]:
    """Tell for each core that was used until which second of the monotonic clock it is booked."""
    moments = np.fromfile(folder / 'cores', np.int64)
    return [float(moment) / 1e9 for moment in moments if moment]
