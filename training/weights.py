# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Begin with the weights of another training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fcos_ros.backends.errors import ModelError
from fcos_ros.deploy.checkpoint import load
from fcos_ros.deploy.network import Fcos

BACKBONE = 'backbone.'


def load_weights(network: Fcos, path: Path) -> int:
    """
    Copy the weights of a file whose names and shapes fit: those of the backbone, perhaps more.

    The classes of another dataset do not fit; they begin with random weights.

    :param path: a `checkpoint.pt`, or the state of a backbone such as timm's `efficientnet_lite0`.
    :returns: the number of tensors that were copied.
    :raises ModelError: the file cannot be read, or the backbone is another.
    """
    own = network.state_dict()
    fitting = {}
    for name, value in _named_weights(load(path)).items():
        for candidate in (name, BACKBONE + name):
            if candidate in own and own[candidate].shape == value.shape:
                fitting[candidate] = value
    missing = [name for name in own if name.startswith(BACKBONE) and name not in fitting
               and not name.endswith('num_batches_tracked')]
    if missing:
        raise ModelError(
            f'{path} has no fitting {missing[0]} ({len(missing)} tensors of the backbone do not '
            'fit); accepted: a checkpoint.pt of the same MODEL, or for medium the weights of '
            'efficientnet_lite0 of timm')
    network.load_state_dict({**own, **fitting})
    return len(fitting)


def _named_weights(content: Any) -> Mapping[str, Tensor]:
    """Return the tensors by name; checkpoints have them in an entry."""
    for key in ('weights', 'state_dict', 'model'):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        return {}
    return {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
