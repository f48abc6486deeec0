# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The reader of YOLO: its folders, and damaged files."""

import shutil

from hypothesis import given, strategies as st
from label_files import CLASSES, PICTURES, write_yolo
import numpy as np
import pytest

from fcos_ros.evaluation.datasets import DatasetError, check, open_dataset, usable


@pytest.fixture(name='root')
def write_root(tmp_path):
    return write_yolo(tmp_path / 'data', PICTURES)


def yaml_file(root, text):
    (root / 'data.yaml').write_text(text)
    return root


def label(root, text, name='one'):
    (root / 'labels' / f'{name}.txt').write_text(text)
    return open_dataset(root)


NAMES = 'names: [ball, cube]\n'


@pytest.mark.parametrize('text', [
    f'train: images\n{NAMES}',
    f'train: [images]\n{NAMES}',
    f'path: .\ntrain: images/\n{NAMES}',
    f'path: ../datasets/on_another_machine\ntrain: images\n{NAMES}',
    f'train: ../images\nnc: 2\n{NAMES}',
    f'train: train.txt\n{NAMES}',
    'train: images\nnames:\n  0: ball\n  1: cube\n',
    "train: images\nnames: {'1': cube, '0': ball}\n",
])
def test_the_yaml_file_says_where_the_images_are(root, text):
    (root / 'train.txt').write_text('./images/one.png\nimages/two.png\n\nimages/three.png\n')
    dataset = open_dataset(yaml_file(root, text))
    assert dataset.class_names == CLASSES
    assert sorted(image.name for image in dataset.images) == [
        'images/one.png', 'images/three.png', 'images/two.png']
    assert dataset.counts().tolist() == [1, 2]
    assert not dataset.findings


def test_the_path_of_the_yaml_file_is_accepted(root):
    (root / 'data.yaml').rename(root / 'my.yml')
    assert len(open_dataset(root / 'my.yml')) == 3


def test_names_that_yaml_takes_for_other_things_stay_names(root):
    dataset = open_dataset(yaml_file(root, 'train: images\nnames: [no, 1]\n'))
    assert dataset.class_names == ('no', '1')


def test_without_a_yaml_file_classes_txt_has_the_names(root):
    (root / 'data.yaml').unlink()
    (root / 'classes.txt').write_text('\ufeffball\r\ncube\r\n', encoding='utf-8')
    dataset = open_dataset(root)
    assert dataset.class_names == CLASSES
    assert len(dataset) == 3


def test_without_names_the_classes_are_numbers_and_that_is_reported(root):
    (root / 'data.yaml').unlink()
    dataset = open_dataset(root)
    assert dataset.class_names == ('0', '1')
    assert [finding.kind for finding in dataset.findings] == ['no class names']


def test_images_and_labels_may_be_in_one_folder(root, tmp_path):
    both = tmp_path / 'both'
    both.mkdir()
    for file in [*(root / 'images').iterdir(), *(root / 'labels').iterdir()]:
        shutil.copy(file, both)
    (both / 'classes.txt').write_text('ball\ncube\n')
    dataset = open_dataset(both)
    assert dataset.counts().tolist() == [1, 2]
    assert not dataset.findings


def test_folders_of_parts_may_have_images_and_labels(root, tmp_path):
    for part in ('train', 'valid'):
        shutil.copytree(root / 'images', tmp_path / 'other' / part / 'images')
        shutil.copytree(root / 'labels', tmp_path / 'other' / part / 'labels')
    (tmp_path / 'other' / 'classes.txt').write_text('ball\ncube\n')
    dataset = open_dataset(tmp_path / 'other')
    assert [image.part for image in dataset.images] == ['train'] * 3 + ['val'] * 3
    assert dataset.counts().tolist() == [2, 4]


def test_an_image_without_a_label_file_has_no_objects(root):
    (root / 'labels' / 'one.txt').unlink()
    assert open_dataset(root).counts().tolist() == [0, 1]


def test_a_polygon_becomes_its_extent(root):
    image = label(root, '0 0.1 0.5 0.5 0.25 0.4 0.75').images[0]
    np.testing.assert_allclose(image.boxes, [[6, 10, 30, 30]], rtol=1e-6)


@pytest.mark.parametrize(('line', 'kind'), [
    ('0 0.5 0.5 0.2', 'malformed label'),
    ('0 0.5 0.5 0.2 0.2 0.9', 'malformed label'),
    ('0 0.5 0.5 0.2 x', 'malformed label'),
    ('0 0.5 0.5 0.2 nan', 'malformed label'),
    ('0 0.5 0.5 0.2 1e400', 'malformed label'),
    ('0.5 0.5 0.5 0.2 0.2', 'malformed label'),
    ('ball 0.5 0.5 0.2 0.2', 'malformed label'),
    ('2 0.5 0.5 0.2 0.2', 'unknown class'),
    ('-1 0.5 0.5 0.2 0.2', 'unknown class'),
    ('0 0.5 0.5 0 0.2', 'empty box'),
    ('0 0.5 0.5 0.2 -0.2', 'inverted box'),
    ('0 20 30 10 10', 'box outside'),
    ('0 0.5 0.5 1.2 1.2', 'box partly outside'),
])
def test_damaged_lines_are_listed_with_their_line(root, line, kind):
    dataset = label(root, f'0 0.5 0.5 0.25 0.25\n\n{line}\n')
    findings = check(dataset)
    found = [finding for finding in findings if finding.kind == kind]
    assert len(found) == 1
    assert 'one.txt:3' in found[0].place or 'one.png: object 2' in found[0].place
    kept, = (image for image in usable(dataset, findings).images if image.name.endswith('one.png'))
    assert len(kept.boxes) == 1 + (kind == 'box partly outside')
    assert kept.boxes.min() >= 0


def test_labels_without_an_image_are_listed(root):
    dataset = label(root, '0 0.5 0.5 0.2 0.2', 'four')
    assert [(finding.kind, finding.place) for finding in dataset.findings] == [
        ('labels without image', str(root / 'labels' / 'four.txt'))]


def test_a_listed_image_that_is_missing_is_found(root):
    (root / 'train.txt').write_text('images/one.png\nimages/no.png\n')
    findings = check(open_dataset(yaml_file(root, f'train: train.txt\n{NAMES}')))
    assert [finding.place for finding in findings if finding.kind == 'missing image'] == [
        'images/no.png']


@pytest.mark.parametrize(('text', 'message'), [
    ('names: [', 'cannot be read as YAML'),
    ('- names:', 'is a list'),
    (NAMES, 'has no train'),
    (f'train: pictures\n{NAMES}', "names 'pictures', which was not found; tried"),
    ('train: images\n', 'has the names None'),
    ('train: images\nnames: ball\n', 'has the names'),
    ('train: images\nnames: {0: ball, 2: cube}\n', 'mapping from 0, 1, 2'),
    ('train: images\nnames: [[ball]]\n', 'has the names'),
])
def test_a_yaml_file_that_cannot_be_used_is_refused(root, text, message):
    (root / 'data.yaml').write_text(text)
    with pytest.raises(DatasetError, match=message):
        open_dataset(root / 'data.yaml')


@pytest.fixture(name='any_root', scope='module')
def write_any_root(tmp_path_factory):
    return write_yolo(tmp_path_factory.mktemp('any') / 'data', PICTURES)


@given(st.text())
def test_any_text_as_labels_is_read_or_listed(any_root, text):
    (any_root / 'labels' / 'one.txt').write_text(text, encoding='utf-8', errors='replace')
    dataset = open_dataset(any_root)
    usable(dataset, check(dataset))
