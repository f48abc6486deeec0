# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a model file is: its inputs and outputs, and how its detections are read."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
import json
from math import prod
import os
from pathlib import Path
import socket

import numpy as np

from fcos_ros.backends import (
    BACKENDS,
    Backend,
    ModelError,
    ModelInfo,
    TensorFacts,
    UnfitModelError,
    choose,
    load,
)
from fcos_ros.cli.options import MODEL_HELP, add_settings
from fcos_ros.cli.output import plain, undisturbed
from fcos_ros.core.head import Head
from fcos_ros.core.resize import Size
from fcos_ros.runtime.model_path import find
from fcos_ros.runtime.process import Process
from fcos_ros.runtime.protocol import Failure, Line
from fcos_ros.runtime.worker import FAREWELL, START

SUMMARY = 'say what a model file is'


@dataclass(frozen=True)
class OutputFacts(TensorFacts):
    """
    An output and its place in the head; both empty when there is no head.

    :ivar part: `class`, `box` or `centerness`.
    :ivar stride: in pixels.
    """

    part: str | None = None
    stride: int | None = None


@dataclass(frozen=True)
class Reading:
    """
    How an FCOS is fed and its detections are read.

    :ivar layout: of the outputs; likewise `input_layout`.
    :ivar mean: on the scale 0 to 255; likewise `std`.
    """

    canvas: Size
    pixels: str
    input_layout: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: str
    box_unit: str
    point_offset: float
    score_threshold: float
    nms_threshold: float
    max_detections: int
    top_k: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Memory:
    """
    Bytes; None where the file leaves sizes open.

    :ivar inputs: of one frame; likewise `outputs`.
    :ivar process: by how much a process grew when it loaded the model, engine included.
    """

    file: int
    inputs: int | None
    outputs: int | None
    process: int


@dataclass(frozen=True)
class ModelFacts:
    """
    All there is to say of a model file.

    :ivar reading: None when it is not an FCOS.
    :ivar complaint: what is wrong with it; empty when nothing is.
    """

    name: str
    path: str
    backend: str
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[OutputFacts, ...]
    reading: Reading | None
    memory: Memory
    complaint: str = ''


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument('model', metavar='MODEL', help=MODEL_HELP)
    add_settings(parser, 'backend')
    parser.add_argument('--json', action='store_true', help='as JSON')


def run(options: argparse.Namespace) -> int:
    """Show the facts; returns 1 when the file is not an FCOS."""
    path = find(options.model)
    with undisturbed():
        facts = gather(path, options.backend)
    print(as_json(facts) if options.json else as_text(facts))
    return 1 if facts.complaint else 0


def gather(path: Path, backend: str = 'auto') -> ModelFacts:
    """
    Load a model and describe it, in a process of its own where the engine might take ours down.

    :raises ModelError: when the engine cannot be used, or cannot read the file.
    """
    apart = choose(path, backend).holds_gil
    return _ask(path, backend) if apart else _load(path, backend)


def as_json(facts: ModelFacts) -> str:
    """Write the facts as one JSON object."""
    return json.dumps(asdict(facts), indent=2)


def as_text(facts: ModelFacts) -> str:
    """Lay the facts out for people."""
    parts = [plain(list(_summary(facts))), plain(_outputs_table(facts.outputs))]
    if facts.complaint:
        parts.append(facts.complaint)
    return '\n\n'.join(parts)


def _ask(path: Path, backend: str) -> ModelFacts:
    """Have a process load a model: an engine that holds the GIL heeds neither time nor Ctrl-C."""
    try:
        child = Process(_answer, path, backend)
    except OSError as error:
        raise ModelError(f'no process to load {path} can be started: {error}') from error
    try:
        said = Line(child.socket).receive(START)
    except TimeoutError:
        raise ModelError(f'{path} was not loaded in {START:g} s, the engine hangs: end all '
                         'programs that use the BPU, or restart the board') from None
    except (EOFError, OSError):
        raise ModelError(f'the process that was to load {path} died: {child.end(FAREWELL)}; '
                         'what the engine printed may tell more') from None
    finally:
        child.end(0.0)
    if isinstance(said, Failure):
        raise ModelError(said.reason)
    assert isinstance(said, ModelFacts)
    return said


def _answer(end: socket.socket, path: Path, backend: str) -> None:
    """Be that process."""
    answer: ModelFacts | Failure
    try:
        answer = _load(path, backend)
    except Exception as error:  # noqa: BLE001 - the parent has to learn of whatever it is
        answer = Failure(str(error) or repr(error))
    Line(end).send(answer)


