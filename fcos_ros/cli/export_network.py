# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Export a trained network to an ONNX file, and compare its outputs with those of the network.

The file for `onnx` takes pixels and runs on PCs. The file for `bpu` is for the compiler of the
boards.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import json
from pathlib import Path

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
    parser.add_argument('--json', action='store_true', help='Print JSON.')


def run(options: argparse.Namespace) -> int:
    """Write the file, and print how exactly its outputs equal those of the network."""
    from fcos_ros.deploy.export import export_checkpoint

    output = options.output or options.checkpoint.with_suffix('.onnx')
    if options.output is None:
        output = output.with_stem(output.stem + TARGET_SUFFIXES[options.target])
    if output.suffix != '.onnx':
        raise ModelError(f'the output is {output}; accepted: a name that ends in .onnx')
    report({output: export_checkpoint(options.checkpoint, options.target, output)}, options.json)
    return 0


def report(written: Mapping[Path, Mapping[str, float]], as_json: bool) -> None:
    """
    Print what was written.

    :param written: the largest relative difference of each part of the outputs, for each file.
    """
    if as_json:
        print(json.dumps({'files': [{'file': str(path), 'differences': dict(differences)}
                                    for path, differences in written.items()]}, indent=2))
        return
    for path, differences in written.items():
        print(f'{path}: equals the network within {max(differences.values()):.1g}, relative')
