# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `Head.recognise` promises: the meaning of every output, whatever their order."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, strategies as st
from networks import Network
import numpy as np
import pytest

from fcos_ros.core.head import Head, HeadError, OutputSpec
from fcos_ros.core.resize import Size

SIDES = st.integers(8, 600).map(lambda half: 2 * half)
STRIDES = st.sampled_from([(8, 16, 32, 64, 128), (4, 8, 16, 32, 64), (16, 32), (8,)])
NETWORKS = st.builds(
    Network,
    canvas=st.builds(Size, SIDES, SIDES),
    num_classes=st.sampled_from([1, 2, 3, 4, 5, 80, 200]),
    strides=STRIDES,
    layout=st.sampled_from(['NHWC', 'NCHW']),
    dtype=st.sampled_from(['float32', 'float16', 'int8', 'int16', 'int32']),
    scales=st.sampled_from(['channel', 'tensor']))


def specs_of(network):
    return network.specs(np.random.default_rng(0))


def meaning(head, specs):
    """Names of the outputs, level by level, as class, box, centerness."""
    return [(specs[level.class_output].name, specs[level.box_output].name,
             specs[level.centerness_output].name) for level in head.levels]


def named(strides):
    return [(f'cls_{stride}', f'box_{stride}', f'ctr_{stride}') for stride in strides]


def nameless(specs):
    return [replace(spec, name=str(index)) for index, spec in enumerate(specs)]


def fits_in_one_cell(network):
    """Whether two levels have grids of the same size, so that their order must tell."""
    grids = [network.shape(stride, 1) for stride in network.strides]
    return len(set(grids)) < len(grids)


@given(NETWORKS, st.randoms(use_true_random=False))
def test_the_meaning_does_not_depend_on_the_order(network, random):
    specs = specs_of(network)
    if not fits_in_one_cell(network):
        random.shuffle(specs)
    head = Head.recognise(
        specs, network.canvas, strides=network.strides, num_classes=network.num_classes)
    assert meaning(head, specs) == named(network.strides)


@given(NETWORKS)
def test_everything_but_the_strides_is_found_without_being_told(network):
    specs = specs_of(network)
    head = Head.recognise(specs, network.canvas, strides=network.strides)
    assert head.num_classes == network.num_classes
    assert {level.layout for level in head.levels} == {network.layout}
    for level in head.levels:
        grid = level.grid.height, level.grid.width
        shape = specs[level.centerness_output].shape
        assert (shape[1:3] if network.layout == 'NHWC' else shape[2:]) == grid
        np.testing.assert_array_equal(level.class_scale, specs[level.class_output].scale)
        np.testing.assert_array_equal(level.box_scale, specs[level.box_output].scale)


@given(NETWORKS)
def test_names_that_say_nothing_leave_the_published_order(network):
    specs = specs_of(network)
    head = Head.recognise(nameless(specs), network.canvas, strides=network.strides)
    assert meaning(head, specs) == named(network.strides)


@pytest.mark.parametrize('num_classes', [1, 4])
def test_names_decide_where_shapes_and_order_mislead(num_classes):
    network = Network(Size(512, 512), num_classes)
    specs = specs_of(network)[::-1]
    head = Head.recognise(specs, network.canvas)
    assert meaning(head, specs) == named(network.strides)


def test_level_by_level_order_without_names():
    network = Network(Size(256, 128), num_classes=4)
    specs = specs_of(network)
    mixed = [specs[index] for level in range(5) for index in (level, level + 5, level + 10)]
    head = Head.recognise(nameless(mixed), network.canvas)
    assert meaning(head, mixed) == named(network.strides)


def test_a_name_of_torchvision_is_no_box():
    network = Network(Size(64, 64), num_classes=1, strides=(8,))
    names = ['bbox_ctrness', 'bbox_regression', 'cls_logits']
    kinds = {'cls': 'cls_logits', 'box': 'bbox_regression', 'ctr': 'bbox_ctrness'}
    specs = [replace(spec, name=kinds[spec.name[:3]]) for spec in specs_of(network)]
    specs.sort(key=lambda spec: names.index(spec.name))
    head = Head.recognise(specs, network.canvas, strides=(8,))
    assert meaning(head, specs) == [('cls_logits', 'bbox_regression', 'bbox_ctrness')]


