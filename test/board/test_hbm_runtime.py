# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The backend `hbm_runtime` on the simulated boards that have it."""

from dataclasses import replace
from threading import Thread

from model_file import PUBLISHED, RGB, SceneObject, make_answer
import numpy as np
import pytest
from tiny_models import BYTES, SIZE, padded, tensor, tiny, with_output, write

from fcos_ros.backends import (
    BACKENDS,
    EngineError,
    InferenceError,
    ModelError,
    UnfitModelError,
    load,
)
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.head import OutputSpec
from fcos_ros.core.labels import COCO
from fcos_ros.core.recognition import recognise
from fcos_ros.core.resize import Size

BOARDS = {'X5': ('x5', '.bin'), 'S100': ('s100', '.hbm')}

every_board = pytest.mark.parametrize(('image', 'suffix'), BOARDS.values(), ids=BOARDS)


def open_model(tmp_path, model, suffix='.bin'):
    return load(write(tmp_path, model, suffix), 'hbm_runtime')


@every_board
def test_outputs_and_detections_equal_those_of_the_model(
        plug_in, tmp_path, image, suffix):
    plug_in(image)
    model = tiny(image)
    backend = open_model(tmp_path, model, suffix)
    head = recognise(
        [OutputSpec(output.name, output.shape, np.dtype(output.dtype), output.scale)
         for output in model.outputs], Size(SIZE, SIZE))
    for answer, label in zip(model.answers, ('car', 'dog')):
        outputs = backend.infer(answer.tensor)
        for array, expected in zip(outputs, answer.outputs):
            assert array.dtype == expected.dtype
            np.testing.assert_array_equal(array, expected)
        found = make_decoder(backend.info.head).decode(outputs, Criteria())
        own = make_decoder(head).decode(answer.outputs, Criteria())
        assert [backend.info.labels.name(i) for i in found.class_ids] == [label]
        for part in ('boxes', 'scores', 'class_ids'):
            np.testing.assert_array_equal(getattr(found, part), getattr(own, part))


@every_board
def test_outputs_do_not_change_with_the_next_inference(plug_in, tmp_path, image, suffix):
    plug_in(image)
    model = tiny(image)
    backend = open_model(tmp_path, model, suffix)
    first = backend.infer(tensor(1))
    backend.infer(tensor(2))
    for array, expected in zip(first, model.answers[0].outputs):
        np.testing.assert_array_equal(array, expected)


@every_board
def test_the_model_is_described_as_the_runtime_reports_it(plug_in, tmp_path, image, suffix):
    plug_in(image)
    model = tiny(image)
    info = open_model(tmp_path, model, suffix).info
    assert (info.name, info.backend) == ('tiny', 'hbm_runtime')
    assert (info.input.pixels, info.input.size) == ('nv12', (SIZE, SIZE))
    assert [output.name for output in info.outputs] == [output.name for output in model.outputs]
    assert (info.labels, info.criteria) == (COCO, Criteria())
    assert info.head.box_unit == 'stride'


@pytest.mark.parametrize('layout', ['NCHW', 'NHWC'])
def test_the_shape_of_the_input_may_have_either_layout(plug_in, tmp_path, layout):
    plug_in('x5')
    model = replace(tiny(), input_layout=layout)
    backend = open_model(tmp_path, model)
    assert (backend.info.input.size, backend.info.input.shape) == ((SIZE, SIZE), (BYTES,))
    np.testing.assert_array_equal(backend.infer(tensor(2))[0], model.answers[1].outputs[0])


def test_hbm_files_are_loaded_by_this_backend(plug_in, tmp_path):
    plug_in('s100')
    assert load(write(tmp_path, tiny('s100'), '.hbm')).info.backend == 'hbm_runtime'


def test_bin_files_are_loaded_by_this_backend_where_it_is_the_only_one(plug_in, tmp_path):
    plug_in('s100')
    assert load(write(tmp_path, tiny('s100'), '.bin')).info.backend == 'hbm_runtime'


def test_an_object_is_found_by_the_published_model(plug_in, tmp_path):
    plug_in('x5')
    model = PUBLISHED['b0']
    person = SceneObject(0, (30, 40, 200, 300))
    backend = open_model(tmp_path, model.answering(make_answer(model, [person])))
    outputs = backend.infer(np.zeros(backend.info.input.shape, np.uint8))
    found = make_decoder(backend.info.head).decode(outputs, Criteria())
    np.testing.assert_allclose(found.boxes, [person.box], atol=1e-2)


def test_float_outputs_have_no_scale(plug_in, tmp_path):
    plug_in('x5')
    info = open_model(tmp_path, tiny(answers=False, dtype='float32')).info
    assert all(spec.scale is None for spec in info.outputs)
    assert info.head.box_unit == 'pixel'


def test_the_scales_of_an_output_that_is_not_quantised_are_ignored(
        plug_in, tmp_path, monkeypatch):
    plug_in('x5')
    from simulator.hbm import QuantParams, hbDNNQuantiType
    monkeypatch.setattr(QuantParams, '__init__', lambda self, _: self.__dict__.update(
        scale=np.ones(1), zero_point=np.zeros(1), quant_type=hbDNNQuantiType.NONE, axis=0))
    info = open_model(tmp_path, tiny(answers=False, dtype='float32')).info
    assert all(spec.scale is None for spec in info.outputs)


