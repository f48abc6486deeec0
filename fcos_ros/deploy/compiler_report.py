# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read the static estimate of the vendor's compiler for a compiled model.

Two commands of the vendor's toolchain make it, without a board: `hb_extract_hbm` and `hbdk-perf`.
Their report has the time of each layer if the model was compiled with `debug: true`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
from math import prod
import os
from pathlib import Path
import re
import shutil
import subprocess
import tempfile
from typing import Any

from fcos_ros.backends.errors import ModelError
from fcos_ros.core.resize import Size
from fcos_ros.deploy.network_layers import Estimate, Layer, LayerTime, NetworkLayers

EXTRACT, MEASURE = 'hb_extract_hbm', 'hbdk-perf'

TIMEOUT = 300.0
"""Seconds for one command; both take a few seconds for a usual model."""

_HEADER = ('layer', 'ops', 'original output shape', 'aligned output shape',
           'computing cost (no DDR)', 'load/store cost')
"""The first columns of the report's table of layers."""


def read_compiled_layers(path: Path) -> NetworkLayers:
    """
    Read the layers of a compiled model; such a file does not hold their connections.

    :raises ModelError: the commands are not installed, or fail, or the file has no layers.
    """
    summary = _summary(path)
    rows = summary.get('layer details', ())
    if len(rows) < 2:
        raise ModelError(f'{path} has no times of its layers; compile it with `debug: true` under '
                         f'`compiler_parameters`')
    try:
        return _network(path.stem, summary, rows)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f'the report of {MEASURE} on {path} is of an unknown form: {error!r}; '
                         'accepted: that of version 3.49') from error


def _summary(path: Path) -> Mapping[str, Any]:
    """Return the report on a model; of several parts on the BPU, that on the largest."""
    if not path.is_file():
        raise ModelError(f'{path} is not a file; give the path of a compiled model')
    commands = {name: shutil.which(name) for name in (EXTRACT, MEASURE)}
    missing = [name for name, found in commands.items() if not found]
    if missing:
        raise ModelError(f'{" and ".join(missing)} of the vendor\'s compiler cannot be found; '
                         'install the compiler, and add the folder of its commands to PATH')
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run([EXTRACT, str(path.resolve())], folder)
        programs = [str(found) for found in folder.glob('*.hbm')]
        if not programs:
            raise ModelError(f'{path} has no part that runs on the BPU')
        for program in programs:
            _run([MEASURE, '-o', name, program], folder)
        try:
            reports = [json.loads(found.read_text(encoding='utf-8'))['summary']
                       for found in folder.glob('*.json')]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f'{MEASURE} wrote a report that cannot be read: {error!r}') from error
    if not reports:
        raise ModelError(f'{MEASURE} wrote no report on {path}')
    largest: Mapping[str, Any] = max(reports, key=lambda report: float(report['latency (us)']))
    return largest


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False, env=dict(os.environ))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f'{command[0]} cannot be run: {error}') from error
    if done.returncode:
        lines = done.stdout.decode(errors='replace').strip().splitlines()
        raise ModelError(f'{command[0]} failed on {command[-1]} with code {done.returncode}: '
                         f'{lines[-1] if lines else "no output"}')


def _network(
    name: str, summary: Mapping[str, Any], rows: Sequence[Sequence[str]],
) -> NetworkLayers:
    if tuple(rows[0][:len(_HEADER)]) != _HEADER:
        raise ValueError(f'columns {rows[0]}')
    layers = tuple(_layer(row) for row in rows[1:])
    estimate = Estimate(
        str(summary['BPU march']), float(summary['latency (us)']),
        int(summary['DDR bytes per frame']),
        {layer.name: layer.time for layer in layers if layer.time})
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
