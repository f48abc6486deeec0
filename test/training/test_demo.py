# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo network: its scenes as a dataset, and its training as one case of all."""

import json

import numpy as np
import pytest

from fcos_ros.demo.scenes import CLASS_NAMES, render
from fcos_ros.evaluation.datasets import check, errors, open_dataset, split
from training import demo
from training.scenes import FIRST_TRAIN_SEED, FIRST_VAL_SEED, main, render_dataset


@pytest.fixture(name='scenes', scope='module')
def render_scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('scenes') / 'scenes'
    render_dataset(folder, train=3, val=2, processes=2)
    return folder


def test_the_dataset_has_the_scenes_and_their_labels(scenes):
    dataset = open_dataset(scenes)
    assert dataset.class_names == tuple(CLASS_NAMES)
    assert errors(check(dataset)) == []
    train, val = split(dataset)
    seeds = {FIRST_TRAIN_SEED: train, FIRST_VAL_SEED: val}
    assert (len(train), len(val)) == (3, 2)
    for first, part in seeds.items():
        for number, image in enumerate(part.images):
            scene = render(first + number)
            np.testing.assert_allclose(image.boxes, scene.boxes, atol=0.01)
            assert image.class_ids.tolist() == scene.class_ids.tolist()
            difference = np.abs(image.read().astype(int) - scene.image)
            assert difference.mean() < 3, 'only the compression differs'


def test_scenes_that_exist_are_not_rendered_again(scenes):
    image = scenes / 'images' / f'{FIRST_TRAIN_SEED}.jpg'
    before = image.stat().st_mtime_ns
    assert main([str(scenes), '--count=4', '--val=2', '--processes=1']) == 0
    assert image.stat().st_mtime_ns == before
    assert len(split(open_dataset(scenes))[0]) == 4


@pytest.fixture(name='train_demo')
def make_train_demo(tmp_path, monkeypatch, scenes):
    """Return a function that runs the command, with few scenes."""
    monkeypatch.setattr(demo, 'VAL_SCENES', 2)
    monkeypatch.setattr(demo, 'HELD_OUT_SEEDS', range(2))
    (tmp_path / 'cache').mkdir()
    (tmp_path / 'cache' / 'scenes').symlink_to(scenes)

    def train(*options):
        return demo.main(['--cache', str(tmp_path / 'cache'), '--output',
                          str(tmp_path / 'demo.onnx'), '--steps=1', '--scenes=3', '--workers=0',
                          '--device=cpu', *options])
    return train


def test_the_network_its_log_and_its_evaluation_are_written(train_demo, tmp_path, capsys):
    assert train_demo() == 0
    report = json.loads((tmp_path / 'demo.json').read_text())
    assert report['images'] == 2
    assert report['score_threshold'] == demo.SCORE_THRESHOLD
    assert set(report['ap_by_class']) <= set(CLASS_NAMES)
    assert report['training']['settings']['crop'] == [384, 256]
    assert report['training']['steps'] == 1
    assert (tmp_path / 'demo.csv').read_text().startswith('step,')
    before = {key: value for key, value in report.items() if key != 'milliseconds'}
    assert demo.main(['--evaluate', str(tmp_path / 'demo.onnx')]) == 0
    again = json.loads((tmp_path / 'demo.json').read_text())
    assert {key: value for key, value in again.items() if key != 'milliseconds'} == before
    assert train_demo('--resume') == 0
    capsys.readouterr()
    assert train_demo() == 2
    assert 'RESUME=1' in capsys.readouterr().err
