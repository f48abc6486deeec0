# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The backend `hobot_dnn` with each generation of the vendor's binding, on simulated boards."""

from dataclasses import replace
import sys
from threading import Thread

from core import reference
from model_file import NV12_SEPARATE, PUBLISHED, RGB, SceneObject, make_answer
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
from fcos_ros.core.frame import Frame
from fcos_ros.core.head import OutputSpec
from fcos_ros.core.labels import COCO
from fcos_ros.core.recognition import recognise
from fcos_ros.core.resize import Size
from fcos_ros.runtime.detector import Detector

GENERATIONS = {'A': ('x3_focal', 'x3'), 'B': ('x5', 'x5'), 'B from PyPI': ('x5_index', 'x5'),
               'C': ('x3_jammy', 'x3')}

every_generation = pytest.mark.parametrize(
    ('image', 'board'), GENERATIONS.values(), ids=GENERATIONS)


def specs(model):
    return [OutputSpec(output.name, output.shape, np.dtype(output.dtype), output.scale)
            for output in model.outputs]


@every_generation
def test_outputs_and_detections_equal_those_of_the_model(
        plug_in, tmp_path, image, board):
    plug_in(image)
    model = tiny(board)
    backend = load(write(tmp_path, model))
    head = recognise(specs(model), Size(SIZE, SIZE))
    for answer, label in zip(model.answers, ('car', 'dog')):
        outputs = backend.infer(answer.tensor)
        for array, expected in zip(outputs, answer.outputs):
            assert array.dtype == expected.dtype
            np.testing.assert_array_equal(array, expected)
        found = make_decoder(backend.info.head).decode(outputs, Criteria())
        own = make_decoder(head).decode(answer.outputs, Criteria())
        exact = reference.decode(head, answer.outputs, Criteria())
        assert [backend.info.labels.name(i) for i in found.class_ids] == [label]
        for part in ('boxes', 'scores', 'class_ids'):
            np.testing.assert_array_equal(getattr(found, part), getattr(own, part))
            np.testing.assert_allclose(getattr(found, part), getattr(exact, part), rtol=1e-5)


@every_generation
def test_outputs_do_not_change_with_the_next_inference(plug_in, tmp_path, image, board):
    plug_in(image)
    model = tiny(board)
    backend = load(write(tmp_path, model))
    first = backend.infer(tensor(1))
    second = backend.infer(tensor(2))
    for outputs, answer in zip((first, second), model.answers):
        for array, expected in zip(outputs, answer.outputs):
            np.testing.assert_array_equal(array, expected)


@every_generation
def test_the_model_is_described_as_the_binding_reports_it(plug_in, tmp_path, image, board):
    plug_in(image)
    model = tiny(board)
    info = load(write(tmp_path, model)).info
    assert (info.name, info.backend) == ('tiny', 'hobot_dnn')
    assert (info.input.pixels, info.input.size) == ('nv12', (SIZE, SIZE))
    assert info.input.shape == (BYTES,)
    assert [output.name for output in info.outputs] == [output.name for output in model.outputs]
    assert info.labels is COCO
    assert info.criteria == Criteria()
    assert info.head.box_unit == {'x5': 'stride', 'x3': 'pixel'}[board]


