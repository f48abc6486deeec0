# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Export a trained network to an ONNX file, and compare its outputs with those of the network.

The file for `onnx` takes pixels and runs on PCs. The file for `bpu` is for the compiler of the
boards.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fcos_ros.backends import ModelError
from fcos_ros.deploy.targets import TARGET_SUFFIXES

SUMMARY = 'export a trained network to ONNX'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument('checkpoint', metavar='CHECKPOINT', type=Path,
                        help='The file checkpoint.pt that the training writes.')
    parser.add_argument('--target', choices=TARGET_SUFFIXES, default='onnx',
                        help='onnx for PCs, bpu for the compiler of the boards. [onnx]')
    parser.add_argument('--output', metavar='FILE', type=Path,
                        help='[CHECKPOINT.onnx or CHECKPOINT_bpu.onnx, in the same folder]')


def run(options: argparse.Namespace) -> int:
    """Write the file, and print how exactly its outputs equal those of the network."""
    from fcos_ros.deploy.checkpoint import Checkpoint
    from fcos_ros.deploy.trained_network import TrainedNetwork

    checkpoint = Checkpoint.load(options.checkpoint)
    output = options.output or options.checkpoint.with_suffix('.onnx')
    if options.output is None:
        output = output.with_stem(output.stem + TARGET_SUFFIXES[options.target])
    trained = TrainedNetwork.of_checkpoint(checkpoint)
    write(trained, options.checkpoint, options.target, output)
    return 0


def write(trained: Any, source: Path, target: str, output: Path) -> None:
    """
    Write a network to a file, and print the result of the comparison.

    :param trained: a `TrainedNetwork`, whose module needs torch.
    :param source: the file of the network, for the provenance.
    :raises ModelError: the file cannot be written, or differs from the network.
    """
    from fcos_ros.deploy.export import export
    from fcos_ros.deploy.trained_network import with_provenance

    if output.suffix != '.onnx':
        raise ModelError(f'the output is {output}; accepted: a name that ends in .onnx')
    differences = export(with_provenance(trained, source), target, output)
    print(f'{output}: equals the network within {max(differences.values()):.1g}, relative')
