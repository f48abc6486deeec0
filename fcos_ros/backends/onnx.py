# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run ONNX models on the CPU by onnxruntime.

A model needs one image input in NHWC or NCHW, and outputs that `core.recognition` knows. Metadata
may hold facts that the shapes do not show; see `metadata.KEYS`.
"""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
import shlex
from typing import Any, NamedTuple

import numpy as np

from fcos_ros.backends.base import DEFAULT_OPTIONS, LoadOptions, TensorInfo
from fcos_ros.backends.description import describe, make_input, reporting_tensors
from fcos_ros.backends.errors import EngineMissingError, InferenceError, ModelError
from fcos_ros.backends.metadata import Metadata
from fcos_ros.backends.metadata_files import read_metadata
from fcos_ros.backends.onnx_errors import INSTALL_COMMAND, explain
from fcos_ros.backends.probe import examine, probe_tensor
from fcos_ros.core.arrays import Array
from fcos_ros.core.head import OutputSpec
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.resize import Size

TELEMETRY_SWITCH = 'ORT_DISABLE_TELEMETRY'
"""
The environment variable that turns telemetry off. onnxruntime reads it during its import.

Version 1.32 otherwise writes a device id below the home folder and sends events to its vendor.
"""

INPUT_DTYPES = {'tensor(uint8)': np.uint8, 'tensor(float)': np.float32,
                'tensor(float16)': np.float16}
"""The accepted types of an input, by onnxruntime's name."""

DEFAULT_SIZE = Size(640, 640)
"""The size of an input that the file leaves open: a multiple of the strides up to 128."""


class OnnxBackend:
    """
    A model in `onnxruntime`; `infer` releases the GIL, and several threads may call it.

    :param path: a `.onnx` file.
    :raises UnfitModelError: the model is not an FCOS network.
    :raises ModelError: onnxruntime cannot be imported, or the file cannot be read.
    """

    name = 'onnx'
    suffixes: tuple[str, ...] = ('.onnx',)
    modules: tuple[str, ...] = ('onnxruntime',)
    crash_advice = ''
    commands: tuple[str, ...] = ()
    uses_bpu = False
    concurrent = True
    holds_gil = False

    def __init__(self, path: Path, options: LoadOptions = DEFAULT_OPTIONS) -> None:
        self._session = _open(path, options.threads)
        inputs = self._session.get_inputs()
        outputs = self._session.get_outputs()
        shown = list(map(_tensor_info, outputs))
        with reporting_tensors(path, list(map(_tensor_info, inputs)), shown):
            metadata = options.metadata or read_metadata(path)
            self._batched, spec = _input_spec(path, inputs, metadata, options.input_size)
            self._input_name = spec.name
            arrays = self._run_probe(path, spec)
            specs = [OutputSpec(output.name, array.shape, array.dtype)
                     for output, array in zip(outputs, arrays)]
            shown[:] = map(TensorInfo.of, specs)
            self.info = examine(
                describe(path, self.name, '', spec, specs, metadata), arrays)

    def new_input(self) -> Array:
        """Allocate an array for inputs."""
        return np.empty(self.info.input.shape, self.info.input.dtype)

    def infer(self, tensor: Array) -> Sequence[Array]:
        """Run the model on one input; see `Backend.infer`."""
        try:
            outputs: Sequence[Array] = self._session.run(
                None, {self._input_name: tensor if self._batched else tensor[0]})
        except Exception as error:
            raise InferenceError(f'onnxruntime failed: {error}') from error
        return outputs

    def close(self) -> None:
        """Release the model."""
        self._session = None

    def _run_probe(self, path: Path, spec: InputSpec) -> Sequence[Array]:
        """Run the model on a picture; the shapes of outputs may be open in the file."""
        try:
            return self.infer(probe_tensor(spec))
        except InferenceError as error:
            raise ModelError(
                f'{path} does not run on an input of {spec.size} pixels: {error}; if it leaves '
                'the size open, choose another input_size') from error


