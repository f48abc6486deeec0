# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The reader of Pascal VOC: its folders, and damaged files."""

import shutil

from label_files import PICTURES, write_voc
import pytest

from fcos_ros.evaluation.datasets import DatasetError, check, open_dataset, usable


@pytest.fixture(name='root')
def write_root(tmp_path):
    return write_voc(tmp_path / 'data', PICTURES)


def edit(root, old, new, name='one'):
    file = root / 'Annotations' / f'{name}.xml'
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return open_dataset(root)


def test_the_first_pixel_is_1_and_the_last_one_belongs_to_the_box(root):
    dataset = edit(root, '<xmin>6</xmin><ymin>7</ymin><xmax>25</xmax><ymax>26</ymax>',
                   '<xmin>1</xmin><ymin>1</ymin><xmax>60</xmax><ymax>40</ymax>')
    box, = (image.boxes[0] for image in dataset.images if image.path.name == 'one.png')
    assert box.tolist() == [0, 0, 60, 40]


def test_without_a_list_the_classes_are_all_names_in_alphabetical_order(root):
    (root / 'classes.txt').unlink()
    dataset = edit(root, '<name>ball</name>', '<name> zebra </name>')
    assert dataset.class_names == ('cube', 'zebra')


def test_a_class_that_is_not_in_the_list_is_unknown(root):
    dataset = edit(root, '<name>ball</name>', '<name>bell</name>')
    finding, = dataset.findings
    assert finding.kind == 'unknown class'
    assert "'bell'; accepted: ball, cube" in finding.detail
    assert sum(len(image.boxes) for image in usable(dataset, check(dataset)).images) == 2


def test_difficult_objects_are_ignored(root):
    dataset = edit(root, '<name>ball</name>', '<name>ball</name><difficult>1</difficult>')
    assert sum(image.crowd.sum() for image in dataset.images) == 1


def test_images_and_labels_may_be_in_one_folder(root, tmp_path):
    both = tmp_path / 'both'
    both.mkdir()
    for file in [*(root / 'JPEGImages').iterdir(), *(root / 'Annotations').iterdir()]:
        shutil.copy(file, both)
    dataset = open_dataset(both)
    assert dataset.format == 'Pascal VOC'
    assert dataset.counts().tolist() == [1, 2]
    assert all(image.path.is_file() for image in dataset.images)


@pytest.mark.parametrize('stated', ['', 'C:\\pictures\\one.png', 'other.jpg'])
def test_an_image_is_also_found_by_the_name_of_its_labels(root, stated):
    dataset = edit(root, '<filename>one.png</filename>', f'<filename>{stated}</filename>')
    assert all(image.path.is_file() for image in dataset.images)


@pytest.mark.parametrize(('old', 'new', 'kind'), [
    ('<name>ball</name>', '', 'malformed label'),
    ('<ymax>26</ymax>', '', 'malformed label'),
    ('<ymax>26</ymax>', '<ymax>inf</ymax>', 'malformed label'),
    ('<ymax>26</ymax>', '<ymax>2</ymax>', 'inverted box'),
    ('<ymax>26</ymax>', '<ymax>6</ymax>', 'empty box'),
    ('<ymax>26</ymax>', '<ymax>90</ymax>', 'box partly outside'),
    ('<width>60</width>', '<width>80</width>', 'wrong size'),
    ('</annotation>', '', 'malformed label'),
])
def test_damaged_files_are_listed(root, old, new, kind):
    found = [finding for finding in check(edit(root, old, new)) if finding.kind == kind]
    assert len(found) == 1
    assert 'one' in found[0].place


def test_labels_of_an_image_that_is_missing_are_found(root):
    (root / 'JPEGImages' / 'one.png').unlink()
    found = [finding for finding in check(open_dataset(root)) if finding.severity == 'error']
    assert [(finding.kind, finding.place) for finding in found] == [
        ('missing image', 'JPEGImages/one.png')]


def test_a_dataset_without_any_name_is_refused(tmp_path):
    root = write_voc(tmp_path / 'data', PICTURES[2:])
    (root / 'classes.txt').unlink()
    with pytest.raises(DatasetError, match='names of the classes are unknown'):
        open_dataset(root)