def _load(path: Path, backend: str) -> ModelFacts:
    before = _resident()
    try:
        engine = load(path, backend)
    except UnfitModelError as error:
        name = _engine_name(choose(path, backend))
        outputs = tuple(OutputFacts(**vars(output)) for output in error.outputs)
        memory = _memory(path, error.inputs, outputs, before)
        return ModelFacts(path.stem, str(path), name, error.inputs, outputs, None, memory,
                          str(error))
    facts = _described(engine.info, before)
    engine.close()
    return facts


def _described(info: ModelInfo, before: int) -> ModelFacts:
    inputs = (TensorFacts.of(info.input),)
    roles = _roles(info.head)
    outputs = tuple(OutputFacts(**vars(TensorFacts.of(spec)), part=part, stride=stride)
                    for spec, (part, stride) in zip(info.outputs, roles))
    return ModelFacts(info.name, str(info.path), info.backend, inputs, outputs, _reading(info),
                      _memory(info.path, inputs, outputs, before))


def _roles(head: Head) -> list[tuple[str, int]]:
    """Tell each output's part and stride, in the order of the outputs."""
    roles = {}
    for level in head.levels:
        roles[level.class_output] = 'class', level.stride
        roles[level.box_output] = 'box', level.stride
        roles[level.centerness_output] = 'centerness', level.stride
    return [roles[index] for index in sorted(roles)]


def _reading(info: ModelInfo) -> Reading:
    head, spec, criteria = info.head, info.input, info.criteria
    return Reading(
        canvas=spec.size, pixels=spec.pixels, input_layout=spec.layout, mean=spec.mean,
        std=spec.std, layout=head.levels[0].layout, box_unit=head.box_unit,
        point_offset=head.point_offset, score_threshold=criteria.score_threshold,
        nms_threshold=criteria.nms_threshold, max_detections=criteria.max_detections,
        top_k=criteria.top_k, labels=info.labels.names)


def _engine_name(engine: type[Backend]) -> str:
    return next(name for name, known in BACKENDS.items() if known is engine)


def _memory(path: Path, inputs: Sequence[TensorFacts], outputs: Sequence[TensorFacts],
            before: int) -> Memory:
    return Memory(path.stat().st_size, _bytes(inputs), _bytes(outputs),
                  max(0, _resident() - before))


def _bytes(tensors: Sequence[TensorFacts]) -> int | None:
    total = 0
    for tensor in tensors:
        sides = [side for side in tensor.shape if isinstance(side, int)]
        if len(sides) < len(tensor.shape) or not sides:
            return None
        try:
            total += prod(sides) * np.dtype(tensor.dtype).itemsize
        except TypeError:  # a type that numpy does not have
            return None
    return total


def _resident() -> int:
    """Tell the memory of this process, in bytes."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE')


def _summary(facts: ModelFacts) -> Iterator[tuple[str, str]]:
    yield 'model', facts.name
    yield 'file', facts.path
    yield 'backend', facts.backend
    for tensor in facts.inputs:
        yield 'input', f'{tensor.name} {tensor.dtype} {_shape(tensor)}'
    if facts.reading:
        yield from _reading_rows(facts.reading)
    memory = facts.memory
    yield 'memory', (f'file {_size(memory.file)}; one frame {_size(memory.inputs)} in, '
                     f'{_size(memory.outputs)} out; loading took {_size(memory.process)}')


def _reading_rows(reading: Reading) -> Iterator[tuple[str, str]]:
    layout = '' if reading.pixels == 'nv12' else f', {reading.input_layout}'
    yield 'canvas', f'{reading.canvas} {reading.pixels}{layout}'
    if any(reading.mean) or set(reading.std) != {1}:
        yield 'normalised', f'(pixel - {list(reading.mean)}) / {list(reading.std)}'
    yield 'boxes', (f'in {reading.box_unit} units, from points {reading.point_offset:g} cells '
                    'into each cell')
    yield 'kept', (f'scores from {reading.score_threshold:g}, best {reading.top_k} into NMS at '
                   f'IoU {reading.nms_threshold:g}, at most {reading.max_detections} remain')
    yield 'classes', f'{len(reading.labels)}: {", ".join(reading.labels)}'


def _outputs_table(outputs: Sequence[OutputFacts]) -> list[tuple[str, ...]]:
    head = ('output', 'dtype', 'shape', 'scales', 'part', 'stride')
    return [head, *(
        (output.name, output.dtype, _shape(output), _scales(output.scale), output.part or '-',
         str(output.stride or '-')) for output in outputs)]


def _shape(tensor: TensorFacts) -> str:
    return f'[{", ".join(map(str, tensor.shape))}]'


def _scales(scale: Sequence[float]) -> str:
    if not scale:
        return '-'
    low, high = min(scale), max(scale)
    span = f'{low:.3g}' if low == high else f'{low:.3g} to {high:.3g}'
    return f'{len(scale)}: {span}'


def _size(count: int | None) -> str:
    return 'an open size' if count is None else f'{count / 2 ** 20:.2f} MiB'
