# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The same outputs give the same detections with every engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from model_file import NV12, NV12_SEPARATE, YUV444, Answer, ModelFile, fcos
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
import pytest
from tiny_models import SIZE, tiny, write
from waiting import TIMEOUT

from fcos_ros.backends import ModelError, load
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.frame import Frame
from fcos_ros.core.head import STRIDES, OutputSpec
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.recognition import recognise
from fcos_ros.core.resize import Size
from fcos_ros.core.selection import select
from fcos_ros.runtime.detector import Detector

CANVAS = Size(SIZE, SIZE)
FRAME = Frame.wrap(np.full(SIZE * SIZE * 3 // 2, 100, np.uint8), CANVAS, 'nv12')
LEVELS = len(STRIDES)
CRITERIA = Criteria(score_threshold=0.4)


@dataclass(frozen=True)
class Engine:
    """A backend, the board whose models it loads, and the system image that it needs."""

    backend: str
    board: str
    image: str = ''


ENGINES = {
    'hobot_dnn A': Engine('hobot_dnn', 'x3', 'x3_focal'),
    'hobot_dnn B': Engine('hobot_dnn', 'x5', 'x5'),
    'hobot_dnn B from PyPI': Engine('hobot_dnn', 'x5', 'x5_index'),
    'hobot_dnn C': Engine('hobot_dnn', 'x3', 'x3_jammy'),
    'hbm_runtime X5': Engine('hbm_runtime', 'x5', 'x5'),
    'hbm_runtime S100': Engine('hbm_runtime', 's100', 's100'),
    'libdnn X3': Engine('libdnn', 'x3'),
    'libdnn X5': Engine('libdnn', 'x5'),
}


@pytest.fixture(scope='module')
def integers():
    """Return a model for X5 that detects dozens of objects, many of which NMS suppresses."""
    rng = np.random.default_rng(5)
    model = fcos('busy', 'x5', SIZE, first_name=1, step=3)
    parts = (lambda shape: rng.normal(-6, 2.5, shape), lambda shape: rng.uniform(-0.2, 4, shape),
             lambda shape: rng.normal(0, 1.5, shape))
    return model.answering(Answer([parts[index // LEVELS](output.shape).astype(np.float32)
                                   for index, output in enumerate(model.outputs)]))


@pytest.fixture(scope='module')
def reals(integers):
    """Return the same outputs in float32, with boxes in strides."""
    return [(values * output.scale).astype(np.float32)
            for values, output in zip(integers.answers[0].outputs, integers.outputs)]


def model_for(board, integers, reals):
    if board != 'x3':
        return replace(integers, board=board)
    model = fcos('busy', 'x3', SIZE, first_name=1, step=3, dtype='float32')
    return model.answering(Answer(strides_to_pixels(reals)))


def strides_to_pixels(reals):
    """Convert boxes to pixels; strides are powers of two, so the values are exact."""
    factors = [1] * LEVELS + list(STRIDES) + [1] * LEVELS
    return [values * np.float32(factor) for values, factor in zip(reals, factors)]


def write_onnx(path, reals):
    """Write a network that returns these arrays for any input."""
    nodes, outputs = [], []
    for index, values in enumerate(reals):
        tensor = numpy_helper.from_array(values, f'value_{index}')
        nodes.append(helper.make_node('Constant', [], [f'output_{index}'], value=tensor))
        outputs.append(helper.make_tensor_value_info(
            f'output_{index}', TensorProto.FLOAT, values.shape))
    image = helper.make_tensor_value_info('image', TensorProto.UINT8, [1, SIZE, SIZE, 3])
    model = helper.make_model(
        helper.make_graph(nodes, 'busy', [image], outputs),
        opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    helper.set_model_props(model, {'box_unit': 'stride'})
    onnx.save(model, str(path))
    return path


def decoded(model):
    """Decode the arrays of a model file without an engine, for an image of the canvas' size."""
    specs = [OutputSpec(output.name, output.shape, np.dtype(output.dtype), output.scale)
             for output in model.outputs]
    found = make_decoder(recognise(specs, CANVAS)).decode(model.answers[0].outputs, CRITERIA)
    return select(found.with_boxes(np.clip(found.boxes, 0, SIZE)), CRITERIA, CANVAS)


def require_equal(found: Any, expected: Any, pixels: float = 0, score: float = 0) -> None:
    assert len(expected) > 20
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_allclose(found.boxes, expected.boxes, rtol=0, atol=pixels)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=score)


@pytest.mark.parametrize('engine', ENGINES.values(), ids=ENGINES)
def test_the_detections_of_every_engine_equal_those_of_the_file(
        plug_in, tmp_path, monkeypatch, request, integers, reals, engine):
    if engine.backend == 'libdnn':
        monkeypatch.setenv('FCOS_LIBDNN', str(request.getfixturevalue('library')))
    plug_in(engine.image)
    model = model_for(engine.board, integers, reals)
    backend = load(write(tmp_path, model), engine.backend)
    backend.inference_timeout = TIMEOUT  # only libdnn has one
    found = Detector(backend).detect(FRAME, CRITERIA).detections
    require_equal(found, decoded(model))
    backend.close()


class OddInput(ModelFile):
    """A model whose input has any shape."""

    odd_shape: tuple[int, ...] = ()
    input_shape = property(lambda self: self.odd_shape)


@pytest.mark.parametrize('kind', [NV12, NV12_SEPARATE, YUV444])
@pytest.mark.parametrize('shape', [
    (1, 3, SIZE, SIZE), (1, SIZE, SIZE, 3), (1, 3, SIZE - 1, SIZE), (1, SIZE, SIZE - 1, 3),
    (1, 3, SIZE, 3), (1, 3, 3, SIZE), (1, 1, SIZE * 3 // 2, SIZE), (1, SIZE * 3 // 2, SIZE, 1),
    (2, 3, SIZE, SIZE), (1, 4, SIZE, SIZE)], ids=str)
def test_hobot_dnn_and_libdnn_accept_the_same_inputs(
        plug_in, tmp_path, monkeypatch, library, shape, kind):
    plug_in('x5')
    monkeypatch.setenv('FCOS_LIBDNN', str(library))
    model = OddInput(**vars(replace(tiny(answers=False), input_type=kind)))
    object.__setattr__(model, 'odd_shape', shape)
    path = write(tmp_path, model)
    first, second = (spec_or_refusal(path, backend) for backend in ('hobot_dnn', 'libdnn'))
    assert first == second
    assert isinstance(first, InputSpec) == (
        kind != YUV444 and shape in [(1, 3, SIZE, SIZE), (1, SIZE, SIZE, 3)])


def spec_or_refusal(path, backend):
    """Return the description of the input, or the reason why the model is refused."""
    try:
        return load(path, backend).info.input
    except ModelError as error:
        return str(error)


@pytest.mark.parametrize('engine', ENGINES.values(), ids=ENGINES)
def test_scales_that_float_outputs_state_are_not_applied_and_named(
        plug_in, tmp_path, monkeypatch, request, integers, reals, engine):
    if engine.backend == 'libdnn':
        monkeypatch.setenv('FCOS_LIBDNN', str(request.getfixturevalue('library')))
    plug_in(engine.image)
    floats = replace(model_for('x3', integers, reals), board=engine.board)
    scaled = replace(floats, outputs=tuple(
        replace(output, scale=np.full(output.shape[3], 0.5, np.float32), axis=1)
        for output in floats.outputs))
    backend = load(write(tmp_path, scaled), engine.backend)
    backend.inference_timeout = TIMEOUT  # only libdnn has one
    require_equal(Detector(backend).detect(FRAME, CRITERIA).detections, decoded(floats))
    note, = backend.info.head.notes
    assert note.startswith('float outputs state scales, which are not applied: ')
    assert all(output.name in note for output in scaled.outputs)
    backend.close()


def test_integers_in_strides_and_floats_in_pixels_agree(integers, reals):
    require_equal(decoded(model_for('x3', integers, reals)), decoded(integers),
                  pixels=1e-4, score=1e-6)


def test_onnx_agrees_with_the_boards(tmp_path, integers, reals):
    backend = load(write_onnx(tmp_path / 'busy.onnx', reals))
    found = Detector(backend).detect(FRAME, CRITERIA).detections
    require_equal(found, decoded(integers), pixels=1e-4, score=1e-6)
