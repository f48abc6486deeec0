# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run compiled `.bin` files on a PC by the vendor's simulator of the BPU, `hbdk-sim`.

It executes the program of the BPU instruction by instruction, so its integers are those that the
vendor's compiler promises for the board. One inference of a small network takes about half a
second. The command is part of the vendor's toolchain, which a user has installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import subprocess
from tempfile import TemporaryDirectory

import numpy as np

from fcos_ros.backends.base import DEFAULT_OPTIONS, LoadOptions
from fcos_ros.backends.bin_file import BinFile, BinOutput, read_bin_file
from fcos_ros.backends.bpu_tools import environment, require_tool
from fcos_ros.backends.compiled import nv12_input, require_same_size, require_tensor
from fcos_ros.backends.description import describe, reporting_tensors
from fcos_ros.backends.errors import InferenceError, ModelError
from fcos_ros.backends.metadata_files import read_metadata
from fcos_ros.backends.probe import examine, probe_tensor
from fcos_ros.core.arrays import Array
from fcos_ros.core.head import OutputSpec

COMMAND = 'hbdk-sim'

TIMEOUT = 600.0
"""Seconds for one inference. The largest published network takes about a minute."""


class BpuSimBackend:
    """
    A compiled model in the vendor's simulator.

    :param path: a `.bin` file for RDK X3, Ultra or X5 whose operators all run on the BPU.
    :raises ModelError: the simulator is not installed, the file is no such file, or the model is
        not an FCOS network.
    """

    name = 'bpu_sim'
    suffixes: tuple[str, ...] = ('.bin',)
    modules: tuple[str, ...] = ()
    commands: tuple[str, ...] = (COMMAND,)
    crash_advice = ''
    uses_bpu = False
    concurrent = True
    holds_gil = False

    def __init__(self, path: Path, options: LoadOptions = DEFAULT_OPTIONS) -> None:
        self._command = require_tool(COMMAND, self.name)
        self._file = read_bin_file(path)
        _require_simulable(self._file)
        self._folder = TemporaryDirectory(prefix='fcos_bpu_sim_')
        self._program = Path(self._folder.name, 'program.hbm')
        self._program.write_bytes(self._file.program)
        outputs = [output.tensor for output in self._file.outputs]
        with reporting_tensors(path, [self._file.input], outputs):
            metadata = options.metadata or read_metadata(path)
            spec = nv12_input(path, self._file.input.name, self._file.input.dtype,
                              [int(side) for side in self._file.input.shape], metadata)
            require_same_size(path, spec.size, options.input_size)
            info = describe(path, self.name, self._file.name, spec,
                            list(map(_output_spec, self._file.outputs)), metadata)
            self.info = info
            self.info = examine(info, self._run_probe(path))

    def new_input(self) -> Array:
        """Allocate an array for inputs."""
        return np.empty(self.info.input.shape, self.info.input.dtype)

    def infer(self, tensor: Array) -> Sequence[Array]:
        """Run the model on one input; see `Backend.infer`."""
        require_tensor(tensor, self.info.input)
        try:
            with TemporaryDirectory(dir=self._folder.name) as folder:
                image = Path(folder, 'image.yuv')
                image.write_bytes(tensor.tobytes())
                self._simulate(image)
                return [_read_output(Path(folder), output) for output in self._file.outputs]
        except OSError as error:
            raise InferenceError(f'{COMMAND} cannot use {self._folder.name}: {error}') from error

    def close(self) -> None:
        """Remove the program from the temporary folder."""
        self._folder.cleanup()

    def _run_probe(self, path: Path) -> Sequence[Array]:
        try:
            return self.infer(probe_tensor(self.info.input))
        except InferenceError as error:
            raise ModelError(f'{path} does not run: {error}') from error

    def _simulate(self, image: Path) -> None:
        """Write the outputs of the program beside the image, each as a text file."""
        size = self.info.input.size
        arguments: list[str | Path] = [
            self._command, '--hbm', self._program, '--model-name', self._file.program_name,
            '--input-binary', image, '--yuv-size', f'{size.height}x{size.width}',
            '--yuv-stride', str(size.width), '--output', image.parent]
        try:
            # A session of its own: Ctrl-C in the terminal ends the inference through us only.
            done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors='replace',
                                  timeout=TIMEOUT, env=environment(), start_new_session=True)
        except subprocess.TimeoutExpired as error:
            raise InferenceError(f'{COMMAND} did not end within {TIMEOUT:g} s') from error
        if done.returncode != 0:
            raise InferenceError(f'{COMMAND} ended with {done.returncode}: '
                                 f'{_last_line(done.stdout)}')


def _require_simulable(file: BinFile) -> None:
    if file.cpu_nodes:
        raise ModelError(
            f'{file.path} runs {len(file.cpu_nodes)} operators on the CPU of the board '
            f'({", ".join(file.cpu_nodes[:3])}{", ..." if len(file.cpu_nodes) > 3 else ""}); '
            'bpu_sim accepts files whose operators all run on the BPU')


def _output_spec(output: BinOutput) -> OutputSpec:
    tensor = output.tensor
    scale = np.array(tensor.scale, np.float32) if tensor.scale else None
    return OutputSpec(tensor.name, tuple(map(int, tensor.shape)), np.dtype(tensor.dtype), scale)


def _read_output(folder: Path, output: BinOutput) -> Array:
    """
    Read one output that the simulator wrote.

    :raises InferenceError: the file is not there, or does not hold the elements of the output.
    """
    files = list(folder.glob(f'hbdk_output{output.source}_*_elem_int.txt'))
    if len(files) != 1:
        raise InferenceError(f'{COMMAND} wrote {len(files)} files for output {output.source}; '
                             'expected 1')
    lines = files[0].read_text().splitlines()
    words = ' '.join(line for line in lines if not line.startswith('#')).split()
    try:
        values = np.array(words, np.int64)
    except (ValueError, OverflowError) as error:
        raise InferenceError(f'{files[0].name} cannot be read: {error}') from error
    shape = tuple(map(int, output.tensor.shape))
    if values.size != np.prod(shape):
        raise InferenceError(f'{COMMAND} wrote {values.size} elements for {output.tensor.name} '
                             f'{list(shape)}')
    values = values.reshape(shape)
    if output.factors is not None:
        return (values * output.factors).astype(np.float32)
    return values.astype(output.tensor.dtype)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else 'it printed nothing'
