# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One run of the vendor's compiler, `hb_mapper`: its configuration, its commands and its results.

The commands belong to a toolchain that the user has installed; nothing of it is part of this
package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import os
from pathlib import Path
import shlex
from typing import Any

import yaml

from fcos_ros.backends.bin_file import BinFile, read_bin_file
from fcos_ros.backends.bpu_tools import find_tool, run_tool
from fcos_ros.backends.errors import ModelError
from fcos_ros.deploy.compiler_input import CompilerInput

COMMAND = 'hb_mapper'
CONFIG = 'compile.yaml'
RESULTS = 'compiled'
"""The folder into which the compiler writes."""

MARCHES: Mapping[str, str] = {'x5': 'bayes-e', 'x3': 'bernoulli2'}
"""The kind of BPU of each target, as the compiler names it."""

COLOUR_SPACES = {'full': 'regular', 'limited': 'bt601_video'}
"""The compiler's name of each range of NV12."""

CALIBRATION_TYPES = ('default', 'mix', 'kl', 'max', 'skip')


@dataclass(frozen=True)
class CompilerOptions:
    """
    The choices that a user has.

    :ivar target: a key of `MARCHES`.
    :ivar pixels: the network's order of colours; `rgb` or `bgr`.
    :ivar mean: of each channel on the scale 0 to 255, likewise `std`.
    :ivar nv12_range: a key of `COLOUR_SPACES`.
    :ivar calibration_type: one of `CALIBRATION_TYPES`.
    :ivar int16: whether all operators that can take 16 bits do so, on X5; slower and more exact.
    :ivar optimize: 0 to 3; 3 makes the fastest program and takes longest.
    """

    target: str
    pixels: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    nv12_range: str = 'full'
    calibration_type: str = 'max'
    int16: bool = False
    optimize: int = 3


class CompilerJob:
    """
    A folder in which the compiler works, and its commands.

    :param name: of the result, without suffix.
    :param calibration: the folder of the pictures, inside `folder`.
    """

    def __init__(self, folder: Path, name: str, source: CompilerInput, options: CompilerOptions,
                 calibration: Path) -> None:
        self.folder = folder
        self.name = name
        self.options = options
        self._source = source
        self._calibration = calibration

    def write_config(self) -> None:
        """Write the configuration of the compiler into the folder."""
        text = yaml.safe_dump(self.config(), sort_keys=False)
        (self.folder / CONFIG).write_text(text)

    def config(self) -> dict[str, dict[str, Any]]:
        """
        Return the configuration of the compiler.

        The compiler computes (pixel - mean) * scale. Removing the operators that multiply by the
        scale leaves int32 outputs with their scale, which the node multiplies where it needs to.
        """
        options = self.options
        model: dict[str, Any] = {
            'onnx_model': self._source.path.name, 'march': MARCHES[options.target],
            'layer_out_dump': False, 'working_dir': RESULTS,
            'output_model_file_prefix': self.name, 'remove_node_type': 'Dequantize'}
        inputs = {
            'input_name': '', 'input_type_rt': 'nv12', 'input_type_train': options.pixels,
            'input_layout_train': 'NCHW',
            'input_space_and_range': COLOUR_SPACES[options.nv12_range],
            'norm_type': 'data_mean_and_scale', 'mean_value': _joined(options.mean),
            'scale_value': _joined(1 / std for std in options.std)}
        calibration: dict[str, Any] = {
            'cal_data_dir': self._calibration.name, 'cal_data_type': 'float32',
            'calibration_type': options.calibration_type}
        if options.calibration_type == 'max':
            calibration['max_percentile'] = 0.99995
        if options.int16:
            calibration['optimization'] = 'set_all_nodes_int16'
        compiler = {'jobs': os.cpu_count() or 1, 'compile_mode': 'latency', 'debug': True,
                    'optimize_level': f'O{options.optimize}'}
        return {'model_parameters': model, 'input_parameters': inputs,
                'calibration_parameters': calibration, 'compiler_parameters': compiler}

    def commands(self) -> dict[str, list[str]]:
        """Return the commands in their order, by what they do."""
        return {
            'check': [COMMAND, 'checker', '--model-type', 'onnx', '--model',
                      self._source.path.name, '--march', MARCHES[self.options.target]],
            'compile': [COMMAND, 'makertbin', '--model-type', 'onnx', '--config', CONFIG]}

    def advice(self) -> str:
        """Return the commands as a user types them."""
        lines = [f'cd {shlex.quote(str(self.folder))}',
                 *(shlex.join(command) for command in self.commands().values())]
        return '\n'.join(f'  {line}' for line in lines)

    def run(self, step: str) -> None:
        """
        Run one of the commands.

        :raises ModelError: the command failed; the message has the compiler's own words.
        """
        log = self.folder / f'{step}.log'
        with log.open('w') as output:
            code = run_tool(self.commands()[step], self.folder, output.write)
        if code != 0:
            raise ModelError(f'{shlex.join(self.commands()[step])} ended with {code}: '
                             f'{_complaints(log)}')

    def result(self) -> BinFile:
        """
        Return the compiled file.

        :raises ModelError: there is not exactly one, or it is not what was asked for.
        """
        files = list((self.folder / RESULTS).glob('*.bin'))
        if len(files) != 1:
            raise ModelError(f'{COMMAND} wrote {len(files)} .bin files; expected 1')
        file = read_bin_file(files[0])
        problems = list(self._mismatches(file))
        if problems:
            raise ModelError(f'{COMMAND} did not make what was asked for: {"; ".join(problems)}')
        return file

    def calibrated_network(self) -> Path | None:
        """Return the network with the quantisation of the compiler; None if there is not one."""
        files = list((self.folder / RESULTS).glob('*_calibrated_model.onnx'))
        return files[0] if len(files) == 1 else None

    def _mismatches(self, file: BinFile) -> Iterator[str]:
        march, size = MARCHES[self.options.target], self._source.size
        if file.march != march:
            yield f'the file is for {file.march}, not for {march}'
        if file.input.dtype != 'NV12' or file.input.shape[1:3] != (size.height, size.width):
            yield f'its input is {file.input.dtype} {list(file.input.shape)}'
        if file.nv12_range != self.options.nv12_range:
            yield f'it reads NV12 of {file.nv12_range} range, not of {self.options.nv12_range}'
        if len(file.outputs) != len(self._source.outputs):
            yield f'it has {len(file.outputs)} outputs, the network {len(self._source.outputs)}'
        for output in file.outputs:
            if output.tensor.dtype != 'int32' or not output.tensor.scale:
                yield f'{output.tensor.name} is {output.tensor.dtype} without a scale'


def is_installed() -> bool:
    """Return whether the compiler is installed."""
    return find_tool(COMMAND) is not None


def _joined(values: Any) -> str:
    return ' '.join(f'{value:.9g}' for value in values)


def _complaints(log: Path) -> str:
    """Return the last errors of a log, else its last line."""
    lines = [_plain(line) for line in log.read_text(errors='replace').splitlines()]
    errors = [line for line in lines if 'ERROR' in line or 'Error:' in line]
    chosen = errors[-3:] or [line for line in lines if line][-1:]
    return ' | '.join(chosen) or 'it printed nothing'


def _plain(line: str) -> str:
    """Remove what colours the line in a terminal."""
    for code in ('91', '92', '93', '0'):
        line = line.replace(f'\x1b[{code}m', '')
    return line.strip()
