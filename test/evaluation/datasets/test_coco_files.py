# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The reader of COCO: its folders, and damaged files."""

import json
import re

from hypothesis import given, strategies as st
from label_files import PICTURES, write_coco
import pytest

from fcos_ros.evaluation.datasets import DatasetError, check, open_dataset, usable


@pytest.fixture(name='root')
def write_root(tmp_path):
    return write_coco(tmp_path / 'data', PICTURES)


@pytest.fixture(name='edit')
def make_edit(root):
    """Return a function that changes the label file and reads the dataset."""
    def edit(change):
        file = root / 'annotations' / 'labels.json'
        document = json.loads(file.read_text())
        change(document)
        file.write_text(json.dumps(document))
        return open_dataset(root)
    return edit


def kinds(findings):
    return [finding.kind for finding in findings]


def test_the_path_of_the_file_is_accepted(root):
    dataset = open_dataset(root / 'annotations' / 'labels.json')
    assert [image.name for image in dataset.images] == [
        'images/one.png', 'images/two.png', 'images/three.png']


@pytest.mark.parametrize(('labels', 'folder'), [
    ('labels.json', '.'),
    ('labels.json', 'images'),
    ('annotations/instances_val2017.json', 'val2017'),
    ('annotations/instances_val2017.json', 'images/val2017'),
    ('annotations/val.json', 'val'),
    ('valid/_annotations.coco.json', 'valid'),
])
def test_images_are_found_in_the_usual_folders(root, labels, folder, tmp_path):
    other = tmp_path / 'other'
    (other / labels).parent.mkdir(parents=True)
    (other / folder).mkdir(parents=True, exist_ok=True)
    (root / 'annotations' / 'labels.json').rename(other / labels)
    for file in (root / 'images').iterdir():
        file.rename(other / folder / file.name)
    dataset = open_dataset(other)
    assert all(image.path.is_file() for image in dataset.images)
    assert {image.part for image in dataset.images} == {'val' if 'val' in labels else ''}


def test_backslashes_of_windows_are_read(root, edit):
    (root / 'images' / 'a').mkdir()
    (root / 'images' / 'one.png').rename(root / 'images' / 'a' / 'one.png')
    dataset = edit(lambda document: document['images'][0].update(file_name='a\\one.png'))
    assert dataset.images[0].path.is_file()


def test_images_that_are_nowhere_are_named_with_the_folders(root):
    (root / 'images').rename(root / 'pictures')
    with pytest.raises(DatasetError, match=r"such as 'one.png', which were not found; looked in:"):
        open_dataset(root)


def test_two_files_for_the_same_part_are_refused(root):
    (root / 'annotations' / 'more.json').write_bytes(
        (root / 'annotations' / 'labels.json').read_bytes())
    with pytest.raises(DatasetError, match='give the path of one file'):
        open_dataset(root)


def test_files_for_other_tasks_are_left_out(root):
    (root / 'annotations' / 'captions_val2017.json').write_text('{}')
    assert len(open_dataset(root)) == 3


def test_files_with_other_categories_are_refused(tmp_path):
    pictures = [picture._replace(part=part) for picture, part in zip(PICTURES, ('train', 'val'))]
    root = write_coco(tmp_path / 'data', pictures)
    file = root / 'annotations' / 'instances_val2017.json'
    file.write_text(file.read_text().replace('"ball"', '"bell"'))
    with pytest.raises(DatasetError, match='the same ids and names in all files'):
        open_dataset(root)


def test_crowds_are_marked_and_are_no_ground_truth(edit):
    dataset = edit(lambda document: document['annotations'][0].update(iscrowd=1))
    image = dataset.images[0]
    assert image.crowd.tolist() == [True, False]
    assert image.truth().class_ids.tolist() == [1]


def change(key, index, **values):
    return lambda document: document[key][index].update(values)


def remove(key, index, name):
    return lambda document: document[key][index].pop(name)


