# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Problems of a model, and of its settings for the images that a camera sends now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import math

from fcos_ros.inspection.finding import MODEL, Finding, Severity
from fcos_ros.inspection.report_cures import LAUNCH, Context
from fcos_ros.inspection.trial import ModelFacts, TrialFacts

MIN_CONTRAST = 4.0
"""Standard deviation of samples, of 255, below which an image shows nothing but noise."""

MAX_REDUCTION = 4.0
"""Pixels of the image for one of the canvas; full HD has 3.75 on a canvas of 512."""

CELL = 8
"""Pixels of the canvas: objects below the finest stride are rarely detected."""

MAX_DISTORTION = 1.5
"""Ratio of both scales of a stretched image; 16:9 on a square has 1.8."""

GAIN = 0.2
"""Gain of the best score by exchanged colours that no chance explains."""

SCORE_TOLERANCE, BOX_TOLERANCE = 1e-3, 0.1
"""Differences of scores and of pixels between two engines that rounding explains."""

NO_ENTRIES = '"[\'\']"'
"""The value of a list that has no entries, on the command line."""

RESETS = {'min_size': '0.0'}
"""The value that switches a setting off, if it is no list."""


def model_findings(model: ModelFacts, node: str) -> Iterator[Finding]:
    """
    Yield the problems of a model.

    :param node: full name of the detector that uses it; empty for none.
    """
    if model.problem:
        yield _error(f'the model cannot be loaded: {model.problem}', f'fcos info {model.path}')
        return
    for warning in model.warnings:
        yield _warn(f'{model.path}: {warning}',
                    f'fcos info {model.path} --write-metadata KEY=VALUE')
    if not model.has_names:
        yield _warn(f'the classes of {model.path} have no names, only numbers',
                    f"fcos info {model.path} --write-metadata 'labels=[\"first\", \"second\"]'")
    if model.changed:
        yield _warn(f'{model.path} was changed after {node} had started, which still uses the '
                    'former model', '; '.join(f'ros2 lifecycle set {node} {transition}' for
                                              transition in ('deactivate', 'cleanup', 'configure',
                                                             'activate')))
    if model.is_demo:
        yield _note('the demo network runs, which knows only the objects of the demo',
                    f'{LAUNCH} model:=/path/to/model')


def trial_findings(trial: TrialFacts) -> Iterator[Finding]:
    """Yield the problems of a model with one image."""
    if trial.failure:
        yield _error(f'{_who(trial)}the model fails on an image: {trial.failure}',
                     'ros2 topic echo --once --no-arr TOPIC   # size, step and encoding')
        return
    checks: tuple[Callable[[TrialFacts], Iterator[Finding]], ...] = (
        _picture, _size, _nothing_found, _too_many, _colours, _range, _engines)
    for check in checks:
        yield from check(trial)


def _warn(text: str, cure: str) -> Finding:
    return Finding(Severity.WARNING, MODEL, text, cure)


def _error(text: str, cure: str) -> Finding:
    return Finding(Severity.ERROR, MODEL, text, cure)


def _note(text: str, cure: str) -> Finding:
    return Finding(Severity.NOTE, MODEL, text, cure)


def _who(trial: TrialFacts) -> str:
    return ''.join(f'{name}: ' for name in (trial.node, trial.camera) if name)


def _set(trial: TrialFacts, parameter: str, value: object) -> str:
    return Context(trial.node or '/fcos', trial.camera).set(parameter, value)


def _picture(trial: TrialFacts) -> Iterator[Finding]:
    if trial.contrast < MIN_CONTRAST:
        yield _warn(f'{_who(trial)}the image shows nothing: its mean is {trial.brightness:.0f} of '
                    f'255, its standard deviation {trial.contrast:.1f}',
                    'v4l2-ctl --list-ctrls   # uncover the lens, raise the exposure')