@pytest.mark.parametrize('key', PUBLISHED)
def test_objects_are_found_by_the_published_models(plug_in, tmp_path, key):
    model = PUBLISHED[key]
    plug_in({'x5': 'x5', 'x3': 'x3_jammy'}[model.board])
    objects = [SceneObject(0, (30, 40, 200, 300)), SceneObject(56, (310, 320, 350, 344), 5.0)]
    model = model.answering(make_answer(model, objects))
    detector = Detector(load(write(tmp_path, model)))
    size = Size(*model.canvas)
    frame = Frame.wrap(bytes(size.width * size.height * 3 // 2), size, 'nv12')
    found = detector.detect(frame).detections
    assert found.class_ids.tolist() == [56, 0]
    np.testing.assert_allclose(found.boxes, [objects[1].box, objects[0].box], atol=1e-2)


def test_the_labels_of_a_model_that_has_not_80_classes_are_numbers(plug_in, tmp_path):
    plug_in('x5')
    info = load(write(tmp_path, tiny(answers=False, classes=3))).info
    assert info.labels.names == ('0', '1', '2')


def test_an_output_without_scales_is_not_quantised_despite_its_name_and_layout(plug_in, tmp_path):
    plug_in('x5')
    model = tiny(answers=False, dtype='float32')
    for index, output in enumerate(model.outputs):
        model = with_output(model, index, name=f'int32_quantised_{output.name}', layout='NCHW')
    backend = load(write(tmp_path, model))
    assert all(spec.scale is None for spec in backend.info.outputs)
    assert backend.info.head.box_unit == 'pixel'


def test_the_scales_are_copied_from_the_binding(plug_in, tmp_path):
    plug_in('x5')
    path = write(tmp_path, tiny())
    scale = load(path).info.outputs[0].scale
    before = scale.copy()
    from hobot_dnn import pyeasy_dnn
    for tensor_of_model in pyeasy_dnn.load(str(path))[0].outputs:
        tensor_of_model.properties.scale_data[:] = 0
    np.testing.assert_array_equal(scale, before)
    assert not np.shares_memory(
        scale, load(path)._loaded.model.outputs[0].properties.scale_data)


@pytest.mark.parametrize('kind', ['int16', 'int8'])
def test_outputs_may_be_small_integers(plug_in, tmp_path, kind):
    plug_in('x5')
    model = tiny(answers=False, dtype=kind)
    outputs = load(write(tmp_path, model)).infer(tensor(1))
    assert {array.dtype for array in outputs} == {np.dtype(kind)}


def test_unsigned_bytes_that_the_binding_returns_as_signed_are_converted(plug_in, tmp_path):
    plug_in('x5')
    model = tiny(answers=False, dtype='int8')
    model = replace(model, outputs=tuple(replace(o, dtype='uint8') for o in model.outputs))
    outputs = load(write(tmp_path, model)).infer(tensor(1))
    assert {array.dtype for array in outputs} == {np.dtype(np.uint8)}


def test_dtypes_that_the_oldest_binding_returns_as_garbage_are_refused(plug_in, tmp_path):
    plug_in('x3_focal')
    with pytest.raises(ModelError, match=r'returned float64\[1, 16, 16, 80\] for the output 100'):
        load(write(tmp_path, tiny('x3', answers=False, dtype='int16')))


WRONG = {
    'one byte short': tensor(1)[:-1],
    'one byte long': np.append(tensor(1), np.uint8(0)),
    'another canvas': np.zeros(512 * 512 * 3 // 2, np.uint8),
    'planes as rows': tensor(1).reshape(-1, SIZE),
    'BGR pixels': np.zeros((SIZE, SIZE, 3), np.uint8),
    'float': np.zeros(BYTES, np.float32),
    'float of the same bytes': np.zeros(BYTES // 4, np.float32),
    'int8': tensor(1).view(np.int8),
    'every other byte': np.zeros(2 * BYTES, np.uint8)[::2],
    'reversed': tensor(1)[::-1],
    'empty': np.empty(0, np.uint8),
    'bytes': tensor(1).tobytes(),
    'a list': [tensor(1)],
    'None': None,
}


@every_generation
@pytest.mark.parametrize('wrong', WRONG.values(), ids=WRONG)
def test_a_wrong_input_is_refused_before_it_reaches_the_binding(
        plug_in, tmp_path, monkeypatch, image, board, wrong):
    # The first inference is that of loading; the second one would fail in the binding.
    monkeypatch.setenv('FCOS_SIM_FAULT', 'raise:2')
    plug_in(image)
    backend = load(write(tmp_path, tiny(board, answers=False)))
    with pytest.raises(InferenceError) as caught:
        backend.infer(wrong)
    assert f'accepted: uint8[{BYTES}] without gaps' in str(caught.value)
    assert not isinstance(caught.value, EngineError)
    with pytest.raises(EngineError):
        backend.infer(tensor(1))


def test_a_read_only_tensor_is_accepted(plug_in, tmp_path):
    plug_in('x5')
    image = tensor(1)
    image.setflags(write=False)
    assert len(load(write(tmp_path, tiny())).infer(image)) == 15


FAILURES = {'A': 'RuntimeError: Run model failed!', 'B': 'RuntimeError: forward execution failed.',
            'C': 'RuntimeError: forward returned None'}


@pytest.mark.parametrize('generation', FAILURES)
def test_a_failed_inference_is_reported_with_its_cause(plug_in, tmp_path, monkeypatch, generation):
    image, board = GENERATIONS[generation]
    monkeypatch.setenv('FCOS_SIM_FAULT', 'raise:2')
    plug_in(image)
    backend = load(write(tmp_path, tiny(board)))
    with pytest.raises(EngineError) as caught:
        backend.infer(tensor(1))
    assert FAILURES[generation] in str(caught.value)
    assert len(backend.infer(tensor(1))) == 15


@every_generation
def test_an_inference_without_outputs_has_failed(plug_in, tmp_path, monkeypatch, image, board):
    monkeypatch.setenv('FCOS_SIM_FAULT', 'none:2')
    plug_in(image)
    backend = load(write(tmp_path, tiny(board)))
    with pytest.raises(EngineError, match='forward returned None'):
        backend.infer(tensor(1))


@every_generation
def test_outputs_that_are_all_nan_give_no_detections(
        plug_in, tmp_path, monkeypatch, image, board):
    monkeypatch.setenv('FCOS_SIM_FAULT', 'nan:2')
    plug_in(image)
    backend = load(write(tmp_path, tiny(board)))
    outputs = backend.infer(tensor(1))
    assert len(make_decoder(backend.info.head).decode(outputs, Criteria())) == 0


def test_a_model_that_fails_its_first_inference_is_refused(plug_in, tmp_path, monkeypatch):
    monkeypatch.setenv('FCOS_SIM_FAULT', 'raise')
    plug_in('x5')
    with pytest.raises(ModelError, match=r'does not run: .*forward execution failed'):
        load(write(tmp_path, tiny()))


LOAD_FAILURES = {'A': 'RuntimeError: Load model failed!',
                 'B': 'RuntimeError: hbDNNInitializeFromFiles failed',
                 'C': 'RuntimeError: hbDNNInitializeFromFiles failed'}


@pytest.mark.parametrize('generation', LOAD_FAILURES)
@pytest.mark.parametrize('trouble', ['broken file', 'for another board', 'load fault'])
def test_a_file_that_does_not_load_is_reported_with_its_cause(
        plug_in, tmp_path, monkeypatch, generation, trouble):
    image, board = GENERATIONS[generation]
    plug_in(image)
    path = write(tmp_path, tiny(board, answers=False))
    if trouble == 'broken file':
        path.write_bytes(b'not a model')
    elif trouble == 'for another board':
        path = write(tmp_path, tiny({'x3': 'x5', 'x5': 'x3'}[board], answers=False))
    else:
        monkeypatch.setenv('FCOS_SIM_FAULT', 'load')
    with pytest.raises(ModelError, match='damaged, or compiled for another kind of') as caught:
        load(path)
    assert LOAD_FAILURES[generation] in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused_with_its_path(plug_in, tmp_path):
    plug_in('x5')
    with pytest.raises(ModelError, match=r'nowhere\.bin is not a file'):
        load(tmp_path / 'nowhere.bin')


def test_padding_is_refused_if_the_binding_does_not_remove_it(plug_in, tmp_path):
    plug_in('x5')
    with pytest.raises(ModelError, match=r'102 int32\[1, 16, 16, 1\].* lies in memory as '
                                         r'\[1, 16, 16, 4\].* backend libdnn'):
        load(write(tmp_path, padded(tiny())))


def test_padding_is_accepted_if_the_binding_removes_it(plug_in, tmp_path):
    plug_in('x3_focal')
    model = padded(tiny('x3'), channels=4, to=8)
    for array, expected in zip(load(write(tmp_path, model)).infer(tensor(2)),
                               model.answers[1].outputs):
        np.testing.assert_array_equal(array, expected)


def test_rows_that_the_bpu_pads_are_refused_if_the_binding_does_not_report_padding(
        plug_in, tmp_path):
    plug_in('x3_jammy')
    with pytest.raises(ModelError, match=r'rows of 4 bytes, which the BPU pads.* backend libdnn'):
        load(write(tmp_path, tiny('x3', dtype='int32')))


REFUSED = {
    'RGB': (replace(tiny(answers=False), input_type=RGB), 'takes 0 RGB.*accepted: one input'),
    'odd canvas': (replace(tiny(answers=False), canvas=(127, 128)), 'accepted: even sides'),
    'another canvas': (replace(tiny(answers=False), canvas=(192, 192)), 'not an FCOS'),
    'missing output': (
        replace(tiny(answers=False), outputs=tiny(answers=False).outputs[:-1]), 'given 14'),
    'integers without scale': (
        with_output(tiny(answers=False), 3, scale=np.empty(0, np.float32)), 'has no usable scale'),
    'long name': (
        with_output(tiny(answers=False), 3, name='n' * 64),
        'of 64 bytes.* longer than 63 bytes.* libdnn'),
}


@pytest.mark.parametrize(('model', 'complaint'), REFUSED.values(), ids=REFUSED)
def test_a_model_that_is_not_usable_is_refused_with_the_reason_and_its_tensors(
        plug_in, tmp_path, model, complaint):
    plug_in('x5')
    with pytest.raises(UnfitModelError, match=complaint) as refusal:
        load(write(tmp_path, model))
    assert len(refusal.value.inputs) == 1
    assert [tensor.name for tensor in refusal.value.outputs] == [
        output.name for output in model.outputs]


@every_generation
@pytest.mark.parametrize('layout', ['NCHW', 'NHWC'])
def test_the_shape_of_the_input_may_have_either_layout(plug_in, tmp_path, image, board, layout):
    plug_in(image)
    model = replace(tiny(board), input_layout=layout)
    backend = load(write(tmp_path, model))
    assert (backend.info.input.size, backend.info.input.shape) == ((SIZE, SIZE), (BYTES,))
    np.testing.assert_array_equal(backend.infer(tensor(2))[0], model.answers[1].outputs[0])


def test_a_model_with_separate_planes_takes_one_tensor(plug_in, tmp_path):
    plug_in('x5')
    model = replace(tiny(), input_type=NV12_SEPARATE)
    outputs = load(write(tmp_path, model)).infer(tensor(2))
    np.testing.assert_array_equal(outputs[0], model.answers[1].outputs[0])


def test_the_error_on_another_machine_names_the_packages_of_the_binding(tmp_path):
    with pytest.raises(ModelError) as caught:
        load(write(tmp_path, tiny(answers=False)))
    for hint in ("No module named 'hobot_dnn'", 'hobot-spdev', 'hobot-dnn-rdkx5',
                 '--system-site-packages'):
        assert hint in str(caught.value)


def test_the_error_of_a_binding_for_numpy_1_names_numpy_2(plug_in, tmp_path, monkeypatch):
    monkeypatch.setattr(np, '__version__', '2.2.6')
    monkeypatch.setenv('FCOS_SIM_FAULT', 'import')
    plug_in('x5')
    with pytest.raises(ModelError, match=r'numpy here is 2\.2\.6 .* below 2, pip install'):
        load(write(tmp_path, tiny(answers=False)))


def test_a_file_is_loaded_only_once_in_a_process(plug_in, tmp_path):
    plug_in('x5')
    path = write(tmp_path, tiny())
    first, second = load(path), load(path)
    first.close()
    from simulator import bpu
    assert bpu.LOADS.count(str(path)) == 1
    assert len(second.infer(tensor(1))) == 15


def test_a_changed_file_is_loaded_again(plug_in, tmp_path):
    plug_in('x5')
    load(write(tmp_path, tiny()))
    path = write(tmp_path, tiny(classes=3, answers=False))
    assert load(path).info.head.num_classes == 3


def test_each_thread_gets_the_outputs_of_its_own_input(plug_in, tmp_path):
    plug_in('x5')
    model = tiny()
    path = write(tmp_path, model)
    wrong = []

    def work(backend, answer):
        for _ in range(30):
            outputs = backend.infer(answer.tensor)
            wrong.extend(index for index, (array, expected) in enumerate(zip(
                outputs, answer.outputs)) if not np.array_equal(array, expected))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [Thread(target=work, args=(load(path), answer)) for answer in model.answers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    assert wrong == []


def test_the_backend_holds_the_gil_and_is_not_concurrent():
    backend = BACKENDS['hobot_dnn']
    assert backend.holds_gil
    assert not backend.concurrent
