# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The file of a trained network, which says itself what it is: `checkpoint.pt` of the training.

It is a mapping that `torch.save` wrote. Loading it never runs code of the file. Import this module
inside functions only, as torch may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
import json
from pathlib import Path
from typing import Any

from fcos_ros.backends.errors import ModelError
from fcos_ros.core.resize import Size
from fcos_ros.deploy.network import MULTIPLE, STRIDES, Fcos, NetworkSettings, Tensor, torch

FORMAT, VERSION = 'fcos_ros checkpoint', 1

CONVENTIONS: Mapping[str, Any] = {
    'pixels': 'rgb', 'strides': list(STRIDES), 'point_offset': 0.5, 'box_unit': 'stride',
    'box_activation': 'exp'}
"""The meaning of the outputs: a distance is exp(raw box), in strides."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """
    A trained network and all that is needed to use it.

    :ivar architecture: the name of the settings, for people.
    :ivar labels: the names of the classes, in the order of the class channels.
    :ivar size: size of the canvas in pixels.
    :ivar mean: for red, green and blue, on the scale 0 to 255; likewise `std`. The network takes
        (pixel - mean) / std.
    :ivar score_threshold: minimum score that suits the network; likewise `nms_threshold`.
    :ivar weights: the state of an `Fcos`.
    :ivar training: how it was trained, as plain values.
    """

    architecture: str
    settings: NetworkSettings
    labels: tuple[str, ...]
    size: Size
    mean: tuple[float, ...]
    std: tuple[float, ...]
    score_threshold: float
    nms_threshold: float
    weights: Mapping[str, Tensor]
    training: Mapping[str, Any] = field(default_factory=dict)

    def network(self) -> Fcos:
        """Return the network with its weights, in evaluation mode."""
        network = Fcos(self.settings, len(self.labels))
        network.load_state_dict(dict(self.weights))
        return network.eval()

    def save(self, path: Path) -> None:
        """Write the file; an interruption leaves an earlier one intact."""
        save(path, {
            'format': FORMAT, 'version': VERSION, 'architecture': self.architecture,
            'settings': {**asdict(self.settings), 'widths': list(self.settings.widths)},
            'labels': list(self.labels), 'size': list(self.size), 'mean': list(self.mean),
            'std': list(self.std), 'score_threshold': self.score_threshold,
            'nms_threshold': self.nms_threshold, **CONVENTIONS,
            'weights': dict(self.weights),
            # Subclasses, such as the type of torch.__version__, could not be loaded again.
            'training': json.loads(json.dumps(dict(self.training)))})

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """
        Read a file.

        :raises ModelError: it is not a checkpoint, or of another version.
        """
        saved = load(path)
        if not isinstance(saved, dict) or saved.get('format') != FORMAT:
            raise ModelError(f'{path} is not a checkpoint of this package; accepted: the '
                             'checkpoint.pt that the training writes')
        if saved.get('version') != VERSION:
            raise ModelError(f'{path} is a checkpoint of version {saved.get("version")!r:.20}; '
                             f'accepted: {VERSION}')
        try:
            checkpoint = cls._of(saved)
            checkpoint.network()
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f'{path} is a damaged checkpoint: {error}') from error
        return checkpoint

    @classmethod
    def _of(cls, saved: Mapping[str, Any]) -> Checkpoint:
        for key, value in CONVENTIONS.items():
            if saved[key] != value:
                raise ValueError(f'{key} is {saved[key]!r}; accepted: {value!r}')
        settings = {**saved['settings'], 'widths': tuple(map(int, saved['settings']['widths']))}
        size = Size(*map(int, saved['size']))
        if min(size) < MULTIPLE or any(side % MULTIPLE for side in size):
            raise ValueError(f'size is {size}; accepted: multiples of {MULTIPLE}')
        for key in ('mean', 'std'):
            if len(saved[key]) != 3:
                raise ValueError(f'{key} has {len(saved[key])} numbers; accepted: 3')
        return cls(
            str(saved['architecture']), NetworkSettings(**settings),
            tuple(map(str, saved['labels'])), size, tuple(map(float, saved['mean'])),
            tuple(map(float, saved['std'])), float(saved['score_threshold']),
            float(saved['nms_threshold']), dict(saved['weights']), dict(saved['training']))


def save(path: Path, content: Mapping[str, Any]) -> None:
    """
    Write a mapping of tensors and plain values; an interruption leaves an earlier file intact.

    :raises OSError: it cannot be written; no incomplete file remains.
    """
    part = path.with_name(f'{path.name}.part')
    try:
        torch.save(dict(content), part)
        part.replace(path)
    except RuntimeError as error:  # of torch: the folder is missing, the disk is full
        raise OSError(f'{path} cannot be written: {str(error).splitlines()[0]}') from error
    finally:
        part.unlink(missing_ok=True)


def load(path: Path) -> Any:
    """
    Read a file of tensors and plain values, on the CPU.

    :raises ModelError: it does not exist, is damaged, or holds anything else, such as code.
    """
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except OSError as error:
        raise ModelError(f'{path} cannot be read: {error.strerror}') from error
    except Exception as error:  # torch raises any type, with advice that is unsafe
        raise ModelError(f'{path} is damaged, or holds more than weights and plain values '
                         f'({type(error).__name__})') from error
