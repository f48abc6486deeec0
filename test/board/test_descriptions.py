# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every engine for boards reads the metadata beside a model, and says why it cannot be used."""

from dataclasses import replace
from pathlib import Path

from model_file import SceneObject, make_answer
import numpy as np
import pytest
from tiny_models import CAR, DOG, SIZE, tensor, tiny, with_output, write

from fcos_ros.backends import EngineMissingError, ModelError, load
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.runtime.detector import Detector

ENGINES = ('hobot_dnn', 'hbm_runtime', 'libdnn')

every_engine = pytest.mark.parametrize('engine', ENGINES)


@pytest.fixture
def x5(plug_in, monkeypatch, library):
    """Simulate an RDK X5 with all engines."""
    plug_in('x5')
    monkeypatch.setenv('FCOS_LIBDNN', str(library))


def beside(path, text):
    path.with_suffix('.yaml').write_text(text, encoding='utf-8')
    return path


def image(seed):
    """Return an image that reaches a network for NV12 of full range as it is."""
    return replace(Frame.wrap(tensor(seed), Size(SIZE, SIZE), 'nv12'), yuv_range='full')


def detect(path, engine):
    return Detector(load(path, engine)).detect(image(1)).detections


@every_engine
def test_the_file_beside_a_model_describes_it(x5, tmp_path, engine):
    path = beside(write(tmp_path, tiny(answers=False, classes=3)), """
labels: [чашка, ball, cone]
point_offset: 0
score: cls*ctr
nv12_range: limited
padding: [114, 120, 130]
score_threshold: 0.25
provenance: {trained on: our cups}
""")
    info = load(path, engine).info
    assert info.labels.names == ('чашка', 'ball', 'cone')
    assert (info.head.point_offset, info.head.score) == (0, 'cls*ctr')
    assert (info.input.nv12_range, info.input.background) == ('limited', (114, 120, 130))
    assert info.criteria.score_threshold == 0.25
    assert info.metadata.provenance == {'trained on': 'our cups'}


@every_engine
def test_boxes_are_in_the_stated_unit(x5, tmp_path, engine):
    model = tiny('x3', dtype='int32')  # integers, but in pixels
    path = write(tmp_path, replace(model, board='x5'))
    with pytest.raises(ModelError, match=r'contradicts its description: .*state box_unit: pixel'):
        load(path, engine)
    found = detect(beside(path, 'box_unit: pixel'), engine)
    np.testing.assert_allclose(found.boxes, [CAR.box], atol=1e-3)


@every_engine
def test_float_boxes_in_strides_must_be_stated(x5, tmp_path, engine):
    path = write(tmp_path, tiny('x5', dtype='float32'))
    with pytest.raises(ModelError, match=r'contradicts its description: .*state box_unit: stride'):
        load(path, engine)
    found = detect(beside(path, 'box_unit: stride'), engine)
    np.testing.assert_allclose(found.boxes, [CAR.box], atol=1e-3)


@every_engine
def test_the_order_of_the_outputs_can_be_stated(x5, tmp_path, engine):
    """Class and box outputs of four classes have the same shapes."""
    model = tiny(answers=False, classes=4)
    answer = make_answer(model, [SceneObject(2, CAR.box)])
    model = model.answering(answer)
    swapped = [*range(5, 10), *range(5), *range(10, 15)]
    model = replace(model, outputs=tuple(model.outputs[index] for index in swapped), answers=tuple(
        replace(one, outputs=[one.outputs[index] for index in swapped]) for one in model.answers))
    path = beside(write(tmp_path, model), 'order: [{}]'.format(
        ', '.join(5 * ['box'] + 5 * ['class'] + 5 * ['centerness'])))
    found = detect(path, engine)
    assert found.class_ids.tolist() == [2]
    np.testing.assert_allclose(found.boxes, [CAR.box], atol=1e-3)


@every_engine
def test_80_classes_without_labels_are_said_to_be_taken_for_those_of_coco(x5, tmp_path, engine):
    path = write(tmp_path, tiny())
    assert any('COCO' in note for note in load(path, engine).info.notes)
    names = [f'part {index}' for index in range(80)]
    info = load(beside(path, f'labels: {names}'), engine).info
    assert info.labels.names == tuple(names)
    assert info.notes == ()


