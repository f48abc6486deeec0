# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of a training, and its options on the command line."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from dataclasses import asdict, dataclass
import os
import re
from typing import Any, NamedTuple

import torch

from fcos_ros.core.resize import Size
from fcos_ros.deploy.network import MULTIPLE, NetworkSettings


class SettingsError(ValueError):
    """A training cannot have these settings. The message lists what is accepted."""


class Model(NamedTuple):
    """
    A network that can be trained.

    :ivar mean: for red, green and blue, on the scale 0 to 255; likewise `std`.
    """

    network: NetworkSettings
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


MODELS: Mapping[str, Model] = {
    # Black is 0, so that the padding of convolutions looks like the black of the letterbox.
    'small': Model(NetworkSettings('residual', (16, 24, 48, 80, 128), 48),
                   (0.0, 0.0, 0.0), (64.0, 64.0, 64.0)),
    # The mean and the deviation of ImageNet, with which public weights were trained.
    'medium': Model(NetworkSettings('lite', (32, 16, 24, 40, 80, 112, 192, 320), 80, 2),
                    (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}
"""The networks by their names on the command line."""


@dataclass(frozen=True)
class Settings:
    """
    Determine the weights, together with the data and the version of torch.

    The same settings give the same weights bit for bit, on the same CPU with the same threads.

    :ivar model: a key of `MODELS`.
    :ivar size: the canvas of the network in pixels.
    :ivar crop: the size of a training image; smaller than the canvas, it makes a step cheaper.
    :ivar batch: crops in a step.
    :ivar rate: maximum learning rate.
    :ivar mosaic: fraction of the crops that join four images; none in the last steps.
    :ivar flip: whether half of the crops are mirrored.
    :ivar stop_after: evaluations without a better AP after which the training stops; 0 for never.
    """

    model: str = 'small'
    size: Size = Size(512, 512)
    crop: Size = Size(512, 512)
    steps: int = 5000
    batch: int = 16
    rate: float = 2e-3
    seed: int = 1
    mosaic: float = 0.5
    flip: bool = True
    evaluations: int = 20
    stop_after: int = 0

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise SettingsError(f'model is {self.model!r}; accepted: {", ".join(MODELS)}')
        for name in ('steps', 'batch', 'evaluations'):
            require(name, getattr(self, name) >= 1, getattr(self, name), '1 or more')
        for name in ('seed', 'stop_after'):
            require(name, getattr(self, name) >= 0, getattr(self, name), '0 or more')
        require('rate', 0 < self.rate < 1, self.rate, 'between 0 and 1')
        require('mosaic', 0 <= self.mosaic <= 1, self.mosaic, '0 to 1')
        for name in ('size', 'crop'):
            sides = getattr(self, name)
            require(name, min(sides) >= MULTIPLE and not any(side % MULTIPLE for side in sides),
                    sides, f'multiples of {MULTIPLE}')
        require('crop', self.crop.width <= self.size.width
                and self.crop.height <= self.size.height, self.crop, f'at most {self.size}')

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), 'size': list(self.size), 'crop': list(self.crop)}

    @property
    def evaluation_steps(self) -> frozenset[int]:
        """The steps after which the network is evaluated; the last one is among them."""
        count = min(self.evaluations, self.steps)
        return frozenset(round(self.steps * (part + 1) / count) for part in range(count))


@dataclass(frozen=True)
class Machine:
    """
    How a training runs here.

    :ivar device: of torch, such as cpu or cuda.
    :ivar threads: CPU threads of a step.
    :ivar workers: processes that prepare batches; 0 prepares them in this process.
    """

    device: str = 'cpu'
    threads: int = 1
    workers: int = 1


def parse_size(text: str) -> Size:
    """Return the size that a text such as 512 or 640x384 states."""
    found = re.fullmatch(r'(\d{1,5})(?:x(\d{1,5}))?', text)
    if not found:
        raise ArgumentTypeError(f'{text!r} is no size; accepted: pixels, such as 512 or 640x384')
    return Size(int(found[1]), int(found[2] or found[1]))


def add_machine_options(parser: ArgumentParser) -> None:
    """Add the options that do not determine the weights."""
    cpus = os.cpu_count() or 1
    parser.add_argument('--device', default='auto',
                        help='of torch, such as cpu or cuda; auto uses a GPU if there is one')
    parser.add_argument('--workers', type=int, default=max(1, min(8, cpus - 1)),
                        help='processes that prepare batches')
    parser.add_argument('--threads', type=int, default=cpus, help='CPU threads of a step')
    parser.add_argument('--resume', action='store_true',
                        help='continue an interrupted run; its result is the same')


def machine_of(parsed: Namespace) -> Machine:
    """
    Return the machine that the options choose.

    :raises SettingsError: there is no such device.
    """
    require('threads', parsed.threads >= 1, parsed.threads, '1 or more')
    require('workers', parsed.workers >= 0, parsed.workers, '0 or more')
    device = parsed.device
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError) as error:
        raise SettingsError(f'device is {device!r}, which cannot be used '
                            f'({str(error).splitlines()[0]}); accepted: auto, cpu, cuda, '
                            'cuda:1 ...') from error
    return Machine(device, parsed.threads, parsed.workers)


def require(name: str, fulfilled: bool, value: object, accepted: str) -> None:
    """
    Do nothing if a condition is fulfilled.

    :raises SettingsError: it is not.
    """
    if not fulfilled:
        raise SettingsError(f'{name} is {value}; accepted: {accepted}')
