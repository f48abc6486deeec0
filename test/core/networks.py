# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describe the outputs of networks of any shape, and make output tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.head import STRIDES, OutputSpec
from fcos_ros.core.resize import Size

Array = NDArray[Any]

SQUARE = Size(512, 512)


@dataclass(frozen=True)
class Network:
    """
    The properties of a network that decide the form of its outputs.

    :ivar dtype: of all outputs; integers get random scales.
    :ivar scales: 'channel' for one scale for each channel, 'tensor' for one for each tensor.
    """

    canvas: Size = SQUARE
    num_classes: int = 80
    strides: tuple[int, ...] = STRIDES
    layout: str = 'NHWC'
    dtype: str = 'float32'
    scales: str = 'channel'

    def specs(self, rng: np.random.Generator, coarse: float = 1e-4) -> list[OutputSpec]:
        """Return the outputs in the published order; scales are up to `coarse`."""
        return [
            OutputSpec(f'{kind}_{stride}', self.shape(stride, channels), np.dtype(self.dtype),
                       self._scale(channels, rng, coarse))
            for kind, channels in (('cls', self.num_classes), ('box', 4), ('ctr', 1))
            for stride in self.strides]

    def shape(self, stride: int, channels: int) -> tuple[int, ...]:
        width, height = (-(-side // stride) for side in self.canvas)
        if self.layout == 'NHWC':
            return 1, height, width, channels
        return 1, channels, height, width

    def _scale(self, channels: int, rng: np.random.Generator, coarse: float) -> Array | None:
        if np.dtype(self.dtype).kind == 'f':
            return None
        count = channels if self.scales == 'channel' else 1
        return rng.uniform(coarse / 4, coarse, count).astype(np.float32)


def to_output(values: Array, spec: OutputSpec, layout: str = 'NHWC') -> Array:
    """Return real values in the form of a network's output."""
    if spec.scale is None:
        return values.astype(spec.dtype)
    limits = np.iinfo(spec.dtype)
    scale = spec.scale if layout == 'NHWC' else spec.scale[:, None, None]
    return np.clip(np.round(values / scale), limits.min, limits.max).astype(spec.dtype)
