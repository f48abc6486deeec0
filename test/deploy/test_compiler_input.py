# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files that the compiler refuses, or makes bad models of, are refused before it is called."""

from compiler_models import write_compiler_model
import numpy as np
from onnx import TensorProto, helper, numpy_helper
import pytest

from fcos_ros.backends import ModelError
from fcos_ros.core.resize import Size
from fcos_ros.deploy.compiler_input import check_compiler_input


def test_a_file_for_the_compiler_is_accepted(tmp_path):
    source = check_compiler_input(write_compiler_model(tmp_path / 'model.onnx'), 'x5')
    assert (source.input_name, source.size) == ('image', Size(128, 128))
    assert source.outputs[0].name == 'class_8'
    assert source.outputs[0].shape == (1, 16, 16, 2)
    assert len(source.outputs) == 15


def batch_of_two(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = 2


def open_sides(model):
    for side in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        side.dim_param = 'side'
    for output in model.graph.output:
        for side in output.type.tensor_type.shape.dim[1:3]:
            side.dim_param = f'{output.name}_side'


def add_operator(kind):
    def change(model):
        node = next(node for node in model.graph.node if 'box_8' in node.output)
        node.output[0] = 'box_8_linear'
        model.graph.node.append(helper.make_node(kind, ['box_8_linear'], ['box_8'], kind))
    return change


def second_input(model):
    extra = helper.make_tensor_value_info('scale', TensorProto.FLOAT, [1, 3, 1, 1])
    model.graph.input.append(extra)


def many_outputs(model):
    for number in range(20):
        model.graph.node.append(
            helper.make_node('Identity', ['class_8'], [f'copy_{number}'], f'copy_{number}'))
        copy = helper.make_tensor_value_info(f'copy_{number}', TensorProto.FLOAT, [1, 16, 16, 2])
        model.graph.output.append(copy)


@pytest.mark.parametrize(('change', 'message'), [
    (batch_of_two, r'input has the shape \[2, 3, 128, 128\], accepted: \[1, 3, H, W\]'),
    (open_sides, r'accepted: \[1, 3, H, W\] without open sides'),
    (add_operator('Exp'), r'operator Exp: .* applied after the network'),
    (add_operator('Sigmoid'), r'outputs box_8 \(Sigmoid\) do not end in a convolution'),
    (second_input, 'it has 2 inputs, accepted: 1'),
    (many_outputs, 'it has 35 outputs, accepted: up to 32'),
])
def test_what_the_compiler_refuses_is_named(tmp_path, change, message):
    path = write_compiler_model(tmp_path / 'model.onnx', change)
    with pytest.raises(ModelError, match=f'cannot be compiled: .*{message}.*fcos export'):
        check_compiler_input(path, 'x5')


def test_versions_that_are_too_new_are_refused(tmp_path):
    path = write_compiler_model(tmp_path / 'model.onnx', opset=17, ir_version=8)
    with pytest.raises(ModelError, match=(
            'its opset is 17, accepted: 10 and 11; its IR version is 8, accepted: up to 7')):
        check_compiler_input(path, 'x5')


def test_large_kernels_depend_on_the_target(tmp_path):
    def enlarge(model):
        weight = next(tensor for tensor in model.graph.initializer if tensor.name == 'class_8_w')
        weight.CopyFrom(numpy_helper.from_array(np.zeros((2, 3, 9, 9), np.float32), weight.name))
        node = model.graph.node[0]
        del node.attribute[:]
        node.attribute.extend([
            helper.make_attribute('kernel_shape', [9, 9]),
            helper.make_attribute('strides', [8, 8]),
            helper.make_attribute('pads', [4, 4, 4, 4])])
    path = write_compiler_model(tmp_path / 'model.onnx', enlarge)
    check_compiler_input(path, 'x5')
    with pytest.raises(ModelError, match=r'kernel of \[9, 9\], accepted for x3'):
        check_compiler_input(path, 'x3')


def test_a_file_that_is_no_onnx_is_refused(tmp_path):
    path = tmp_path / 'model.onnx'
    with pytest.raises(ModelError, match='is not a file'):
        check_compiler_input(path, 'x5')
    path.write_bytes(b'nothing')
    with pytest.raises(ModelError, match=r'model\.onnx'):
        check_compiler_input(path, 'x5')
