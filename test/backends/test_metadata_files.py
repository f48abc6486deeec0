# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metadata is read and written inside ONNX files and in YAML files beside any model."""

import numpy as np
import onnx
from onnx_models import white_square, write_fcos
import pytest

from fcos_ros.backends import ModelError, load
from fcos_ros.backends.metadata import Metadata
from fcos_ros.backends.metadata_files import (
    find_beside,
    read_metadata,
    write_beside,
    write_inside,
)
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.detector import Detector


@pytest.fixture
def model(tmp_path):
    return write_fcos(tmp_path / 'squares.onnx', metadata={'box_unit': 'stride', 'score': 'cls'})


def parse(model, **entries):
    return Metadata.parse(entries, str(model), model.parent)


def beside(model, text, name=None):
    path = model.with_name(name or f'{model.stem}.yaml')
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_file_beside_a_model_has_priority(model):
    beside(model, '# by hand\nbox_unit: pixel\npixels: bgr\n')
    metadata = load(model).info.metadata
    assert (metadata.box_unit, metadata.pixels, metadata.score) == ('pixel', 'bgr', 'cls')
    assert metadata.replaced == ('box_unit',)
    assert metadata.sources == {
        'box_unit': 'squares.yaml', 'pixels': 'squares.yaml', 'score': 'squares.onnx'}


def test_a_file_with_the_whole_name_has_priority_over_one_for_all_suffixes(model):
    beside(model, 'pixels: bgr')
    assert read_metadata(model).pixels == 'bgr'
    beside(model, 'pixels: rgb', 'squares.onnx.yaml')
    assert read_metadata(model).pixels == 'rgb'
    assert read_metadata(model.with_suffix('.onnx')).pixels == 'rgb'


@pytest.mark.parametrize('text', [
    '\ufeffpixels: bgr', 'pixels: bgr\r\nlabels:\r\n- a\r\n- b\r\n- c\r\n', '---\npixels: "bgr"',
    '{"pixels": "bgr"}'])
def test_usual_forms_of_yaml_are_read(model, text):
    beside(model, text)
    assert read_metadata(model).pixels == 'bgr'


@pytest.mark.parametrize(('text', 'complaint'), [
    ('box_units: stride', r"squares\.yaml has the key 'box_units'; did you mean 'box_unit'"),
    ('Mean: [1, 2, 3]', "did you mean 'mean'"),
    ('colour: red', 'accepted: labels, pixels'),
    ('pixels: bgr\npixels: rgb', r"the key 'pixels' stands there twice.*line 2"),
    ('just text', 'holds no keys; accepted: YAML'),
    ('', 'holds no keys'),
    ('- pixels', 'holds no keys'),
    ('pixels: [', 'not valid YAML.*line 1'),
    (b'pixels: \xff', 'not in UTF-8'),
    (b'#' * (1 << 21), 'no text file of up to'),
    ('~: 1', 'has the key None; accepted'),
    ('[a, b]: 1', 'no text'),
    ('pixels: yuv', r"squares\.yaml has pixels: 'yuv'; accepted: nv12, rgb, bgr"),
])
def test_a_wrong_file_beside_a_model_is_refused(model, text, complaint):
    beside(model, text)
    with pytest.raises(ModelError, match=complaint):
        load(model)


@pytest.mark.parametrize('name', ['squares.yml', 'squares.onnx.yml'])
def test_a_file_beside_a_model_may_have_the_short_suffix(model, name):
    path = beside(model, 'point_offset: 0', name)
    assert load(model).info.head.point_offset == 0
    assert write_beside(model, parse(model, box_unit='pixel')) == path


def test_a_folder_beside_a_model_is_no_metadata(model):
    model.with_suffix('.yaml').mkdir()
    with pytest.raises(ModelError, match=r'squares\.yaml is no text file'):
        load(model)