def _open(path: Path, threads: int) -> Any:
    os.environ.setdefault(TELEMETRY_SWITCH, '1')
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineMissingError(
            f'{path} needs onnxruntime, which cannot be imported ({error}); '
            f'install it: {INSTALL_COMMAND}'
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would keep the cores busy between two frames.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    # A plan of all tensors takes memory for each of them at once, and saves no time.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider'])
    except Exception as error:
        raise ModelError(explain(path, str(error), onnxruntime.__version__)) from error


def _tensor_info(node: Any) -> TensorInfo:
    """Return an input or an output as the file declares it: of any type, sides may be open."""
    dtype = node.type.removeprefix('tensor(').removesuffix(')')
    shape = tuple('?' if side is None else side for side in node.shape or ())
    return TensorInfo(node.name, {'float': 'float32', 'double': 'float64'}.get(dtype, dtype),
                      shape)


class _Layout(NamedTuple):
    """An image input: its layout, and height and width, which are not numbers if open."""

    batched: bool
    name: str
    height: int | str | None
    width: int | str | None


def _input_spec(
    path: Path, inputs: Sequence[Any], metadata: Metadata, wanted: Size | None,
) -> tuple[bool, InputSpec]:
    """
    Return whether the only input has a batch size, and its description.

    :param wanted: the size that the user chooses, if the file leaves it open.
    """
    found = ', '.join(f'{node.name} {node.type} {node.shape}' for node in inputs)
    layout = _layout(inputs[0].shape or ()) if len(inputs) == 1 else None
    if layout is None or inputs[0].type not in INPUT_DTYPES:
        raise ModelError(f'{path} takes [{found}]; accepted: one input of type uint8, float or '
                         'float16, of shape (1, 3, H, W) or (1, H, W, 3); H and W may be open')
    if layout.batched:
        _require_one_image(path, inputs[0].shape[0])
    try:
        size = _size(layout, wanted, metadata.input_size)
        return layout.batched, make_input(
            inputs[0].name, size, metadata, layout.name, np.dtype(INPUT_DTYPES[inputs[0].type]))
    except ValueError as error:
        raise ModelError(f'{path} takes [{found}]: {error}') from error


def _layout(shape: Sequence[int | str | None]) -> _Layout | None:
    """Return the meaning of the sides of an input; None if it is no image."""
    batched = len(shape) == 4
    sides = shape[1:] if batched else shape
    if len(sides) != 3:
        return None
    if sides[0] == 3:
        return _Layout(batched, 'NCHW', sides[1], sides[2])
    return _Layout(batched, 'NHWC', sides[0], sides[1]) if sides[2] == 3 else None


def _require_one_image(path: Path, batch: int | str | None) -> None:
    if isinstance(batch, int) and batch != 1:
        new = path.with_name(f'{path.stem}_1.onnx')
        raise ModelError(f'{path} takes {batch} images at a time; accepted: 1; export it with a '
                         f'batch size of 1, or try: {_one_image_command(path, new)}')


def _one_image_command(path: Path, new: Path) -> str:
    """Return the command that changes the batch size of a file to 1."""
    return 'python3 -c ' + shlex.quote(
        f'import onnx; m = onnx.load({str(path)!r}); del m.graph.value_info[:]; '
        "[setattr(side, 'dim_value', 1) for t in (*m.graph.input, *m.graph.output) "
        f'for side in t.type.tensor_type.shape.dim[:1]]; onnx.save(m, {str(new)!r})')


def _size(layout: _Layout, wanted: Size | None, stated: Size | None) -> Size:
    """Return the size of an input: that of the file, else that which the user or author chose."""
    default = wanted or stated or DEFAULT_SIZE
    size = Size(*(side if isinstance(side, int) else chosen
                  for side, chosen in zip((layout.width, layout.height), default)))
    if wanted not in (None, size):
        raise ValueError(f'input_size is {wanted}, and the model takes {size}; remove input_size, '
                         'or export the model with open height and width')
    return size
