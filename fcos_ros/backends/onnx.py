# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run ONNX models on the CPU by onnxruntime.

A model needs one image input and the outputs of an FCOS head, both in NHWC or NCHW. The file's
metadata may hold facts that the shapes do not show. Each key is optional:

=================  =============================================================  =============
key                value                                                          default
=================  =============================================================  =============
`labels`           JSON array of class names                                      COCO, if 80
`pixels`           `rgb` or `bgr`                                                 `rgb`
`mean`, `std`      JSON arrays of 3 numbers, on the scale 0 to 255                0, 1
`strides`          JSON array of numbers                                          by the shapes
`box_unit`         `stride` or `pixel`                                            `pixel`
`point_offset`     `0.5` or `0.0`, in cells                                       `0.5`
`score_threshold`  number from 0 to 1                                             0.5
`nms_threshold`    number from 0 to 1                                             0.6
=================  =============================================================  =============
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from fcos_ros.backends.base import (
    InferenceError,
    ModelError,
    ModelInfo,
    TensorInfo,
    UnfitModelError,
)
from fcos_ros.core.arrays import Array
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.head import HeadError, HeadSpec, OutputSpec
from fcos_ros.core.labels import Labels, default_labels
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.recognition import recognise
from fcos_ros.core.resize import Size

INSTALL_COMMAND = ('python3 -m pip install --no-deps onnxruntime (on Ubuntu 24.04 with '
                   '--break-system-packages)')
"""Without dependencies: Humble needs numpy 1, and pip would install a numpy 2 that hides it."""

TELEMETRY_SWITCH = 'ORT_DISABLE_TELEMETRY'
"""
The environment variable that turns telemetry off. onnxruntime reads it during its import.

Version 1.32 otherwise writes a device id below the home folder and sends events to its vendor.
"""

INPUT_DTYPES = {'tensor(uint8)': np.uint8, 'tensor(float)': np.float32}
"""The accepted types of an input, by onnxruntime's name."""


class OnnxBackend:
    """
    A model in `onnxruntime`; `infer` releases the GIL, and several threads may call it.

    :param path: a `.onnx` file.
    :param threads: CPU threads of one inference; they sleep between inferences.
    :raises UnfitModelError: the model is not an FCOS network.
    :raises ModelError: onnxruntime cannot be imported, or the file cannot be read.
    """

    name = 'onnx'
    suffixes: tuple[str, ...] = ('.onnx',)
    modules: tuple[str, ...] = ('onnxruntime',)
    uses_bpu = False
    concurrent = True
    holds_gil = False

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._session = _open(path, threads)
        inputs = self._session.get_inputs()
        outputs = list(map(_tensor_info, self._session.get_outputs()))
        try:
            metadata = _read_metadata(self._session.get_modelmeta().custom_metadata_map)
            spec = _input_spec(inputs, metadata)
            self._input_name = spec.name
            probed = self._probe(spec)
            outputs = list(map(TensorInfo.of, probed))
            self.info = _model_info(path, spec, probed, metadata)
        except (HeadError, InferenceError, ModelError) as error:
            raise UnfitModelError(f'{path} is not an FCOS network that can be used: {error}',
                                  list(map(_tensor_info, inputs)), outputs) from error

    def new_input(self) -> Array:
        """Allocate an array for inputs."""
        return np.empty(self.info.input.shape, self.info.input.dtype)

    def infer(self, tensor: Array) -> Sequence[Array]:
        """Run the model on one input; see `Backend.infer`."""
        try:
            outputs: Sequence[Array] = self._session.run(None, {self._input_name: tensor})
        except Exception as error:
            raise InferenceError(f'onnxruntime failed: {error}') from error
        return outputs

    def close(self) -> None:
        """Release the model."""
        self._session = None

    def _probe(self, spec: InputSpec) -> tuple[OutputSpec, ...]:
        """Run the model on zeros to find the shapes of outputs, which the file may leave open."""
        names = [output.name for output in self._session.get_outputs()]
        arrays = self.infer(np.zeros(spec.shape, spec.dtype))
        return tuple(OutputSpec(name=name, shape=array.shape, dtype=array.dtype, scale=None)
                     for name, array in zip(names, arrays))


@dataclass(frozen=True)
class Metadata:
    """The metadata of a file; the defaults stand for missing keys."""

    labels: tuple[str, ...] = ()
    pixels: str = 'rgb'
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    strides: tuple[int, ...] | None = None
    box_unit: str | None = None
    point_offset: float | None = None
    score_threshold: float = 0.5
    nms_threshold: float = 0.6


