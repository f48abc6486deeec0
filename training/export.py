# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Export the result of a training for the node."""

from __future__ import annotations

from pathlib import Path

from fcos_ros.deploy.checkpoint import Checkpoint
from fcos_ros.deploy.export import export
from fcos_ros.deploy.trained_network import TrainedNetwork, with_provenance


def export_onnx(checkpoint: Path, path: Path) -> None:
    """
    Write the network of a checkpoint to an ONNX file, as `fcos export` does.

    :raises ModelError: a file cannot be read or written.
    """
    trained = TrainedNetwork.of_checkpoint(Checkpoint.load(checkpoint))
    export(with_provenance(trained, checkpoint), 'onnx', path)