@every_engine
@pytest.mark.parametrize(('text', 'complaint'), [
    ('box_units: stride', "did you mean 'box_unit'"),
    ('labels: [a, b]', 'labels has 2 names, the network 80 classes'),
    ('mean: [0, 0, 0]', 'mean is stated, which has no meaning for an input of nv12'),
    ('pixels: rgb', 'accepted for this model: nv12'),
    ('score: cls+ctr', 'accepted: sqrt'),
    ('input_size: nothing', 'accepted: WIDTHxHEIGHT'),
    ('activation: sigmoid', 'no probabilities'),
])
def test_wrong_metadata_is_refused(x5, tmp_path, engine, text, complaint):
    path = beside(write(tmp_path, tiny()), text)
    with pytest.raises(ModelError, match=complaint):
        load(path, engine)


@every_engine
def test_the_size_of_a_compiled_model_cannot_be_chosen(x5, tmp_path, engine):
    path = write(tmp_path, tiny())
    load(path, engine, input_size=Size(SIZE, SIZE))
    with pytest.raises(ModelError, match=r'input_size is 64x64.*always 128x128'):
        load(path, engine, input_size=Size(64, 64))


@every_engine
def test_used_up_memory_of_the_bpu_is_named(x5, tmp_path, monkeypatch, engine):
    monkeypatch.setenv('FCOS_SIM_FAULT', 'memory')
    with pytest.raises(ModelError, match=f'{engine} cannot load .*: the memory of the BPU is used '
                                         'up; end other programs'):
        load(write(tmp_path, tiny()), engine)


# The head of a file that hb_mapper compiled for X3: a version, and a map with the key MARCH.
FOR_X3 = b'\x08\x03' b'\x32\x15' b'\x0a\x13' b'\x0a\x05MARCH' b'\x12\x0abernoulli2'


@every_engine
def test_the_board_of_a_refused_file_is_named(x5, tmp_path, engine):
    path = tmp_path / 'model.bin'
    path.write_bytes(FOR_X3)
    with pytest.raises(ModelError, match=r'for the BPU bernoulli2 \(RDK X3\)'):
        load(path, engine)


def test_a_missing_library_of_the_board_is_named(x5, tmp_path, monkeypatch):
    monkeypatch.setenv('FCOS_SIM_FAULT', 'library')
    with pytest.raises(EngineMissingError, match=r'library libhbspdev\.so is missing.*reinstall'):
        load(write(tmp_path, tiny()), 'hobot_dnn')


NAMES = {'64 bytes of ASCII': 'n' * 64, '32 characters of 2 bytes': 'ж' * 32,
         '72 bytes': 'n' * 72}


@pytest.mark.parametrize('name', NAMES.values(), ids=NAMES)
def test_names_are_counted_in_bytes(x5, tmp_path, name):
    path = write(tmp_path, with_output(tiny(), 3, name=name))
    with pytest.raises(ModelError, match=f'of {len(name.encode())} bytes, .*use the backend '
                                         'libdnn'):
        load(path, 'hobot_dnn')
    for engine in ('libdnn', 'hbm_runtime'):
        assert load(path, engine).info.outputs[3].name == name


@every_engine
def test_the_longest_name_is_accepted(x5, tmp_path, engine):
    path = write(tmp_path, with_output(tiny(), 3, name='ж' * 31))
    assert load(path, engine).info.outputs[3].name == 'ж' * 31


def test_a_name_that_is_not_utf_8_is_refused(x5, tmp_path):
    path = write(tmp_path, with_output(tiny(), 3, name='caf\udce9'))
    for engine in ('hobot_dnn', 'hbm_runtime'):
        with pytest.raises(ModelError, match=r"tensor 'caf\\+xe9', whose name is not in UTF-8"):
            load(path, engine)
    assert len(load(path, 'libdnn').info.outputs) == 15


@every_engine
def test_all_objects_are_found_with_and_without_metadata(x5, tmp_path, engine):
    path = write(tmp_path, tiny())
    frame = image(2)
    for _ in range(2):
        found = Detector(load(Path(path), engine)).detect(frame).detections
        np.testing.assert_allclose(found.boxes, [DOG.box], atol=1e-3)
        beside(path, 'box_unit: stride')
