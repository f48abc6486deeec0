# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos eval` judges a model by a bag with the true objects on a topic."""

import json
import sys

import numpy as np
from offline.bags.bag_files import PERIOD, START, damage, image, text, write
from offline.bags.detection_messages import array
from onnx_models import white_square, write_fcos
import pytest

METADATA = {'labels': '["cube", "ball", "cone"]', 'box_unit': 'pixel'}
CELLS = [(2, 3), (5, 6), (9, 1), (12, 14)]


@pytest.fixture
def model(tmp_path):
    return write_fcos(tmp_path / 'squares.onnx', metadata=METADATA)


def rows(class_name='0', topic='/truth', cells=CELLS):
    """Return images of white squares and their true boxes; the first image has no truth."""
    yield '/image', START - PERIOD, image(white_square(128, 7, 7), START - PERIOD)
    for number, (column, row) in enumerate(cells):
        stamp = START + number * PERIOD
        x, y = 8 * column + 3, 8 * row + 3
        yield '/image', stamp, image(white_square(128, column, row), stamp)
        yield topic, stamp + 5, array(stamp, (class_name, 1.0, (x, y, x + 2, y + 2)))


@pytest.mark.parametrize('class_name', ['0', 'cube'])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_images_with_true_objects_of_their_stamp_are_judged(
        fcos, tmp_path, model, class_name, storage):
    bag = write(tmp_path / 'bag', rows(class_name), storage)
    result = fcos('eval', bag, '--model', model, '--json', '--out', tmp_path / 'out')
    assert result.code == 0, result.err
    figures = json.loads(result.out)
    assert (figures['images'], figures['ap'], figures['recall']) == (4, 1, 1)
    assert figures['by_class'] == {'cube': 1}


def test_a_wrong_truth_lowers_the_figures_and_shows_pictures(fcos, tmp_path, model):
    bag = write(tmp_path / 'bag', rows('ball'))
    out = tmp_path / 'out'
    figures = json.loads(fcos('eval', bag, '--model', model, '--json', '--out', out).out)
    assert figures['recall'] == 0
    assert (out / 'report.html').read_text(encoding='utf-8').count('<image ') == 4
    few = json.loads(fcos('eval', bag, '--model', model, '--json', '--images', '2').out)
    assert few['images'] == 2


def test_a_topic_is_chosen_if_there_are_several(fcos, tmp_path, model):
    bag = write(tmp_path / 'bag', [*rows(), *list(rows('ball', '/other'))[2::2]])
    result = fcos('eval', bag, '--model', model)
    assert result.code == 2
    assert 'choose: --truth TOPIC; there are: /truth, /other' in result.err
    assert json.loads(fcos(
        'eval', bag, '--model', model, '--truth', '/truth', '--json').out)['ap'] == 1


def test_a_damaged_image_fails_and_is_no_empty_one(fcos, tmp_path, model):
    broken = list(rows())
    broken[3] = ('/image', broken[3][1], image(
        white_square(128, *CELLS[1]), START + PERIOD, data=np.zeros(100, np.uint8)))
    bag = write(tmp_path / 'bag', broken)
    result = fcos('eval', bag, '--model', model, '--json')
    figures = json.loads(result.out)
    assert result.code == 1
    assert (figures['images'], figures['recall']) == (3, 1)
    assert [one['image'] for one in figures['failed']] == ['/image:2']


@pytest.mark.parametrize(('messages', 'arguments', 'reason'), [
    ([('/chat', START, text('hello'))], [], 'has 0 topics with true objects'),
    (list(rows())[::2], [], 'has no image with the stamp of a label'),
    ([('/image', START, image(white_square(128, 1, 1), START)), ('/truth', START, array(START))],
     [], 'has no objects on /truth'),
    (list(rows('car')), [], 'has the classes car, which the model does not have'),
    (list(rows()), ['--image-topic', '/front'], 'has no images on /front'),
    (list(rows()), ['--truth', '/image'], 'named /image'),
])
def test_a_bag_that_cannot_be_judged_is_refused(
        fcos, tmp_path, model, messages, arguments, reason):
    bag = write(tmp_path / 'bag', messages)
    result = fcos('eval', bag, '--model', model, *arguments)
    assert (result.code, result.out) == (2, '')
    assert reason in result.err


def test_labels_without_an_image_are_reported(fcos, tmp_path, model):
    bag = write(tmp_path / 'bag', list(rows())[:-2] + list(rows())[-1:])
    result = fcos('eval', bag, '--model', model, '--json')
    assert json.loads(result.out)['images'] == 3
    assert '1 of 4 labels have no image of their stamp' in result.err


def test_topics_are_for_bags_only(fcos, model):
    assert '--truth and --image-topic are for bags' in fcos(
        'eval', 'scenes', '--model', model, '--truth', '/truth').err


def test_a_bag_that_is_cut_off_is_judged_as_far_as_it_goes(fcos, tmp_path, model):
    bag = write(tmp_path / 'bag', rows())
    file, = bag.glob('*.mcap')
    file.write_bytes(file.read_bytes()[:-3000])
    damage(file, file.stat().st_size - 64)
    result = fcos('eval', bag, '--model', model, '--json')
    assert result.code in (0, 1), result.err
    assert json.loads(result.out)['images'] >= 1
    assert str(bag) in result.err


def test_a_missing_library_is_named_with_its_command(fcos, tmp_path, model, monkeypatch):
    from fcos_ros.offline.bags import library
    bag = write(tmp_path / 'bag', rows())
    library.rosbags.cache_clear()
    monkeypatch.setitem(sys.modules, 'rosbags', None)
    result = fcos('eval', bag, '--model', model)
    library.rosbags.cache_clear()
    assert result.code == 2
    assert 'run: python3 -m pip install rosbags mcap' in result.err