@pytest.mark.parametrize(('damage', 'kind', 'word'), [
    (change('annotations', 0, category_id=99), 'unknown class', 'category_id is 99'),
    (change('annotations', 0, category_id=None), 'unknown class', 'None'),
    (change('annotations', 0, category_id=[1]), 'unknown class', r'\[1\]'),
    (change('annotations', 0, bbox=[1, 2, 3]), 'malformed label', r'\[1, 2, 3\]'),
    (change('annotations', 0, bbox=[1, 2, 3, 'x']), 'malformed label', 'accepted'),
    (change('annotations', 0, bbox=[1, 2, float('nan'), 3]), 'malformed label', 'nan'),
    (change('annotations', 0, bbox=[1, 2, 10 ** 400, 3]), 'malformed label', 'accepted'),
    (remove('annotations', 0, 'bbox'), 'malformed label', 'None'),
    (change('annotations', 0, image_id=99), 'labels without image', '99'),
    (change('annotations', 0, image_id={}), 'labels without image', '{}'),
    (change('annotations', 1, id=1), 'duplicate id', 'annotation 1'),
    (change('images', 1, id=0), 'duplicate id', 'image 0'),
    (remove('images', 1, 'file_name'), 'malformed label', 'file_name'),
    (change('images', 1, file_name='no.png'), 'missing image', 'no.png'),
    (change('images', 1, width=33), 'wrong size', '33x64'),
    (change('annotations', 0, bbox=[5, 6, 0, 4]), 'empty box', 'object 1'),
    (change('annotations', 0, bbox=[5, 6, -3, 4]), 'inverted box', '5, 6, 2, 10'),
    (change('annotations', 0, bbox=[60, 6, 3, 4]), 'box outside', '60x40'),
    (lambda document: document['annotations'].__setitem__(0, 7), 'malformed label', 'bbox'),
    (lambda document: document['images'].__setitem__(1, 7), 'malformed label', r'images\[1\]'),
])
def test_damaged_entries_are_listed_and_left_out(edit, damage, kind, word):
    dataset = edit(damage)
    findings = check(dataset)
    found = [finding for finding in findings if finding.kind == kind]
    assert len(found) == 1
    assert found[0].severity == 'error'
    assert re.search(word, str(found[0]))
    kept = usable(dataset, findings)
    assert sum(len(image.boxes) for image in kept.images) == 2
    assert {index for image in kept.images for index in image.class_ids.tolist()} <= {0, 1}


@pytest.mark.parametrize('text', [
    '', '[]', '{"images": []}', '[' * 100000,
    '{"images": [], "annotations": {}, "categories": []}',
    '{"images": [], "annotations": [], "categories": []}',
    '{"images": [], "annotations": [], "categories": [{"id": 1}]}',
    '{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, '
    '{"id": 2, "name": "a"}]}',
    '{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, '
    '{"id": 1, "name": "b"}]}',
])
def test_files_that_are_not_coco_are_refused_by_name(root, text):
    (root / 'annotations' / 'labels.json').write_text(text)
    with pytest.raises(DatasetError, match=r'labels\.json .*accepted|labels\.json cannot be read'):
        open_dataset(root)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4), max_leaves=6)


@pytest.fixture(name='good_root', scope='module')
def write_good_root(tmp_path_factory):
    return write_coco(tmp_path_factory.mktemp('good') / 'data', PICTURES)


@given(key=st.sampled_from(['images', 'annotations']), index=st.integers(0, 2),
       name=st.sampled_from(['id', 'file_name', 'width', 'height', 'image_id', 'category_id',
                             'bbox', 'iscrowd']), value=VALUES)
def test_any_value_is_read_or_listed(good_root, key, index, name, value):
    document = json.loads((good_root / 'annotations' / 'labels.json').read_text())
    document[key][index][name] = value
    file = good_root / 'changed.json'
    file.write_text(json.dumps(document))
    dataset = open_dataset(file)
    for image in usable(dataset, check(dataset)).images:
        height, width = image.read().shape[:2]
        x1, y1, x2, y2 = image.boxes.T
        assert ((x1 >= 0) & (x1 < x2) & (x2 <= width)).all()
        assert ((y1 >= 0) & (y1 < y2) & (y2 <= height)).all()
        assert ((image.class_ids >= 0) & (image.class_ids < 2)).all()
