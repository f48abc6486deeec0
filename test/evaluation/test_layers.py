# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The layers of a quantised network are compared with those of the float one, on given images."""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper
import pytest
from vendor_runtime import SECOND, WEIGHT, install, write_network

from fcos_ros.backends import ModelError
from fcos_ros.core.resize import Size
from fcos_ros.evaluation.layers import compare_layers

SIZE = Size(8, 4)


def images(count=3):
    """Return random NV12 images of 8x4 pixels."""
    return list(np.random.default_rng(3).integers(0, 256, (count, 8 * 4 * 3 // 2), np.uint8))


def planes(nv12):
    """Return Y, U and V of each pixel minus 128, float32 (3, 4, 8), pixel by pixel."""
    result = np.zeros((3, 4, 8), np.float32)
    for y in range(4):
        for x in range(8):
            chroma = 8 * 4 + (y // 2) * 8 + (x // 2) * 2
            result[:, y, x] = nv12[y * 8 + x], nv12[chroma], nv12[chroma + 1]
    return result - 128


def expected(nv12, thresholds):
    """Return the float and the quantised tensor of both layers."""
    def quantised(values, threshold):
        step = threshold / 127
        return np.clip(np.rint(values / step), -128, 127) * step

    image = planes(nv12)
    first = np.maximum(np.tensordot(WEIGHT[:, :, 0, 0], image, 1), 0)
    second = np.tensordot(SECOND[:, :, 0, 0], first, 1)
    lossy = quantised(np.maximum(np.tensordot(WEIGHT[:, :, 0, 0], quantised(image, 127), 1), 0),
                      thresholds[0])
    return [(first, lossy), (second, quantised(np.tensordot(SECOND[:, :, 0, 0], lossy, 1),
                                               thresholds[1]))]


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """Install the stand-in of the runtime."""
    for name, value in install(tmp_path / 'tools', sys.executable).items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize('switch', ['ON', 'OFF'])
@pytest.mark.parametrize('thresholds', [(40.0, 9.0), (2.0, 0.5)])
def test_similarity_range_and_clipped_values_equal_a_slow_reference(
        tmp_path, runtime, thresholds, switch):
    tensors, advanced = images(), []
    layers = compare_layers(write_network(tmp_path / 'network.onnx', thresholds, switch), SIZE,
                            tensors, lambda: advanced.append(1))
    assert len(advanced) == len(tensors)
    assert layers[0].cosine <= layers[1].cosine
    found = {layer.name: layer for layer in layers}
    pairs = [expected(nv12, thresholds) for nv12 in tensors]
    for index, name in enumerate(('first/Relu', 'second/Conv')):
        own, lossy = (np.concatenate([pair[index][way].ravel() for pair in pairs])
                      for way in (0, 1))
        layer = found.pop(name)
        cosine = own @ lossy / np.sqrt(own @ own * (lossy @ lossy))
        assert layer.cosine == pytest.approx(cosine, abs=1e-4)
        assert layer.limits == (pytest.approx(own.min(), abs=1e-3),
                                pytest.approx(own.max(), abs=1e-3))
        assert layer.threshold == thresholds[index]
        assert layer.beyond == pytest.approx((np.abs(own) > thresholds[index]).mean(), abs=1e-3)
    assert found == {}


def test_a_network_without_quantisation_is_refused(tmp_path, runtime):
    node = helper.make_node('Relu', ['image'], ['class_8'], 'Relu')
    shape = [1, 3, 4, 8]
    graph = helper.make_graph(
        [node], 'network', [helper.make_tensor_value_info('image', TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info('class_8', TensorProto.FLOAT, shape)])
    path = tmp_path / 'network.onnx'
    onnx.save(helper.make_model(graph), str(path))
    with pytest.raises(ModelError, match='has no operator HzCalibration; accepted: the network '
                                         'that fcos convert writes'):
        compare_layers(path, SIZE, images())


@pytest.mark.parametrize('missing', ['thresholds', 'switch'])
def test_a_network_of_another_version_is_refused(tmp_path, runtime, missing):
    kept = [name for name in ('thresholds', 'switch') if name != missing]
    path = write_network(tmp_path / 'network.onnx', attributes=kept)
    with pytest.raises(ModelError, match=f'has no attribute {missing}; accepted: .* hb_mapper'):
        compare_layers(path, SIZE, images())


def test_a_missing_network_is_named(tmp_path, runtime):
    with pytest.raises(ModelError, match=r'network\.onnx is not a file'):
        compare_layers(tmp_path / 'network.onnx', SIZE, images())


def test_a_runtime_that_fails_is_quoted(tmp_path, runtime):
    module = tmp_path / 'tools' / 'packages' / 'horizon_tc_ui.py'
    module.write_text('raise ImportError("no such processor")')
    with pytest.raises(ModelError, match='ended with 1: ImportError: no such processor'):
        compare_layers(write_network(tmp_path / 'network.onnx'), SIZE, images())


def test_without_the_toolchain_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setenv('FCOS_BPU_TOOLS', str(tmp_path))
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(ModelError, match=r'needs the command hb_mapper, .*make bpu-tools'):
        compare_layers(write_network(tmp_path / 'network.onnx'), SIZE, images())


def test_a_command_that_does_not_name_its_python_is_refused(tmp_path, monkeypatch):
    command = tmp_path / 'hb_mapper'
    command.write_bytes(b'\x7fELF')
    command.chmod(0o755)
    monkeypatch.setenv('FCOS_BPU_TOOLS', str(tmp_path))
    with pytest.raises(ModelError, match='does not name its Python'):
        compare_layers(write_network(tmp_path / 'network.onnx'), SIZE, images())
