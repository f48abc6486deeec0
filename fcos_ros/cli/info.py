# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a model file: its inputs and outputs, and how its detections are decoded."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
import json
from math import prod
import os
from pathlib import Path
import socket
import sys

import numpy as np

from fcos_ros.backends import (
    Backend,
    EngineMissingError,
    ModelError,
    ModelInfo,
    TensorInfo,
    UnfitModelError,
    choose,
    crash_advice,
    load,
)
from fcos_ros.backends.bin_file import read_bin_file
from fcos_ros.backends.metadata import Metadata
from fcos_ros.backends.model_file import require_model_file
from fcos_ros.cli import draw
from fcos_ros.cli.compiled import SUFFIX, CompiledInfo, read_compiled_info
from fcos_ros.cli.options import MODEL_HELP, add_settings, chosen_input_size
from fcos_ros.cli.output import plain_table, printable_lines, stdout_to_stderr
from fcos_ros.cli.write_metadata import write_metadata
from fcos_ros.core.resize import Size
from fcos_ros.runtime.channel import Channel, Failure
from fcos_ros.runtime.child_process import ChildProcess
from fcos_ros.runtime.libraries import decoding
from fcos_ros.runtime.model_path import find_model
from fcos_ros.runtime.workers.process import EXIT_TIMEOUT, LOAD_TIMEOUT

SUMMARY = 'describe a model file'


@dataclass(frozen=True)
class OutputInfo(TensorInfo):
    """
    An output and what it holds; both are empty if the model cannot be used.

    :ivar parts: `class`, `box` and `centerness`; or `box`, `score` and `label`.
    :ivar strides: of its cells, in pixels of the canvas.
    """

    parts: tuple[str, ...] = ()
    strides: tuple[float, ...] = ()


@dataclass(frozen=True)
class FcosInfo:
    """
    How the input of an FCOS network is prepared, and how its outputs are decoded.

    :ivar canvas: size of the input in pixels.
    :ivar input_layout: 'NHWC' or 'NCHW'.
    :ivar mean: for each channel, on the scale 0 to 255; likewise `std`.
    :ivar padding: colour around an image, in the order of the channels.
    :ivar nv12_range: 'full' or 'limited'; None if the input is not NV12.
    :ivar layout: 'NHWC' or 'NCHW', of the outputs; None if they are detections already. Likewise
        `point_offset`, `activation`, `box_activation` and `score`, see `HeadSpec`.
    :ivar notes: properties that were assumed, scales that are ignored.
    :ivar warnings: what is likely wrong.
    :ivar sources: the file in which each key of the metadata stands.
    :ivar replaced: keys inside the model for which another value beside it is used.
    :ivar ignored: keys inside the model of other programs.
    """

    canvas: Size
    pixels: str
    input_layout: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    padding: tuple[int, ...]
    nv12_range: str | None
    layout: str | None
    box_unit: str
    point_offset: float | None
    activation: str | None
    box_activation: str | None
    score: str | None
    score_threshold: float
    nms_threshold: float
    max_detections: int
    one_class_per_cell: bool
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    replaced: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MemoryUse:
    """
    Bytes; None if the file leaves the size of a tensor open.

    :ivar file: size of the file.
    :ivar inputs: of one frame; likewise `outputs`.
    :ivar process: memory that the process gained by loading the engine and the model.
    """

    file: int
    inputs: int | None
    outputs: int | None
    process: int


@dataclass(frozen=True)
class ModelDescription:
    """
    The description of a model file.

    :ivar fcos: None if the model is not an FCOS network.
    :ivar problem: why the model cannot be used; empty if it can.
    :ivar compiled: None if the file is not compiled, or of another form.
    """

    name: str
    path: str
    backend: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[OutputInfo, ...]
    fcos: FcosInfo | None
    memory: MemoryUse
    problem: str = ''
    compiled: CompiledInfo | None = None


@dataclass(frozen=True)
class ModelChoice:
    """
    A model to load and the choices of the user.

    :ivar metadata: what is stated about it; None reads it from its files.
    """

    path: Path
    backend: str = 'auto'
    input_size: Size | None = None
    metadata: Metadata | None = None

    def load(self) -> Backend:
        """Load the model; see `backends.load`."""
        return load(self.path, self.backend, input_size=self.input_size, metadata=self.metadata)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument('model', metavar='MODEL', help=MODEL_HELP)
    add_settings(parser, 'backend', 'input_size')
    parser.add_argument('--json', action='store_true', help='Print JSON.')
    draw.add_options(parser)
    parser.add_argument('--write-metadata', nargs='+', default=[], metavar='KEY=VALUE',
                        help='State properties of the model, see docs/models.md: inside an ONNX '
                             'file, else in a YAML file beside the model. Values are in JSON or '
                             'YAML; an empty value removes the key. Nothing is written if the '
                             'model cannot be used with them.')
    parser.add_argument('--sidecar', action='store_true',
                        help='Write metadata of an ONNX file beside it, too.')


