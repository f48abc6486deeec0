# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Export trained networks to ONNX, and compare the files with the networks.

Import this module inside functions only, as torch may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any
import warnings

import numpy as np

from fcos_ros.backends import ModelError, load
from fcos_ros.backends.onnx_package import require_onnx
from fcos_ros.core.arrays import Array
from fcos_ros.deploy.checkpoint import Checkpoint
from fcos_ros.deploy.network import STRIDES, Outputs, Tensor, torch
from fcos_ros.deploy.trained_network import (
    BOX_ACTIVATIONS,
    TrainedNetwork,
    with_provenance,
)

INPUT = 'image'
PARTS = ('class', 'box', 'centerness')
OUTPUTS = tuple(f'{part}_{stride}' for part in PARTS for stride in STRIDES)

MAX_DIFFERENCE = 1e-3
"""
Accepted difference of an output of the file, relative to the value, or to 1 if it is smaller.

onnxruntime adds in another order than torch: about 1e-5 was seen for networks of 100 layers.
"""


class ForPc(torch.nn.Module):
    """
    A network for onnxruntime: it takes the pixels of an image and gives distances.

    The input is uint8 of shape (1, height, width, 3), the outputs are float32, (1, h, w, C).
    """

    def __init__(self, trained: TrainedNetwork) -> None:
        super().__init__()
        self._network = trained.folded
        self._trained = trained

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs in the order of `OUTPUTS`."""
        outputs = self._network(_normalised(image, self._trained))
        return _channels_last(_with_distances(outputs, self._trained))


class ForCompiler(torch.nn.Module):
    """
    A network for the compiler, which adds the normalisation itself.

    The input is float32 of shape (1, 3, height, width). The outputs come from convolutions.
    """

    def __init__(self, trained: TrainedNetwork) -> None:
        super().__init__()
        self._network = trained.folded

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs in the order of `OUTPUTS`."""
        return _channels_last(self._network(image))


@dataclass(frozen=True)
class Target:
    """
    A user of ONNX files.

    :ivar module: wraps a network.
    :ivar opset: version of the operators; likewise `ir_version`, of the format.
    :ivar image: an example of an input.
    :ivar suffix: stands behind the name of the file.
    :ivar metadata: the keys that only files for this target need.
    """

    module: Callable[[TrainedNetwork], torch.nn.Module]
    opset: int
    ir_version: int
    image: Callable[[TrainedNetwork], Tensor]
    suffix: str
    metadata: Callable[[TrainedNetwork], Mapping[str, object]]


TARGETS: Mapping[str, Target] = {
    'onnx': Target(
        ForPc, 17, 8,
        lambda trained: torch.zeros((1, trained.size.height, trained.size.width, 3),
                                    dtype=torch.uint8),
        '', lambda trained: {}),
    # The compiler takes opset 10 and 11, and IR versions up to 7.
    'bpu': Target(
        ForCompiler, 11, 7,
        lambda trained: torch.zeros((1, 3, trained.size.height, trained.size.width)),
        '_bpu', lambda trained: {'mean': list(trained.mean), 'std': list(trained.std),
                                 'box_activation': trained.box_activation}),
}
"""The targets by their name."""


def export_checkpoint(checkpoint: Path, target: str, path: Path) -> dict[str, float]:
    """Write the network of our own training to an ONNX file; see `export`."""
    trained = TrainedNetwork.of_checkpoint(Checkpoint.load(checkpoint))
    return export(with_provenance(trained, checkpoint), target, path)


def export(trained: TrainedNetwork, target: str, path: Path) -> dict[str, float]:
    """
    Write a network to an ONNX file. The file appears only if its outputs equal the network's.

    :returns: the largest difference for each part, relative as in `MAX_DIFFERENCE`.
    :raises ModelError: the file cannot be written, or its outputs differ.
    """
    part = path.with_name(f'.{path.stem}.part.onnx')
    try:
        _write(trained, TARGETS[target], part)
        differences = compare(trained, target, part)
        wrong = {name: value for name, value in differences.items() if not value <= MAX_DIFFERENCE}
        if wrong:
            raise ModelError(f'{path} was not written: its outputs would differ from those of the '
                             f'network ({_listed(wrong)}); accepted: up to {MAX_DIFFERENCE:g}')
        part.replace(path)
    except OSError as error:
        raise ModelError(f'{path} cannot be written: {error.strerror}') from error
    finally:
        part.unlink(missing_ok=True)
    return differences


