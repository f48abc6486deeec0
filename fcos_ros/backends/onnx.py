# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
ONNX models on the CPU, by onnxruntime.

Any file with one image input and the outputs of an FCOS head will do, NHWC or NCHW. What shapes
cannot tell may stand in the file's metadata, each key optional:

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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.backends.base import (
    InferenceError,
    ModelError,
    ModelInfo,
    TensorFacts,
    UnfitModelError,
)
from fcos_ros.core.decode import Criteria
from fcos_ros.core.head import Head, HeadError, OutputSpec
from fcos_ros.core.labels import COCO, Labels
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.resize import Size

INSTALL = ('python3 -m pip install --no-deps onnxruntime (on Ubuntu 24.04 with '
           '--break-system-packages)')
"""Without its dependencies: pip would put a numpy 2 before that of Humble, which needs numpy 1."""

INPUT_DTYPES = {'tensor(uint8)': np.uint8, 'tensor(float)': np.float32}


class OnnxBackend:
    """
    An ONNX model in an onnxruntime session; `infer` releases the GIL and may run concurrently.

    :param path: the `.onnx` file.
    :param threads: threads of one inference; they sleep while there is nothing to do.
    :raises UnfitModelError: when the file is not an FCOS.
    :raises ModelError: when onnxruntime cannot be imported or the file cannot be read.
    """

    concurrent = True
    holds_gil = False

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._session = _open(path, threads)
        inputs = self._session.get_inputs()
        outputs = list(map(_declared, self._session.get_outputs()))
        try:
            metadata = _read_metadata(self._session.get_modelmeta().custom_metadata_map)
            spec = _input_spec(inputs, metadata)
            self._feed = spec.name
            probed = self._probe(spec)
            outputs = list(map(TensorFacts.of, probed))
            self.info = _describe(path, spec, probed, metadata)
        except (HeadError, InferenceError, ModelError) as error:
            raise UnfitModelError(f'{path} is not an FCOS that can be used: {error}',
                                  list(map(_declared, inputs)), outputs) from error

    def new_input(self) -> NDArray[Any]:
        """Allocate an array to write inputs into."""
        return np.empty(self.info.input.shape, self.info.input.dtype)

    def infer(self, tensor: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Run the model once; see `Backend.infer`."""
        try:
            outputs: Sequence[NDArray[Any]] = self._session.run(None, {self._feed: tensor})
        except Exception as error:
            raise InferenceError(f'onnxruntime failed: {error}') from error
        return outputs

    def close(self) -> None:
        """Free the session."""
        self._session = None

    def _probe(self, spec: InputSpec) -> tuple[OutputSpec, ...]:
        """Learn the outputs by running a black image: declared shapes may be symbolic."""
        names = [output.name for output in self._session.get_outputs()]
        arrays = self.infer(np.zeros(spec.shape, spec.dtype))
        return tuple(OutputSpec(name=name, shape=array.shape, dtype=array.dtype, scale=None)
                     for name, array in zip(names, arrays))


@dataclass(frozen=True)
class Metadata:
    """The optional facts a file may state about itself, read and checked."""

    labels: tuple[str, ...] = ()
    pixels: str = 'rgb'
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    strides: tuple[int, ...] | None = None
    box_unit: str | None = None
    point_offset: float = 0.5
    score_threshold: float = 0.5
    nms_threshold: float = 0.6


def _open(path: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            f'{path} needs onnxruntime, which cannot be imported ({error}): {INSTALL}'
        ) from error
    if not path.is_file():
        raise ModelError(f'{path} is not a file: give the path of an .onnx file')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A spinning thread pool burns a core between two frames, which a robot has better use for.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider'])
    except Exception as error:
        raise ModelError(f'{path} cannot be read as ONNX: {error}') from error


def _declared(node: Any) -> TensorFacts:
    """Say what the file says: sides may be left open, and any type is possible."""
    dtype = node.type.removeprefix('tensor(').removesuffix(')')
    shape = tuple('?' if side is None else side for side in node.shape or ())
    return TensorFacts(node.name, {'float': 'float32', 'double': 'float64'}.get(dtype, dtype),
                       shape)


def _describe(path: Path, spec: InputSpec, outputs: tuple[OutputSpec, ...],
              metadata: Metadata) -> ModelInfo:
    head = Head.recognise(
        outputs, spec.size, strides=metadata.strides, box_unit=metadata.box_unit,
        point_offset=metadata.point_offset,
        num_classes=len(metadata.labels) if metadata.labels else None)
    return ModelInfo(
        name=path.stem, path=path, backend='onnx', input=spec, outputs=outputs, head=head,
        labels=_labels(metadata.labels, head.num_classes),
        criteria=Criteria(score_threshold=metadata.score_threshold,
                          nms_threshold=metadata.nms_threshold))


def _one_of(*accepted: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in accepted:
            raise ValueError(f'accepted: {", ".join(accepted)}')
        return text
    return parse


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError('accepted: a number from 0 to 1')
    return value


def _array_of(kind: Callable[[Any], Any], count: int | None = None) -> Callable[[str], Any]:
    def parse(text: str) -> tuple[Any, ...]:
        values = json.loads(text)
        if not isinstance(values, list) or (count is not None and len(values) != count):
            raise ValueError(f'accepted: a JSON array{f" of {count}" if count else ""}')
        return tuple(kind(value) for value in values)
    return parse


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    'labels': _array_of(str),
    'pixels': _one_of('rgb', 'bgr'),
    'mean': _array_of(float, 3),
    'std': _array_of(float, 3),
    'strides': _array_of(int),
    'box_unit': _one_of('stride', 'pixel'),
    'point_offset': float,
    'score_threshold': _fraction,
    'nms_threshold': _fraction,
}


def _read_metadata(entries: Mapping[str, str]) -> Metadata:
    facts = {}
    for key, parse in _PARSERS.items():
        if key in entries:
            try:
                facts[key] = parse(entries[key])
            except (TypeError, ValueError) as error:
                raise ModelError(
                    f'metadata {key!r} of the model is {entries[key]!r}: {error}') from error
    return Metadata(**facts)


def _input_spec(inputs: Sequence[Any], metadata: Metadata) -> InputSpec:
    """Read layout and size off the only input's shape; its batch may be symbolic."""
    found = ', '.join(f'{node.name} {node.type} {node.shape}' for node in inputs)
    expected = 'one input, uint8 or float32, of fixed shape (1, 3, H, W) or (1, H, W, 3)'
    refusal = ModelError(f'the model takes [{found}]; accepted: {expected}')
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
        raise ModelError(f'the model takes [{found}], and its metadata do not fit: {error}'
                         ) from error


def _labels(names: tuple[str, ...], num_classes: int) -> Labels:
    """Take the file's own names; else COCO where the count fits, else bare numbers."""
    if names:
        return Labels(names)
    if num_classes == len(COCO):
        return COCO
    return Labels(tuple(str(index) for index in range(num_classes)))
