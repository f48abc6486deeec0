# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The layers of a network are read with their costs, and grouped by the size of the features."""

from pathlib import Path

from hypothesis import given, strategies as st
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
import pytest

from fcos_ros.backends.base import ModelError
from fcos_ros.core.resize import Size
from fcos_ros.deploy.network_layers import Estimate, Layer, LayerTime, NetworkLayers
from fcos_ros.deploy.onnx_layers import read_onnx_layers
from fcos_ros.deploy.stages import group

DEMO = Path(__file__).parents[2] / 'models' / 'fcos_demo.onnx'


def write(path, nodes, weights, shape=(1, 3, 32, 32), outputs=('out',)):
    graph = helper.make_graph(
        nodes, 'graph', [helper.make_tensor_value_info('image', TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()])
    onnx.save(helper.make_model(
        graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8), str(path))
    return path


def conv(source, weight, target, stride=1, **attributes):
    return helper.make_node('Conv', [source, weight], [target], name=target,
                            strides=[stride, stride], **attributes)


def weight(*shape):
    return np.zeros(shape, np.float32)


def test_the_demo_network_has_the_operations_that_the_compiler_counts():
    """The compiler reports 1,868,020,224 effective operations, 2 x 2,359,296 to normalise."""
    network = read_onnx_layers(DEMO)
    assert sum(layer.macs for layer in network.layers) == (1_868_020_224 - 4_718_592) // 2
    assert network.canvas == (512, 512)


def test_the_stages_of_the_demo_network_are_backbone_pyramid_and_levels():
    stages = group(read_onnx_layers(DEMO))
    sides = [stage.resolution.width for stage in stages if 'Conv' in stage.operators]
    assert sorted(sides, reverse=True) == [256, 128, 64, 64, 32, 32, 32, 16, 16, 8, 8, 4]
    levels = [stage for stage in stages if any(layer.is_output for layer in stage.layers)]
    assert sorted(stage.resolution.width for stage in levels) == [4, 8, 16, 32, 64]
    for level in levels:
        side = level.resolution.width
        assert level.shapes == ((1, side, side, 6), (1, side, side, 4), (1, side, side, 1))


def test_costs_of_a_convolution(tmp_path):
    path = write(tmp_path / 'a.onnx', [
        conv('image', 'w', 'first', 2), conv('first', 'v', 'out', group=4)],
        {'w': weight(8, 3, 1, 1), 'v': weight(8, 2, 3, 3)})
    first, second = read_onnx_layers(path).layers
    assert (first.macs, first.weight_bytes, first.output_bytes) == (
        16 * 16 * 8 * 3, 8 * 3 * 4, 16 * 16 * 8 * 4)
    assert (second.macs, second.weight_bytes) == (14 * 14 * 8 * 2 * 9, 8 * 2 * 9 * 4)
    assert second.sources == (0,)
    assert (first.is_output, second.is_output) == (False, True)


def test_shared_constants_count_once(tmp_path):
    path = write(tmp_path / 'a.onnx', [
        helper.make_node('Identity', ['w'], ['alias']),
        conv('image', 'w', 'first'), conv('image', 'alias', 'out')], {'w': weight(8, 3, 1, 1)})
    assert [layer.weight_bytes for layer in read_onnx_layers(path).layers] == [96, 0]


def test_computations_on_shapes_are_no_layers(tmp_path):
    path = write(tmp_path / 'a.onnx', [
        helper.make_node('Shape', ['image'], ['shape']),
        helper.make_node('Slice', ['shape', 'zero', 'four'], ['sizes']),
        conv('image', 'w', 'half', 2),
        helper.make_node('Resize', ['half', '', '', 'sizes'], ['out'], name='out')],
        {'w': weight(3, 3, 1, 1), 'zero': np.array([0]), 'four': np.array([4])})
    assert [layer.operator for layer in read_onnx_layers(path).layers] == ['Conv', 'Resize']


def test_squeeze_and_excitation_belongs_to_the_features_that_it_scales(tmp_path):
    path = write(tmp_path / 'a.onnx', [
        conv('image', 'w', 'features', 2),
        helper.make_node('GlobalAveragePool', ['features'], ['pooled'], name='pooled'),
        conv('pooled', 'v', 'gate'), helper.make_node('Sigmoid', ['gate'], ['open'], name='open'),
        helper.make_node('Mul', ['features', 'open'], ['out'], name='out')],
        {'w': weight(8, 3, 1, 1), 'v': weight(8, 8, 1, 1)})
    stage, = group(read_onnx_layers(path))
    assert len(stage.layers) == 5
    assert stage.resolution == (16, 16)


def test_the_branches_of_a_head_are_one_stage(tmp_path):
    nodes = [conv('image', 'w', 'half', 2)]
    for name in ('classes', 'boxes'):
        nodes += [conv('half', 'v', f'{name}_level', 2), conv(f'{name}_level', 'v', name)]
    path = write(tmp_path / 'a.onnx', nodes, {'w': weight(3, 3, 1, 1), 'v': weight(3, 3, 1, 1)},
                 outputs=('classes', 'boxes'))
    first, head = group(read_onnx_layers(path))
    assert (len(first.layers), len(head.layers)) == (1, 4)
    assert head.shapes == ((1, 3, 8, 8),)


def test_joined_levels_are_a_stage_of_their_own(tmp_path):
    flatten = np.array([0, 3, -1])
    path = write(tmp_path / 'a.onnx', [
        conv('image', 'w', 'fine', 2), conv('fine', 'v', 'coarse', 2),
        helper.make_node('Reshape', ['fine', 'flat'], ['a'], name='a'),
        helper.make_node('Reshape', ['coarse', 'flat'], ['b'], name='b'),
        helper.make_node('Concat', ['a', 'b'], ['out'], name='out', axis=2)],
        {'w': weight(3, 3, 1, 1), 'v': weight(3, 3, 1, 1), 'flat': flatten})
    network = read_onnx_layers(path)
    assert group(network)[-1].resolution is None
    assert network.layers[-1].shape == (1, 3, 16 * 16 + 8 * 8)


def test_open_sides_are_unknown_and_cost_nothing(tmp_path):
    path = write(tmp_path / 'a.onnx', [conv('image', 'w', 'out')], {'w': weight(8, 3, 1, 1)},
                 shape=(1, 3, 'height', 'width'))
    layer, = read_onnx_layers(path).layers
    assert layer.shape == (1, 8, None, None)
    assert (layer.macs, layer.output_bytes, layer.resolution) == (0, 0, None)


@pytest.mark.parametrize('content', [b'', b'no model', DEMO.read_bytes()[:5000]])
def test_a_broken_file_is_refused(tmp_path, content):
    path = tmp_path / 'a.onnx'
    path.write_bytes(content)
    if content:
        with pytest.raises(ModelError, match='cannot be read as ONNX'):
            read_onnx_layers(path)
    else:  # an empty message of protobuf
        assert read_onnx_layers(path).layers == ()


def test_an_operator_without_inputs_is_refused(tmp_path):
    path = write(tmp_path / 'a.onnx', [
        helper.make_node('Conv', ['image'], ['out'], name='out')], {})
    with pytest.raises(ModelError, match='without its inputs'):
        read_onnx_layers(path)


@st.composite
def networks(draw):
    """Return any network: each layer has any earlier layers as sources."""
    sizes = st.sampled_from([Size(8, 8), Size(4, 4), None])
    layers = []
    for index in range(draw(st.integers(1, 25))):
        sources = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        layers.append(Layer(f'/part/{index}', 'Conv', tuple(sorted(sources)),
                            resolution=draw(sizes), macs=draw(st.integers(0, 100))))
    return NetworkLayers('any', Size(8, 8), tuple(layers), has_sources=draw(st.booleans()))


@given(networks())
def test_each_layer_is_in_one_stage_of_its_size_and_stages_follow_their_sources(network):
    stages = group(network)
    assert sorted(layer.name for stage in stages for layer in stage.layers) == sorted(
        layer.name for layer in network.layers)
    for index, stage in enumerate(stages):
        assert {layer.resolution for layer in stage.layers} == {stage.resolution}
        assert all(source < index for source in stage.sources)
        assert all(stages[source].column < stage.column for source in stage.sources)


def test_times_belong_to_the_layers_of_the_same_name():
    network = NetworkLayers('a', None, (Layer('x', 'Conv'), Layer('y', 'Relu')))
    timed = network.with_estimate(Estimate('B25E', 5, 6, {'x': LayerTime(1, 2)}))
    assert [layer.time for layer in timed.layers] == [LayerTime(1, 2), None]
    stage, = group(NetworkLayers('a', None, timed.layers, has_sources=False))[:1]
    assert stage.time == LayerTime(1, 2)


def test_times_of_another_network_are_refused():
    network = NetworkLayers('a', None, (Layer('x', 'Conv'),))
    with pytest.raises(ValueError, match='1 of the 3 compiled layers'):
        network.with_estimate(Estimate('B25E', 5, 6, dict.fromkeys('xyz', LayerTime(1, 2))))