def test_zero_points_other_than_zero_are_refused(plug_in, tmp_path, monkeypatch):
    plug_in('x5')
    from simulator.hbm import QuantParams, hbDNNQuantiType
    monkeypatch.setattr(QuantParams, '__init__', lambda self, output: self.__dict__.update(
        scale=output.scale, zero_point=np.array([0, 3]), quant_type=hbDNNQuantiType.SCALE, axis=3))
    with pytest.raises(ModelError, match='symmetric quantisation'):
        open_model(tmp_path, tiny())


def test_padding_is_removed(plug_in, tmp_path):
    plug_in('x5')
    model = padded(tiny())
    outputs = open_model(tmp_path, model).infer(tensor(2))
    for array, expected in zip(outputs, model.answers[1].outputs):
        np.testing.assert_array_equal(array, expected)
        assert array.flags.c_contiguous


@every_board
@pytest.mark.parametrize('wrong', [
    pytest.param(tensor(1)[:-1], id='one byte short'),
    pytest.param(tensor(1).reshape(-1, SIZE), id='planes as rows'),
    pytest.param(np.zeros(BYTES, np.float32), id='float'),
    pytest.param(np.zeros(2 * BYTES, np.uint8)[::2], id='every other byte'),
    pytest.param(None, id='None'),
])
def test_a_wrong_input_is_refused_before_it_reaches_the_runtime(
        plug_in, tmp_path, monkeypatch, image, suffix, wrong):
    # The first inference is that of loading; the second one would fail in the runtime.
    monkeypatch.setenv('FCOS_SIM_FAULT', 'raise:2')
    plug_in(image)
    backend = open_model(tmp_path, tiny(image, answers=False), suffix)
    with pytest.raises(InferenceError) as caught:
        backend.infer(wrong)
    assert f'accepted: uint8[{BYTES}] without gaps' in str(caught.value)
    with pytest.raises(EngineError, match='RuntimeError: raise fault'):
        backend.infer(tensor(1))


@pytest.mark.parametrize('fault', ['raise:2', 'none:2'])
def test_a_failed_run_is_an_engine_error(plug_in, tmp_path, monkeypatch, fault):
    monkeypatch.setenv('FCOS_SIM_FAULT', fault)
    plug_in('x5')
    backend = open_model(tmp_path, tiny())
    with pytest.raises(EngineError, match='hbm_runtime failed'):
        backend.infer(tensor(1))
    assert len(backend.infer(tensor(1))) == 15


@every_board
@pytest.mark.parametrize('trouble', ['broken file', 'for another board'])
def test_a_file_that_does_not_load_is_refused(plug_in, tmp_path, image, suffix, trouble):
    plug_in(image)
    path = write(tmp_path, tiny('x3', answers=False), suffix)
    if trouble == 'broken file':
        path.write_bytes(b'not a model')
    with pytest.raises(ModelError, match=r'cannot load .* for another kind of board'):
        load(path, 'hbm_runtime')


def test_a_missing_file_is_refused_with_its_path(plug_in, tmp_path):
    plug_in('s100')
    with pytest.raises(ModelError, match=r'nowhere\.hbm is not a file'):
        load(tmp_path / 'nowhere.hbm')


REFUSED = {
    'RGB': (replace(tiny(answers=False), input_type=RGB), 'takes 0 RGB.*accepted: one input'),
    'another canvas': (replace(tiny(answers=False), canvas=(192, 192)), 'not an FCOS'),
    'missing output': (
        replace(tiny(answers=False), outputs=tiny(answers=False).outputs[:-1]), 'given 14'),
    'scales along another axis': (with_output(tiny(answers=False), 0, axis=1), 'along its axis 1'),
}


@pytest.mark.parametrize(('model', 'complaint'), REFUSED.values(), ids=REFUSED)
def test_a_model_that_is_not_usable_is_refused_with_the_reason_and_its_tensors(
        plug_in, tmp_path, model, complaint):
    plug_in('x5')
    with pytest.raises(UnfitModelError, match=complaint) as refusal:
        open_model(tmp_path, model)
    assert len(refusal.value.inputs) == 1
    assert [tensor.name for tensor in refusal.value.outputs] == [
        output.name for output in model.outputs]


def test_the_error_on_another_machine_names_the_packages_of_the_runtime(tmp_path):
    with pytest.raises(ModelError) as caught:
        open_model(tmp_path, tiny(answers=False))
    for hint in ("No module named 'hbm_runtime'", 'RDK OS 3.5', 'hobot-spdev',
                 '--system-site-packages'):
        assert hint in str(caught.value)


def test_inferences_of_several_threads_take_turns(plug_in, tmp_path):
    plug_in('x5')
    backend = open_model(tmp_path, tiny())
    counts = []

    def work():
        for _ in range(20):
            counts.append(len(backend.infer(tensor(1))))

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [15] * 40


def test_the_backend_holds_the_gil_and_is_not_concurrent():
    backend = BACKENDS['hbm_runtime']
    assert backend.holds_gil
    assert not backend.concurrent