def compare(trained: TrainedNetwork, target: str, path: Path) -> dict[str, float]:
    """Return the largest difference of each part between a network and its ONNX file."""
    backend = load(path, 'onnx')
    differences = dict.fromkeys(PARTS, 0.0)
    try:
        for image in _test_images(trained):
            normalised = _normalised(torch.from_numpy(image)[None], trained)
            with torch.no_grad():
                wanted = trained.network(normalised)
            if target == 'onnx':
                wanted = _with_distances(wanted, trained)
            tensor = image[None] if target == 'onnx' else normalised.numpy()
            for name, found, expected in zip(OUTPUTS, backend.infer(tensor),
                                             _channels_last(wanted)):
                part = name.rpartition('_')[0]
                differences[part] = max(differences[part], _difference(found, expected.numpy()))
    finally:
        backend.close()
    return differences


def _write(trained: TrainedNetwork, target: Target, path: Path) -> None:
    """Write the ONNX file of a network."""
    onnx = require_onnx()
    module = target.module(trained).eval()
    with warnings.catch_warnings():
        # This exporter is deprecated. The other one needs more packages, and does not write
        # opset 11, which the compiler needs.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            module, (target.image(trained),), str(path), dynamo=False,
            opset_version=target.opset, input_names=[INPUT], output_names=list(OUTPUTS))
    model = onnx.load(str(path))
    model.ir_version = target.ir_version
    model.producer_name, model.producer_version = 'fcos_ros', ''
    _remove_aliases(model.graph)
    entries = {'pixels': trained.pixels, **trained.metadata, **target.metadata(trained)}
    onnx.helper.set_model_props(model, {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in entries.items()})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _remove_aliases(graph: Any) -> None:
    """Remove the copies of constants that the exporter makes of shared weights."""
    constants = {entry.name for entry in graph.initializer}
    aliases: dict[str, str] = {}
    for node in [node for node in graph.node if node.op_type == 'Identity']:
        source = aliases.get(node.input[0], node.input[0])
        if source in constants:
            aliases[node.output[0]] = source
            graph.node.remove(node)
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = aliases.get(name, name)


def _channels_last(outputs: Outputs) -> tuple[Tensor, ...]:
    return tuple(level.permute(0, 2, 3, 1) for part in outputs for level in part)


def _normalised(image: Tensor, trained: TrainedNetwork) -> Tensor:
    """Convert pixels, (1, height, width, 3), to the input of a network."""
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1)
                 for values in (trained.mean, trained.std))
    return (image.permute(0, 3, 1, 2).float() - mean) / std


def _with_distances(outputs: Outputs, trained: TrainedNetwork) -> Outputs:
    activation = BOX_ACTIVATIONS[trained.box_activation]
    return outputs._replace(boxes=[activation(level) for level in outputs.boxes])


def _test_images(trained: TrainedNetwork) -> Iterator[Array]:
    """Yield a grey image, one of large shapes, and noise."""
    width, height = trained.size
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (-(-height // 16), -(-width // 16), 3), np.uint8)
    yield np.full((height, width, 3), 128, np.uint8)
    yield coarse.repeat(16, 0).repeat(16, 1)[:height, :width]
    yield rng.integers(0, 256, (height, width, 3), np.uint8)


def _difference(found: Array, expected: Array) -> float:
    if found.shape != expected.shape:
        return float('inf')
    relative = np.abs(found - expected) / np.maximum(np.abs(expected), 1)
    return float(relative.max())


def _listed(differences: Mapping[str, float]) -> str:
    return ', '.join(f'{name} {value:.2g}' for name, value in differences.items())
