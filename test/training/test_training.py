# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A training: it learns, continues exactly, ends early, and reports what it did."""

import csv
from dataclasses import replace
import errno
import json

import cv2
import pytest
import torch

from fcos_ros.backends.errors import ModelError
from fcos_ros.core.resize import Size
from fcos_ros.deploy.checkpoint import Checkpoint
from fcos_ros.evaluation.datasets import DatasetError
from training import files
from training.run import CHECKPOINT, STATE, Training, learning_rate
from training.settings import Settings, SettingsError


def weights(training):
    """Return all tensors of the state, by their names."""
    state = training.state
    tensors = {f'{part}.{name}': value for part in ('network', 'average')
               for name, value in getattr(state, part).state_dict().items()}
    for index, values in state.optimizer.state_dict()['state'].items():
        tensors.update((f'optimizer.{index}.{name}', value) for name, value in values.items())
    return tensors


def assert_same_weights(one, other):
    tensors, others = weights(one), weights(other)
    assert tensors.keys() == others.keys()
    assert [name for name, value in tensors.items() if not torch.equal(value, others[name])] == []


def stop_after(steps):
    """Return a function that asks a training to stop after some steps."""
    counted = iter(range(1, steps + 1))
    return lambda: next(counted) == steps


def test_a_few_images_are_learnt_and_reported(trainings):
    training = trainings.begin(steps=80, batch=4, mosaic=0.25, rate=4e-3)
    assert training.train()
    facts = training.finish()
    assert facts['validation']['ap50'] > 0.9
    assert facts['validation']['recall'] > 0.8
    assert set(facts['validation']['ap_by_class']) == {'ball', 'cube'}
    output = trainings.folder / 'run'
    assert json.loads((output / 'run.json').read_text()) == facts
    checkpoint = Checkpoint.load(output / CHECKPOINT)
    assert checkpoint.labels == ('ball', 'cube')
    assert checkpoint.size == Size(64, 64)
    assert checkpoint.score_threshold == facts['validation']['score_threshold']
    assert checkpoint.training == facts
    rows = list(csv.DictReader((output / 'log.csv').open()))
    assert [int(row['step']) for row in rows] == [40, 80]
    assert float(rows[1]['classes']) < float(rows[0]['classes'])
    for name in ('curves.png', 'predictions.jpg'):
        assert cv2.imread(str(output / name)) is not None
    assert not list(output.glob('*.part*'))


def test_run_json_has_all_that_determines_the_weights(trainings):
    training = trainings.begin()
    training.train()
    facts = training.finish()
    assert facts['settings'] == trainings.run().settings.to_json()
    assert len(facts['data']['train_sha256']) == len(facts['data']['val_sha256']) == 64
    assert facts['data']['train_sha256'] != facts['data']['val_sha256']
    assert facts['versions']['torch'] == torch.__version__
    assert facts['settings']['seed'] == 1
    assert facts['data']['train_objects'] == {'ball': 8, 'cube': 8}


@pytest.mark.parametrize('steps', [1, 2, 3])
def test_an_interrupted_training_continues_bit_for_bit(trainings, steps):
    whole = trainings.begin('whole')
    assert whole.train()
    interrupted = trainings.begin('interrupted')
    assert not interrupted.train(stop_after(steps))
    assert interrupted.state.step == steps
    resumed = trainings.resume('interrupted')
    assert_same_weights(interrupted, resumed)
    assert resumed.train()
    assert_same_weights(whole, resumed)
    assert [row['ap'] for row in whole.state.log] == [row['ap'] for row in resumed.state.log]
    one, other = (Checkpoint.load(trainings.folder / name / CHECKPOINT).weights
                  for name in ('whole', 'interrupted'))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_finished_training_can_be_continued_again(trainings):
    training = trainings.begin()
    training.train()
    facts = training.finish()
    again = trainings.resume()
    assert again.train()
    assert again.finish()['validation'] == facts['validation']


def test_another_seed_has_other_weights(trainings):
    one, other = trainings.begin('one'), trainings.begin('other', seed=2)
    names = [name for name in weights(one) if name.endswith('conv.weight')]
    assert any(not torch.equal(weights(one)[name], weights(other)[name]) for name in names)


@pytest.mark.parametrize(('precisions', 'ended'), [
    ([0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.4], True),
    ([0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.6], False),
    ([0.5, 0.4, 0.4], False),
    ([], False),
])
def test_a_training_ends_when_precision_grows_no_more(trainings, monkeypatch, precisions, ended):
    training = trainings.begin(steps=10, evaluations=10, stop_after=2)
    for step, precision in enumerate(precisions, 1):
        training.state.step = step
        training.state.add_row({'ap': precision})
    monkeypatch.setattr('training.run.batches', lambda *_: iter(()))
    monkeypatch.setattr(training, '_step', None)
    assert training._has_ended() is ended


def test_a_training_does_not_end_early_if_that_is_not_wanted(trainings):
    training = trainings.begin(steps=4, evaluations=4, stop_after=0)
    assert training.train()
    assert training.state.step == 4


