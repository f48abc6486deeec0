# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Train a network on labelled images: `python -m training.train DATA`.

DATA has the form of COCO, YOLO or Pascal VOC, and is checked before the training starts. The
result is a folder: the network (`checkpoint.pt`), all facts (`run.json`), the log, and pictures.
"""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Sequence
import math
from pathlib import Path
import sys

from tqdm import tqdm

from fcos_ros.deploy.export import export_checkpoint
from fcos_ros.evaluation.datasets import (
    Dataset,
    DatasetError,
    check,
    errors,
    open_dataset,
    report,
    split,
    usable,
)
from fcos_ros.evaluation.datasets.dataset import VAL_FRACTION
from training.command import INTERRUPTED, guarded, train
from training.run import CHECKPOINT, Run
from training.settings import (
    MODELS,
    Settings,
    add_machine_options,
    machine_of,
    parse_size,
    require,
)

MODEL = 'model.onnx'


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Check the data, train and report.

    :returns: 0 for success, 2 if the data or a file cannot be used, 130 if it was interrupted.
    """
    parsed = _parser().parse_args(arguments)
    return guarded(lambda: _main(parsed))


def read_checked(path: Path, leave_out: bool) -> Dataset:
    """
    Read a dataset, print its problems, and return what can be used of it.

    :param leave_out: also return it if the problems are errors.
    :raises DatasetError: it cannot be read, or has errors.
    """
    dataset = open_dataset(path)
    counts = ', '.join(f'{name} {count}' for name, count in
                       zip(dataset.class_names, dataset.counts().tolist()))
    print(f'{path}: {dataset.format}, {len(dataset)} images; objects: {counts}')
    with tqdm(desc='check', total=len(dataset), unit=' images', disable=None) as bar:
        findings = check(dataset, bar.update)
    if findings:
        print(report(findings))
    count = len(errors(findings))
    if count and not leave_out:
        raise DatasetError(f'{path} has {count} errors, see above; correct them, or train without '
                           'the faulty images and objects: LEAVE_OUT=1')
    return usable(dataset, findings)


def _main(parsed: Namespace) -> int:
    dataset = read_checked(parsed.data, parsed.leave_out)
    require('val_fraction', 0 < parsed.val_fraction < 1, parsed.val_fraction, 'between 0 and 1')
    images, val = split(dataset, parsed.val_fraction)
    print(f'{len(images)} images for training, {len(val)} for validation')
    if parsed.check:
        return 0
    settings = _settings(parsed, len(images))
    output = parsed.output or Path('runs') / parsed.data.resolve().stem
    run = Run(images, val, settings, machine_of(parsed), output, parsed.weights)
    print(f'{settings.steps} steps of {settings.batch} images on {run.machine.device}; the '
          f'results will be in {output}')
    training = train(run, parsed.resume)
    if training is None:
        return INTERRUPTED
    figures = training.finish()['validation']
    export_checkpoint(output / CHECKPOINT, 'onnx', output / MODEL)
    for name in ('ap', 'ap50', 'score_threshold', 'precision', 'recall'):
        print(f'{name}: {figures[name]}')
    print(f'The network is {output / CHECKPOINT}; {output / MODEL} runs in the node')
    return 0


def _settings(parsed: Namespace, images: int) -> Settings:
    return Settings(
        model=parsed.model, size=parsed.size, crop=parsed.crop or parsed.size,
        steps=math.ceil(parsed.epochs * images / max(1, parsed.batch)), batch=parsed.batch,
        rate=parsed.rate, seed=parsed.seed, mosaic=parsed.mosaic, flip=not parsed.no_flip,
        stop_after=parsed.stop_after)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__.split('\n')[1],
                            formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument('data', type=Path, metavar='DATA', help='folder, JSON or YAML file')
    parser.add_argument('--output', type=Path, help='folder of the results; runs/DATA if left out')
    parser.add_argument('--epochs', type=float, default=100, help='how often each image is used')
    parser.add_argument('--size', type=parse_size, default=parse_size('512'),
                        help='of the network, in pixels: S or WIDTHxHEIGHT')
    parser.add_argument('--model', choices=MODELS, default='small', help='the network')
    parser.add_argument('--weights', type=Path,
                        help='begin with the weights of a file: a checkpoint.pt, or a public '
                        'efficientnet_lite0 for medium')
    parser.add_argument('--val-fraction', type=float, default=VAL_FRACTION,
                        help='of the images, if DATA has no part for validation')
    parser.add_argument('--leave-out', action='store_true',
                        help='train although the data have errors, without what is faulty')
    parser.add_argument('--check', action='store_true', help='only check the data')
    parser.add_argument('--batch', type=int, default=16, help='images in a step')
    parser.add_argument('--crop', type=parse_size, help='size of a training image, at most --size;'
                        ' a smaller one makes steps cheaper')
    parser.add_argument('--rate', type=float, default=2e-3, help='maximum learning rate')
    parser.add_argument('--mosaic', type=float, default=0.5,
                        help='fraction of the training images that join four')
    parser.add_argument('--no-flip', action='store_true',
                        help='never mirror, as for signs that tell left from right')
    parser.add_argument('--stop-after', type=int, default=8, metavar='N',
                        help='end after N of 20 evaluations without a better AP; 0: never')
    parser.add_argument('--seed', type=int, default=1, help='of weights and training images')
    add_machine_options(parser)
    return parser


if __name__ == '__main__':
    sys.exit(main())
