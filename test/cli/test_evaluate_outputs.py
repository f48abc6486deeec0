# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos eval` writes reports and thresholds, compares runs, and ends in order when it cannot."""

import json
import os
import resource
import signal
import subprocess
import sys

import cv2
import numpy as np
from onnx_models import white_square, write_fcos
import pytest
from report.web_page import WebPage

from fcos_ros.offline.plan import DetectionPlan

METADATA = {'labels': '["cube", "ball", "cone"]', 'box_unit': 'pixel'}
CELLS = [(2, 3), (5, 6), (9, 1), (12, 14)]
"""Column and row of the white square in each image; the network's box is 2 pixels wide."""


@pytest.fixture
def model(tmp_path):
    return write_fcos(tmp_path / 'squares.onnx', metadata=METADATA)


@pytest.fixture
def data(tmp_path):
    """Write a COCO dataset of white squares; in the last image, nothing is labelled."""
    folder = tmp_path / 'data'
    folder.mkdir()
    images, annotations = [], []
    for number, (column, row) in enumerate(CELLS):
        cv2.imwrite(str(folder / f'{number}.png'), white_square(128, column, row))
        images.append({'id': number, 'file_name': f'{number}.png', 'width': 128, 'height': 128})
        annotations.append({'id': number, 'image_id': number, 'category_id': 1,
                            'bbox': [8 * column + 3, 8 * row + 3, 2, 2]})
    (folder / 'labels.json').write_text(json.dumps({
        'images': images, 'annotations': annotations[:-1],
        'categories': [{'id': 1, 'name': 'cube'}]}))
    return folder


def test_a_report_holds_figures_charts_and_the_worst_pictures(fcos, tmp_path, model, data):
    out = tmp_path / 'new' / 'out'
    result = fcos('eval', data, '--model', model, '--out', out)
    assert result.code == 0, result.err
    assert result.err.splitlines()[-1] == f'written: {out / "report.html"}'
    assert sorted(path.name for path in out.iterdir()) == [
        'confusion.svg', 'figures.json', 'precision_recall.svg', 'report.html']
    page = WebPage((out / 'report.html').read_text(encoding='utf-8'))
    page.require_self_contained()
    assert len(page.pictures()) == 1  # one image has an error
    assert '3.png: 0 missed, 1 wrong' in page.text
    figures = json.loads((out / 'figures.json').read_text())
    assert figures['precision'] == 0.75
    assert figures['recall'] == 1
    assert figures['confusion']['counts'] == [[3, 0], [1, 0]]
    assert figures['classes']['cube']['small'] == figures['ap']


def test_both_judges_print_the_same_figures(fcos, model, data):
    labels = json.loads((data / 'labels.json').read_text())
    del labels['annotations'][0]  # a wrong detection comes first
    (data / 'labels.json').write_text(json.dumps(labels))
    figures = [json.loads(fcos('eval', data, '--model', model, '--json', '--judge', judge).out)
               for judge in ('fcos_ros', 'faster-coco-eval')]
    judges = [own.pop('judge') for own in figures]
    assert judges[0] != judges[1]
    assert 0 < figures[0]['ap'] < 1
    assert figures[0]['by_class'] == pytest.approx(figures[1]['by_class'])
    assert [own['ap75'] for own in figures] == pytest.approx([figures[0]['ap75']] * 2)


def test_a_failed_picture_is_listed_and_never_counted_as_empty(fcos, model, data, monkeypatch):
    from fcos_ros.backends import InferenceError
    from fcos_ros.runtime.detector import Detector
    detect = Detector.detect

    def fail_at_the_second(self, frame, criteria=None):
        if np.argmax(frame.bgr()[..., 0].max(axis=0)) // 8 == CELLS[1][0]:
            raise InferenceError('out of memory')
        return detect(self, frame, criteria)
    monkeypatch.setattr(Detector, 'detect', fail_at_the_second)
    result = fcos('eval', data, '--model', model, '--json')
    figures = json.loads(result.out)
    assert result.code == 1
    assert figures['failed'] == [{'image': '1.png', 'reason': 'out of memory'}]
    assert (figures['images'], figures['recall']) == (3, 1)
    text = fcos('eval', data, '--model', model).out
    assert '1 images failed and are in none of the figures' in text


def test_advised_thresholds_are_parameters_of_the_node(fcos, tmp_path, model, data):
    file = tmp_path / 'thresholds.yaml'
    result = fcos('eval', data, '--model', model, '--advise-thresholds', file)
    assert result.code == 0, result.err
    settings = DetectionPlan.read(str(file), {'model': str(model)}).settings_of('')
    entry, = settings.class_thresholds
    name, _, threshold = entry.partition(': ')
    assert name == 'cube'
    again = json.loads(fcos('eval', data, '--model', model, '--params', file, '--json').out)
    advice = again['advised']['cube']
    assert float(threshold) == advice['threshold']
    assert (again['precision'], again['recall']) == (advice['precision'], advice['recall'])


def test_a_precision_that_no_threshold_reaches_is_a_bad_answer(fcos, tmp_path, model, data):
    # All squares have the same score, so one wrong of four stays.
    file = tmp_path / 'thresholds.yaml'
    result = fcos('eval', data, '--model', model, '--advise-thresholds', file,
                  '--precision', '0.9')
    assert result.code == 1
    assert 'none reaches it' in result.out
    assert 'cube: no threshold' in file.read_text()
    reached = fcos('eval', data, '--model', model, '--advise-thresholds', file,
                   '--precision', '0.7')
    assert reached.code == 0


