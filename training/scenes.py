# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Render labelled scenes of the demo as a dataset: `python -m training.scenes FOLDER --count 300`.

The folder has the form of YOLO. A scene depends on its seed only, so scenes that exist already are
not rendered again.
"""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
import os
from pathlib import Path
import signal
import sys

import cv2
from tqdm import tqdm

from fcos_ros.demo.scenes import CLASS_NAMES, Scene, render
from training.files import write

FIRST_TRAIN_SEED, FIRST_VAL_SEED = 1_000_000, 900_000
"""Lower seeds are for demos, and 0 to 499 for the final evaluation."""

JPEG_QUALITY = 96


def render_dataset(folder: Path, train: int, val: int, processes: int) -> None:
    """
    Render scenes for training and for validation.

    :raises OSError: a file cannot be written.
    """
    seeds = {'train': range(FIRST_TRAIN_SEED, FIRST_TRAIN_SEED + train),
             'val': range(FIRST_VAL_SEED, FIRST_VAL_SEED + val)}
    for name in ('images', 'labels'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _render_missing(folder, seeds, processes)
    for part, own in seeds.items():
        write(folder / f'{part}.txt', ''.join(f'images/{seed}.jpg\n' for seed in own))
    names = ''.join(f'  {number}: {name}\n' for number, name in enumerate(CLASS_NAMES))
    write(folder / 'data.yaml', f'train: train.txt\nval: val.txt\nnames:\n{names}')


def _render_missing(folder: Path, seeds: Mapping[str, Sequence[int]], processes: int) -> None:
    missing = [(folder, seed) for own in seeds.values() for seed in own
               if not _label_path(folder, seed).exists()]
    if not missing:
        return
    # A forked process would share the threads of OpenCV.
    with get_context('spawn').Pool(processes, _begin_worker) as pool, \
            tqdm(desc='render', total=len(missing), unit=' scenes', disable=None) as bar:
        for _ in pool.imap_unordered(_render, missing, 4):
            bar.update()


def _render(task: tuple[Path, int]) -> None:
    """Render one scene; its labels are written last, when the image is complete."""
    folder, seed = task
    scene = render(seed)
    _, content = cv2.imencode('.jpg', scene.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    write(folder / 'images' / f'{seed}.jpg', content.tobytes())
    write(_label_path(folder, seed), _label_text(scene))


def _label_path(folder: Path, seed: int) -> Path:
    return folder / 'labels' / f'{seed}.txt'


def _label_text(scene: Scene) -> str:
    height, width = scene.image.shape[:2]
    lines = []
    for class_id, box in zip(scene.class_ids.tolist(), scene.boxes.tolist()):
        x1, y1, x2, y2 = (value / side for value, side in zip(box, [width, height] * 2))
        lines.append(f'{class_id} {(x1 + x2) / 2:.7f} {(y1 + y2) / 2:.7f} '
                     f'{x2 - x1:.7f} {y2 - y1:.7f}\n')
    return ''.join(lines)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    cv2.setNumThreads(1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Render a dataset."""
    parser = ArgumentParser(description=__doc__.split('\n')[1],
                            formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--count', type=int, default=300, help='scenes for training')
    parser.add_argument('--val', type=int, default=50, help='scenes for validation')
    parser.add_argument('--processes', type=int, default=os.cpu_count(), help='for rendering')
    options = parser.parse_args(arguments)
    render_dataset(options.folder, options.count, options.val, options.processes)
    return 0


if __name__ == '__main__':
    sys.exit(main())
