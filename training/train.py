# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Train the demo network from random weights: `python -m training.train`.

A third of the scenes is rendered first, the others during the training. After an interruption, the
same command continues from the last checkpoint. The results are the network, its log and its
evaluation.
"""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Iterator
import copy
import csv
from dataclasses import dataclass, field
import math
import multiprocessing
import os
from pathlib import Path
import time

import torch
from torch import Tensor, nn
from tqdm import tqdm

from fcos_ros.demo.scenes import CLASS_NAMES
from training.data import CROP_SIZE, Crops, collate, save_scenes
from training.evaluate import SceneSet, detect_all, evaluate_file
from training.export import export
from training.loss import AnchorPoints, Losses, compute_losses
from training.network import Fcos

VALIDATION_SEEDS = range(900_000, 900_050)
"""The scenes for the curve in the log; the final evaluation uses other scenes."""

LOG_FIELDS = ('seconds', 'steps', 'scenes', 'rate', 'classes', 'boxes', 'centerness', 'ap',
              'ap50')
"""The columns of the log. The losses are means since the row before."""


@dataclass
class TrainingState:
    """
    The content of a checkpoint.

    :ivar average: the running average of the weights, which is exported.
    :ivar seconds: length of the training so far.
    :ivar steps: number of training steps so far.
    """

    network: Fcos
    average: Fcos
    optimizer: torch.optim.Optimizer
    seconds: float = 0.0
    steps: int = 0
    log: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def create(cls, seed: int) -> TrainingState:
        """Create a state with random weights."""
        torch.manual_seed(seed)
        network = Fcos(len(CLASS_NAMES)).to(memory_format=torch.channels_last).train()
        weights = [value for value in network.parameters() if value.ndim > 1]
        others = [value for value in network.parameters() if value.ndim <= 1]
        optimizer = torch.optim.AdamW([{'params': weights, 'weight_decay': 0.05},
                                       {'params': others, 'weight_decay': 0.0}])
        return cls(network, copy.deepcopy(network).eval(), optimizer)

    def save(self, path: Path) -> None:
        """Write a checkpoint; an interruption leaves the previous one intact."""
        part = path.with_suffix('.part')
        torch.save({
            'network': self.network.state_dict(), 'average': self.average.state_dict(),
            'optimizer': self.optimizer.state_dict(), 'seconds': self.seconds,
            'steps': self.steps, 'log': self.log}, part)
        part.replace(path)

    def load(self, path: Path) -> None:
        """Load a checkpoint."""
        saved = torch.load(path, weights_only=True)
        for name in ('network', 'average', 'optimizer'):
            getattr(self, name).load_state_dict(saved[name])
        self.seconds, self.steps, self.log = saved['seconds'], saved['steps'], saved['log']


def main(arguments: list[str] | None = None) -> None:
    """Render the scenes, train the network, export and evaluate it."""
    options = _parse_options(arguments)
    scenes = options.cache / 'scenes'
    scenes.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    _render(scenes, options)
    renderer = multiprocessing.Process(
        target=_render_in_background, args=(scenes, options.scenes), daemon=True)
    renderer.start()
    state = TrainingState.create(options.seed)
    checkpoint = options.cache / 'checkpoint.pt'
    if checkpoint.exists():
        state.load(checkpoint)
    _train(state, scenes, checkpoint, options)
    renderer.terminate()
    export(state.average, options.output)
    _write_log(options.output.with_suffix('.csv'), state.log)
    evaluate_file(options.output, {
        'seed': options.seed, 'hours': round(state.seconds / 3600, 2), 'steps': state.steps,
        'batch': options.batch, 'crop': str(CROP_SIZE), 'scenes': len(list(scenes.glob('*.npz'))),
        'learning_rate': options.rate, 'threads': options.threads,
        'torch': torch.__version__})


def _parse_options(arguments: list[str] | None) -> Namespace:
    parser = ArgumentParser(description=__doc__.split('\n')[1],
                            formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument('--hours', type=float, default=1.0, help='length of the training in hours')
    parser.add_argument('--seed', type=int, default=1, help='seed of the weights and the crops')
    parser.add_argument('--scenes', type=int, default=6000, help='number of scenes to render')
    parser.add_argument('--batch', type=int, default=16, help='crops per step')
    parser.add_argument('--rate', type=float, default=2e-3, help='maximum learning rate')
    parser.add_argument('--threads', type=int, default=os.cpu_count(), help='CPU threads')
    parser.add_argument('--cache', type=Path, default=Path('.cache/training'),
                        help='folder for scenes and checkpoint')
    parser.add_argument('--output', type=Path, default=Path('models/fcos_demo.onnx'),
                        help='the network file')
    return parser.parse_args(arguments)


def _render(folder: Path, options: Namespace) -> None:
    """Render the first third of the scenes with all threads."""
    count = options.scenes // 3
    workers = [multiprocessing.Process(
        target=save_scenes, args=(folder, count, number, options.threads))
        for number in range(options.threads)]
    for worker in workers:
        worker.start()
    with tqdm(total=count, desc='render', unit=' scenes') as bar:
        while any(worker.is_alive() for worker in workers):
            bar.update(len(list(folder.glob('*.npz'))) - bar.n)
            time.sleep(1)


def _render_in_background(folder: Path, count: int) -> None:
    os.nice(19)
    save_scenes(folder, count, 0, 1)


def _train(state: TrainingState, folder: Path, checkpoint: Path, options: Namespace) -> None:
    batches = iter(torch.utils.data.DataLoader(
        # The seed depends on the steps, so that an interruption does not repeat the crops.
        Crops(folder, options.seed + state.steps), options.batch, collate_fn=collate,
        num_workers=1, prefetch_factor=4,
        # A forked process would deadlock on torch's threads, which it does not have.
        multiprocessing_context='spawn'))
    validation = SceneSet.render(VALIDATION_SEEDS)
    total = options.hours * 3600
    points = AnchorPoints.of(*CROP_SIZE)
    sums, count = torch.zeros(3), 0
    with tqdm(total=round(total), initial=round(state.seconds), unit='s') as bar:
        while state.seconds < total:
            start = time.monotonic()
            rate = _learning_rate(options.rate, state.steps, state.seconds / total)
            sums += torch.stack(_train_step(state, batches, points, rate)).detach()
            count += 1
            state.seconds += time.monotonic() - start
            bar.update(min(round(state.seconds), bar.total) - bar.n)
            if state.steps % 50 == 0:
                bar.set_postfix(steps=state.steps, loss=float(sums.sum() / count))
                state.save(checkpoint)
            if state.steps % 250 == 0 or state.seconds >= total:
                _validate(state, validation, checkpoint.with_suffix('.onnx'), rate, sums / count,
                        len(list(folder.glob('*.npz'))))
                bar.write(str(state.log[-1]))
                state.save(checkpoint)
                sums, count = torch.zeros(3), 0


def _learning_rate(maximum: float, steps: int, progress: float) -> float:
    """Return the learning rate: a linear warm-up, then half a cosine down to 1 percent."""
    warm_up = min(1.0, (steps + 1) / 150)
    cosine = 0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0))
    return maximum * warm_up * (0.01 + 0.99 * cosine)


def _train_step(
    state: TrainingState, batches: Iterator, points: AnchorPoints, rate: float,
) -> Losses:
    images, ground_truth = next(batches)
    images = images.float().contiguous(memory_format=torch.channels_last)
    for group in state.optimizer.param_groups:
        group['lr'] = rate
    losses = compute_losses(state.network(images), points, ground_truth)
    state.optimizer.zero_grad()
    losses.total().backward()
    nn.utils.clip_grad_norm_(state.network.parameters(), 5.0)
    state.optimizer.step()
    state.steps += 1
    decay = min(0.998, (1 + state.steps) / (10 + state.steps))
    _update_average(state.average, state.network, decay)
    return losses


@torch.no_grad()
def _update_average(average: Fcos, network: Fcos, decay: float) -> None:
    """Update the running average of the weights."""
    for slow, fast in zip(average.state_dict().values(), network.state_dict().values()):
        if slow.dtype.is_floating_point:
            slow.lerp_(fast, 1 - decay)
        else:
            slow.copy_(fast)


def _validate(
    state: TrainingState, validation: SceneSet, path: Path, rate: float, mean: Tensor, scenes: int,
) -> None:
    """
    Evaluate the averaged network on the validation scenes, and append the result to the log.

    :param path: a network file that is overwritten.
    :param rate: the learning rate.
    :param mean: means of the three losses.
    :param scenes: number of scenes rendered so far.
    """
    export(state.average, path)
    score = validation.score(detect_all(path, validation))
    values = (round(state.seconds), state.steps, scenes, rate, *mean.tolist(), score.ap,
              score.ap50)
    state.log.append({name: round(float(value), 5) for name, value in zip(LOG_FIELDS, values)})


def _write_log(path: Path, log: list[dict[str, float]]) -> None:
    with path.open('w', newline='') as file:
        writer = csv.DictWriter(file, LOG_FIELDS)
        writer.writeheader()
        writer.writerows(log)


if __name__ == '__main__':
    main()
