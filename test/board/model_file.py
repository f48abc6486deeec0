# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Write model files for the simulated board: the facts of a compiled model, and recorded outputs.

A file is a text header, zeros up to a multiple of `PAGE` bytes, then little-endian data. Each
line of the header is a keyword and its values, separated by single spaces:

====================================================================  =========================
line                                                                  meaning
====================================================================  =========================
fcos_sim 1                                                            marks the file
name NAME                                                             of the model
board BOARD                                                           `x5` or `x3`
cores N                                                               cores that take turns
service_us T                                                          microseconds on a core
cpu_us T                                                              of work before that
input NAME TYPE LAYOUT D0 D1 D2 D3                                    valid shape
output NAME TYPE LAYOUT V0 .. V3 A0 .. A3 SCALES OFFSET AXIS          valid and aligned shape
answer HASH OFFSET0 OFFSET1 ..                                        one for each output
end                                                                   of the header
====================================================================  =========================

Names may have any bytes but white space; those that are not UTF-8 are surrogates in Python.
TYPE and LAYOUT are the numbers of the vendor's C header. Offsets count from the start of the
data. An answer holds recorded outputs in their aligned shapes. HASH is `fnv1a64` of the bytes of
their input, in 16 hexadecimal digits. Any other input gets the first answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import prod
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PAGE = 4096
LINE = 64
"""The offset of each tensor is a multiple of this number of bytes."""

NV12, NV12_SEPARATE, YUV444, RGB, BGR = 1, 2, 3, 4, 5
TYPES = {'int8': 8, 'uint8': 9, 'int16': 11, 'float32': 13, 'int32': 14}
"""The numbers of the types that an output may have."""

LAYOUTS = {'NHWC': 0, 'NCHW': 2}

STRIDES = (8, 16, 32, 64, 128)


@dataclass(frozen=True, eq=False)
class Output:
    """
    An output tensor.

    :ivar shape: the valid shape, four numbers.
    :ivar dtype: a name in `TYPES`.
    :ivar scale: float32 of shape (channels,), (1,), or (0,) if the output is not quantised.
    :ivar aligned: the shape in memory, at least `shape`; None if they are equal.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = 'float32'
    layout: str = 'NHWC'
    scale: Array = field(default_factory=lambda: np.empty(0, np.float32))
    axis: int = 3
    aligned: tuple[int, ...] | None = None

    @property
    def memory(self) -> tuple[int, ...]:
        """The aligned shape."""
        return self.aligned or self.shape


@dataclass(frozen=True, eq=False)
class Answer:
    """Outputs in their valid shapes, and their input; None for any input."""

    outputs: Sequence[Array]
    tensor: Array | None = None


@dataclass(frozen=True, eq=False)
class ModelFile:
    """
    The contents of a file.

    :ivar canvas: width and height of the input.
    :ivar service_us: microseconds that an inference takes on one of the `cores`.
    :ivar cpu_us: microseconds of work before that, which inferences do at the same time.
    """

    name: str
    board: str
    canvas: tuple[int, int]
    outputs: tuple[Output, ...]
    cores: int = 1
    service_us: int = 0
    cpu_us: int = 0
    answers: tuple[Answer, ...] = ()
    input_name: str = '0'
    input_type: int = NV12
    input_layout: str = 'NCHW'

    def answering(self, *answers: Answer) -> ModelFile:
        """
        Return the same model with other answers; the scales of integer outputs follow from them.

        :param answers: float outputs in their valid shapes.
        """
        if not self.quantised:
            return replace(self, answers=answers)
        scales = [channel_scales([answer.outputs[index] for answer in answers])
                  for index in range(len(self.outputs))]
        outputs = tuple(replace(output, scale=scale)
                        for output, scale in zip(self.outputs, scales))
        return replace(self, outputs=outputs, answers=tuple(
            Answer([quantise(values, scale) for values, scale in zip(answer.outputs, scales)],
                   answer.tensor)
            for answer in answers))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape that the runtime reports for the input; that of an image of three channels."""
        width, height = self.canvas
        nchw = self.input_layout == 'NCHW'
        return (1, 3, height, width) if nchw else (1, height, width, 3)

    @property
    def quantised(self) -> bool:
        """Whether the outputs are integers."""
        return self.outputs[0].dtype.startswith('int')


