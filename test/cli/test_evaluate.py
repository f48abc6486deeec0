# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos eval` judges models by labelled images, and names what is wrong with a dataset."""

import json
import sys

import cv2
from deploy.bin_writer import Output, bin_content
from evaluation.vendor_runtime import install, write_network
import numpy as np
from onnx_models import white_square, write_fcos
import pytest

from fcos_ros.backends import InferenceError
from fcos_ros.evaluation.datasets import open_dataset, split
from fcos_ros.runtime.detector import Detector

METADATA = {'labels': '["cube", "ball", "cone"]', 'box_unit': 'pixel'}
CELLS = [(2, 3), (5, 6), (9, 1), (12, 14)]
"""Column and row of the white square in each image; the network's box is 2 pixels wide."""


@pytest.fixture
def model(tmp_path):
    return write_fcos(tmp_path / 'squares.onnx', metadata=METADATA)


def write_dataset(folder, names=('ball', 'cube'), cells=CELLS):
    """Write a YOLO dataset of white squares, labelled as the network finds them."""
    for part in ('images', 'labels'):
        (folder / part).mkdir(parents=True)
    (folder / 'classes.txt').write_text('\n'.join(names))
    for number, (column, row) in enumerate(cells):
        cv2.imwrite(str(folder / 'images' / f'{number}.png'), white_square(128, column, row))
        x, y = ((8 * cell + 4) / 128 for cell in (column, row))
        (folder / 'labels' / f'{number}.txt').write_text(f'1 {x} {y} {2 / 128} {2 / 128}\n')
    return folder


def test_a_model_that_finds_all_objects_has_an_ap_of_1(fcos, tmp_path, model):
    data = write_dataset(tmp_path / 'data')
    result = fcos('eval', data, '--model', model)
    assert result.code == 0, result.err
    rows = [line.split() for line in result.out.splitlines()]
    assert ['all', 'classes', '1.000', '1.000', '1.000', '1.000', '-', '-', '4'] in rows
    assert ['cube', '1.000', '1.000', '1.000', '1.000', '-', '-', '4'] in rows
    assert '4 images; at score 0.5: precision 1.000, recall 1.000' in result.out


def test_missed_and_wrong_objects_lower_the_figures(fcos, tmp_path, model):
    data = write_dataset(tmp_path / 'data')
    blank = np.zeros((128, 128, 3), np.uint8)
    cv2.imwrite(str(data / 'images' / '0.png'), blank)
    figures = json.loads(fcos('eval', data, '--model', model, '--json').out)
    assert figures['images'] == 4
    assert (figures['precision'], figures['recall']) == (1, 0.75)
    assert figures['by_class'] == {'cube': pytest.approx(0.75, abs=0.02)}
    few = json.loads(fcos('eval', data, '--model', model, '--json', '--images', '1').out)
    assert (few['images'], few['recall']) == (1, 0)


@pytest.fixture
def divided(tmp_path):
    """Write a dataset of which the first image is for training, and the others for validation."""
    data = write_dataset(tmp_path / 'data')
    (data / 'train.txt').write_text('images/0.png\n')
    (data / 'val.txt').write_text(''.join(f'images/{number}.png\n' for number in (1, 2, 3)))
    (data / 'data.yaml').write_text(
        'train: train.txt\nval: val.txt\nnames: {0: ball, 1: cube}\n')
    return data


@pytest.mark.parametrize(('options', 'images'), [
    ((), 3), (('--part', 'val'), 3), (('--part', 'train'), 1), (('--part', 'all'), 4),
    (('--images', '2'), 2)])
def test_images_of_the_training_are_not_judged_unless_they_are_asked_for(
        fcos, model, divided, options, images):
    result = fcos('eval', divided, '--model', model, '--json', *options)
    assert json.loads(result.out)['images'] == images
    part = 'train' if 'train' in options else 'val'
    said = f'of 4 images, those of the part {part}; --part all takes all'
    assert (said in result.err) == ('all' not in options)


def test_an_undivided_dataset_has_the_parts_of_the_training(fcos, tmp_path, model):
    data = write_dataset(tmp_path / 'data', cells=CELLS * 3)
    expected = [len(part) for part in split(open_dataset(data))]
    for part, count in zip(('train', 'val'), expected):
        result = fcos('eval', data, '--model', model, '--json', '--part', part)
        assert json.loads(result.out)['images'] == count > 0
    assert json.loads(fcos('eval', data, '--model', model, '--json').out)['images'] == 12


@pytest.mark.parametrize(('data', 'message'), [
    ('data', 'has no part test; accepted: --part train, val or all'),
    ('scenes', '--part is for datasets, and scenes is none')])
def test_a_part_that_is_not_there_is_refused(fcos, tmp_path, model, data, message):
    data = write_dataset(tmp_path / data) if data == 'data' else data
    result = fcos('eval', data, '--model', model, '--part', 'test')
    assert result.code == 2
    assert message in result.err


@pytest.mark.parametrize(('names', 'message'), [
    (('ball', 'car'), 'has the classes car, which the model does not have; it has cube, ball'),
])
def test_classes_that_the_model_lacks_are_named(fcos, tmp_path, model, names, message):
    result = fcos('eval', write_dataset(tmp_path / 'data', names), '--model', model)
    assert (result.code, result.out) == (2, '')
    assert message in result.err


def test_a_folder_that_is_no_dataset_is_refused(fcos, tmp_path, model):
    (tmp_path / 'empty').mkdir()
    result = fcos('eval', tmp_path / 'empty', '--model', model)
    assert result.code == 2
    assert 'is no dataset of a known form' in result.err


