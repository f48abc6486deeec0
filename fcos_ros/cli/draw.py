# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draw the network of a model file: `fcos info MODEL --picture FILE`."""

from __future__ import annotations

import argparse
from pathlib import Path

from fcos_ros.backends import ModelError
from fcos_ros.backends.atomic import replace_file
from fcos_ros.deploy.compiler_report import read_compiled_layers
from fcos_ros.deploy.network_layers import NetworkLayers
from fcos_ros.deploy.onnx_layers import read_onnx_layers
from fcos_ros.deploy.picture import FORMATS


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the picture."""
    parser.add_argument('--picture', metavar='FILE', help='Draw the network by stages, instead of '
                        'describing it: an .svg, or an .html that also lists the layers.')
    parser.add_argument('--network', metavar='ONNX', help='The ONNX file of which a .bin was '
                        'compiled; it has the connections of the layers.')


def draw(model: Path, picture: Path, network: str | None) -> None:
    """
    Write the picture of a model.

    :param network: the ONNX file of a compiled model.
    :raises ModelError: a file cannot be read or written.
    """
    write = FORMATS.get(picture.suffix.lower())
    if write is None:
        raise ModelError(f'--picture is {picture}; accepted: a name that ends in '
                         f'{" or ".join(FORMATS)}')
    if picture.resolve() == model.resolve():
        raise ModelError(f'--picture is the model {model} itself; give another name')
    content = write(_read(model, network)).encode('utf-8')
    try:
        replace_file(picture, content)
    except OSError as error:
        raise ModelError(f'{picture} cannot be written: {error.strerror}') from error


def _read(model: Path, network: str | None) -> NetworkLayers:
    if model.suffix.lower() == '.onnx':
        if network is not None:
            raise ModelError(f'--network is for compiled models, and {model} has its connections')
        return read_onnx_layers(model)
    compiled = read_compiled_layers(model)
    if network is None or compiled.estimate is None:
        return compiled
    layers = read_onnx_layers(Path(network))
    try:
        return layers.with_estimate(compiled.estimate)
    except ValueError as error:
        raise ModelError(f'--network is {network}: {error}') from error
