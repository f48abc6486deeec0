# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names for the array types that several modules share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Any shape and dtype, such as a tensor of the network."""

Bytes = NDArray[np.uint8]
"""The bytes of a file or a buffer, shape (N,)."""

Pixels = NDArray[np.uint8]
"""Shape (H, W) or (H, W, channels)."""

Boxes = NDArray[np.float32]
"""Shape (N, 4), each row (x1, y1, x2, y2) in pixels."""

Scale = NDArray[np.float32]
"""Shape (channels,) or (1,); value = integer * scale."""

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]