@pytest.mark.parametrize('size', [512, 768, 896])
@pytest.mark.parametrize(('dtype', 'unit'), [('int32', 'stride'), ('float32', 'pixel')])
def test_the_published_networks(size, dtype, unit):
    network = Network(Size(size, size), dtype=dtype)
    head = Head.recognise(specs_of(network), network.canvas)
    assert [level.stride for level in head.levels] == [8, 16, 32, 64, 128]
    assert [level.class_output for level in head.levels] == [0, 1, 2, 3, 4]
    assert (head.num_classes, head.box_unit, head.point_offset) == (80, unit, 0.5)


def test_the_box_unit_may_be_told():
    network = Network(dtype='int32')
    head = Head.recognise(specs_of(network), network.canvas, box_unit='pixel', point_offset=0.0)
    assert (head.box_unit, head.point_offset) == ('pixel', 0.0)


def test_an_empty_scale_means_no_scale():
    specs = [replace(spec, scale=np.empty(0)) for spec in specs_of(Network())]
    assert Head.recognise(specs, Size(512, 512)).levels[0].class_scale is None


def changed(index, **changes):
    specs = specs_of(Network(dtype='int32'))
    specs[index] = replace(specs[index], **changes)
    return specs


@pytest.mark.parametrize(('specs', 'complaint'), [
    pytest.param([], 'found 0:\n  nothing', id='nothing'),
    pytest.param(specs_of(Network())[:-1], 'found 14', id='one is missing'),
    pytest.param([*specs_of(Network()), OutputSpec('extra', (1, 7), np.float32)],
                 r'found 16:(.|\n)*extra float32\[1, 7\]', id='one too many'),
    pytest.param(specs_of(Network(Size(640, 640))), r'stride 8: \[1, 64, 64, channels\]',
                 id='another canvas'),
    pytest.param(changed(2, shape=(1, 16, 16, 79)), r'one with C \(classes\)',
                 id='class counts differ'),
    pytest.param(changed(2, shape=(2, 16, 16, 80)), r'cls_32 int32\[2, 16, 16, 80\]',
                 id='a batch of two'),
    pytest.param(changed(1, shape=(1, 80, 32, 32)), 'in one layout', id='mixed layouts'),
    pytest.param(changed(3, scale=None), 'output cls_64 .* need 1 or 80 finite scales',
                 id='integers without scales'),
    pytest.param(changed(5, scale=np.ones(3)), 'output box_8 .* need 1 or 4 finite scales',
                 id='scales of a wrong number'),
    pytest.param(changed(10, scale=[np.nan]), 'output ctr_8 .* finite', id='scales not finite'),
    pytest.param(changed(0, dtype=np.int64), 'output cls_8 int64.* up to 32 bits',
                 id='wide integers'),
    pytest.param(changed(0, dtype=np.float32), 'output cls_8 float32.* without a scale',
                 id='floats with scales'),
    pytest.param(changed(6, dtype=np.float32, scale=None), 'boxes|box outputs .* set box_unit',
                 id='float and integer boxes'),
])
def test_other_outputs_are_refused_with_what_was_found(specs, complaint):
    with pytest.raises(HeadError, match=complaint):
        Head.recognise(specs, Size(512, 512))


@pytest.mark.parametrize(('options', 'complaint'), [
    ({'box_unit': 'metre'}, "box_unit is 'metre': accepted are"),
    ({'point_offset': 0.25}, 'point_offset is 0.25: accepted are'),
    ({'strides': (8, 8)}, r'strides are \(8, 8\)'),
    ({'strides': ()}, r'strides are \(\)'),
    ({'num_classes': 79}, r'one with 79 \(classes\)'),
])
def test_impossible_wishes_are_refused_by_name(options, complaint):
    with pytest.raises(HeadError, match=complaint):
        Head.recognise(specs_of(Network()), Size(512, 512), **options)