def test_the_best_network_is_kept(trainings, monkeypatch):
    precisions = iter([0.2, 0.5, 0.3, 0.1])
    evaluate = 'training.evaluate.Validation.average_precision'
    training = trainings.begin(evaluations=4)
    original = training._validate

    def validate(*arguments):
        validation = original(*arguments)
        score = replace(validation.average_precision(), ap=next(precisions))
        monkeypatch.setattr(evaluate, lambda self: score)
        return validation

    monkeypatch.setattr(training, '_validate', validate)
    with monkeypatch.context():
        training.train()
    assert Checkpoint.load(trainings.folder / 'run' / CHECKPOINT).training == {'best_step': 2}


def test_a_run_is_not_overwritten(trainings):
    trainings.begin().train()
    with pytest.raises(ModelError, match='holds a run; accepted: RESUME=1'):
        trainings.begin()


def test_there_must_be_a_run_to_continue(trainings):
    with pytest.raises(ModelError, match='holds no run to continue'):
        trainings.resume()


@pytest.mark.parametrize(('changes', 'message'), [
    ({'steps': 5}, 'whose steps is 4, not 5; accepted: the same command'),
    ({'rate': 1e-3}, 'whose rate is 0.002, not 0.001'),
])
def test_a_run_with_other_settings_is_not_continued(trainings, changes, message):
    trainings.begin().train()
    with pytest.raises(ModelError, match=message):
        trainings.resume(**changes)


def test_a_run_with_other_data_is_not_continued(trainings):
    trainings.begin().train()
    run = trainings.run()
    fewer = run.train.with_images(run.train.images[1:])
    with pytest.raises(ModelError, match='whose train_sha256 is'):
        Training(replace(run, train=fewer), resume=True)


def test_a_damaged_state_is_refused(trainings):
    trainings.begin().train()
    path = trainings.folder / 'run' / STATE
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match='is damaged'):
        trainings.resume()
    torch.save({'facts': {}}, path)
    with pytest.raises(ModelError, match='whose model is None'):
        trainings.resume()


@pytest.mark.parametrize('part', ['train', 'val'])
def test_data_without_objects_are_refused(trainings, part):
    run = trainings.run()
    empty = getattr(run, part).with_images(
        image.objects(image.class_ids < 0) for image in getattr(run, part).images)
    with pytest.raises(DatasetError, match='no usable object'):
        Training(replace(run, **{part: empty}))


def test_losses_that_are_no_numbers_end_the_training(trainings):
    training = trainings.begin()
    with torch.no_grad():
        training.state.network.head.classes.bias.fill_(torch.nan)
    with pytest.raises(ModelError, match='use a lower RATE'):
        training.train()


def test_a_full_disk_leaves_the_last_state(trainings, monkeypatch):
    interrupted = trainings.begin()
    interrupted.train(stop_after(1))
    resumed = trainings.resume()

    def fill(path, content):
        raise OSError(errno.ENOSPC, 'No space left on device', str(path))

    monkeypatch.setattr('training.run.write', fill)
    with pytest.raises(OSError, match='No space left'):
        resumed.train()
    monkeypatch.setattr('training.run.write', files.write)
    last = trainings.resume()
    assert last.state.step == 1
    assert last.train()


def test_large_images_are_replaced_by_smaller_copies(trainings, tmp_path):
    run = trainings.run()
    large = []
    for image in run.train.images:
        path = tmp_path / image.path.name
        cv2.imwrite(str(path), cv2.resize(image.read(), (640, 640),
                                          interpolation=cv2.INTER_NEAREST))
        large.append(replace(image, path=path, boxes=image.boxes * 10, size=None))
    training = Training(replace(run, train=run.train.with_images(large)))
    for copy, image in zip(training._images, run.train.images):
        width = copy.read().shape[1]
        assert 64 <= width < 110
        assert copy.boxes / width == pytest.approx(image.boxes / 64, abs=1e-5)
        x1, y1, x2, y2 = copy.boxes[0].round().astype(int)
        inside = copy.read()[y1 + 3:y2 - 3, x1 + 3:x2 - 3].reshape(-1, 3).mean(0)
        assert inside == pytest.approx((40, 40, 220), abs=25)


def test_the_learning_rate_rises_and_then_falls_to_one_percent():
    settings = Settings(steps=1000, rate=0.01)
    rates = [learning_rate(settings, step) for step in range(1000)]
    top = rates.index(max(rates))
    assert 100 < top < 200
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) <= 0.01
    assert rates[-1] == pytest.approx(1e-4, rel=0.01)


@pytest.mark.parametrize(('changes', 'message'), [
    ({'model': 'large'}, "model is 'large'; accepted: small, medium"),
    ({'steps': 0}, 'steps is 0; accepted: 1 or more'),
    ({'batch': 0}, 'batch is 0'),
    ({'rate': 0.0}, 'rate is 0.0; accepted: between 0 and 1'),
    ({'rate': float('nan')}, 'rate is nan'),
    ({'mosaic': 1.5}, 'mosaic is 1.5; accepted: 0 to 1'),
    ({'seed': -1}, 'seed is -1'),
    ({'size': Size(100, 64)}, 'size is 100x64; accepted: multiples of 32'),
    ({'size': Size(0, 0)}, 'size is 0x0'),
    ({'crop': Size(1024, 512)}, 'crop is 1024x512; accepted: at most 512x512'),
])
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(SettingsError, match=message):
        Settings(**changes)
