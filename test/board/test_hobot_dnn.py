# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The backend `hobot_dnn`, on each generation of the vendor's binding."""

from dataclasses import replace
import sys
from threading import Thread

from core import reference
from model_file import NV12_SEPARATE, PUBLISHED, RGB, Thing, paint
import numpy as np
import pytest
from tiny_models import BYTES, SIZE, padded, tensor, tiny, with_output, write

from fcos_ros.backends import BACKENDS, EngineError, InferenceError, ModelError, load
from fcos_ros.core.decode import Criteria, Decoder
from fcos_ros.core.frame import Frame
from fcos_ros.core.head import Head, OutputSpec
from fcos_ros.core.labels import COCO
from fcos_ros.core.resize import Size
from fcos_ros.runtime.detector import Detector

GENERATIONS = {'A': ('x3_focal', 'x3'), 'B': ('x5', 'x5'), 'B of the index': ('x5_index', 'x5'),
               'C': ('x3_jammy', 'x3')}

every_generation = pytest.mark.parametrize(
    ('image', 'board'), GENERATIONS.values(), ids=GENERATIONS)


def specs(model):
    return [OutputSpec(output.name, output.shape, np.dtype(output.dtype), output.scale)
            for output in model.outputs]


@every_generation
def test_outputs_and_detections_are_those_of_the_model_to_the_last_bit(
        plug_in, tmp_path, image, board):
    plug_in(image)
    model = tiny(board)
    backend = load(write(tmp_path, model))
    head = Head.recognise(specs(model), Size(SIZE, SIZE))
    for answer, seen in zip(model.answers, ('car', 'dog')):
        outputs = backend.infer(answer.tensor)
        for array, expected in zip(outputs, answer.outputs):
            assert array.dtype == expected.dtype
            np.testing.assert_array_equal(array, expected)
        found = Decoder(backend.info.head)(outputs, Criteria())
        own = Decoder(head)(answer.outputs, Criteria())
        exact = reference.decode(head, answer.outputs, Criteria())
        assert [backend.info.labels.name(i) for i in found.class_ids] == [seen]
        for part in ('boxes', 'scores', 'class_ids'):
            np.testing.assert_array_equal(getattr(found, part), getattr(own, part))
            np.testing.assert_allclose(getattr(found, part), getattr(exact, part), rtol=1e-5)


@every_generation
def test_outputs_hold_when_the_next_frame_is_inferred(plug_in, tmp_path, image, board):
    plug_in(image)
    model = tiny(board)
    backend = load(write(tmp_path, model))
    first = backend.infer(tensor(1))
    second = backend.infer(tensor(2))
    for outputs, answer in zip((first, second), model.answers):
        for array, expected in zip(outputs, answer.outputs):
            np.testing.assert_array_equal(array, expected)


