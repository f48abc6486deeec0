# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Group the layers of a network into stages.

A stage is a connected part of the network with features of one size, from all of whose layers the
same sizes are reached. So a backbone has a stage for each stride, an FPN has one for each
enlargement, and each level of a head is a stage.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from fcos_ros.core.resize import Size
from fcos_ros.deploy.network_layers import Layer, LayerTime, NetworkLayers


@dataclass(frozen=True)
class Stage:
    """
    Layers that belong together.

    :ivar sources: indices of the stages whose features it takes, all before this one.
    :ivar column: number of stages before it on the longest path.
    :ivar resolution: size of its features; None if it joins several sizes.
    """

    layers: tuple[Layer, ...]
    sources: tuple[int, ...]
    column: int
    resolution: Size | None

    @property
    def name(self) -> str:
        """The part of the names that all layers share; empty if there is none."""
        return '/'.join(_common_start([_parts(layer)[:-1] for layer in self.layers]))

    @property
    def operators(self) -> Counter[str]:
        """Number of layers by operator."""
        return Counter(layer.operator for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Bytes of constants; those that several stages share count for the first one."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def output_bytes(self) -> int:
        """Bytes of the outputs of all layers."""
        return sum(layer.output_bytes for layer in self.layers)

    @property
    def time(self) -> LayerTime | None:
        """The times of all layers; None without any."""
        times = [layer.time for layer in self.layers if layer.time]
        if not times:
            return None
        return LayerTime(sum(time.compute for time in times), sum(time.memory for time in times))

    @property
    def shapes(self) -> tuple[tuple[int | None, ...], ...]:
        """The different shapes that leave the stage, in the order of the layers."""
        leaving = [layer.shape for layer in self.layers if layer.is_output]
        return tuple(dict.fromkeys(leaving or [self.layers[-1].shape]))


def group(network: NetworkLayers) -> tuple[Stage, ...]:
    """Return the stages of a network, each after its sources."""
    layers = network.layers
    keys = _joined(layers) if network.has_sources else _by_scope(layers)
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        members[key].append(index)
    sources = {key: {keys[source] for index in indices for source in layers[index].sources} - {key}
               for key, indices in members.items()}
    number: dict[Hashable, int] = {}
    stages: list[Stage] = []
    for key in _ordered(sources):
        before = tuple(sorted(number[source] for source in sources[key] if source in number))
        column = max((stages[index].column + 1 for index in before), default=0)
        number[key] = len(stages)
        stages.append(Stage(tuple(layers[index] for index in members[key]), before, column,
                            layers[members[key][0]].resolution))
    return tuple(stages)


def _ordered(sources: Mapping[Hashable, set[Hashable]]) -> Iterator[Hashable]:
    """
    Yield keys after their sources.

    A stage that is left and entered again makes a circle; its earliest key is the first one.
    """
    waiting = dict(sources)
    while waiting:
        free = (key for key, needed in waiting.items() if needed.isdisjoint(waiting))
        key = next(free, next(iter(waiting)))
        del waiting[key]
        yield key


def _joined(layers: Sequence[Layer]) -> list[Hashable]:
    """Return the key of the stage of each layer: the number of its first layer."""
    reached = _reached(layers)
    first = list(range(len(layers)))

    def root(index: int) -> int:
        while first[index] != index:
            first[index] = first[first[index]]
            index = first[index]
        return index

    def join(one: int, other: int) -> None:
        low, high = sorted((root(one), root(other)))
        first[high] = low

    branches: dict[Hashable, int] = {}
    for index, layer in enumerate(layers):
        for source in layer.sources:
            if (layers[source].resolution == layer.resolution
                    and reached[source] == reached[index]):
                join(source, index)
            # The branches of a head begin at the same layer, and may have no other in common.
            branch = source, layer.resolution, reached[index]
            join(branches.setdefault(branch, index), index)
    return [root(index) for index in range(len(layers))]


def _reached(layers: Sequence[Layer]) -> list[frozenset[Size]]:
    """Return the sizes of the features of each layer and of all layers that depend on it."""
    reached: list[set[Size]] = [
        {layer.resolution} if layer.resolution else set() for layer in layers]
    for index in reversed(range(len(layers))):
        for source in layers[index].sources:
            reached[source] |= reached[index]
    return [frozenset(sizes) for sizes in reached]


def _by_scope(layers: Sequence[Layer]) -> list[Hashable]:
    """Return size and scope of each layer: the first part of its name that is not common."""
    names = list(map(_parts, layers))
    common = len(_common_start([name for name in names if len(name) > 1]))
    return [(layer.resolution, ''.join(name[common:common + 1] if len(name) > 1 else name))
            for layer, name in zip(layers, names)]


def _parts(layer: Layer) -> list[str]:
    return layer.name.strip('/').split('/')


def _common_start(names: Sequence[Sequence[str]]) -> list[str]:
    """Return the first parts that all names share."""
    return [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, zip(*names))]