def test_a_damaged_image_is_listed_and_left_out(fcos, tmp_path, model):
    data = write_dataset(tmp_path / 'data')
    file = data / 'images' / '1.png'
    file.write_bytes(file.read_bytes()[:60])
    result = fcos('eval', data, '--model', model, '--json')
    assert result.code == 0
    assert '1.png' in result.err
    assert json.loads(result.out)['images'] == 3


def test_an_engine_that_fails_is_said_in_one_line(fcos, tmp_path, monkeypatch, model):
    def fail(*_):
        raise InferenceError('out of memory')
    monkeypatch.setattr(Detector, 'detect', fail)
    result = fcos('eval', write_dataset(tmp_path / 'data'), '--model', model)
    assert (result.code, result.out) == (1, '')
    assert 'fcos eval: the model failed: out of memory' in result.err


SIMULATOR = '''#!{python}
"""Detect the white square in the luma, as the network does, in whole numbers."""
import json, sys
from pathlib import Path
import numpy as np
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
luma = np.fromfile(options['--input-binary'], np.uint8)[:128 * 128].reshape(128, 128)
index = 0
for part in ('class', 'box', 'centerness'):
    for stride in (8, 16, 32, 64, 128):
        cells = luma.reshape(128 // stride, stride, -1, stride).mean((1, 3))
        values = dict(class_=np.stack([cells * 0.1 - 20, cells * 0 - 10, cells * 0 - 10], -1),
                      box=np.ones((*cells.shape, 4)), centerness=cells[..., None] * 0.1 - 20)
        whole = np.rint(values['class_' if part == 'class' else part] * 1000).astype(int)
        Path(options['--output'], f'hbdk_output{{index}}_x_elem_int.txt').write_text(
            ' '.join(map(str, whole.ravel())))
        index += 1
'''


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Write a compiled model, and install a stand-in for the vendor's simulator."""
    outputs = [Output(f'{part}_{stride}', (1, 128 // stride, 128 // stride, channels),
                      (0.001,) * channels)
               for part, channels in (('class', 3), ('box', 4), ('centerness', 1))
               for stride in (8, 16, 32, 64, 128)]
    path = tmp_path / 'compiled.bin'
    path.write_bytes(bin_content(outputs, (128, 128)))
    path.with_suffix('.yaml').write_text('labels: [cube, ball, cone]\nbox_unit: pixel\n')
    command = tmp_path / 'tools' / 'hbdk-sim'
    command.parent.mkdir()
    command.write_text(SIMULATOR.format(python=sys.executable))
    command.chmod(0o755)
    monkeypatch.setenv('FCOS_BPU_TOOLS', str(command.parent))
    return path


def test_a_compiled_model_is_compared_with_the_float_one(fcos, tmp_path, model, compiled):
    data = write_dataset(tmp_path / 'data')
    result = fcos('eval', data, '--compare', model, compiled)
    assert result.code == 0, result.err
    rows = [line.split() for line in result.out.splitlines()]
    for name in (['float,', 'RGB'], ['float,', 'NV12'], ['compiled']):
        assert ['1.000', '1.000', '1.000', *name] in rows
    assert ['class_8', '1.0000'] in [row[:2] for row in rows]
    assert 'NV12 costs 0.0 AP, quantisation 0.0 AP' in result.out
    facts = json.loads(fcos('eval', data, '--compare', model, compiled, '--json').out)
    assert facts['causes'] == []
    assert len(facts['outputs']) == 15


def test_the_least_similar_layers_are_listed(fcos, tmp_path, monkeypatch, model, compiled):
    for name, value in install(tmp_path / 'tools', sys.executable).items():
        monkeypatch.setenv(name, value)
    write_network(compiled.with_suffix('.calibrated.onnx'), (9.0, 7.0), width=128, height=128)
    data = write_dataset(tmp_path / 'data')
    result = fcos('eval', data, '--compare', model, compiled)
    assert result.code == 0, result.err
    rows = [line.split() for line in result.out.splitlines()]
    header = next(index for index, row in enumerate(rows) if row[:2] == ['least', 'similar'])
    assert sorted(row[0] for row in rows[header + 1:header + 3]) == ['first/Relu', 'second/Conv']
    facts = json.loads(fcos('eval', data, '--compare', model, compiled, '--json').out)
    assert [layer['threshold'] for layer in sorted(
        facts['layers'], key=lambda layer: layer['name'])] == [9.0, 7.0]
    assert facts['layers'][0]['cosine'] <= facts['layers'][1]['cosine'] <= 1


def test_without_the_compilers_network_the_layers_are_left_out(fcos, tmp_path, model, compiled):
    command = compiled.parent / 'tools' / 'hb_mapper'
    command.write_text(f'#!{sys.executable}\n')
    command.chmod(0o755)
    result = fcos('eval', write_dataset(tmp_path / 'data'), '--compare', model, compiled)
    assert result.code == 0
    assert 'least similar' not in result.out
    assert (f'layers are not compared: {compiled.with_suffix(".calibrated.onnx")} is not a file; '
            in result.err)
    assert 'fcos convert writes it beside the model' in result.err


def test_only_a_compiled_model_of_the_same_classes_is_compared(fcos, tmp_path, model, compiled):
    data = write_dataset(tmp_path / 'data')
    compiled.with_suffix('.yaml').write_text('labels: [a, b, c]\nbox_unit: pixel\n')
    assert 'have other classes' in fcos('eval', data, '--compare', model, compiled).err
