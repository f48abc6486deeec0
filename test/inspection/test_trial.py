# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model is tried on an image as its detector uses it; each problem has a command."""

from dataclasses import replace
import math

import cv2
import numpy as np
from onnx_models import white_square, write_fcos
import pytest

from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.inspection.finding import Severity
from fcos_ros.inspection.model_checks import model_findings, trial_findings
from fcos_ros.inspection.trial import (
    Candidate,
    EngineDifference,
    ModelFacts,
    TrialFacts,
    try_model,
)
from fcos_ros.settings.schema import Settings

SCENE = np.maximum(white_square(128, 5, 3), 60)
LABELS = {'labels': '["cube", "ball", "cone"]'}
NOTE, WARNING, ERROR = Severity
TRIAL = TrialFacts('/fcos', '', Size(640, 480), Size(512, 512), best=('car', 0.9), found=2)
MODEL = ModelFacts('/m.onnx', 'onnx')


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return write_fcos(tmp_path_factory.mktemp('model') / 'squares.onnx', half_box=8.0,
                      metadata=LABELS)


def run(path, frame=None, **settings):
    given = Settings(**settings)
    facts, trials = try_model(path, given, [Candidate(
        '/fcos', '', Frame.from_bgr(SCENE) if frame is None else frame, given)])
    assert facts.problem == ''
    return trials[0]


def worse(findings):
    return [finding for finding in findings if finding.severity > NOTE]


def test_the_response_is_that_of_the_detector(model):
    facts = run(model)
    assert (facts.image, facts.canvas, facts.failure) == (Size(128, 128), Size(128, 128), '')
    assert (facts.found, facts.best[0], facts.threshold) == (1, 'cube', 0.5)
    assert 0.9 < facts.best[1] < 1
    assert facts.swapped == pytest.approx(facts.best[1], abs=1e-4)
    assert (facts.without, facts.measured_range, facts.engines) == ({}, '', None)
    assert facts.brightness == pytest.approx(SCENE.mean())
    assert list(trial_findings(facts)) == []


def test_settings_that_remove_detections_are_known_each_by_itself(model):
    facts = run(model, classes=('ball',), min_size=90.0)
    assert (facts.found, facts.threshold) == (0, math.inf)
    assert facts.without == {'classes': 0, 'min_size': 0}
    assert run(model, min_size=90.0).without == {'min_size': 1}


def test_an_image_file_is_tried_as_well(model):
    data = cv2.imencode('.jpg', SCENE, [cv2.IMWRITE_JPEG_QUALITY, 100])[1]
    assert run(model, Frame.compressed(data)).found == 1
    broken = run(model, Frame.compressed(data[:-200]))
    assert broken.failure
    finding, = trial_findings(broken)
    assert (finding.severity, broken.failure in finding.text) == (ERROR, True)


def test_the_range_of_the_samples_is_measured_also_if_it_is_stated(model):
    luma = np.tile(np.arange(256, dtype=np.uint8)[:128] * 2, (128, 1))
    flat = np.concatenate([luma.ravel(), np.full(128 * 64, 128, np.uint8)])
    facts = run(model, Frame.wrap(flat, Size(128, 128), 'nv12'), nv12_range='limited')
    assert (facts.stated_range, facts.measured_range) == ('limited', 'full')
    assert any('nv12_range is limited' in finding.text and 'nv12_range auto' in finding.cure
               for finding in trial_findings(facts))


def test_a_model_that_was_replaced_is_noticed(model):
    changed = model.stat().st_mtime
    assert try_model(model, Settings(), [], changed - 1)[0].changed
    assert not try_model(model, Settings(), [], changed + 1)[0].changed


def test_a_file_that_is_no_model_has_a_problem(tmp_path):
    path = tmp_path / 'x.onnx'
    path.write_text('x')
    facts, trials = try_model(path, Settings(), [Candidate('/fcos', '', Frame.from_bgr(SCENE))])
    assert trials == []
    finding, = model_findings(facts, '/fcos')
    assert (finding.severity, finding.cure) == (ERROR, f'fcos info {path}')


