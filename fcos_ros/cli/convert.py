# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Convert an ONNX file to the .bin file of a board.

It needs the board vendor's compiler. Without it, all that the compiler needs is left in a folder,
with the commands to type where it is installed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import json
from pathlib import Path
import sys
from typing import Any

from fcos_ros.backends import ModelError
from fcos_ros.backends.bpu_tools import INSTALL
from fcos_ros.cli.calibration_source import calibration_pictures
from fcos_ros.cli.options import whole_number
from fcos_ros.cli.output import Progress
from fcos_ros.core.yuv_range import FULL, RANGES
from fcos_ros.deploy.calibration import CalibrationError, Picture
from fcos_ros.deploy.compiler_job import CALIBRATION_TYPES, MARCHES
from fcos_ros.deploy.convert import Conversion, PreparedJob, Request, convert

SUMMARY = 'convert an ONNX file to the .bin file of a board'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument('model', type=Path, help='ONNX file, made by fcos export --target bpu')
    parser.add_argument('--target', required=True, choices=tuple(MARCHES), help='board')
    parser.add_argument(
        '--calibration', required=True, metavar='FOLDER|BAG|VIDEO',
        help='pictures of the place where the robot works, or "scenes" for those of the demo; '
             'they set the range of each layer')
    parser.add_argument('--images', type=whole_number(1, 1000), default=50, metavar='N',
                        help='pictures for the calibration, spread over all [50]')
    parser.add_argument('--topics', nargs='+', metavar='TOPIC', default=[],
                        help='topics of a bag [all topics of images, but not distances and '
                             'annotated images]')
    parser.add_argument('--output', type=Path, metavar='FILE',
                        help='file to write [MODEL_TARGET.bin in the current folder]')
    parser.add_argument('--nv12-range', choices=RANGES, default=FULL,
                        help='range of the NV12 that the compiled model reads [full]')
    parser.add_argument('--calibration-type', choices=CALIBRATION_TYPES, default='max',
                        help='how the compiler finds the range of a layer [max]')
    parser.add_argument('--int16', action='store_true',
                        help='compute in 16 bits where the BPU can (X5); slower and more exact')
    parser.add_argument('--optimize', type=whole_number(0, 3), default=3, metavar='N',
                        help='0 to 3; 3 takes longest and makes the fastest model [3]')
    parser.add_argument('--job-folder', type=Path, metavar='FOLDER',
                        help='new folder to work in, which stays')
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(options: argparse.Namespace) -> int:
    """Convert; print what was done."""
    output = options.output or Path(f'{options.model.stem}_{options.target}.bin')
    request = Request(options.model, output, options.target, options.nv12_range,
                      options.calibration_type, options.int16, options.optimize,
                      options.job_folder)
    pictures = calibration_pictures(options.calibration, options.images, options.topics)
    try:
        with Progress(options.images, sys.stderr) as progress:
            done = convert(request, _counted(pictures, progress), progress.begin)
    except OSError as error:
        raise ModelError(f'nothing was written: {error}') from error
    except CalibrationError as error:
        raise ModelError(str(error)) from error
    if isinstance(done, PreparedJob):
        return _explain(done)
    print(json.dumps(_figures(done), indent=2) if options.json else _text(done))
    return 0


def _text(done: Conversion) -> str:
    lines = [f'warning: {finding}' for finding in done.findings]
    if done.report.estimate is not None:
        lines.append(f'estimate: {done.report.estimate}')
    files = [done.sidecar.name, done.receipt.name]
    if done.calibrated:
        files.append(done.calibrated.name)
    lines.append(f'wrote {done.output}, {" and ".join([", ".join(files[:-1]), files[-1]])}; copy '
                 'the first two to the board')
    return '\n'.join(lines)


def _figures(done: Conversion) -> dict[str, Any]:
    estimate = done.report.estimate
    return {
        'model': str(done.output), 'sidecar': str(done.sidecar), 'receipt': str(done.receipt),
        'calibrated_network': str(done.calibrated) if done.calibrated else None,
        'estimate': estimate and {'latency_us': estimate.latency,
                                  'memory_bytes': estimate.memory_bytes},
        'findings': list(done.findings)}


def _explain(prepared: PreparedJob) -> int:
    for finding in prepared.findings:
        print(f'warning: {finding}', file=sys.stderr)
    print(f'The compiler was not found; {INSTALL}.\n'
          f'Its input is ready. Where the compiler is installed, type:\n'
          f'{prepared.job.advice()}', file=sys.stderr)
    return 1


def _counted(pictures: Iterator[Picture], progress: Progress) -> Iterator[Picture]:
    for picture in pictures:
        yield picture
        progress.advance()
