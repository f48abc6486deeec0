# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of a dataset, and its fingerprint."""

from dataclasses import replace
import shutil

from hypothesis import given, strategies as st
from label_files import PICTURES, write_coco
import pytest

from fcos_ros.evaluation.datasets import DatasetError, fingerprint, open_dataset, split
from fcos_ros.evaluation.datasets.dataset import part_of

NAMES = st.lists(st.text('abcdef', min_size=1, max_size=6), min_size=2, max_size=40, unique=True)


@pytest.fixture(name='dataset', scope='module')
def make_dataset(tmp_path_factory):
    return open_dataset(write_coco(tmp_path_factory.mktemp('data') / 'data', PICTURES))


def named(dataset, names, part=''):
    return dataset.with_images(
        replace(dataset.images[0], name=name, part=part) for name in names)


def names_of(dataset):
    return [image.name for image in dataset.images]


@given(NAMES, st.randoms())
def test_the_order_of_the_images_does_not_matter(dataset, names, random):
    train, val = split(named(dataset, names))
    assert sorted(names_of(train) + names_of(val)) == sorted(names)
    shuffled = random.sample(names, len(names))
    assert sorted(names_of(split(named(dataset, shuffled))[1])) == sorted(names_of(val))


@given(NAMES, NAMES)
def test_an_image_stays_in_its_part_when_others_are_added(dataset, names, others):
    names = [f'old/{name}' for name in names]
    before = split(named(dataset, names))[1]
    after = split(named(dataset, names + [f'new/{name}' for name in others]))[1]
    if 1 < len(before) < len(names) - 1:  # both parts keep one image
        assert set(names_of(before)) <= set(names_of(after))


def test_the_fraction_is_about_that_of_the_images(dataset):
    _, val = split(named(dataset, map(str, range(1000))), 0.2)
    assert 150 < len(val) < 250


@given(NAMES)
def test_a_stated_part_is_used_and_the_test_part_is_left_out(dataset, names):
    images = [image for part in ('train', 'val', 'test')
              for image in named(dataset, [f'{part}/{name}' for name in names], part).images]
    train, val = split(dataset.with_images(images))
    assert names_of(train) == [f'train/{name}' for name in names]
    assert names_of(val) == [f'val/{name}' for name in names]


@pytest.mark.parametrize('part', ['', 'val', 'test'])
def test_too_few_images_are_refused(dataset, part):
    with pytest.raises(DatasetError, match='at least one for each'):
        split(named(dataset, ['one'], part))


@pytest.mark.parametrize(('words', 'part'), [
    ('instances_train2017', 'train'), ('Validation', 'val'), ('valid', 'val'), ('test', 'test'),
    ('pictures', '')])
def test_the_part_is_read_from_a_name(words, part):
    assert part_of(words) == part


def test_the_fingerprint_depends_on_labels_and_files_only(dataset, tmp_path):
    copied = open_dataset(shutil.copytree(dataset.root, tmp_path / 'elsewhere'))
    first = fingerprint(dataset)
    assert fingerprint(copied) == first
    assert fingerprint(copied.with_images(copied.images[::-1])) == first
    assert fingerprint(replace(copied, class_names=('a', 'b'))) != first
    moved = replace(copied.images[0], boxes=copied.images[0].boxes + 1)
    assert fingerprint(copied.with_images([moved, *copied.images[1:]])) != first
    with copied.images[0].path.open('ab') as file:
        file.write(b'\0')
    assert fingerprint(copied) != first