@every_generation
def test_the_model_is_described_by_what_the_binding_says_of_it(plug_in, tmp_path, image, board):
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
def test_the_published_models_are_found_right(plug_in, tmp_path, key):
    model = PUBLISHED[key]
    plug_in({'x5': 'x5', 'x3': 'x3_jammy'}[model.board])
    things = [Thing(0, (30, 40, 200, 300)), Thing(56, (310, 320, 350, 344), 5.0)]
    model = model.answering(paint(model, things))
    detector = Detector(load(write(tmp_path, model)))
    size = Size(*model.canvas)
    frame = Frame.wrap(bytes(size.width * size.height * 3 // 2), size, 'nv12')
    found = detector.detect(frame).detections
    assert found.class_ids.tolist() == [56, 0]
    np.testing.assert_allclose(found.boxes, [things[1].box, things[0].box], atol=1e-2)


def test_a_model_of_other_classes_has_numbers_for_labels(plug_in, tmp_path):
    plug_in('x5')
    info = load(write(tmp_path, tiny(answers=False, classes=3))).info
    assert info.labels.names == ('0', '1', '2')


def test_scales_decide_what_is_quantised_not_names_nor_the_layout(plug_in, tmp_path):
    plug_in('x5')
    model = tiny(dtype='float32')
    for index, output in enumerate(model.outputs):
        model = with_output(model, index, name=f'int32_quantised_{output.name}', layout='NCHW')
    backend = load(write(tmp_path, model))
    assert all(spec.scale is None for spec in backend.info.outputs)
    assert backend.info.head.box_unit == 'pixel'


def test_the_scales_are_a_copy_of_the_bindings_own(plug_in, tmp_path):
    plug_in('x5')
    path = write(tmp_path, tiny())
    scale = load(path).info.outputs[0].scale
    before = scale.copy()
    from hobot_dnn import pyeasy_dnn
    for tensor_of_model in pyeasy_dnn.load(str(path))[0].outputs:
        tensor_of_model.properties.scale_data[:] = 0
    np.testing.assert_array_equal(scale, before)
    assert not np.shares_memory(
        scale, load(path)._network.model.outputs[0].properties.scale_data)


@pytest.mark.parametrize('kind', ['int16', 'int8'])
def test_small_integers_are_handed_out_as_well(plug_in, tmp_path, kind):
    plug_in('x5')
    model = tiny(answers=False, dtype=kind)
    outputs = load(write(tmp_path, model)).infer(tensor(1))
    assert {array.dtype for array in outputs} == {np.dtype(kind)}


def test_bytes_that_the_binding_calls_signed_are_what_the_model_says(plug_in, tmp_path):
    plug_in('x5')
    model = tiny(answers=False, dtype='int8')
    model = replace(model, outputs=tuple(replace(o, dtype='uint8') for o in model.outputs))
    outputs = load(write(tmp_path, model)).infer(tensor(1))
    assert {array.dtype for array in outputs} == {np.dtype(np.uint8)}


def test_dtypes_that_the_old_binding_garbles_are_refused(plug_in, tmp_path):
    plug_in('x3_focal')
    with pytest.raises(ModelError, match=r'returned float64\[1, 16, 16, 80\] for the output 100'):
        load(write(tmp_path, tiny('x3', answers=False, dtype='int16')))


WRONG = {
    'one byte short': tensor(1)[:-1],
    'one byte long': np.append(tensor(1), np.uint8(0)),
    'another canvas': np.zeros(512 * 512 * 3 // 2, np.uint8),
    'the planes as rows': tensor(1).reshape(-1, SIZE),
    'BGR pixels': np.zeros((SIZE, SIZE, 3), np.uint8),
    'float': np.zeros(BYTES, np.float32),
    'as many bytes of float': np.zeros(BYTES // 4, np.float32),
    'int8': tensor(1).view(np.int8),
    'every other byte': np.zeros(2 * BYTES, np.uint8)[::2],
    'reversed': tensor(1)[::-1],
    'empty': np.empty(0, np.uint8),
    'bytes': tensor(1).tobytes(),
    'a list': [tensor(1)],
    'nothing': None,
}


@every_generation
@pytest.mark.parametrize('wrong', WRONG.values(), ids=WRONG)
def test_what_is_not_the_input_never_reaches_the_binding(
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


def test_a_tensor_that_may_only_be_read_will_do(plug_in, tmp_path):
    plug_in('x5')
    image = tensor(1)
    image.setflags(write=False)
    assert len(load(write(tmp_path, tiny())).infer(image)) == 15


FAILURES = {'A': 'RuntimeError: Run model failed!', 'B': 'RuntimeError: forward execution failed.',
            'C': 'RuntimeError: forward returned None'}


@pytest.mark.parametrize('generation', FAILURES)
def test_a_failed_inference_is_told_by_its_cause(plug_in, tmp_path, monkeypatch, generation):
    image, board = GENERATIONS[generation]
    monkeypatch.setenv('FCOS_SIM_FAULT', 'raise:2')
    plug_in(image)
    backend = load(write(tmp_path, tiny(board)))
    with pytest.raises(EngineError) as caught:
        backend.infer(tensor(1))
    assert FAILURES[generation] in str(caught.value)
    assert len(backend.infer(tensor(1))) == 15


@every_generation
def test_no_outputs_at_all_are_a_failure(plug_in, tmp_path, monkeypatch, image, board):
    monkeypatch.setenv('FCOS_SIM_FAULT', 'none:2')
    plug_in(image)
    backend = load(write(tmp_path, tiny(board)))
    with pytest.raises(EngineError, match='forward returned None'):
        backend.infer(tensor(1))


@every_generation
def test_outputs_of_nothing_but_nan_are_no_detections(
        plug_in, tmp_path, monkeypatch, image, board):
    monkeypatch.setenv('FCOS_SIM_FAULT', 'nan')
    plug_in(image)
    backend = load(write(tmp_path, tiny(board)))
    outputs = backend.infer(tensor(1))
    assert len(Decoder(backend.info.head)(outputs, Criteria())) == 0


def test_a_model_that_fails_its_first_inference_is_refused(plug_in, tmp_path, monkeypatch):
    monkeypatch.setenv('FCOS_SIM_FAULT', 'raise')
    plug_in('x5')
    with pytest.raises(ModelError, match=r'does not run: .*forward execution failed'):
        load(write(tmp_path, tiny()))


LOAD_FAILURES = {'A': 'RuntimeError: Load model failed!',
                 'B': 'RuntimeError: hbDNNInitializeFromFiles failed',
                 'C': 'RuntimeError: hbDNNInitializeFromFiles failed'}


@pytest.mark.parametrize('generation', LOAD_FAILURES)
@pytest.mark.parametrize('trouble', ['broken file', 'of the other board', 'load fault'])
def test_a_file_that_does_not_load_is_told_by_its_cause(
        plug_in, tmp_path, monkeypatch, generation, trouble):
    image, board = GENERATIONS[generation]
    plug_in(image)
    path = write(tmp_path, tiny(board, answers=False))
    if trouble == 'broken file':
        path.write_bytes(b'this is no model')
    elif trouble == 'of the other board':
        path = write(tmp_path, tiny({'x3': 'x5', 'x5': 'x3'}[board], answers=False))
    else:
        monkeypatch.setenv('FCOS_SIM_FAULT', 'load')
    with pytest.raises(ModelError, match='for one kind of board') as caught:
        load(path)
    assert LOAD_FAILURES[generation] in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused_by_its_path(plug_in, tmp_path):
    plug_in('x5')
    with pytest.raises(ModelError, match=r'nowhere\.bin is not a file'):
        load(tmp_path / 'nowhere.bin')


def test_padding_is_refused_where_the_binding_leaves_it_in(plug_in, tmp_path):
    plug_in('x5')
    with pytest.raises(ModelError, match=r'102 int32\[1, 16, 16, 1\].* lies in memory as '
                                         r'\[1, 16, 16, 4\].* backend libdnn'):
        load(write(tmp_path, padded(tiny())))


def test_padding_is_no_matter_where_the_binding_takes_it_out(plug_in, tmp_path):
    plug_in('x3_focal')
    model = padded(tiny('x3'), channels=4, to=8)
    for array, expected in zip(load(write(tmp_path, model)).infer(tensor(2)),
                               model.answers[1].outputs):
        np.testing.assert_array_equal(array, expected)


def test_padding_is_refused_by_its_rule_where_the_binding_does_not_tell(plug_in, tmp_path):
    plug_in('x3_jammy')
    with pytest.raises(ModelError, match=r'rows of 4 bytes, which the BPU pads.* backend libdnn'):
        load(write(tmp_path, tiny('x3', dtype='int32')))


REFUSED = {
    'RGB': (replace(tiny(answers=False), input_type=RGB), 'takes 0 RGB.*accepted: one input'),
    'an odd canvas': (replace(tiny(answers=False), canvas=(127, 128)), 'must be even'),
    'another canvas': (replace(tiny(answers=False), canvas=(256, 256)), 'not an FCOS'),
    'an output missing': (
        replace(tiny(answers=False), outputs=tiny(answers=False).outputs[:-1]), 'found 14'),
    'integers without scale': (
        with_output(tiny(answers=False), 3, scale=np.empty(0, np.float32)), 'integers need'),
    'a long name': (
        with_output(tiny(answers=False), 3, name='n' * 64), 'longer than 63 characters'),
}


@pytest.mark.parametrize(('model', 'complaint'), REFUSED.values(), ids=REFUSED)
def test_what_is_not_an_fcos_is_refused_by_what_was_found(plug_in, tmp_path, model, complaint):
    plug_in('x5')
    with pytest.raises(ModelError, match=complaint):
        load(write(tmp_path, model))


def test_a_model_of_two_planes_takes_them_in_one_piece(plug_in, tmp_path):
    plug_in('x5')
    model = replace(tiny(), input_type=NV12_SEPARATE)
    outputs = load(write(tmp_path, model)).infer(tensor(2))
    np.testing.assert_array_equal(outputs[0], model.answers[1].outputs[0])


def test_without_a_board_the_message_says_where_the_binding_comes_from(tmp_path):
    with pytest.raises(ModelError) as caught:
        load(write(tmp_path, tiny(answers=False)))
    for hint in ("No module named 'hobot_dnn'", 'hobot-spdev', 'hobot-dnn-rdkx5',
                 '--system-site-packages'):
        assert hint in str(caught.value)


def test_numpy_2_beside_the_binding_is_named(plug_in, tmp_path, monkeypatch):
    monkeypatch.setattr(np, '__version__', '2.2.6')
    monkeypatch.setenv('FCOS_SIM_FAULT', 'import')
    plug_in('x5')
    with pytest.raises(ModelError, match=r'numpy here is 2\.2\.6 .* below 2, pip install'):
        load(write(tmp_path, tiny(answers=False)))


def test_each_file_is_loaded_once_in_a_process(plug_in, tmp_path):
    plug_in('x5')
    path = write(tmp_path, tiny())
    first, second = load(path), load(path)
    first.close()
    from simulator import bpu
    assert bpu.LOADS.count(str(path)) == 1
    assert len(second.infer(tensor(1))) == 15


def test_a_file_that_was_replaced_is_loaded_anew(plug_in, tmp_path):
    plug_in('x5')
    load(write(tmp_path, tiny()))
    path = write(tmp_path, tiny(classes=3, answers=False))
    assert load(path).info.head.num_classes == 3


def test_threads_on_one_file_never_get_each_others_outputs(plug_in, tmp_path):
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


def test_it_belongs_in_a_process_of_its_own():
    backend = BACKENDS['hobot_dnn']
    assert backend.holds_gil
    assert not backend.concurrent