def _size(trial: TrialFacts) -> Iterator[Finding]:
    scales = [image / canvas for image, canvas in zip(trial.image, trial.canvas)]
    reduction = max(scales)
    if reduction > MAX_REDUCTION:
        yield _warn(f'{_who(trial)}the image, {trial.image}, is reduced {reduction:.1f} times to '
                    f'the input of the model, {trial.canvas}: objects below '
                    f'{reduction * CELL:.0f} pixels are not found',
                    f'{LAUNCH} params_file:=fcos_efficientnetb3.yaml   # a larger model; or lower '
                    'the resolution of the camera')
    distortion = max(scales) / min(scales)
    if trial.fit == 'stretch' and distortion > MAX_DISTORTION:
        yield _warn(f'{_who(trial)}fit is stretch, which distorts the image {distortion:.1f} '
                    'times', f'{LAUNCH} fit:=letterbox')


def _nothing_found(trial: TrialFacts) -> Iterator[Finding]:
    if trial.found:
        return
    name, score = trial.best
    removed = [setting for setting, count in trial.without.items() if count]
    if removed:
        yield from (_removed(trial, setting) for setting in removed)
    elif score >= trial.advised and score < trial.threshold < math.inf:
        yield _warn(f'{_who(trial)}nothing is detected: the best score is {score:.2f}, of {name}, '
                    f'and score_threshold is {trial.threshold:g}; the model recommends '
                    f'{trial.advised:g}', _set(trial, 'score_threshold', trial.advised))
    else:
        best = f'the best score is {score:.2f}, of {name}' if name else 'no score reaches 0.01'
        yield _note(f'{_who(trial)}nothing is detected in the newest image: {best}, and the '
                    f'threshold is {trial.threshold:g}; perhaps no known object is in view',
                    _set(trial, 'score_threshold', f'{max(score * 0.8, 0.05):.2f}'))


def _removed(trial: TrialFacts, setting: str) -> Finding:
    count = trial.without[setting]
    names = {'zones': ('include_zones', 'exclude_zones'),
             'classes': ('classes', 'exclude_classes')}.get(setting, (setting,))
    commands = ' && '.join(_set(trial, name, RESETS.get(name, NO_ENTRIES)) for name in names)
    return _warn(f'{_who(trial)}nothing is detected, and {" with ".join(names)} removes {count} '
                 'detections of the newest image', commands)


def _too_many(trial: TrialFacts) -> Iterator[Finding]:
    if trial.found >= trial.limit > 1 and trial.threshold < trial.advised:
        yield _warn(f'{_who(trial)}{trial.found} detections reach max_detections: score_threshold '
                    f'is {trial.threshold:g}, and the model recommends {trial.advised:g}',
                    _set(trial, 'score_threshold', trial.advised))


def _colours(trial: TrialFacts) -> Iterator[Finding]:
    swapped = trial.swapped
    if swapped is not None and swapped >= max(trial.best[1] + GAIN, trial.advised):
        yield _warn(f'{_who(trial)}the best score is {trial.best[1]:.2f}, and {swapped:.2f} with '
                    'red and blue exchanged: the encoding of the camera or `pixels` of the model '
                    'is wrong', 'ros2 topic echo --once --field encoding TOPIC; fcos info MODEL '
                    '--write-metadata pixels=rgb   # or bgr')


def _range(trial: TrialFacts) -> Iterator[Finding]:
    if trial.stated_range == 'limited' and trial.measured_range == 'full':
        yield _warn(f'{_who(trial)}nv12_range is limited, and the image has samples of full range',
                    _set(trial, 'nv12_range', 'auto'))


def _engines(trial: TrialFacts) -> Iterator[Finding]:
    engines = trial.engines
    if engines is None:
        return
    if engines.problem:
        yield _note(f'{_who(trial)}{engines.other} cannot be compared: {engines.problem}',
                    f'{LAUNCH} backend:={engines.other}   # shows its error')
    elif engines.score > SCORE_TOLERANCE or engines.box > BOX_TOLERANCE:
        yield _error(f'{_who(trial)}{engines.other} finds something else on the same image: '
                     f'{engines.counts[1]} detections instead of {engines.counts[0]}, scores '
                     f'differ by up to {engines.score:.3f}, boxes by {engines.box:.1f} pixels',
                     f'{LAUNCH} backend:={engines.other}   # and report which one is right')