@pytest.mark.parametrize(('changes', 'words', 'cure', 'severity'), [
    ({'contrast': 1.0, 'brightness': 2.0}, 'its mean is 2 of 255', 'v4l2-ctl', WARNING),
    ({'image': Size(3840, 2160)}, 'reduced 7.5 times', 'fcos_efficientnetb3.yaml', WARNING),
    ({'fit': 'stretch', 'image': Size(1280, 720), 'canvas': Size(512, 512)},
     'distorts the image 1.8 times', 'fit:=letterbox', WARNING),
    ({'found': 0, 'best': ('car', 0.6), 'threshold': 0.8}, 'the best score is 0.60, of car',
     'ros2 param set /fcos score_threshold 0.5', WARNING),
    ({'found': 0, 'best': ('car', 0.2)}, 'perhaps no known object is in view',
     'score_threshold 0.16', NOTE),
    ({'found': 0, 'best': ('', 0.0)}, 'no score reaches 0.01', 'score_threshold 0.05', NOTE),
    ({'found': 0, 'without': {'zones': 3}}, 'include_zones with exclude_zones removes 3',
     'include_zones "[\'\']" && ros2 param set /fcos exclude_zones', WARNING),
    ({'found': 100, 'threshold': 0.05}, '100 detections reach max_detections',
     'score_threshold 0.5', WARNING),
    ({'best': ('car', 0.1), 'found': 0, 'swapped': 0.9}, '0.90 with red and blue exchanged',
     'fcos info MODEL --write-metadata pixels=rgb', WARNING),
    ({'stated_range': 'limited', 'measured_range': 'full'}, 'samples of full range',
     'nv12_range auto', WARNING),
    ({'engines': EngineDifference('libdnn', counts=(2, 2), score=0.2)}, 'scores differ by up to '
     '0.200', 'backend:=libdnn', ERROR),
    ({'engines': EngineDifference('libdnn', counts=(2, 2), box=3.0)}, 'boxes by 3.0 pixels',
     'backend:=libdnn', ERROR),
    ({'failure': 'no memory'}, 'the model fails on an image: no memory', 'ros2 topic echo', ERROR),
])
def test_each_problem_with_an_image_has_its_command(changes, words, cure, severity):
    assert any(words in finding.text and cure in finding.cure and finding.severity == severity
               for finding in trial_findings(replace(TRIAL, **changes)))


@pytest.mark.parametrize('changes', [
    {}, {'image': Size(1920, 1080)}, {'swapped': 0.95}, {'measured_range': 'full'},
    {'stated_range': 'full', 'measured_range': 'limited'},
    {'engines': EngineDifference('libdnn', counts=(2, 2), score=1e-5, box=1e-3)}])
def test_usual_facts_have_no_finding(changes):
    assert list(trial_findings(replace(TRIAL, **changes))) == []


@pytest.mark.parametrize(('changes', 'words', 'cure', 'severity'), [
    ({'warnings': ('labels begin at 1',)}, 'labels begin at 1', 'fcos info /m.onnx --write-met',
     WARNING),
    ({'has_names': False}, 'have no names', 'labels=', WARNING),
    ({'changed': True}, 'was changed after /fcos had started',
     'deactivate; ros2 lifecycle set /fcos cleanup; ros2 lifecycle set /fcos configure', WARNING),
    ({'is_demo': True}, 'the demo network runs', 'model:=', NOTE)])
def test_each_problem_of_a_model_has_its_command(changes, words, cure, severity):
    finding, = model_findings(replace(MODEL, **changes), '/fcos')
    assert words in finding.text
    assert cure in finding.cure
    assert finding.severity == severity


def test_the_commands_of_a_camera_set_its_own_parameters():
    finding, = trial_findings(replace(TRIAL, camera='front', found=0, threshold=0.95))
    assert finding.cure == 'ros2 param set /fcos front.score_threshold 0.5'
    assert '/fcos: front: ' in finding.text
