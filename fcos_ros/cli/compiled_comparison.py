# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare a compiled model with the float one, and print what quantisation costs, and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
import json
import sys
from typing import Any

from fcos_ros.backends import Backend, ModelError, ModelInfo
from fcos_ros.backends.bpu_tools import CALIBRATED_NETWORK
from fcos_ros.backends.errors import EngineMissingError
from fcos_ros.cli.output import Progress, plain_table
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import Labels
from fcos_ros.core.preprocess import Preprocessor
from fcos_ros.deploy.calibration import spread
from fcos_ros.deploy.convert import calibrated_cosines
from fcos_ros.evaluation.average_precision import Evaluation
from fcos_ros.evaluation.comparison import Comparison, compare, explain
from fcos_ros.evaluation.layers import LayerSimilarity, compare_layers

LAYER_IMAGES = 20
"""Images for the comparison of layers: each takes seconds, and more hardly change a cosine."""

SHOWN_LAYERS = 10
"""Layers in the table; the JSON output has all."""

WAYS = (('float, RGB', 'float_rgb'), ('float, NV12', 'float_nv12'), ('compiled', 'compiled'))
"""The ways of an image that are judged: for people, and as attribute of `Comparison`."""


def require_comparable(reference: ModelInfo, compiled: ModelInfo) -> None:
    """
    Check that the second model can be made of the first one.

    :raises ModelError: it cannot.
    """
    if reference.labels != compiled.labels:
        raise ModelError(f'{reference.path} and {compiled.path} have other classes; '
                         'accepted: a compiled model and the ONNX file that it was made of')
    if compiled.input.pixels != 'nv12':
        raise ModelError(f'{compiled.path} takes {compiled.input.pixels}; accepted '
                         'as the second model: a compiled one, which takes nv12')


def compare_compiled(
    reference: Backend, compiled: Backend, examples: Iterable[tuple[Frame, Detections]],
    count: int, as_json: bool,
) -> int:
    """
    Compare a compiled model with the float one on labelled images; print the result.

    :param examples: `count` images with their objects; they are read once, one at a time.
    :returns: the exit code: 1 if a likely cause of a loss was found.
    """
    chosen, frames = set(spread(count, LAYER_IMAGES)), []

    def watched() -> Iterator[tuple[Frame, Detections]]:
        for index, (frame, objects) in enumerate(examples):
            if index in chosen:
                frames.append(frame)
            yield frame, objects

    result = compare(reference, compiled, watched())
    layers = _compare_layers(compiled.info, frames)
    causes = list(explain(result, calibrated_cosines(compiled.info.path), layers))
    if as_json:
        print(json.dumps(_comparison_figures(result, layers, compiled.info.labels, causes),
                         indent=2))
    else:
        print('\n\n'.join(_paragraphs(result, layers, compiled.info.labels, causes)))
    return 1 if causes else 0


def _compare_layers(info: ModelInfo, frames: Sequence[Frame]) -> tuple[LayerSimilarity, ...]:
    """Compare the layers on the frames; without the compiler's network, say so."""
    network = info.path.with_suffix(CALIBRATED_NETWORK)
    preprocessor = Preprocessor(info.input)
    tensors = [preprocessor.prepare(frame)[0].copy() for frame in frames]
    try:
        with Progress(len(tensors), sys.stderr) as progress:
            progress.begin(f'layers on {len(tensors)} images')
            return compare_layers(network, info.input.size, tensors, progress.advance)
    except (ModelError, OSError) as error:
        remedy = ('' if network.exists() or isinstance(error, EngineMissingError) else
                  '; fcos convert writes it beside the model')
        print(f'layers are not compared: {error}{remedy}', file=sys.stderr)
        return ()


def _paragraphs(
    result: Comparison, layers: Sequence[LayerSimilarity], labels: Labels, causes: Sequence[str],
) -> Iterator[str]:
    ways = [(name, getattr(result, attribute)) for name, attribute in WAYS]
    yield plain_table([
        ('AP', 'AP50', 'AP75', ''),
        *((f'{way.ap:.3f}', f'{way.ap50:.3f}', f'{way.ap75:.3f}', name) for name, way in ways)])
    yield plain_table([
        ('class', *(name for name, _ in ways)),
        *((labels.name(class_id), *(f'{way.by_class[class_id]:.3f}' for _, way in ways))
          for class_id in result.compiled.by_class)])
    if result.outputs:
        yield plain_table([
            ('output', 'cosine', 'float', 'compiled'),
            *((output.name, f'{output.cosine:.4f}', _range(output.limits),
               _range(output.compiled_limits)) for output in result.outputs)])
    if layers:
        yield plain_table([
            ('least similar layers', 'cosine', 'float', 'calibrated up to', 'beyond'),
            *((layer.name, f'{layer.cosine:.4f}', _range(layer.limits), f'{layer.threshold:.3g}',
               f'{layer.beyond:.2%}') for layer in layers[:SHOWN_LAYERS])])
    yield (f'NV12 costs {100 * result.nv12_loss:.1f} AP, quantisation '
           f'{100 * result.quantisation_loss:.1f} AP')
    yield from (f'likely cause: {cause}' for cause in causes)


def _range(limits: tuple[float, float]) -> str:
    return f'{limits[0]:.3g} to {limits[1]:.3g}'


def _comparison_figures(
    result: Comparison, layers: Sequence[LayerSimilarity], labels: Labels, causes: Sequence[str],
) -> dict[str, Any]:
    return {
        **{attribute: _figures(getattr(result, attribute), labels) for _, attribute in WAYS},
        'outputs': [asdict(output) for output in result.outputs],
        'layers': [asdict(layer) for layer in layers], 'causes': list(causes)}


def _figures(result: Evaluation, labels: Labels) -> dict[str, Any]:
    """Return average precisions for JSON."""
    return {'ap': result.ap, 'ap50': result.ap50, 'ap75': result.ap75,
            'by_class': {labels.name(class_id): ap for class_id, ap in result.by_class.items()}}
