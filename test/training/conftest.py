# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small labelled images that a network learns within seconds, and trainings with them."""

from dataclasses import dataclass, replace
from pathlib import Path

from label_files import Picture, write_coco
import numpy as np
import pytest
import torch

from fcos_ros.core.resize import Size
from fcos_ros.evaluation.datasets import open_dataset, split
from training.run import Run, Training
from training.settings import Machine, Settings

COLOURS = {'ball': (40, 40, 220), 'cube': (220, 60, 30)}
"""BGR."""

SETTINGS = Settings(size=Size(64, 64), crop=Size(64, 64), steps=4, batch=2, evaluations=2,
                    mosaic=0.5)


class Coloured(Picture):
    """A picture whose objects are filled with the colour of their class."""

    def pixels(self):
        """Return dark noise with the objects."""
        pixels = super().pixels() // 4
        for name, box in self.objects:
            x1, y1, x2, y2 = map(int, box)
            pixels[y1:y2, x1:x2] = COLOURS[name]
        return pixels


def coloured_pictures(part, count):
    """Return pictures with one object of each class, at random places."""
    rng = np.random.default_rng(len(part))
    pictures = []
    for number in range(count):
        objects = []
        for left, name in zip((0, 32), COLOURS):
            width, height = rng.integers(14, 28, 2).tolist()
            x, y = left + int(rng.integers(32 - width)), int(rng.integers(64 - height))
            objects.append((name, (x, y, x + width, y + height)))
        pictures.append(Coloured(f'{part}{number}.png', (64, 64), objects, part))
    return pictures


@dataclass(frozen=True)
class TrainingMaker:
    """Makes trainings on coloured images."""

    data: Path
    folder: Path

    def run(self, name='run', **changes):
        """Return the task of a training; `changes` are settings."""
        train, val = split(open_dataset(self.data))
        return Run(train, val, replace(SETTINGS, **changes), Machine('cpu', 1, 0),
                   self.folder / name)

    def begin(self, name='run', **changes):
        """Begin a training."""
        return Training(self.run(name, **changes))

    def resume(self, name='run', **changes):
        """Continue a training."""
        return Training(self.run(name, **changes), resume=True)


@pytest.fixture(name='coloured_data', scope='session')
def write_coloured_data(tmp_path_factory):
    """Return a folder with 8 images for training and 4 for validation."""
    return write_coco(tmp_path_factory.mktemp('coloured') / 'data', [
        *coloured_pictures('train', 8), *coloured_pictures('val', 4)])


@pytest.fixture
def trainings(coloured_data, tmp_path):
    """Return a maker of trainings."""
    return TrainingMaker(coloured_data, tmp_path)


@pytest.fixture(autouse=True)
def unchanged_torch():
    """Restore the settings of torch that a training changes for its process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
