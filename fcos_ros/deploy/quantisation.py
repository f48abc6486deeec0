# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read what the compiler says about its result: similarity of each layer, estimated time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

from fcos_ros.deploy.compiler_report import estimate_of
from fcos_ros.deploy.network_layers import Estimate

VISIBLE_LOSS = 0.99
"""Cosine similarity of an output below which detections change visibly."""


@dataclass(frozen=True)
class QuantisedLayer:
    """
    One operator of the quantised network.

    :ivar cosine: similarity of its output to that of the float network, on the pictures of the
        calibration; None if the compiler does not state it.
    :ivar outputs: the names of its output tensors.
    """

    name: str
    cosine: float | None
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class QuantisationReport:
    """
    The report on one compilation.

    :ivar layers: in the order of the network.
    :ivar estimate: None if the compiler wrote none.
    """

    layers: tuple[QuantisedLayer, ...]
    estimate: Estimate | None

    def lossy(self) -> list[QuantisedLayer]:
        """Return the layers that differ visibly from the float network, the worst first."""
        found = [layer for layer in self.layers
                 if layer.cosine is not None and layer.cosine < VISIBLE_LOSS]
        return sorted(found, key=lambda layer: layer.cosine or 0.0)


def read_report(folder: Path) -> QuantisationReport:
    """Read the reports that the compiler wrote beside its result; what it lacks is left out."""
    layers = tuple(
        QuantisedLayer(name, _cosine(entry), tuple(map(str, entry.get('outputs', ()))))
        for path in sorted(folder.glob('*_quant_info.json'))
        for name, entry in _read(path).items() if isinstance(entry, Mapping))
    summaries = [_read(path).get('summary') for path in sorted(folder.glob('*_subgraph_*.json'))]
    estimates = [estimate_of(summary) for summary in summaries if isinstance(summary, Mapping)]
    return QuantisationReport(layers, estimates[0] if len(estimates) == 1 else None)


def _read(path: Path) -> Mapping[str, Any]:
    content = json.loads(path.read_text())
    return content if isinstance(content, Mapping) else {}


def _cosine(entry: Mapping[str, Any]) -> float | None:
    try:
        return float(entry['cosine_similarity'])
    except (LookupError, TypeError, ValueError):
        return None