def run(options: argparse.Namespace) -> int:
    """Print the description of a model, or draw it; return 1 if it is not an FCOS network."""
    path = find_model(options.model)
    if options.picture is not None:
        draw.draw(path, Path(options.picture), options.network)
        return 0
    choice = ModelChoice(path, options.backend, chosen_input_size(options))
    with stdout_to_stderr():
        if options.write_metadata:
            require_model_file(path)
            done = write_metadata(
                path, options.write_metadata, options.sidecar,
                lambda metadata: describe_model(replace(choice, metadata=metadata)).problem)
            print(printable_lines('\n'.join(done)), file=sys.stderr)
        description = replace(_describe_on_pc(choice), compiled=read_compiled_info(path))
    print(to_json(description) if options.json else to_text(description))
    return 1 if description.problem else 0


def _describe_on_pc(choice: ModelChoice) -> ModelDescription:
    """Describe a model, also a compiled one for which there is no engine."""
    try:
        return describe_model(choice)
    except EngineMissingError as error:
        if choice.path.suffix.lower() != SUFFIX:
            raise
        file = read_bin_file(choice.path)
        outputs = tuple(OutputInfo(**vars(output.tensor)) for output in file.outputs)
        return ModelDescription(
            file.name, str(choice.path), 'none', (file.input,), outputs, None,
            _memory_use(choice.path, (file.input,), outputs, _process_memory()), str(error))


def describe_model(choice: ModelChoice) -> ModelDescription:
    """
    Load a model and describe it. Engines that hold the GIL load it in a child process.

    :raises ModelError: the engine cannot be used, or cannot read the file.
    """
    in_child = choose(choice.path, choice.backend).holds_gil
    return _load_in_child(choice) if in_child else _load(choice)


def to_json(description: ModelDescription) -> str:
    """Convert a description to one JSON object."""
    return json.dumps(asdict(description), indent=2)


def to_text(description: ModelDescription) -> str:
    """Convert a description to tables for a terminal."""
    parts = [plain_table(list(_model_rows(description))),
             plain_table(_output_rows(description.outputs))]
    if description.problem:
        parts.append(printable_lines(description.problem))
    return '\n\n'.join(parts)


def _load_in_child(choice: ModelChoice) -> ModelDescription:
    """Describe a model in a child process: neither a timeout nor Ctrl-C stops such an engine."""
    path = choice.path
    try:
        child = ChildProcess(_send_description, choice)
    except OSError as error:
        raise ModelError(f'no process to load {path} can be started: {error}') from error
    try:
        reply = Channel(child.socket).receive(LOAD_TIMEOUT)
    except TimeoutError:
        raise ModelError(f'{path} was not loaded in {LOAD_TIMEOUT:g} s, the engine hangs; end all '
                         'programs that use the BPU, or restart the board') from None
    except (EOFError, OSError):
        ending = [child.end(EXIT_TIMEOUT), 'see also the output that the engine printed',
                  *filter(None, [crash_advice(path, choice.backend)])]
        raise ModelError(f'the process that loads {path} died: {"; ".join(ending)}') from None
    finally:
        child.end(0.0)
    if isinstance(reply, ModelError):
        raise reply
    if isinstance(reply, Failure):
        raise ModelError(reply.reason)
    assert isinstance(reply, ModelDescription)
    return reply


def _send_description(end: socket.socket, choice: ModelChoice) -> None:
    """Describe a model and send the description; runs in the child process."""
    reply: ModelDescription | ModelError | Failure
    try:
        reply = _load(choice)
    except EngineMissingError as error:
        reply = EngineMissingError(str(error))  # without its causes, which may not be picklable
    except Exception as error:  # noqa: BLE001 - the parent reports it, whatever it is
        reply = Failure(str(error) or repr(error))
    Channel(end).send(reply)


def _load(choice: ModelChoice) -> ModelDescription:
    path, memory_before = choice.path, _process_memory()
    try:
        engine = choice.load()
    except UnfitModelError as error:
        name = choose(path, choice.backend).name
        outputs = tuple(OutputInfo(**vars(output)) for output in error.outputs)
        memory = _memory_use(path, error.inputs, outputs, memory_before)
        return ModelDescription(path.stem, str(path), name, error.inputs, outputs, None, memory,
                                str(error))
    description = _describe(engine.info, memory_before)
    engine.close()
    return description


def _describe(info: ModelInfo, memory_before: int) -> ModelDescription:
    inputs = (TensorInfo.of(info.input),)
    outputs = tuple(OutputInfo(**vars(TensorInfo.of(spec)), **content._asdict())
                    for spec, content in zip(info.outputs, info.head.contents()))
    memory = _memory_use(info.path, inputs, outputs, memory_before)
    return ModelDescription(info.name, str(info.path), info.backend, inputs, outputs,
                            _fcos_info(info), memory)


_OF_CELLS = ('layout', 'point_offset', 'activation', 'box_activation', 'score')
"""Properties of `Head` that `DetectionOutputs` do not have."""


