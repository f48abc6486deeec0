# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The compiled demo networks, without the vendor's tools: their files, and recorded outputs.

The outputs of three scenes were computed by the vendor's simulator, see `tools.record_outputs`.
"""

import hashlib
import json
from pathlib import Path

from core import reference
import numpy as np
import pytest

from fcos_ros.backends.bin_file import read_bin_file
from fcos_ros.backends.description import describe
from fcos_ros.backends.metadata_files import read_metadata
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.detections import Detections
from fcos_ros.core.head import OutputSpec
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.resize import Resize, Size
from fcos_ros.core.selection import select
from fcos_ros.demo.scenes import CLASS_NAMES, render
from fcos_ros.evaluation.average_precision import precision_recall

ROOT = Path(__file__).parents[2]
MODELS = ROOT / 'models'
RECORDING = ROOT / 'test' / 'recorded' / 'fcos_demo_x5.npz'
CANVAS = Size(512, 512)
SEEDS = range(3)


def info_of(path):
    file = read_bin_file(path)
    specs = [OutputSpec(output.tensor.name, output.tensor.shape, np.dtype(output.tensor.dtype),
                        np.array(output.tensor.scale, np.float32)) for output in file.outputs]
    return describe(path, 'bpu_sim', file.name, InputSpec('image', CANVAS, 'nv12'), specs,
                    read_metadata(path))


@pytest.mark.parametrize(('target', 'march'), [('x5', 'bayes-e'), ('x3', 'bernoulli2')])
def test_the_files_are_those_of_the_receipts(target, march):
    path = MODELS / f'fcos_demo_{target}.bin'
    file = read_bin_file(path)
    assert (file.march, file.nv12_range, file.cpu_nodes) == (march, 'full', ())
    assert file.input.shape == (1, 512, 512, 3)
    assert [output.tensor.dtype for output in file.outputs] == ['int32'] * 15
    receipt = json.loads(path.with_suffix('.receipt.json').read_text())
    assert receipt['result']['sha256'] == hashlib.sha256(path.read_bytes()).hexdigest()
    network = MODELS / receipt['network']['file']
    assert receipt['network']['sha256'] == hashlib.sha256(network.read_bytes()).hexdigest()
    assert min(receipt['outputs'].values()) > 0.99
    info = info_of(path)
    assert info.labels.names == CLASS_NAMES
    assert info.head.box_activation == 'exp'


@pytest.mark.parametrize('seed', SEEDS)
def test_recorded_integers_are_decoded_as_by_the_reference(seed):
    info = info_of(MODELS / 'fcos_demo_x5.bin')
    recording = np.load(RECORDING)
    outputs = [recording[f'{spec.name}_{seed}'] for spec in info.outputs]
    found = make_decoder(info.head).decode(outputs, info.criteria)
    expected = reference.decode(info.head, outputs, info.criteria)
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)
    np.testing.assert_allclose(found.boxes, expected.boxes, rtol=1e-6)


def test_recorded_integers_show_the_objects_of_the_scenes():
    info = info_of(MODELS / 'fcos_demo_x5.bin')
    recording, decoder = np.load(RECORDING), make_decoder(info.head)
    found, truth = [], []
    for seed in SEEDS:
        scene = render(seed)
        resize = Resize.letterbox(Size(*scene.image.shape[1::-1]), CANVAS)
        outputs = [recording[f'{spec.name}_{seed}'] for spec in info.outputs]
        boxes = decoder.decode(outputs, info.criteria)
        boxes = boxes.with_boxes(resize.to_image(boxes.boxes))
        found.append(select(boxes, info.criteria, resize.image))
        truth.append(Detections(scene.boxes, np.ones(len(scene.boxes), np.float32),
                                scene.class_ids))
    result = precision_recall(found, truth)
    assert result.recall > 0.85
    assert result.precision > 0.85
