# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read the static estimate of the vendor's compiler for a compiled model.

The command `hbdk-perf` of the vendor's toolchain makes it, without a board. Its report has the
time of each layer if the model was compiled with `debug: true`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
import json
from math import prod
from pathlib import Path
import re
import subprocess
import tempfile
from typing import Any

from fcos_ros.backends.bin_file import read_bin_file
from fcos_ros.backends.bpu_tools import environment, require_tool
from fcos_ros.backends.errors import ModelError
from fcos_ros.core.resize import Size
from fcos_ros.deploy.network_layers import Estimate, Layer, LayerTime, NetworkLayers

MEASURE = 'hbdk-perf'

TIMEOUT = 300.0
"""Seconds for the command; it takes a few seconds for a usual model."""

_HEADER = ('layer', 'ops', 'original output shape', 'aligned output shape',
           'computing cost (no DDR)', 'load/store cost')
"""The first columns of the report's table of layers."""


def read_compiled_layers(path: Path) -> NetworkLayers:
    """
    Read the layers of a compiled model; such a file does not hold their connections.

    :raises ModelError: the command is not installed, or fails, or the file has no layers.
    """
    summary = _summary(path)
    rows = summary.get('layer details', ())
    if len(rows) < 2:
        raise ModelError(f'{path} has no times of its layers; compile it with `debug: true` under '
                         f'`compiler_parameters`')
    try:
        return _network(path.stem, summary, rows)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise _unknown_form(path, error) from error


def read_estimate(path: Path) -> Estimate:
    """
    Read the estimate for a compiled model, without the times of its layers.

    :raises ModelError: the command is not installed, or fails, or the file has no part for the
        BPU.
    """
    try:
        return estimate_of(_summary(path))
    except (LookupError, TypeError, ValueError) as error:
        raise _unknown_form(path, error) from error


def estimate_of(summary: Mapping[str, Any]) -> Estimate:
    """
    Convert a summary of the compiler.

    :raises LookupError: a figure is missing.
    :raises ValueError: a figure is no number; likewise TypeError.
    """
    return Estimate(str(summary['BPU march']), float(summary['latency (us)']),
                    int(summary['DDR bytes per frame']), {})


def _unknown_form(path: Path, error: Exception) -> ModelError:
    return ModelError(f'the report of {MEASURE} on {path} is of an unknown form: {error!r}; '
                      'accepted: that of version 3.49')


def _summary(path: Path) -> Mapping[str, Any]:
    """Return the report on a model."""
    command = require_tool(MEASURE, 'the estimate for a compiled model')
    program = read_bin_file(path).program
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / 'program.hbm').write_bytes(program)
        _run([str(command), '-o', name, str(folder / 'program.hbm')], folder)
        try:
            reports = [json.loads(found.read_text(encoding='utf-8'))['summary']
                       for found in folder.glob('*.json')]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f'{MEASURE} wrote a report that cannot be read: {error!r}') from error
    if len(reports) != 1:
        raise ModelError(f'{MEASURE} wrote {len(reports)} reports on {path}; expected 1')
    report: Mapping[str, Any] = reports[0]
    return report


def _run(command: Sequence[str], folder: Path) -> None:
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False, env=environment())
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f'{name} cannot be run: {error}') from error
    if done.returncode:
        lines = done.stdout.decode(errors='replace').strip().splitlines()
        raise ModelError(f'{name} failed with code {done.returncode}: '
                         f'{lines[-1] if lines else "no output"}')


def _network(
    name: str, summary: Mapping[str, Any], rows: Sequence[Sequence[str]],
) -> NetworkLayers:
    if tuple(rows[0][:len(_HEADER)]) != _HEADER:
        raise ValueError(f'columns {rows[0]}')
    layers = tuple(_layer(row) for row in rows[1:])
    times = {layer.name: layer.time for layer in layers if layer.time}
    estimate = replace(estimate_of(summary), times=times)
    return NetworkLayers(name, _input_size(summary['input features'][1][1]), layers,
                         has_sources=False, estimate=estimate)


def _layer(row: Sequence[str]) -> Layer:
    name, operations, shape, _, compute, memory = row[:len(_HEADER)]
    sides = tuple(map(int, re.findall(r'\d+', shape)))
    _, height, width, channels = sides
    name = name.removesuffix('-conv')
    operator = re.sub(r'_\d+$', '', name.rpartition('/')[2])
    return Layer(
        name, operator, (), (1, channels, height, width), Size(width, height),
        macs=int(operations.replace(',', '')) // 2, output_bytes=prod(sides),
        time=LayerTime(_microseconds(compute), _microseconds(memory)))


def _microseconds(cost: str) -> float:
    """Read a cost such as `29 us (4.0% of model)`, `<1 us` or `0`."""
    if cost.startswith('<'):
        return 0.5
    return float(cost.split()[0])


def _input_size(shape: str) -> Size:
    """Read the size of an input such as `1x512x512x3`."""
    _, height, width, _ = map(int, shape.split('x'))
    return Size(width, height)