def test_two_settings_are_compared_picture_by_picture(fcos, tmp_path, model, data):
    first, second = tmp_path / 'all.yaml', tmp_path / 'right.yaml'
    first.write_text('/**: {ros__parameters: {score_threshold: 0.3}}')
    second.write_text("/**: {ros__parameters: {include_zones: ['0.5 0, 1 0, 1 1, 0.5 1']}}")
    out = tmp_path / 'out'
    arguments = ['eval', data, '--model', model, '--compare', first, second]
    result = fcos(*arguments, '--json', '--out', out)
    assert result.code == 0, result.err
    figures = json.loads(result.out)
    assert [run['name'] for run in figures['runs']] == ['all.yaml', 'right.yaml']
    assert [change['image'] for change in figures['changes']] == ['0.png', '1.png']
    assert [change['lost'] for change in figures['changes']] == [1, 1]
    assert (figures['worse_images'], figures['better_images']) == (2, 0)
    page = WebPage((out / 'report.html').read_text(encoding='utf-8'))
    page.require_self_contained()
    assert len(page.pictures()) == 4  # two images, both runs
    assert 'right.yaml has more errors than all.yaml in 2, fewer in 0' in fcos(*arguments).out


def test_two_models_and_two_backends_are_compared(fcos, tmp_path, model, data):
    shifted = {**METADATA, 'labels': '["ball", "cube", "cone"]'}
    other = write_fcos(tmp_path / 'other.onnx', metadata=shifted)
    figures = json.loads(fcos('eval', data, '--compare', model, other, '--json').out)
    # The other model names the squares balls, which are not labelled.
    assert [run['recall'] for run in figures['runs']] == [1, 0]
    same = json.loads(fcos(
        'eval', data, '--model', model, '--compare', 'onnx', 'onnx', '--json').out)
    assert same['changes'] == []
    assert 'libdnn' in fcos('eval', data, '--model', model, '--compare', 'onnx', 'libdnn').err


def test_objects_that_the_settings_exclude_are_not_missed(fcos, tmp_path, model, data):
    params = tmp_path / 'right.yaml'
    params.write_text("/**: {ros__parameters: {include_zones: ['0.5 0, 1 0, 1 1, 0.5 1']}}")
    figures = json.loads(fcos(
        'eval', data, '--model', model, '--params', params, '--json').out)
    assert (figures['recall'], figures['precision']) == (1, 0.5)


@pytest.mark.parametrize(('arguments', 'message'), [
    (['missing', '--model', '{model}'], 'missing does not exist'),
    (['{empty}', '--model', '{model}'], 'is no dataset of a known form'),
    (['{data}', '--model', '{other}'], 'output'),
    (['{data}', '--model', 'missing.onnx'], 'was not found'),
    (['{data}', '--params', 'missing.yaml'], "params_file is 'missing.yaml'"),
    (['{data}', '--model', '{model}', '--out', '/proc/out'], 'cannot be written to'),
    (['{data}', '--model', '{model}', '--advise-thresholds', '/proc/x.yaml'],
     'cannot be written to'),
    (['{data}', '--precision', '0.9'], 'give both'),
    (['{data}', '--precision', '90'], 'accepted: above 0, up to 1'),
])
def test_a_run_that_cannot_begin_ends_with_the_reason(
        fcos, tmp_path, model, data, arguments, message):
    (tmp_path / 'empty').mkdir()
    other = tmp_path / 'no_fcos.onnx'
    write_no_fcos(other)
    places = {'model': model, 'data': data, 'empty': tmp_path / 'empty', 'other': other}
    result = fcos('eval', *(argument.format_map(places) for argument in arguments))
    assert (result.code, result.out) == (2, '')
    assert message in result.err


def write_no_fcos(path):
    """Write a network that passes its input on."""
    from onnx import TensorProto, helper, save
    shape = [1, 3, 64, 64]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in 'xy']
    graph = helper.make_graph([helper.make_node('Identity', ['x'], ['y'])], 'identity',
                              ends[:1], ends[1:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8),
         str(path))


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path, model, data):
    out = tmp_path / 'out'

    def allow_small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    ended = subprocess.run(
        [sys.executable, '-m', 'fcos_ros.cli', 'eval', data, '--model', model, '--out', out],
        capture_output=True, text=True, preexec_fn=allow_small_files,
        env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'})
    assert ended.returncode == 2
    assert 'cannot be written: File too large' in ended.stderr
    assert 'Traceback' not in ended.stderr
    assert not [path.name for path in out.iterdir() if path.stat().st_size > 4096
                or path.name.startswith('.')]
    assert not (out / 'report.html').exists()


def test_an_interrupt_leaves_the_figures_of_a_part(fcos, model, data, monkeypatch):
    from fcos_ros.offline.runner import OfflineDetector
    run = OfflineDetector.run

    def interrupted(self, frames, statistics=None):
        for number, result in enumerate(run(self, frames, statistics)):
            if number == 2:
                raise KeyboardInterrupt
            yield result
    monkeypatch.setattr(OfflineDetector, 'run', interrupted)
    result = fcos('eval', data, '--model', model, '--json')
    figures = json.loads(result.out)
    assert (result.code, figures['complete'], figures['images']) == (130, False, 2)
    assert 'Interrupted: these figures are of a part' in fcos('eval', data, '--model', model).out


def test_the_worst_pictures_can_be_left_out(fcos, tmp_path, model, data):
    out = tmp_path / 'out'
    assert fcos('eval', data, '--model', model, '--out', out, '--pictures', '0').code == 0
    assert not WebPage((out / 'report.html').read_text(encoding='utf-8')).pictures()
