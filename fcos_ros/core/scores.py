# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The score of a detection, made of the outputs for its class and its centerness."""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import NamedTuple

import numpy as np

from fcos_ros.core.arrays import Floats

_MARGIN = 1e-9
"""Relative margin of floors: far above all rounding errors, far below all differences that matter.
"""


class Scoring:
    """
    Compute scores, and the lowest outputs with which a score can be reached.

    :ivar uses_centerness: whether the score depends on the centerness.

    :param activation: one of `head.ACTIVATIONS`.
    :param score: one of `head.SCORES`.
    """

    def __init__(self, activation: str, score: str) -> None:
        self._activation = _ACTIVATIONS[activation]
        self._formula = _FORMULAS[score]
        self.uses_centerness = self._formula.uses_centerness

    def probabilities(self, values: Floats) -> Floats:
        """Convert outputs to probabilities; the result has the same shape."""
        return self._activation.probabilities(values)

    def scores(self, classes: Floats, centerness: Floats) -> Floats:
        """Return the scores of probabilities that broadcast; NaN if one of them is NaN."""
        return self._formula.scores(classes, centerness)

    def floor(self, threshold: float) -> float:
        """
        Return a lower bound of the outputs that can reach a score.

        No probability is above 1, so each factor of the score must reach the bound alone.
        """
        if threshold == 0:
            return -math.inf
        return self._activation.floor(self._formula.power * math.log(threshold))

    def lowest_sum(self, threshold: float) -> float:
        """
        Return a lower bound of the sum of the outputs for class and centerness.

        Of two outputs with the same sum, equal ones have the highest score: the geometric mean of
        two probabilities is not above the mean, and the logarithm of the sigmoid is concave.
        """
        if threshold == 0:
            return -math.inf
        return 2 * self._activation.floor(self._formula.power / 2 * math.log(threshold))


class _Activation(NamedTuple):
    probabilities: Callable[[Floats], Floats]
    floor: Callable[[float], float]
    """The lowest output for the logarithm of a probability."""


class _Formula(NamedTuple):
    scores: Callable[[Floats, Floats], Floats]
    power: int
    """Each factor is at least the score to this power."""
    uses_centerness: bool = True


def _sigmoid(values: Floats) -> Floats:
    sigmoid: Floats = 1 / (1 + np.exp(-values))
    return sigmoid


def _logit_floor(log_probability: float) -> float:
    probability = math.exp(log_probability)
    return log_probability - math.log1p(-probability * (1 - _MARGIN)) - _MARGIN


def _clipped(values: Floats) -> Floats:
    """Return probabilities as they are: quantised ones may be slightly outside 0 to 1."""
    return np.clip(values, 0, 1)


_ACTIVATIONS = {
    'logits': _Activation(_sigmoid, _logit_floor),
    'sigmoid': _Activation(_clipped, lambda log: math.exp(log) * (1 - _MARGIN)),
}

_FORMULAS = {
    'sqrt(cls*ctr)': _Formula(lambda classes, centerness: np.sqrt(classes * centerness), 2),
    'cls*ctr': _Formula(lambda classes, centerness: classes * centerness, 1),
    'cls': _Formula(lambda classes, centerness: classes, 1, uses_centerness=False),
}
