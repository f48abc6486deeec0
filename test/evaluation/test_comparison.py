# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A compiled network is compared with the float one, and the cause of a loss is named."""

from dataclasses import replace
from pathlib import Path
import re

import numpy as np
import pytest

from fcos_ros.backends import ModelInfo
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.head import HeadSpec, OutputSpec
from fcos_ros.core.labels import Labels
from fcos_ros.core.preprocess import InputSpec, Preprocessor
from fcos_ros.core.recognition import recognise
from fcos_ros.core.resize import Size
from fcos_ros.evaluation.average_precision import Evaluation
from fcos_ros.evaluation.comparison import Comparison, OutputSimilarity, compare, explain
from fcos_ros.evaluation.layers import LayerSimilarity

CANVAS = Size(128, 128)
STRIDES = (8, 16, 32, 64, 128)
SCALE = 1 / 4096

RGB = InputSpec('image', CANVAS, 'rgb', 'NCHW', np.float32)
NV12 = InputSpec('image', CANVAS, 'nv12')
NAMES = [f'{part}_{stride}' for part in ('class', 'box', 'centerness') for stride in STRIDES]


def network(rgb):
    """Find bright squares: a small network in numpy, float32 (1, 3, H, W) to 15 outputs."""
    outputs = {}
    for stride in STRIDES:
        cells = rgb[0].reshape(3, 128 // stride, stride, 128 // stride, stride).mean((0, 2, 4))
        values = (cells - 75) / 8
        if stride != 8:
            values = np.minimum(values, -6)
        outputs[f'class_{stride}'] = np.stack([values, -values - 4], -1)[None]
        distances = 0.5 + values[None, ..., None] / 99
        outputs[f'box_{stride}'] = distances.repeat(4, axis=-1)
        outputs[f'centerness_{stride}'] = values[None, ..., None] / 16 + 2
    return [outputs[name].astype(np.float32) for name in NAMES]


class NumpyBackend:
    """
    The network as an engine.

    :param spec: RGB, or NV12 for a compiled network with integer outputs.
    :param reads: the range in which it reads NV12.
    :param limit: the highest value that its outputs can have.
    """

    def __init__(self, spec, reads='full', limit=np.inf, names=NAMES):
        self._to_rgb = Preprocessor(RGB)
        self._spec, self._reads, self._limit = spec, reads, limit
        integers = spec.pixels == 'nv12'
        specs = [OutputSpec(name, output.shape, np.int32 if integers else np.float32,
                            np.array([SCALE]) if integers else None)
                 for name, output in zip(names, network(np.zeros(RGB.shape, np.float32)))]
        head = recognise(specs, CANVAS, HeadSpec(box_unit='stride'))
        self.info = ModelInfo('numpy', Path('numpy'), 'numpy', spec, tuple(specs), head,
                              Labels(('square', 'other')), Criteria())

    def infer(self, tensor):
        if self._spec.pixels != 'nv12':
            return network(tensor)
        frame = replace(Frame.wrap(tensor.copy(), CANVAS, 'nv12'), yuv_range=self._reads)
        outputs = network(self._to_rgb.prepare(frame)[0])
        return [np.rint(np.minimum(output, self._limit) / SCALE).astype(np.int32)
                for output in outputs]


@pytest.fixture
def images():
    """Draw pictures of grey noise with bright squares of 8x8 pixels."""
    made = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        picture = rng.integers(40, 90, (128, 128, 3)).astype(np.uint8)
        cells = rng.choice(256, 5, replace=False)
        boxes = []
        for cell in cells:
            x, y = 8 * (cell % 16), 8 * (cell // 16)
            picture[y:y + 8, x:x + 8] = rng.integers(150, 200)
            boxes.append((x, y, x + 8, y + 8))
        made.append((Frame.from_bgr(picture), Detections(
            np.array(boxes, np.float32), np.ones(5, np.float32), np.zeros(5, np.int32))))
    return made


def test_a_compiled_network_that_computes_the_same_loses_nothing(images):
    result = compare(NumpyBackend(RGB), NumpyBackend(NV12), images)
    assert result.float_rgb.ap50 > 0.95
    assert abs(result.nv12_loss) < 0.01
    assert abs(result.quantisation_loss) < 0.01
    assert [output.name for output in result.outputs] == NAMES
    assert min(output.cosine for output in result.outputs) > 0.999
    assert list(explain(result)) == []


def test_a_network_that_reads_the_other_range_is_recognised(images):
    result = compare(NumpyBackend(RGB), NumpyBackend(NV12, reads='limited'), images)
    assert min(output.cosine_other for output in result.outputs) > 0.999
    assert min(output.cosine for output in result.outputs) < 0.99
    lossy = replace(result, compiled=replace(result.compiled, ap=result.float_nv12.ap - 0.02))
    assert 'other colour range' in next(explain(lossy))


def test_a_saturated_network_is_recognised(images):
    result = compare(NumpyBackend(RGB), NumpyBackend(NV12, limit=-1.5), images)
    assert result.quantisation_loss > 0.1
    cause, = explain(result)
    assert re.search(r'layers are saturated \(class_8: \d+% of its range; class_16: ', cause)
    assert 'calibrate with at least 50 pictures' in cause


def test_outputs_of_other_names_are_not_compared(images):
    names = [f'own_{name}' for name in NAMES]
    result = compare(NumpyBackend(RGB, names=names), NumpyBackend(NV12, limit=-1.5), images)
    assert result.outputs == ()
    assert 'compare with the ONNX file that was compiled' in next(explain(result))


def test_a_network_without_nv12_is_no_compiled_one(images):
    with pytest.raises(ValueError, match='accepted: a compiled model, which takes nv12'):
        compare(NumpyBackend(RGB), NumpyBackend(RGB), images)


def evaluation(ap):
    return Evaluation(ap, ap, ap, {0: ap})


def output(cosine, other=0.9, compiled_limits=(-1.0, 1.0)):
    return OutputSimilarity('class_8', cosine, other, (-1.0, 1.0), compiled_limits)


def layer(name, cosine, beyond):
    return LayerSimilarity(name, cosine, (0.0, 9.0), 4.0, beyond)


@pytest.mark.parametrize(('layers', 'cause'), [
    ([layer('b', 0.8, 0.0002), layer('a', 0.9, 0.3), layer('c', 0.95, 0.02)],
     'layers are saturated (a: 30.0% of its values are beyond the calibrated 4; c: 2.0% '),
    ([layer('b', 0.8, 0.0002), layer('a', 0.9, 0.0)],
     '8 bits are too coarse for b (cosine 0.800), a (cosine 0.900), also on the calibration'),
])
def test_the_worst_layers_are_named(layers, cause):
    comparison = Comparison(*map(evaluation, (0.9, 0.9, 0.8)), (output(0.95),))
    found, = explain(comparison, layers=layers)
    assert cause in found


@pytest.mark.parametrize(('aps', 'outputs', 'calibrated', 'causes'), [
    ((0.90, 0.895, 0.89), [output(0.9)], [], []),
    ((0.90, 0.88, 0.875), [output(0.999)], [], ['NV12 halves the resolution']),
    ((0.90, 0.90, 0.80), [output(0.95, other=0.99)], [], ['other colour range']),
    ((0.90, 0.90, 0.80), [output(0.95, compiled_limits=(-0.5, 0.5))], [], ['saturated']),
    ((0.90, 0.90, 0.80), [output(0.95)], [0.999], ['saturated']),
    ((0.90, 0.90, 0.80), [output(0.95)], [0.951], ['8 bits are too coarse']),
    ((0.90, 0.88, 0.80), [output(0.95)], [], ['NV12 halves', '8 bits are too coarse']),
])
def test_the_cause_follows_from_figures(aps, outputs, calibrated, causes):
    comparison = Comparison(*map(evaluation, aps), tuple(outputs))
    found = list(explain(comparison, calibrated))
    assert len(found) == len(causes)
    assert all(cause in text for cause, text in zip(causes, found))
