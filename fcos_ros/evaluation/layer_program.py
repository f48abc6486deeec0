# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run a network with and without quantisation, and compare its layers; see `evaluation/layers.py`.

Usage: python layer_program.py JOB.json. The Python of the vendor's toolchain runs this file, so it
imports nothing of this package. It prints a line for each image, and writes the result at the end.
"""

from __future__ import annotations

import json
from pathlib import Path
import sys
from typing import Any

import numpy as np


def main() -> None:
    """Compare the layers on all images."""
    job = json.loads(Path(sys.argv[1]).read_text())
    float_network, quantised = _network(job['float']), _network(job['quantised'])
    layers = [_Statistics(**layer) for layer in job['layers']]
    for nv12 in np.load(job['images']):
        tensor = {job['input']: _yuv_planes(nv12, job['width'], job['height'])}
        floats = _run(float_network, tensor, [layer.tensor for layer in layers])
        others = _run(quantised, tensor, [layer.quantised for layer in layers])
        for layer, own, other in zip(layers, floats, others):
            layer.add(own, other)
        print(job['mark'], flush=True)
    Path(job['result']).write_text(json.dumps([layer.result() for layer in layers]))


class _Statistics:
    """Sums over all images of one layer."""

    def __init__(self, tensor: str, quantised: str, threshold: float) -> None:
        self.tensor, self.quantised = tensor, quantised
        self._threshold = threshold
        self._products = np.zeros(3)
        self._limits = [np.inf, -np.inf]
        self._beyond = self._count = 0

    def add(self, values: Any, others: Any) -> None:
        own, other = (array.astype(np.float64).ravel() for array in (values, others))
        self._products += [own @ other, own @ own, other @ other]
        self._limits = [min(self._limits[0], own.min()), max(self._limits[1], own.max())]
        self._beyond += int((np.abs(own) > self._threshold).sum())
        self._count += own.size

    def result(self) -> dict[str, Any]:
        product, own, other = self._products
        cosine = product / np.sqrt(own * other) if own and other else float(own == other)
        return {'cosine': float(cosine), 'limits': list(map(float, self._limits)),
                'beyond': self._beyond / max(1, self._count)}


def _network(path: str) -> Any:
    from horizon_tc_ui import HB_ONNXRuntime
    return HB_ONNXRuntime(model_file=path)


def _run(network: Any, tensor: dict[str, Any], names: list[str]) -> list[Any]:
    # The runtime changes the dictionary that it is given.
    return list(network.run(names, dict(tensor)))


def _yuv_planes(nv12: Any, width: int, height: int) -> Any:
    """Convert NV12 to float32 (1, 3, H, W); all pixels of a 2x2 block get its chroma sample."""
    luma, chroma = np.split(nv12.reshape(-1), [height * width])
    chroma = chroma.reshape(height // 2, width // 2, 2).repeat(2, 0).repeat(2, 1)
    planes = np.dstack([luma.reshape(height, width), chroma]).transpose(2, 0, 1)[None]
    return np.ascontiguousarray(planes, np.float32)


if __name__ == '__main__':
    main()
