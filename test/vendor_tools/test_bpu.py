# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Compile the demo network with the vendor's compiler, and run it in the vendor's simulator.

`make test-bpu` runs these tests; `make test` does not, as the toolchain is the user's own.
"""

import json
from pathlib import Path
import subprocess
import sys

from core import reference
import cv2
import numpy as np
import pytest

from fcos_ros.backends import load
from fcos_ros.backends.bpu_tools import require_tool
from fcos_ros.cli.main import main
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.frame import Frame
from fcos_ros.core.preprocess import Preprocessor
from fcos_ros.demo.scenes import render

MODEL = Path(__file__).parents[2] / 'models' / 'fcos_demo_bpu.onnx'
FRAMES = 50


@pytest.fixture(scope='module')
def job(tmp_path_factory):
    """Convert the demo network; return the folder with the results of the compiler."""
    folder = tmp_path_factory.mktemp('convert')
    code = main(['convert', str(MODEL), '--target', 'x5', '--calibration', 'scenes',
                 '--images', '20', '--optimize', '0', '--output', str(folder / 'demo_x5.bin'),
                 '--job-folder', str(folder / 'job')])
    assert code == 0
    return folder


@pytest.fixture(scope='module')
def backend(job):
    """Load the compiled network in the simulator."""
    model = load(job / 'demo_x5.bin')
    assert model.name == 'bpu_sim'
    yield model
    model.close()


@pytest.fixture(scope='module')
def tensors(backend):
    """Prepare scenes as the node does, uint8 (FRAMES, H * W * 3/2)."""
    preprocessor = Preprocessor(backend.info.input)
    return np.stack([preprocessor.prepare(Frame.from_bgr(render(seed).image))[0].copy()
                     for seed in range(FRAMES)])


@pytest.fixture(scope='module')
def simulated(backend, tensors):
    """Run all frames in the simulator."""
    return [[np.array(output) for output in backend.infer(tensor)] for tensor in tensors]


def test_no_integer_differs_from_the_quantised_network(job, tmp_path, backend, tensors, simulated):
    network, = (job / 'job' / 'compiled').glob('*_quantized_model.onnx')
    np.save(tmp_path / 'tensors.npy', tensors)
    python = require_tool('hb_mapper', 'the test').parent / 'python'
    subprocess.run([python, Path(__file__).with_name('quantised.py'), network,
                    tmp_path / 'tensors.npy', tmp_path / 'expected.npz'],
                   check=True, stdout=sys.stderr)
    expected = np.load(tmp_path / 'expected.npz')
    compared = 0
    for index, outputs in enumerate(simulated):
        for spec, values in zip(backend.info.outputs, outputs):
            integers = np.rint(expected[f'{spec.name}_{index}'] / spec.scale).astype(np.int32)
            np.testing.assert_array_equal(values, integers)
            compared += values.size
    assert compared == FRAMES * 60_016


def test_boxes_of_the_integers_equal_the_reference(backend, simulated):
    info = backend.info
    decoder = make_decoder(info.head)
    for outputs in simulated:
        found = decoder.decode(outputs, info.criteria)
        expected = reference.decode(info.head, outputs, info.criteria)
        assert len(found) > 0
        np.testing.assert_array_equal(found.class_ids, expected.class_ids)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)
        np.testing.assert_allclose(found.boxes, expected.boxes, rtol=1e-6)


def test_a_compiled_model_loses_at_most_one_point(job, capsys):
    code = main(['eval', 'scenes', '--compare', str(MODEL), str(job / 'demo_x5.bin'),
                 '--images', '200', '--json'])
    figures = json.loads(capsys.readouterr().out)
    assert code == 0
    assert figures['causes'] == []
    assert figures['compiled']['ap'] > figures['float_nv12']['ap'] - 0.01
    assert len(figures['layers']) > 30
    assert min(layer['cosine'] for layer in figures['layers']) > 0.97
    assert max(layer['beyond'] for layer in figures['layers']) < 0.001


def test_a_bad_calibration_is_diagnosed(tmp_path, capsys):
    """Dark pictures make ranges that the values of usual pictures exceed."""
    pictures = tmp_path / 'dark'
    pictures.mkdir()
    for seed in range(20):
        coarse = np.random.default_rng(seed).integers(0, 24, (12, 16, 3), np.uint8)
        cv2.imwrite(str(pictures / f'{seed}.png'), cv2.resize(coarse, (640, 480)))
    model = tmp_path / 'dark_x5.bin'
    assert main(['convert', str(MODEL), '--target', 'x5', '--calibration', str(pictures),
                 '--optimize', '0', '--output', str(model)]) == 0
    capsys.readouterr()
    code = main(['eval', 'scenes', '--compare', str(MODEL), str(model), '--images', '20'])
    assert code == 1
    out = capsys.readouterr().out
    assert 'layers are saturated (HZ_PREPROCESS_FOR_image: ' in out
    assert 'the calibration pictures are unlike these images' in out
