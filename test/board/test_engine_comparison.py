# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos doctor` compares hobot_dnn with libdnn on one image of a simulated board."""

from pathlib import Path

from board.board_environment import BoardEnvironment
import pytest
from tiny_models import SIZE, tensor, tiny

from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.inspection import trial
from fcos_ros.inspection.finding import Severity
from fcos_ros.inspection.model_checks import model_findings, trial_findings
from fcos_ros.inspection.trial import Candidate, try_model
from fcos_ros.settings.schema import Settings

FRAME = Frame.wrap(tensor(1), Size(SIZE, SIZE), 'nv12')


@pytest.fixture
def board(tmp_path, monkeypatch, library):
    made = BoardEnvironment(tmp_path, monkeypatch)
    made.use_libdnn(library)
    return made


def run(board, kind, image, backend):
    board.use_image(image)
    path = Path(board.write(tiny(kind)))
    model, trials = try_model(path, Settings(backend=backend), [Candidate('/fcos', '', FRAME)])
    assert model.problem == ''
    assert list(model_findings(model, '/fcos')) == []
    return trials[0]


@pytest.mark.parametrize(('kind', 'image'), [('x5', 'x5'), ('x3', 'x3_jammy')])
@pytest.mark.parametrize(('backend', 'other'), [('hobot_dnn', 'libdnn'), ('libdnn', 'hobot_dnn')])
def test_engines_that_agree_have_no_finding(board, kind, image, backend, other):
    facts = run(board, kind, image, backend)
    assert (facts.engines.other, facts.engines.problem) == (other, '')
    assert facts.engines.counts[0] == facts.engines.counts[1] > 0
    assert facts.best[0] == 'car'
    assert facts.swapped is None
    assert [finding for finding in trial_findings(facts)
            if finding.severity > Severity.NOTE] == []


def test_an_engine_that_finds_something_else_is_found(board, monkeypatch):
    original = trial.open_workers

    def open_with_fault(config, *arguments):
        if config.backend == 'libdnn':
            board.set_fault('nan')
        return original(config, *arguments)

    monkeypatch.setattr(trial, 'open_workers', open_with_fault)
    found = [finding for finding in trial_findings(run(board, 'x3', 'x3_jammy', 'hobot_dnn'))
             if 'libdnn finds something else' in finding.text]
    assert found[0].severity == Severity.ERROR
    assert 'backend:=libdnn' in found[0].cure


def test_an_engine_that_is_missing_is_noted(board, monkeypatch):
    board.use_libdnn(Path('/nowhere/libdnn.so'))
    finding = next(finding for finding in trial_findings(run(board, 'x5', 'x5', 'hobot_dnn'))
                   if 'cannot be compared' in finding.text)
    assert finding.severity == Severity.NOTE
    assert '/nowhere/libdnn.so' in finding.text


def test_an_engine_that_fails_is_found(board):
    board.set_fault('raise:1')
    finding, = trial_findings(run(board, 'x5', 'x5', 'libdnn'))
    assert finding.severity == Severity.ERROR
    assert 'the model fails on an image' in finding.text
