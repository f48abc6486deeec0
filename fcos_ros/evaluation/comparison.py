# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Compare a compiled network with the float network that it was made of, on labelled images.

Three ways of the same images are judged: the float network on RGB, the float network on what the
NV12 of the board leaves of RGB, and the compiled network on the same NV12. The first difference is
the cost of NV12, the second that of quantisation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fcos_ros.backends import Backend
from fcos_ros.core.arrays import Array
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.head import OutputSpec
from fcos_ros.core.preprocess import Preprocessor
from fcos_ros.core.resize import Resize
from fcos_ros.core.selection import select
from fcos_ros.core.yuv_range import RANGES
from fcos_ros.evaluation.average_precision import Evaluation, evaluate
from fcos_ros.evaluation.layers import LayerSimilarity

TOLERATED = 0.01
"""The loss of average precision up to which no cause is named."""

CLEAR = 0.005
"""The difference of two cosines from which one is taken to be higher."""

CLIPPED = 0.8
"""The part of the float range that a healthy compiled output covers at least."""

SATURATED = 0.001
"""The fraction of clipped values from which a layer is saturated; calibration leaves 0.00005."""

NAMED_LAYERS = 3
"""Layers that are named in a cause."""

LOWEST_SCORE = 0.05
"""Detections below it hardly change the average precision."""


@dataclass(frozen=True)
class OutputSimilarity:
    """
    One output of both networks, over all images.

    :ivar cosine: similarity of all values, at most 1.
    :ivar cosine_other: the same if the float network is given the NV12 as of the other range.
    :ivar limits: lowest and highest value of the float network; likewise `compiled_limits`.
    """

    name: str
    cosine: float
    cosine_other: float
    limits: tuple[float, float]
    compiled_limits: tuple[float, float]

    @property
    def covered(self) -> float:
        """The part of the float range that the compiled output covers."""
        low, high = self.limits
        compiled_low, compiled_high = self.compiled_limits
        return (compiled_high - compiled_low) / (high - low) if high > low else 1.0


@dataclass(frozen=True)
class Comparison:
    """
    The result of `compare`.

    :ivar float_rgb: the float network on RGB; likewise `float_nv12` and `compiled`.
    :ivar outputs: in the order of the compiled network; empty if the outputs of the two networks
        cannot be paired.
    """

    float_rgb: Evaluation
    float_nv12: Evaluation
    compiled: Evaluation
    outputs: tuple[OutputSimilarity, ...]

    @property
    def nv12_loss(self) -> float:
        """Average precision that NV12 costs."""
        return self.float_rgb.ap - self.float_nv12.ap

    @property
    def quantisation_loss(self) -> float:
        """Average precision that quantisation costs."""
        return self.float_nv12.ap - self.compiled.ap


def compare(
    reference: Backend, compiled: Backend, images: Iterable[tuple[Frame, Detections]],
) -> Comparison:
    """
    Compare two networks.

    :param reference: the float network; if its outputs have the names of the compiled one, they
        are compared, too.
    :param compiled: takes NV12.
    :param images: each with its objects.
    :raises ValueError: the compiled network does not take NV12.
    :raises FrameError: an image is damaged.
    :raises InferenceError: an engine failed.
    """
    runner = _Runner(reference, compiled)
    truth = []
    for frame, objects in images:
        runner.run(frame)
        truth.append(objects)
    float_rgb, float_nv12, compiled_nv12 = (evaluate(found, truth) for found in runner.found)
    return Comparison(float_rgb, float_nv12, compiled_nv12, runner.similarities())


def explain(
    comparison: Comparison, calibrated: Sequence[float] = (),
    layers: Sequence[LayerSimilarity] = (),
) -> Iterator[str]:
    """
    Yield the likely causes of a visible loss, each with how to go on.

    :param calibrated: the cosines of the outputs on the pictures of the calibration, if known.
    :param layers: on these images, if known; the least similar first.
    """
    if comparison.nv12_loss > TOLERATED:
        yield ('NV12 halves the resolution of colours, and the network depends on them; train it '
               'with pictures that went through NV12 or JPEG')
    if comparison.quantisation_loss <= TOLERATED:
        return
    outputs = comparison.outputs
    if not outputs:
        yield ('the outputs of the two networks have other names, so the cause is not known; '
               'compare with the ONNX file that was compiled')
        return
    own, other = (min(getattr(output, name) for output in outputs)
                  for name in ('cosine', 'cosine_other'))
    if other > own + CLEAR:
        yield ('the compiled network reads NV12 of the other colour range than its metadata say; '
               'correct nv12_range, or compile it again')
        return
    clipped = [*_saturated(layers), *(
        f'{output.name}: {output.covered:.0%} of its range' for output in outputs
        if output.covered < CLIPPED)]
    if clipped or (calibrated and min(calibrated) > own + CLEAR):
        where = f' ({"; ".join(clipped[:NAMED_LAYERS])})' if clipped else ''
        yield (f'layers are saturated{where}: the calibration pictures are unlike these images; '
               'calibrate with at least 50 pictures of the place where the robot works')
        return
    worst = ', '.join(f'{layer.name} (cosine {layer.cosine:.3f})'
                      for layer in layers[:NAMED_LAYERS])
    yield (f'8 bits are too coarse for {worst or "some layers"}, also on the calibration '
           'pictures; compile with --int16 (X5), or with another --calibration-type')


