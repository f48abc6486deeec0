# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One training, from the first step to the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import csv
from dataclasses import asdict, dataclass, replace
import io
import json
import math
from pathlib import Path
import platform
import time
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from fcos_ros.backends.errors import ModelError
from fcos_ros.core.labels import Labels
from fcos_ros.deploy.checkpoint import Checkpoint
from fcos_ros.deploy.network import Fcos, Outputs
from fcos_ros.evaluation.datasets import Dataset, DatasetError, LabelledImage, fingerprint
from fcos_ros.runtime.detector import Detector
from training.batches import Batch, batches
from training.evaluate import NetworkBackend, Validation
from training.files import write
from training.loss import AnchorPoints, Losses, compute_losses
from training.pictures import draw_curves, draw_sheet
from training.settings import MODELS, Machine, Settings
from training.shrink import shrink
from training.state import State, is_mixed
from training.weights import load_weights

CHECKPOINT, STATE = 'checkpoint.pt', 'state.pt'
"""The network, and all that is needed to continue the training."""

SAVE_EVERY = 100
"""Steps after which the state is saved; an interruption of the power loses the steps since."""

WARM_UP_STEPS = 150
MAX_GRADIENT = 5.0

MAX_IMAGES = 500
"""Maximum number of images for an evaluation during the training; the last one uses all."""

NMS_THRESHOLD = 0.6


@dataclass(frozen=True, eq=False)
class Run:
    """
    The task of a training.

    :ivar train: the images for the steps; all of them usable. Likewise `val`, for evaluations.
    :ivar output: the folder of the results.
    :ivar weights: a file of weights to begin with; None for random ones.
    :ivar score_threshold: of the result; None chooses the best one for `val`.
    """

    train: Dataset
    val: Dataset
    settings: Settings
    machine: Machine
    output: Path
    weights: Path | None = None
    score_threshold: float | None = None

    def data_facts(self) -> dict[str, Any]:
        """Return what the data are, as plain values."""
        with tqdm(desc='hash', total=len(self.train) + len(self.val), unit=' images',
                  disable=None) as bar:
            digests = [fingerprint(part, bar.update) for part in (self.train, self.val)]
        return {'path': str(self.train.root), 'format': self.train.format,
                'train_sha256': digests[0], 'val_sha256': digests[1],
                'train_images': len(self.train), 'val_images': len(self.val),
                'train_objects': dict(zip(self.train.class_names, self.train.counts().tolist()))}


