# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The layers of a network, with their shapes and costs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fcos_ros.core.resize import Size


@dataclass(frozen=True)
class LayerTime:
    """
    The static estimate of the compiler for one layer, in microseconds; layers run side by side.

    :ivar compute: time of the arithmetic.
    :ivar memory: time to load and store data.
    """

    compute: float
    memory: float


@dataclass(frozen=True)
class Layer:
    """
    One operation of a network.

    :ivar name: unique in the network.
    :ivar operator: such as `Conv`.
    :ivar sources: indices of the layers whose outputs it takes, all before this one.
    :ivar shape: of its first output; None stands for a side that is not known.
    :ivar resolution: the size of the features it works on; None if it joins several sizes.
    :ivar is_output: whether an output of the network comes from it.
    :ivar macs: multiply-accumulate operations; 0 for operators without weights.
    :ivar weight_bytes: constants that no earlier layer uses.
    :ivar output_bytes: of its outputs, as the file declares them.
    :ivar time: None if the network was not compiled, or the compiler merged this layer with
        another one.
    """

    name: str
    operator: str
    sources: tuple[int, ...] = ()
    shape: tuple[int | None, ...] = ()
    resolution: Size | None = None
    is_output: bool = False
    macs: int = 0
    weight_bytes: int = 0
    output_bytes: int = 0
    time: LayerTime | None = None


@dataclass(frozen=True)
class Estimate:
    """
    The static estimate of the compiler for a whole network.

    :ivar march: the BPU, as the compiler names it.
    :ivar latency: of one frame, in microseconds.
    :ivar memory_bytes: bytes that one frame moves between the BPU and the memory.
    :ivar times: the times of the layers by their names.
    """

    march: str
    latency: float
    memory_bytes: int
    times: dict[str, LayerTime]

    def __str__(self) -> str:
        return (f'{self.latency / 1000:.2f} ms, {1e6 / self.latency:.0f} inferences a second, '
                f'{self.memory_bytes / 1e6:.1f} MB to and from the memory (estimate of the '
                'compiler, not measured)')


@dataclass(frozen=True)
class NetworkLayers:
    """
    A network as a sequence of layers, each after its sources.

    :ivar canvas: the size of the input in pixels; None if it is not known.
    :ivar has_sources: whether the connections of the layers are known.
    :ivar estimate: None if the network was not compiled.
    """

    name: str
    canvas: Size | None
    layers: tuple[Layer, ...]
    has_sources: bool = True
    estimate: Estimate | None = None

    def with_estimate(self, estimate: Estimate) -> NetworkLayers:
        """
        Return the network with the times of its layers.

        :raises ValueError: the estimate is of another network.
        """
        known = {layer.name for layer in self.layers} & set(estimate.times)
        if len(known) < len(estimate.times) / 2:
            raise ValueError(f'{len(known)} of the {len(estimate.times)} compiled layers are in '
                             f'the network; give the ONNX file that was compiled')
        layers = tuple(replace(layer, time=estimate.times.get(layer.name))
                       for layer in self.layers)
        return replace(self, layers=layers, estimate=estimate)