def _saturated(layers: Sequence[LayerSimilarity]) -> Iterator[str]:
    """Yield the layers that clip many values, the worst first."""
    for layer in sorted(layers, key=lambda layer: -layer.beyond):
        if layer.beyond > SATURATED:
            yield (f'{layer.name}: {layer.beyond:.1%} of its values are beyond the calibrated '
                   f'{layer.threshold:.3g}')


class _Network:
    """One way of an image to detections."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._preprocessor = Preprocessor(backend.info.input)
        self._decoder = make_decoder(backend.info.head)
        self._criteria = replace(backend.info.criteria, score_threshold=LOWEST_SCORE)

    def prepare(self, frame: Frame) -> tuple[Array, Resize]:
        return self._preprocessor.prepare(frame)

    def outputs(self, frame: Frame) -> list[Array]:
        return self.infer(self.prepare(frame)[0])

    def infer(self, tensor: Array) -> list[Array]:
        return [np.array(output) for output in self.backend.infer(tensor)]

    def decode(self, outputs: Sequence[Array], resize: Resize) -> Detections:
        found = self._decoder.decode(outputs, self._criteria)
        return select(found.with_boxes(resize.to_image(found.boxes)), self._criteria, resize.image)


class _Runner:
    """Runs images through both networks and collects what is compared."""

    def __init__(self, reference: Backend, compiled: Backend) -> None:
        self._spec = compiled.info.input
        if self._spec.pixels != 'nv12':
            raise ValueError(f'{compiled.info.path} takes {self._spec.pixels}; accepted: a '
                             'compiled model, which takes nv12')
        self._float, self._compiled = _Network(reference), _Network(compiled)
        self.found: tuple[list[Detections], ...] = [], [], []
        self._pairs = [
            (index, _OutputStatistics(spec, reference.info.outputs[index]))
            for index, spec in _paired(reference.info.outputs, compiled.info.outputs)]

    def run(self, frame: Frame) -> None:
        tensor, resize = self._float.prepare(frame)
        self.found[0].append(self._float.decode(self._float.infer(tensor), resize))
        tensor, resize = self._compiled.prepare(frame)
        own = self._nv12(tensor, self._spec.nv12_range)
        float_outputs = self._float.outputs(own)
        compiled_outputs = self._compiled.infer(tensor)
        self.found[1].append(self._float.decode(float_outputs, resize))
        self.found[2].append(self._compiled.decode(compiled_outputs, resize))
        if self._pairs:
            other, = set(RANGES) - {self._spec.nv12_range}
            others = self._float.outputs(self._nv12(tensor, other))
            for (index, statistics), values in zip(self._pairs, compiled_outputs):
                statistics.add(values, float_outputs[index], others[index])

    def similarities(self) -> tuple[OutputSimilarity, ...]:
        return tuple(statistics.result() for _, statistics in self._pairs)

    def _nv12(self, tensor: Array, nv12_range: str) -> Frame:
        frame = Frame.wrap(tensor.copy(), self._spec.size, 'nv12')
        return replace(frame, yuv_range=nv12_range)


def _paired(
    floats: Sequence[OutputSpec], compiled: Sequence[OutputSpec],
) -> Iterator[tuple[int, OutputSpec]]:
    """Yield the index of the float output of the same name, for each compiled output, or none."""
    names = [spec.name for spec in floats]
    if set(names) == {spec.name for spec in compiled}:
        for spec in compiled:
            yield names.index(spec.name), spec


class _OutputStatistics:
    """Sums over all images of one output of both networks."""

    def __init__(self, spec: OutputSpec, reference: OutputSpec) -> None:
        self._spec = spec
        self._moves_channels = spec.shape != reference.shape
        self._products = np.zeros(5)
        self._limits, self._compiled_limits = [np.inf, -np.inf], [np.inf, -np.inf]

    def add(self, compiled: Array, floats: Array, others: Array) -> None:
        values = compiled.astype(np.float64)
        if self._spec.scale is not None and not self._spec.is_float:
            values = values * self._spec.scale
        flat = values.ravel()
        own, other = self._flat(floats), self._flat(others)
        self._products += [flat @ own, flat @ other, flat @ flat, own @ own, other @ other]
        for limits, array in ((self._limits, own), (self._compiled_limits, flat)):
            limits[:] = min(limits[0], array.min()), max(limits[1], array.max())

    def result(self) -> OutputSimilarity:
        own, other, compiled, float_own, float_other = self._products
        return OutputSimilarity(
            self._spec.name, _cosine(own, compiled, float_own),
            _cosine(other, compiled, float_other), (self._limits[0], self._limits[1]),
            (self._compiled_limits[0], self._compiled_limits[1]))

    def _flat(self, values: Array) -> Array:
        if self._moves_channels:
            values = np.moveaxis(values, 1, -1)
        return values.astype(np.float64).ravel()


def _cosine(product: float, first: float, second: float) -> float:
    return float(product / np.sqrt(first * second)) if first and second else 0.0
