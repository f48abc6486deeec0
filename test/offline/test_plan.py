# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A plan has the model and the settings that the node has with the same parameter file."""

from __future__ import annotations

import pickle

from onnx_models import write_fcos
import pytest

from fcos_ros.backends import ModelError
from fcos_ros.offline.frames import OfflineError
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.settings.schema import Settings

FILE = """
/**:
  ros__parameters:
    model: squares.onnx
    score_threshold: 0.25
    class_thresholds: ['1: 0.75']
    track: true
    cameras: [front, rear]
    rear:
      score_threshold: 1
    use_sim_time: true
    scor_threshold: 0.3
    qos_overrides./image.subscription.depth: 3
"""


@pytest.fixture
def file(tmp_path):
    write_fcos(tmp_path / 'squares.onnx')
    path = tmp_path / 'my.yaml'
    path.write_text(FILE)
    return path


def test_the_parameters_of_a_file_are_read_as_by_the_node(file, tmp_path):
    plan = DetectionPlan.read(str(file), {})
    common = Settings(model='squares.onnx', score_threshold=0.25, class_thresholds=('1: 0.75',),
                      track=True, cameras=('front', 'rear'))
    assert plan.config.path == tmp_path / 'squares.onnx'
    assert plan.settings_of('front') == common
    assert plan.settings_of('rear').score_threshold == 1.0
    assert plan.settings_of('').score_threshold == 0.25
    assert plan.settings_of('other').score_threshold == 0.25
    assert plan.notices == (f'{file} has the unknown parameter scor_threshold, its value is '
                            'ignored; did you mean score_threshold?',)


def test_overrides_have_priority_over_the_file(file):
    plan = DetectionPlan.read(str(file), {'score_threshold': 0.5, 'classes': ('0', '2')})
    assert plan.settings_of('').score_threshold == 0.5
    assert plan.settings_of('front').classes == ('0', '2')
    assert plan.settings_of('rear').score_threshold == 1.0


def test_a_file_of_the_package_is_found_by_its_name(tmp_path):
    model = write_fcos(tmp_path / 'squares.onnx')
    plan = DetectionPlan.read('fcos', {'model': str(model)})
    assert plan.settings_of('') == Settings(model=str(model))


@pytest.mark.parametrize(('text', 'complaint'), [
    ('/other:\n  ros__parameters:\n    track: true\n', 'nothing in .* is for /fcos'),
    ('/**:\n  ros__parameters:\n    score_threshold: 2.0\n', 'line 3: score_threshold is 2.0'),
    ('/**: [', 'this is not YAML')])
def test_a_file_that_the_node_cannot_use_is_refused(tmp_path, text, complaint):
    path = tmp_path / 'bad.yaml'
    path.write_text(text)
    with pytest.raises(OfflineError, match=complaint):
        DetectionPlan.read(str(path), {})


@pytest.mark.parametrize('given', [{'fit': 'crop'}, {'track': 3}, {'input_size': 'big'}])
def test_a_value_that_is_not_accepted_is_refused(given):
    with pytest.raises(OfflineError, match='accepted'):
        DetectionPlan.of(given)


def test_a_missing_file_or_model_is_refused(tmp_path):
    with pytest.raises(OfflineError, match='which is no file'):
        DetectionPlan.read(str(tmp_path / 'none.yaml'), {})
    with pytest.raises(ModelError, match='was not found'):
        DetectionPlan.of({'model': 'none.onnx'})


def test_a_plan_can_be_sent_to_another_process(file):
    plan = DetectionPlan.read(str(file), {})
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert repr(pickle.loads(pickle.dumps(plan))) == repr(plan)
