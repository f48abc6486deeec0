# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The state of a training, which `state.pt` holds.

No random numbers are drawn after the first weights: batches depend on the number of their step.
So weights, averages, optimiser and steps are the whole state, and a training that continues from
it has the same result as one that was not interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from fcos_ros.backends.errors import ModelError
from fcos_ros.deploy.checkpoint import load, save
from fcos_ros.deploy.network import Fcos
from training.loss import Losses

WEIGHT_DECAY = 0.05

MAX_DECAY = 0.998
"""The running average forgets a step after about 1 / (1 - MAX_DECAY) others."""


@dataclass
class State:
    """
    All that changes in a training.

    :ivar average: the network with running averages of the weights, which is the result.
    :ivar scaler: of the gradients, in mixed precision.
    :ivar log: a row for each evaluation.
    :ivar losses: sums of the losses since the last row.
    """

    network: Fcos
    average: Fcos
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0
    seconds: float = 0.0
    log: list[dict[str, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=lambda: [0.0] * len(Losses._fields))

    @classmethod
    def of(cls, network: Fcos, device: str) -> State:
        """Begin with a network."""
        # Convolutions of the CPU are faster with this order of the weights.
        network = network.to(device).train()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        weights = [value for value in network.parameters() if value.ndim > 1]
        others = [value for value in network.parameters() if value.ndim <= 1]
        optimizer = torch.optim.AdamW([{'params': weights, 'weight_decay': WEIGHT_DECAY},
                                       {'params': others, 'weight_decay': 0.0}])
        return cls(network, copy.deepcopy(network).eval(), optimizer,
                   torch.amp.GradScaler('cuda', enabled=is_mixed(device)))

    @property
    def best(self) -> float:
        """The best AP of all evaluations; below 0 before the first."""
        return max((row['ap'] for row in self.log), default=-1.0)

    def add_losses(self, losses: Sequence[float]) -> None:
        """Count the losses of a step."""
        self.losses = [total + loss for total, loss in zip(self.losses, losses)]

    def add_row(self, figures: Mapping[str, float]) -> None:
        """Add a row to the log: the figures of an evaluation, and the mean losses before it."""
        steps = self.step - (self.log[-1]['step'] if self.log else 0)
        means = {name: total / steps for name, total in zip(Losses._fields, self.losses)}
        self.log.append({'step': self.step, 'seconds': round(self.seconds, 1), **figures, **means})
        self.losses = [0.0] * len(means)

    def update_average(self) -> None:
        """Include the weights of the network in the running averages."""
        decay = min(MAX_DECAY, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for slow, fast in zip(self.average.state_dict().values(),
                                  self.network.state_dict().values()):
                if slow.dtype.is_floating_point:
                    slow.lerp_(fast, 1 - decay)
                else:
                    slow.copy_(fast)

    def save(self, path: Path, facts: Mapping[str, Any]) -> None:
        """
        Write the state.

        :param facts: what must be the same when the training goes on, as plain values.
        :raises OSError: the file cannot be written; an earlier one is intact.
        """
        save(path, {**{name: getattr(self, name).state_dict() for name in _PARTS},
                    **{name: getattr(self, name) for name in _VALUES},
                    'facts': dict(facts)})

    def restore(self, path: Path, facts: Mapping[str, Any]) -> None:
        """
        Read the state.

        :raises ModelError: the file is no state, or of a training with other facts.
        """
        saved = load(path)
        try:
            _require_same(path, saved['facts'], facts)
            for name in _PARTS:
                if saved[name]:  # the scaler has no state where it is not used
                    getattr(self, name).load_state_dict(saved[name])
            for name in _VALUES:
                setattr(self, name, saved[name])
        except (KeyError, TypeError, RuntimeError) as error:
            raise ModelError(f'{path} is not the state of a training: {error}') from error


_PARTS = ('network', 'average', 'optimizer', 'scaler')
_VALUES = ('step', 'seconds', 'log', 'losses')


def is_mixed(device: str) -> bool:
    """Return whether a training on this device calculates in mixed precision."""
    return device.startswith('cuda')


def _require_same(path: Path, saved: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    for key, value in facts.items():
        if saved.get(key) != value:
            raise ModelError(f'{path} is of a training whose {key} is {saved.get(key)!r}, not '
                             f'{value!r}; accepted: the same command as before, or another OUTPUT')
