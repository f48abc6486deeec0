# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describe the outputs of networks of any form, and make output tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.head import STRIDES, Head, HeadSpec, OutputSpec
from fcos_ros.core.recognition import recognise
from fcos_ros.core.resize import Size

Array = NDArray[Any]

SQUARE = Size(512, 512)


@dataclass(frozen=True)
class Network:
    """
    The properties of a network that decide the form of its outputs.

    :ivar dtype: of all outputs; integers get random scales.
    :ivar scales: 'channel' for one scale for each channel, 'tensor' for one for each tensor.
    :ivar kinds: the parts of each level.
    :ivar joined: whether an output holds all levels.
    :ivar combined: whether an output holds all parts, in the order of `kinds`.
    """

    canvas: Size = SQUARE
    num_classes: int = 80
    strides: tuple[float, ...] = STRIDES
    layout: str = 'NHWC'
    dtype: str = 'float32'
    scales: str = 'channel'
    kinds: tuple[str, ...] = ('cls', 'box', 'ctr')
    joined: bool = False
    combined: bool = False

    def specs(self, rng: np.random.Generator, coarse: float = 1e-4) -> list[OutputSpec]:
        """Return the outputs, all levels of a part together; scales are up to `coarse`."""
        return [
            OutputSpec(f'{"_".join(kinds)}_{"_".join(f"{stride:g}" for stride in strides)}',
                       self.shape(strides, channels), np.dtype(self.dtype),
                       self._scale(channels, rng, coarse))
            for kinds, strides, channels in self._contents()]

    def outputs(
        self, specs: Sequence[OutputSpec], draw: Callable[[str, tuple[int, ...]], Array],
    ) -> list[Array]:
        """
        Return output tensors.

        :param draw: given a kind and a shape (cells, channels), returns the real values.
        """
        outputs = []
        for spec, (kinds, strides, _) in zip(specs, self._contents()):
            cells = sum(map(prod, map(self.grid, strides)))
            table = np.concatenate(
                [draw(kind, (cells, self.channels(kind))) for kind in kinds], axis=1)
            raw = to_raw(table, spec)
            outputs.append(np.ascontiguousarray(
                raw if self.layout == 'NHWC' else raw.T).reshape(spec.shape))
        return outputs

    def head(self, specs: Sequence[OutputSpec], **stated: Any) -> Head:
        """Return the head; the strides and the number of classes are stated."""
        names = {'cls': 'class', 'box': 'box', 'ctr': 'centerness'}
        order = tuple(names[kind] for kind in self.kinds) if self.combined else None
        head = recognise(specs, self.canvas, HeadSpec(**{
            'strides': self.strides, 'num_classes': self.num_classes, 'order': order, **stated}))
        assert isinstance(head, Head)
        return head

    def grid(self, stride: float) -> Size:
        return Size(*(int(-(-side // stride)) for side in self.canvas))

    def channels(self, kind: str) -> int:
        return {'cls': self.num_classes, 'box': 4, 'ctr': 1}[kind]

    def shape(self, strides: Sequence[float], channels: int) -> tuple[int, ...]:
        width, height = self.grid(strides[0])
        cells = [sum(map(prod, map(self.grid, strides)))] if self.joined else [height, width]
        return (1, *cells, channels) if self.layout == 'NHWC' else (1, channels, *cells)

    def _contents(self) -> list[tuple[tuple[str, ...], tuple[float, ...], int]]:
        """Return the kinds, the strides and the number of channels of each output."""
        kinds = [self.kinds] if self.combined else [(kind,) for kind in self.kinds]
        levels = [self.strides] if self.joined else [(stride,) for stride in self.strides]
        return [(kind, strides, sum(map(self.channels, kind)))
                for kind in kinds for strides in levels]

    def _scale(self, channels: int, rng: np.random.Generator, coarse: float) -> Array | None:
        if np.dtype(self.dtype).kind == 'f':
            return None
        count = channels if self.scales == 'channel' else 1
        return rng.uniform(coarse / 4, coarse, count).astype(np.float32)


def to_raw(values: Array, spec: OutputSpec) -> Array:
    """Return real values, with the channels last, as numbers of an output."""
    if spec.scale is None:
        return values.astype(spec.dtype)
    limits = np.iinfo(spec.dtype)
    return np.clip(np.round(values / spec.scale), limits.min, limits.max).astype(spec.dtype)