def _open(path: Path, threads: int) -> Any:
    os.environ.setdefault(TELEMETRY_SWITCH, '1')
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            f'{path} needs onnxruntime, which cannot be imported ({error}); '
            f'install it: {INSTALL_COMMAND}'
        ) from error
    if not path.is_file():
        raise ModelError(f'{path} is not a file; give the path of an .onnx file')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would keep the cores busy between two frames.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider'])
    except Exception as error:
        raise ModelError(f'{path} cannot be read as ONNX: {error}') from error


def _tensor_info(node: Any) -> TensorInfo:
    """Return an input or an output as the file declares it: of any type, sides may be open."""
    dtype = node.type.removeprefix('tensor(').removesuffix(')')
    shape = tuple('?' if side is None else side for side in node.shape or ())
    return TensorInfo(node.name, {'float': 'float32', 'double': 'float64'}.get(dtype, dtype),
                      shape)


def _model_info(path: Path, spec: InputSpec, outputs: tuple[OutputSpec, ...],
                metadata: Metadata) -> ModelInfo:
    head = recognise(outputs, spec.size, HeadSpec(
        strides=metadata.strides, box_unit=metadata.box_unit, point_offset=metadata.point_offset,
        num_classes=len(metadata.labels) if metadata.labels else None))
    labels = Labels(metadata.labels) if metadata.labels else default_labels(head.num_classes)
    return ModelInfo(
        name=path.stem, path=path, backend=OnnxBackend.name, input=spec, outputs=outputs,
        head=head, labels=labels,
        criteria=Criteria(score_threshold=metadata.score_threshold,
                          nms_threshold=metadata.nms_threshold))


_Parser = tuple[str, Callable[[str], Any]]
"""The accepted form of a value, in words, and the function that reads it."""


def _one_of(*accepted: str) -> _Parser:
    def parse(text: str) -> str:
        if text not in accepted:
            raise ValueError
        return text
    return ', '.join(accepted), parse


def _array_of(kind: Callable[[Any], Any], entries: str, count: int | None = None) -> _Parser:
    def parse(text: str) -> tuple[Any, ...]:
        values = json.loads(text)
        if not isinstance(values, list) or (count is not None and len(values) != count):
            raise ValueError
        return tuple(map(kind, values))
    return f'a JSON array of {f"{count} " if count else ""}{entries}', parse


def _parse_fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError
    return value


_FRACTION: _Parser = 'a number from 0 to 1', _parse_fraction

_PARSERS: Mapping[str, _Parser] = {
    'labels': _array_of(str, 'class names'),
    'pixels': _one_of('rgb', 'bgr'),
    'mean': _array_of(float, 'numbers', 3),
    'std': _array_of(float, 'numbers', 3),
    'strides': _array_of(int, 'numbers'),
    'box_unit': _one_of('stride', 'pixel'),
    'point_offset': ('0.5, 0.0', float),
    'score_threshold': _FRACTION,
    'nms_threshold': _FRACTION,
}


def _read_metadata(entries: Mapping[str, str]) -> Metadata:
    values = {}
    for key, (accepted, parse) in _PARSERS.items():
        if key in entries:
            try:
                values[key] = parse(entries[key])
            except (TypeError, ValueError) as error:
                raise ModelError(f'the metadata {key!r} is {entries[key]!r}; '
                                 f'accepted: {accepted}') from error
    return Metadata(**values)


def _input_spec(inputs: Sequence[Any], metadata: Metadata) -> InputSpec:
    """Return the description of the only input; its batch size may be symbolic."""
    found = ', '.join(f'{node.name} {node.type} {node.shape}' for node in inputs)
    refusal = ModelError(f'the model takes [{found}]; accepted: one input, uint8 or float32, of '
                         'fixed shape (1, 3, H, W) or (1, H, W, 3)')
    if len(inputs) != 1 or inputs[0].type not in INPUT_DTYPES:
        raise refusal
    batch, *sides = inputs[0].shape
    if len(sides) != 3 or (batch not in (1, None) and not isinstance(batch, str)):
        raise refusal
    if not all(isinstance(side, int) for side in sides):
        raise refusal
    if sides[0] == 3:
        layout, size = 'NCHW', Size(width=sides[2], height=sides[1])
    elif sides[2] == 3:
        layout, size = 'NHWC', Size(width=sides[1], height=sides[0])
    else:
        raise refusal
    try:
        return InputSpec(name=inputs[0].name, size=size, pixels=metadata.pixels, layout=layout,
                         dtype=np.dtype(INPUT_DTYPES[inputs[0].type]), mean=metadata.mean,
                         std=metadata.std)
    except ValueError as error:
        raise ModelError(f'the model takes [{found}]; {error}') from error