@pytest.mark.parametrize('key', ['box_units', 'Mean', 'label'])
def test_a_misspelt_key_inside_a_model_is_refused(tmp_path, key):
    path = write_fcos(tmp_path / 'a.onnx', metadata={key: 'stride'})
    with pytest.raises(ModelError, match=f"has the key '{key}'; did you mean"):
        load(path)


def test_keys_of_other_programs_are_ignored_and_listed(tmp_path):
    path = write_fcos(tmp_path / 'a.onnx', metadata={
        'author': 'X', 'stride': '32', 'names': "{0: 'a', 1: 'b', 2: 'c'}"})
    info = load(path).info
    assert info.labels.names == ('a', 'b', 'c')
    assert info.metadata.ignored == ('author', 'stride')


@pytest.mark.parametrize('text', ['labels: [чашка, "no", 7]', 'labels: names.txt'])
def test_labels_beside_a_model_name_its_classes(model, text):
    model.with_name('names.txt').write_text('чашка\nno\n7\n', encoding='utf-8')
    beside(model, text)
    assert load(model).info.labels.names == ('чашка', 'no', '7')


def test_written_metadata_is_read_again(model):
    metadata = parse(model, labels='[чашка, "no", "it\'s: #1"]', mean='[1.5, 2, 3]',
                     input_size='640x480', one_class_per_cell='false', provenance='{a: b}')
    assert write_inside(model, metadata) == model
    assert read_metadata(model) == metadata
    path = write_beside(model, metadata)
    assert path == model.with_suffix('.yaml')
    assert 'чашка' in path.read_text(encoding='utf-8')
    again = read_metadata(model)
    assert again.entries() == metadata.entries()
    assert set(again.sources.values()) == {'squares.yaml'}


def test_writing_beside_changes_the_present_file(model):
    path = beside(model, 'pixels: bgr', 'squares.onnx.yaml')
    assert write_beside(model, parse(model, box_unit='pixel')) == path
    assert path.read_text() == 'box_unit: pixel\n'
    assert find_beside(model) == path


def test_writing_into_a_file_keeps_the_network_and_foreign_keys(tmp_path):
    path = write_fcos(tmp_path / 'a.onnx', half_box=8.0,
                      metadata={'author': 'X', 'box_unit': 'pixel'})
    image = Frame.from_bgr(white_square(128, 5, 3))
    before = Detector.load(path).detect(image).detections
    graph = onnx.load(str(path)).graph.SerializeToString()
    write_inside(path, parse(path, score='cls*ctr'))
    stored = onnx.load(str(path))
    assert stored.graph.SerializeToString() == graph
    assert {entry.key: entry.value for entry in stored.metadata_props} == {
        'author': 'X', 'score': 'cls*ctr'}
    after = Detector.load(path).detect(image).detections
    np.testing.assert_array_equal(before.boxes, after.boxes)


def test_weights_in_another_file_stay_there(tmp_path):
    path = write_fcos(tmp_path / 'a.onnx')
    onnx.save(onnx.load(str(path)), str(path), save_as_external_data=True, location='a.weights',
              size_threshold=0)
    weights = (tmp_path / 'a.weights').read_bytes()
    write_inside(path, parse(path, score='cls*ctr'))
    assert (tmp_path / 'a.weights').read_bytes() == weights
    assert load(path).info.head.score == 'cls*ctr'


def test_a_link_stays_a_link_and_permissions_stay(model):
    target = model.rename(model.with_name('target.onnx'))
    model.symlink_to(target.name)
    target.chmod(0o640)
    write_inside(model, parse(model, score='cls*ctr'))
    assert model.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert read_metadata(target).score == 'cls*ctr'


def test_a_failed_write_leaves_the_old_file_and_no_other(model, monkeypatch):
    path = beside(model, 'pixels: bgr')
    before = sorted(model.parent.iterdir())
    path.unlink()
    path.mkdir()
    with pytest.raises(ModelError, match='cannot be written'):
        write_beside(model, parse(model, score='cls'))
    assert sorted(model.parent.iterdir()) == before