def _fcos_info(info: ModelInfo) -> FcosInfo:
    head, spec, criteria = info.head, info.input, info.criteria
    return FcosInfo(
        canvas=spec.size, pixels=spec.pixels, input_layout=spec.layout, mean=spec.mean,
        std=spec.std, box_unit=head.box_unit, score_threshold=criteria.score_threshold,
        nms_threshold=criteria.nms_threshold, max_detections=criteria.max_detections,
        one_class_per_cell=criteria.one_class_per_cell, labels=info.labels.names,
        padding=spec.background, nv12_range=spec.nv12_range if spec.pixels == 'nv12' else None,
        notes=info.notes, warnings=info.warnings, sources=dict(info.metadata.sources),
        replaced=info.metadata.replaced, ignored=info.metadata.ignored,
        provenance=dict(info.metadata.provenance or {}),
        **{name: getattr(head, name, None) for name in _OF_CELLS})


def _memory_use(path: Path, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo],
                memory_before: int) -> MemoryUse:
    return MemoryUse(path.stat().st_size, _total_bytes(inputs), _total_bytes(outputs),
                     max(0, _process_memory() - memory_before))


def _total_bytes(tensors: Sequence[TensorInfo]) -> int | None:
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


def _process_memory() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE')


def _model_rows(description: ModelDescription) -> Iterator[tuple[str, str]]:
    yield 'model', description.name
    yield 'file', description.path
    yield 'backend', description.backend
    for tensor in description.inputs:
        yield 'input', f'{tensor.name} {tensor.dtype} {_shape(tensor)}'
    if description.compiled:
        yield from description.compiled.rows()
    if description.fcos:
        yield from _fcos_rows(description.fcos)
    memory = description.memory
    yield 'memory', (f'file {_mebibytes(memory.file)}; input {_mebibytes(memory.inputs)} and '
                     f'output {_mebibytes(memory.outputs)} for one frame; loading used '
                     f'{_mebibytes(memory.process)}')


def _fcos_rows(fcos: FcosInfo) -> Iterator[tuple[str, str]]:
    form = f'{fcos.nv12_range} range' if fcos.nv12_range else fcos.input_layout
    yield 'canvas', f'{fcos.canvas} {fcos.pixels}, {form}, padded with {list(fcos.padding)}'
    if any(fcos.mean) or set(fcos.std) != {1}:
        yield 'normalised', f'(pixel - {list(fcos.mean)}) / {list(fcos.std)}'
    if fcos.point_offset is None:
        yield 'boxes', 'of detections, after the NMS of the network'
        yield 'scores', f'at least {fcos.score_threshold:g}'
    else:
        logarithms = 'logarithms of ' if fcos.box_activation == 'exp' else ''
        yield 'boxes', (f'{logarithms}distances from the point of a cell to the sides, in '
                        f'{fcos.box_unit}s')
        yield 'points', f'{fcos.point_offset:g} cells from the left and from the top of each cell'
        yield 'scores', (f'{fcos.score} of {_PROBABILITIES[fcos.activation or "logits"]}, at '
                         f'least {fcos.score_threshold:g}')
        classes = 'the best class' if fcos.one_class_per_cell else 'all classes'
        yield 'NMS', f'IoU {fcos.nms_threshold:g}, of {classes} of each cell'
        yield 'decoding', decoding()
    yield 'limit', f'{fcos.max_detections} detections'
    yield 'classes', f'{len(fcos.labels)}: {", ".join(fcos.labels)}'
    yield from _metadata_rows(fcos)
    for note in fcos.notes:
        yield 'note', note
    for warning in fcos.warnings:
        yield 'warning', warning


def _metadata_rows(fcos: FcosInfo) -> Iterator[tuple[str, str]]:
    """Yield the keys that each file states, and those that are not used."""
    for source in dict.fromkeys(fcos.sources.values()):
        keys = [key for key, place in fcos.sources.items() if place == source]
        yield 'metadata', f'{source}: {", ".join(keys)}'
    if fcos.replaced:
        yield 'replaced', (f'{", ".join(fcos.replaced)}: the model states another value inside; '
                           'the one beside it is used')
    if fcos.ignored:
        yield 'ignored', f'metadata of other programs: {", ".join(fcos.ignored)}'
    for key, text in fcos.provenance.items():
        yield 'provenance', f'{key}: {text}'


_PROBABILITIES = {'logits': 'the sigmoids', 'sigmoid': 'the outputs, which are probabilities'}


def _output_rows(outputs: Sequence[OutputInfo]) -> list[tuple[str, ...]]:
    head = ('output', 'dtype', 'shape', 'scales', 'part', 'stride')
    return [head, *(
        (output.name, output.dtype, _shape(output), _scale_range(output.scale),
         ', '.join(output.parts) or '-',
         ', '.join(f'{stride:g}' for stride in output.strides) or '-') for output in outputs)]


def _shape(tensor: TensorInfo) -> str:
    return f'[{", ".join(map(str, tensor.shape))}]'


def _scale_range(scale: Sequence[float]) -> str:
    """Return number, minimum and maximum of the scales."""
    if not scale:
        return '-'
    low, high = min(scale), max(scale)
    values = f'{low:.3g}' if low == high else f'{low:.3g} to {high:.3g}'
    return f'{len(scale)}: {values}'


def _mebibytes(count: int | None) -> str:
    return 'of open size' if count is None else f'{count / 2 ** 20:.2f} MiB'
