# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Make ONNX files of an FCOS that was trained with torchvision, MMDetection or AdelaiDet.

One file is for PCs, the other one for the compiler of the boards. Both state the units, points,
scores and labels of their program.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fcos_ros.backends import ModelError
from fcos_ros.cli.export_network import report
from fcos_ros.core.labels import Labels
from fcos_ros.core.resize import Size
from fcos_ros.deploy.targets import FAMILY_NAMES, TARGET_SUFFIXES

SUMMARY = 'make ONNX files of a checkpoint of another program'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument('program', choices=FAMILY_NAMES, help='The program that trained it.')
    parser.add_argument('file', metavar='FILE', type=Path, help='Its checkpoint, .pth or .pt.')
    parser.add_argument('--size', type=_read_size, default=Size(640, 640),
                        help='Size of the input, multiples of 32. [640x640]')
    parser.add_argument('--labels', metavar='FILE', type=Path, help='Class names, one in each '
                        'line. [those in FILE, or those of COCO]')
    parser.add_argument('--config', metavar='FILE', type=Path, action='append', default=[],
                        help='Configuration of the program, if the checkpoint does not contain '
                        'it; repeat the option for several files, the base files first.')
    parser.add_argument('--output', metavar='NAME', type=Path,
                        help='Name of both files, before .onnx and _bpu.onnx. [that of FILE]')
    parser.add_argument('--json', action='store_true', help='Print JSON.')


def run(options: argparse.Namespace) -> int:
    """Write both files."""
    from fcos_ros.deploy.export import export
    from fcos_ros.deploy.families import read_network
    from fcos_ros.deploy.trained_network import with_provenance

    config = '\n'.join(map(_read_text, options.config))
    labels = _read_labels(options.labels) if options.labels else None
    trained = with_provenance(
        read_network(options.program, options.file, options.size, labels, config), options.file)
    name = options.output or options.file.with_suffix('')
    files = {target: name.with_name(f'{name.name}{suffix}.onnx')
             for target, suffix in TARGET_SUFFIXES.items()}
    report({path: export(trained, target, path) for target, path in files.items()}, options.json)
    return 0


def _read_size(text: str) -> Size:
    try:
        return Size.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _read_labels(path: Path) -> tuple[str, ...]:
    try:
        return Labels.from_text(_read_text(path)).names
    except ValueError as error:
        raise ModelError(f'{path} has no class names: {error}') from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except OSError as error:
        raise ModelError(f'{path} cannot be read: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise ModelError(f'{path} is not in UTF-8; save it in that encoding') from error