def fcos(
    name: str, board: str, size: int, *, first_name: int, step: int, classes: int = 80,
    dtype: str = 'int32', **facts: Any,
) -> ModelFile:
    """
    Describe an FCOS network as the vendor compiles it.

    :param first_name: the name of the first class output. Names are numbers; those of class
        outputs differ by `step`. Those of box and centerness outputs are higher by one and two.
    """
    outputs = []
    for part, channels in enumerate((classes, 4, 1)):
        # X5 reports NCHW for centerness outputs, although their channels come last.
        layout = 'NCHW' if channels == 1 and board == 'x5' else 'NHWC'
        for level, stride in enumerate(STRIDES):
            scale = np.full(channels if dtype.startswith('int') else 0, 1e-4, np.float32)
            outputs.append(Output(
                str(first_name + part + step * level),
                (1, size // stride, size // stride, channels), dtype, layout, scale))
    return ModelFile(name, board, (size, size), tuple(outputs), **facts)


PUBLISHED: Mapping[str, ModelFile] = {
    'b0': fcos('fcos_efficientnetb0_512x512_nv12', 'x5', 512, first_name=4263, step=3,
               service_us=3100, cpu_us=200),
    'b2': fcos('fcos_efficientnetb2_768x768_nv12', 'x5', 768, first_name=5751, step=3,
               service_us=14100, cpu_us=300),
    'b3': fcos('fcos_efficientnetb3_896x896_nv12', 'x5', 896, first_name=6471, step=3,
               service_us=25840, cpu_us=300),
    'x3': fcos('fcos_512x512_nv12', 'x3', 512, first_name=1410, step=42, dtype='float32',
               cores=2, service_us=11500, cpu_us=1600, input_name='data'),
}
"""The four models that the vendor publishes, with the times that it measured on its boards."""


@dataclass(frozen=True)
class SceneObject:
    """An object: a class id, and a box in pixels of the canvas."""

    class_id: int
    box: tuple[float, float, float, float]
    logit: float = 4.0


def make_answer(model: ModelFile, objects: Sequence[SceneObject], noise: int = 0) -> Answer:
    """
    Make the answer of a network that detects these objects, with float outputs.

    The cell around the centre of an object detects it, at the stride for its size. All other cells
    detect nothing. Boxes are in pixels on X3, in strides on other boards.

    :param noise: seed of small noise, with which the outputs of two models differ.
    """
    rng = np.random.default_rng(noise)
    levels = len(STRIDES)
    units = STRIDES if model.board == 'x3' else (1,) * levels
    outputs = [rng.normal(1, 0.5, output.shape) * units[index % levels]
               if index // levels == 1 else rng.normal(-8, 0.5, output.shape)
               for index, output in enumerate(model.outputs)]
    for found in objects:
        x1, y1, x2, y2 = found.box
        level = int(np.clip(np.log2(max(x2 - x1, y2 - y1) / 64), 0, levels - 1))
        stride = STRIDES[level]
        column, row = int((x1 + x2) / 2 / stride), int((y1 + y2) / 2 / stride)
        x, y = (column + 0.5) * stride, (row + 0.5) * stride
        distances = np.array((x - x1, y - y1, x2 - x, y2 - y)) / stride * units[level]
        outputs[level][0, row, column, found.class_id] = found.logit
        outputs[levels + level][0, row, column] = distances
        outputs[2 * levels + level][0, row, column, 0] = found.logit
    return Answer([output.astype(np.float32) for output in outputs])


def channel_scales(values: Sequence[Array]) -> NDArray[np.float32]:
    """Return the scale for each channel (last axis) with which all values fit into 20 bits."""
    peaks = [np.abs(array).reshape(-1, array.shape[-1]).max(0) for array in values]
    return (np.maximum(np.max(peaks, 0), 1e-3) / 2**19).astype(np.float32)


def quantise(values: Array, scale: Array) -> NDArray[np.int32]:
    """Divide by `scale`, one for each channel (last axis), and round."""
    return np.rint(values / scale.astype(np.float64)).astype(np.int32)


def write_model(path: Path, model: ModelFile) -> Path:
    """Write the file; the outputs of a model without answers are zeros."""
    data = bytearray()
    answers = model.answers or (
        Answer([np.zeros(output.shape, output.dtype) for output in model.outputs]),)
    header = ['fcos_sim 1', f'name {model.name}', f'board {model.board}', f'cores {model.cores}',
              f'service_us {model.service_us}', f'cpu_us {model.cpu_us}',
              _line('input', model.input_name, model.input_type, LAYOUTS[model.input_layout],
                    *model.input_shape)]
    for output in model.outputs:
        scale = np.ascontiguousarray(output.scale, '<f4')
        header.append(_line(
            'output', output.name, TYPES[output.dtype], LAYOUTS[output.layout], *output.shape,
            *output.memory, scale.size, _append(data, scale.tobytes()), output.axis))
    for answer in answers:
        offsets = [_append(data, _aligned(output, values).tobytes())
                   for output, values in zip(model.outputs, answer.outputs)]
        known = 0 if answer.tensor is None else fnv1a64(answer.tensor.tobytes())
        header.append(_line('answer', f'{known:016x}', *offsets))
    text = os.fsencode('\n'.join([*header, 'end', '']))
    path.write_bytes(text + bytes(-len(text) % PAGE) + data)
    return path


def read_header(content: bytes) -> tuple[list[list[str]], int]:
    """
    Split the header into lines, and each line into words.

    :returns: the lines, and the offset of the data.
    :raises ValueError: the file is not such a model.
    """
    end = content.find(b'\nend\n')
    if not content.startswith(b'fcos_sim 1\n') or end < 0:
        raise ValueError('not a model for the simulated board')
    size = end + len(b'\nend\n')
    lines = [line.split(' ') for line in os.fsdecode(content[:end]).split('\n')]
    return lines, size + -size % PAGE


@lru_cache(maxsize=64)
def fnv1a64(content: bytes) -> int:
    """Hash bytes by FNV-1a; it is slow in Python, so hashes of earlier inputs are kept."""
    value = 0xcbf29ce484222325
    for byte in content:
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return value


def _line(*words: object) -> str:
    return ' '.join(map(str, words))


def _append(data: bytearray, content: bytes) -> int:
    data += bytes(-len(data) % LINE)
    offset = len(data)
    data += content
    return offset


def _aligned(output: Output, values: Array) -> Array:
    """Return the values in the aligned shape, as in the board's memory; padding is 99."""
    if tuple(values.shape) != tuple(output.shape):
        raise ValueError(f'output {output.name} is {values.shape}: expected {output.shape}')
    little = np.dtype(output.dtype).newbyteorder('<')
    memory = np.full(prod(output.memory), 99, little).reshape(output.memory)
    memory[tuple(slice(0, side) for side in output.shape)] = values
    return memory
