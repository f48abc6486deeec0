# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read when the cores of the simulated board are reserved."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def reservations(folder: Path) -> list[float]:
    """Return until which second of the monotonic clock each core is reserved that was used."""
    moments = np.fromfile(folder / 'cores', np.int64)
    return [float(moment) / 1e9 for moment in moments if moment]
