# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All readers: the same images in each form are the same dataset."""

from hypothesis import given, settings, strategies as st
from label_files import CLASSES, PICTURES, WRITERS, Picture
import numpy as np
import pytest

from fcos_ros.evaluation.datasets import DatasetError, check, open_dataset, split

FORMS = pytest.mark.parametrize('form', WRITERS)


def contents(dataset):
    """Return parts, boxes and class names of the objects by the name of each image."""
    return {image.path.name: (image.part, [
        (dataset.class_names[class_id], tuple(np.round(box, 3)))
        for class_id, box in zip(image.class_ids, image.boxes)]) for image in dataset.images}


def expected(pictures):
    return {picture.name: (picture.part, [
        (name, tuple(np.round(np.float32(box), 3))) for name, box in picture.objects])
        for picture in pictures}


@FORMS
def test_a_folder_is_recognised_and_read(form, tmp_path):
    dataset = open_dataset(WRITERS[form](tmp_path / 'data', PICTURES))
    assert dataset.format == form
    assert dataset.class_names == CLASSES
    found = contents(dataset)
    parts = {part for part, _ in found.values()}
    assert parts == {'train'} if form == 'YOLO' else parts == {''}
    assert {name: objects for name, (_, objects) in found.items()} == {
        name: objects for name, (_, objects) in expected(PICTURES).items()}


@FORMS
def test_the_parts_are_read(form, tmp_path):
    pictures = [picture._replace(part=part)
                for picture, part in zip(PICTURES, ('train', 'val', 'train'))]
    dataset = open_dataset(WRITERS[form](tmp_path / 'data', pictures))
    assert contents(dataset) == expected(pictures)
    train, val = split(dataset)
    assert sorted(image.path.name for image in train.images) == ['one.png', 'three.png']
    assert [image.path.name for image in val.images] == ['two.png']


@FORMS
def test_the_pixels_are_those_of_the_file(form, tmp_path):
    dataset = open_dataset(WRITERS[form](tmp_path / 'data', PICTURES))
    pictures = {picture.name: picture for picture in PICTURES}
    for image in dataset.images:
        assert (image.read() == pictures[image.path.name].pixels()).all()
        assert image.frame().size == pictures[image.path.name].size


@st.composite
def boxes(draw):
    x1, y1 = draw(st.floats(0, 30)), draw(st.floats(0, 20))
    box = x1, y1, x1 + draw(st.floats(1, 10)), y1 + draw(st.floats(1, 10))
    return draw(st.sampled_from(CLASSES)), box


@FORMS
@settings(max_examples=20)  # each writes files
@given(objects=st.lists(st.lists(boxes(), max_size=4), min_size=1, max_size=3))
def test_any_boxes_are_read_as_they_were_written(form, tmp_path_factory, objects):
    pictures = [Picture(f'{number}.png', (40, 30), found) for number, found in enumerate(objects)]
    root = tmp_path_factory.mktemp('data')
    dataset = open_dataset(WRITERS[form](root / 'data', pictures))
    for image, picture in zip(dataset.images, pictures):
        assert [dataset.class_names[index] for index in image.class_ids] == [
            name for name, _ in picture.objects]
        np.testing.assert_allclose(
            image.boxes, np.array([box for _, box in picture.objects]).reshape(-1, 4), atol=1e-4)


@FORMS
def test_good_data_have_no_errors(form, tmp_path):
    findings = check(open_dataset(WRITERS[form](tmp_path / 'data', PICTURES)))
    assert {finding.kind for finding in findings} == {'images without objects', 'rare class'}


@FORMS
def test_data_of_other_classes_have_their_ids(form, tmp_path):
    classes = ('apple', 'ball', 'cube')
    dataset = open_dataset(WRITERS[form](tmp_path / 'data', PICTURES, classes))
    assert dataset.class_names == classes
    assert dataset.counts().tolist() == [0, 1, 2]


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(DatasetError, match='no does not exist; accepted'):
        open_dataset(tmp_path / 'no')


@pytest.mark.parametrize('name', ['picture.jpg', 'notes.txt', 'sub/labels.csv'])
def test_a_folder_of_no_known_form_is_refused_with_all_forms(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('?')
    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path)
    assert all(form in str(caught.value) for form in WRITERS)


@FORMS
def test_a_dataset_without_images_is_refused(form, tmp_path):
    root = WRITERS[form](tmp_path / 'data', PICTURES)
    for file in root.rglob('*'):
        if file.suffix in ('.png', '.xml'):
            file.unlink()
    for file in (root / 'annotations').glob('*.json'):
        file.write_text('{"images": [], "annotations": [], '
                        '"categories": [{"id": 1, "name": "a"}]}')
    with pytest.raises(DatasetError):
        open_dataset(root)