class Training:
    """
    A training that has begun, or goes on.

    :param resume: continue the run in the folder of the output.
    :raises DatasetError: there are no objects to train or to evaluate with.
    :raises ModelError: the folder holds another run, or a file of weights does not fit.
    :raises OSError: a file cannot be written.
    """

    def __init__(self, run: Run, resume: bool = False) -> None:
        _require_objects(run)
        settings, machine = run.settings, run.machine
        torch.set_num_threads(machine.threads)
        torch.use_deterministic_algorithms(machine.device == 'cpu')
        self._run = run
        run.output.mkdir(parents=True, exist_ok=True)
        self._data = run.data_facts()
        # Another folder with the same content is the same data.
        self._facts = {**settings.to_json(), 'train_sha256': self._data['train_sha256'],
                       'val_sha256': self._data['val_sha256'], 'weights': str(run.weights)}
        self._model = MODELS[settings.model]
        self._state = self._begin(resume)
        with tqdm(desc='prepare', total=len(run.train), unit=' images', disable=None) as bar:
            self._images = shrink(run.train.images, settings.size, run.output / 'images',
                                  bar.update)
        self._points = AnchorPoints.of(*settings.crop).to(machine.device)
        self._mean, self._std = (
            torch.tensor(values, device=machine.device).reshape(3, 1, 1)
            for values in (self._model.mean, self._model.std))

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    def train(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """
        Train until the last step, or until AP grows no more.

        :param stop: called after each step; true saves the state and returns.
        :returns: whether the training has ended.
        :raises FrameError: an image cannot be read.
        :raises OSError: a file cannot be written.
        """
        state, settings = self._state, self._run.settings
        clock = time.monotonic() - state.seconds
        with tqdm(desc='train', total=settings.steps, initial=state.step, unit=' steps',
                  disable=None, smoothing=0.02) as bar:
            if self._has_ended():
                return True
            for batch in batches(self._images, settings, state.step, self._run.machine.workers):
                losses = [float(loss.detach()) for loss in self._step(batch)]
                self._require_finite(losses)
                state.add_losses(losses)
                state.seconds = time.monotonic() - clock
                bar.update()
                if state.step in settings.evaluation_steps:
                    self._evaluate()
                    bar.write(self._last_row())
                    self._save()
                elif state.step % SAVE_EVERY == 0:
                    self._save()
                if self._has_ended():
                    return True
                if stop():
                    self._save()
                    return False
        return True

    def finish(self) -> dict[str, Any]:
        """
        Evaluate the best network on all images, and write the report.

        :returns: the content of `run.json`.
        """
        run, state = self._run, self._state
        checkpoint = Checkpoint.load(run.output / CHECKPOINT)
        validation = self._validate(checkpoint.network(), checkpoint, run.val.images)
        threshold = run.score_threshold or validation.best_threshold()
        labels = run.train.class_names
        facts = {
            'data': self._data, 'settings': run.settings.to_json(),
            'machine': asdict(run.machine), 'weights': str(run.weights or 'random'),
            'steps': state.step, 'best_step': checkpoint.training['best_step'],
            'seconds': round(state.seconds), 'versions': _versions(),
            'validation': validation.figures(labels, threshold)}
        replace(checkpoint, score_threshold=threshold, training=facts).save(
            run.output / CHECKPOINT)
        shown = [found[found.scores >= threshold] for found in validation.found]
        write(run.output / 'run.json', json.dumps(facts, indent=2) + '\n')
        sheet = draw_sheet(run.val.images, shown, Labels(labels))
        write(run.output / 'predictions.jpg', cv2.imencode('.jpg', sheet)[1].tobytes())
        return facts

    def _begin(self, resume: bool) -> State:
        run, path = self._run, self._run.output / STATE
        if path.exists() and not resume:
            raise ModelError(f'{run.output} holds a run; accepted: RESUME=1 to continue it, '
                             'another OUTPUT, or delete the folder')
        if resume and not path.exists():
            raise ModelError(f'{run.output} holds no run to continue; accepted: the OUTPUT of an '
                             'earlier run; leave out RESUME to begin one')
        torch.manual_seed(run.settings.seed)
        network = Fcos(self._model.network, len(run.train.class_names))
        if run.weights and not resume:
            load_weights(network, run.weights)
        state = State.of(network, run.machine.device)
        if resume:
            state.restore(path, self._facts)
        return state

    def _step(self, batch: Batch) -> Losses:
        """Change the weights once."""
        state, device = self._state, self._run.machine.device
        for group in state.optimizer.param_groups:
            group['lr'] = learning_rate(self._run.settings, state.step)
        images, objects = batch.to(device)
        pixels = ((images - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.partition(':')[0], enabled=is_mixed(device)):
            outputs: Outputs = state.network(pixels)
        losses = compute_losses(outputs, self._points, objects)
        state.optimizer.zero_grad()
        state.scaler.scale(losses.total()).backward()
        state.scaler.unscale_(state.optimizer)
        nn.utils.clip_grad_norm_(state.network.parameters(), MAX_GRADIENT)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.step += 1
        state.update_average()
        return losses

    def _require_finite(self, losses: Sequence[float]) -> None:
        if not all(map(math.isfinite, losses)):
            raise ModelError(f'the losses are {losses} at step {self._state.step}; the learning '
                             f'rate is {self._run.settings.rate}; use a lower RATE')

    def _evaluate(self) -> None:
        """Add a row to the log, and keep the network if it is the best one yet."""
        run, state = self._run, self._state
        template = self._checkpoint({})
        validation = self._validate(state.average, template, run.val.images[:MAX_IMAGES])
        score = validation.average_precision()
        if score.ap >= state.best:
            weights = {name: value.detach().cpu().contiguous().clone()
                       for name, value in state.average.state_dict().items()}
            replace(template, weights=weights, training={'best_step': state.step}).save(
                run.output / CHECKPOINT)
        state.add_row({'epoch': state.step * run.settings.batch / len(run.train),
                       'rate': learning_rate(run.settings, state.step - 1),
                       'ap': score.ap, 'ap50': score.ap50})
        _write_log(run.output / 'log.csv', state.log)
        draw_curves(state.log, run.output / 'curves.png')

    def _validate(self, network: Fcos, checkpoint: Checkpoint,
                  images: Sequence[LabelledImage]) -> Validation:
        device = self._run.machine.device
        detector = Detector(NetworkBackend(network.to(device), checkpoint, device))
        with tqdm(desc='evaluate', total=len(images), unit=' images', disable=None,
                  leave=False) as bar:
            return Validation.of(detector, images, bar.update)

    def _checkpoint(self, weights: Mapping[str, torch.Tensor]) -> Checkpoint:
        settings = self._run.settings
        return Checkpoint(
            settings.model, self._model.network, self._run.train.class_names, settings.size,
            self._model.mean, self._model.std, self._run.score_threshold or 0.5, NMS_THRESHOLD,
            weights)

    def _has_ended(self) -> bool:
        """Return whether the last step is done, or AP has not grown for long."""
        settings, state = self._run.settings, self._state
        if state.step >= settings.steps:
            return True
        # The learning rate is high in the first half: AP may well grow when it falls.
        if not settings.stop_after or state.step <= settings.steps / 2:
            return False
        precisions = [row['ap'] for row in state.log]
        before, recent = precisions[:-settings.stop_after], precisions[-settings.stop_after:]
        return bool(before) and max(recent) <= max(before)

    def _save(self) -> None:
        self._state.save(self._run.output / STATE, self._facts)

    def _last_row(self) -> str:
        row, steps = self._state.log[-1], self._run.settings.steps
        left = (steps - row['step']) * row['seconds'] / row['step'] / 60
        return (f'step {row["step"]} of {steps}, epoch {row["epoch"]:.1f}: AP {row["ap"]:.3f}, '
                f'AP50 {row["ap50"]:.3f}; {row["seconds"] / 60:.0f} min, about {left:.0f} left')


def learning_rate(settings: Settings, step: int) -> float:
    """Return the learning rate of a step: a linear warm-up, then half a cosine to 1 percent."""
    warm_up = min(1.0, (step + 1) / min(WARM_UP_STEPS, max(1, settings.steps // 4)))
    cosine = 0.5 + 0.5 * math.cos(math.pi * step / settings.steps)
    return settings.rate * warm_up * (0.01 + 0.99 * cosine)


def _require_objects(run: Run) -> None:
    for name, dataset in (('training', run.train), ('validation', run.val)):
        if not dataset.counts().any():
            raise DatasetError(f'{dataset.root} has no usable object in its {len(dataset)} images '
                               f'for {name}; accepted: at least one; label more images')


def _versions() -> dict[str, str]:
    return {'python': platform.python_version(), 'torch': str(torch.__version__),
            'numpy': np.__version__, 'opencv': cv2.__version__,
            'machine': f'{platform.system()} {platform.machine()}'}


def _write_log(path: Path, log: Sequence[Mapping[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(log[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows({key: round(value, 6) for key, value in row.items()} for row in log)
    write(path, text.getvalue())
