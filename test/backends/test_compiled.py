# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The checks of inputs that the engines for compiled models share."""

from pathlib import Path

import numpy as np
import pytest

from fcos_ros.backends import InferenceError, ModelError, TensorInfo, UnfitModelError
from fcos_ros.backends.compiled import nv12_input, require_tensor
from fcos_ros.backends.description import reporting_tensors
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.resize import Size

PATH = Path('model.bin')
SPEC = InputSpec('image', Size(6, 4), 'nv12')


@pytest.mark.parametrize('kind', ['NV12', 'NV12_SEPARATE'])
@pytest.mark.parametrize('shape', [(1, 3, 4, 6), (1, 4, 6, 3)])
def test_an_nv12_input_may_have_either_type_and_layout(kind, shape):
    spec = nv12_input(PATH, 'image', kind, shape)
    assert (spec.name, spec.pixels, spec.size) == ('image', 'nv12', Size(6, 4))
    assert (spec.shape, spec.dtype) == ((6 * 4 * 3 // 2,), np.uint8)


def test_a_width_of_3_is_not_taken_for_channels_if_the_channels_come_first():
    with pytest.raises(ModelError, match='3x4; accepted: even sides'):
        nv12_input(PATH, 'image', 'NV12', (1, 3, 4, 3))


@pytest.mark.parametrize(('kind', 'shape'), [
    pytest.param('RGB', (1, 3, 4, 6), id='another type'),
    pytest.param('NV12', (2, 3, 4, 6), id='batch of 2'),
    pytest.param('NV12', (3, 4, 6), id='three sides'),
    pytest.param('NV12', (1, 4, 6, 1), id='one channel'),
])
def test_another_input_is_refused(kind, shape):
    with pytest.raises(ModelError) as refusal:
        nv12_input(PATH, 'image', kind, shape)
    assert str(refusal.value) == (
        f'model.bin takes image {kind}{list(shape)}; accepted: one input of type NV12, of shape '
        '(1, 3, H, W) or (1, H, W, 3)')


@pytest.mark.parametrize('shape', [(1, 3, 5, 6), (1, 5, 6, 3), (1, 3, 4, 7)])
def test_an_odd_side_is_refused(shape):
    with pytest.raises(ModelError, match='accepted: even sides'):
        nv12_input(PATH, 'image', 'NV12', shape)


def test_the_right_tensor_is_accepted():
    require_tensor(np.zeros(SPEC.shape, np.uint8), SPEC)


@pytest.mark.parametrize(('tensor', 'found'), [
    pytest.param(None, 'NoneType', id='None'),
    pytest.param(bytes(36), 'bytes', id='bytes'),
    pytest.param(np.zeros(35, np.uint8), 'uint8[35]', id='too short'),
    pytest.param(np.zeros((6, 6), np.uint8), 'uint8[6, 6]', id='planes as rows'),
    pytest.param(np.zeros(36, np.int8), 'int8[36]', id='signed'),
    pytest.param(np.zeros(72, np.uint8)[::2], 'uint8[36] with strides (2,)', id='with gaps'),
    pytest.param(np.zeros(36, np.uint8)[::-1], 'uint8[36] with strides (-1,)', id='reversed'),
])
def test_another_tensor_is_refused(tensor, found):
    with pytest.raises(InferenceError) as refusal:
        require_tensor(tensor, SPEC)
    assert str(refusal.value) == (
        f'input is {found}; accepted: uint8[36] without gaps, the Y plane and then the UV plane '
        'of an image of 6x4 pixels')


def test_a_model_error_gets_the_tensors_of_the_model():
    inputs = [TensorInfo('image', 'NV12', (1, 3, 4, 6))]
    outputs = [TensorInfo('scores', 'int32', (1, 3), (0.5,))]
    with pytest.raises(UnfitModelError, match='too small') as refusal, \
            reporting_tensors(PATH, inputs, outputs):
        raise ModelError('too small')
    assert (refusal.value.inputs, refusal.value.outputs) == ((*inputs,), (*outputs,))


def test_a_model_error_that_has_tensors_keeps_them():
    own = UnfitModelError('too small', [], [])
    with pytest.raises(UnfitModelError) as refusal, \
            reporting_tensors(PATH, [TensorInfo('image', 'NV12', (1, 3, 4, 6))], []):
        raise own
    assert refusal.value is own
