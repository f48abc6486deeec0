# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The meaning of each output is recognised in any order and layout."""

from __future__ import annotations

from dataclasses import replace

from core.networks import Network
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.head import HeadError, HeadSpec, OutputSpec
from fcos_ros.core.recognition import recognise
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


def names_by_level(head, specs):
    """Return the names of the class, box and centerness output of each level."""
    return [(specs[level.classes.output].name, specs[level.box.output].name,
             specs[level.centerness.output].name) for level in head.levels]


def expected_names(strides):
    return [(f'cls_{stride}', f'box_{stride}', f'ctr_{stride}') for stride in strides]


def without_names(specs):
    return [replace(spec, name=str(index)) for index, spec in enumerate(specs)]


def has_equal_grids(network):
    """Return whether two levels have grids of the same size, so that their order decides."""
    grids = [network.grid(stride) for stride in network.strides]
    return len(set(grids)) < len(grids)


@given(NETWORKS, st.randoms(use_true_random=False))
def test_outputs_are_recognised_in_any_order(network, random):
    specs = specs_of(network)
    if not has_equal_grids(network):
        random.shuffle(specs)
    head = network.head(specs)
    assert names_by_level(head, specs) == expected_names(network.strides)


@given(NETWORKS)
def test_classes_layout_and_scales_are_recognised(network):
    specs = specs_of(network)
    head = recognise(specs, network.canvas, HeadSpec(strides=network.strides))
    assert head.num_classes == network.num_classes
    assert head.layout == network.layout
    for level in head.levels:
        grid = level.grid.height, level.grid.width
        shape = specs[level.centerness.output].shape
        assert (shape[1:3] if network.layout == 'NHWC' else shape[2:]) == grid
        np.testing.assert_array_equal(level.classes.scale, specs[level.classes.output].scale)
        np.testing.assert_array_equal(level.box.scale, specs[level.box.output].scale)


@given(NETWORKS)
def test_outputs_with_meaningless_names_are_recognised_by_their_order(network):
    specs = specs_of(network)
    head = recognise(without_names(specs), network.canvas, HeadSpec(strides=network.strides))
    assert names_by_level(head, specs) == expected_names(network.strides)


@pytest.mark.parametrize('num_classes', [1, 4])
def test_names_decide_where_shapes_are_ambiguous(num_classes):
    network = Network(Size(512, 512), num_classes)
    specs = specs_of(network)[::-1]
    head = recognise(specs, network.canvas)
    assert names_by_level(head, specs) == expected_names(network.strides)


@pytest.mark.parametrize(('num_classes', 'kinds', 'twin'), [
    (1, ('cls', 'box', 'ctr'), 'centerness'), (4, ('cls', 'box', 'ctr'), 'box'),
    (4, ('cls', 'box'), 'box'), (1, ('cls', 'box'), None), (3, ('cls', 'box', 'ctr'), None)])
def test_parts_told_apart_by_their_order_only_are_noted(num_classes, kinds, twin):
    network = Network(Size(512, 512), num_classes, kinds=kinds)
    specs = specs_of(network)

    def guesses(outputs, order=None):
        notes = recognise(outputs, network.canvas, HeadSpec(order=order)).notes
        return [note for note in notes if 'state order' in note]

    assert guesses(specs) == []
    order = [{'cls': 'class', 'box': 'box', 'ctr': 'centerness'}[spec.name[:3]] for spec in specs]
    assert guesses(without_names(specs), tuple(order)) == []
    found = guesses(without_names(specs))
    assert [f'class and {twin} have equal shapes' in note for note in found] == [True] * bool(twin)


def test_outputs_in_the_order_of_levels_are_recognised_without_names():
    network = Network(Size(256, 128), num_classes=4)
    specs = specs_of(network)
    mixed = [specs[index] for level in range(5) for index in (level, level + 5, level + 10)]
    head = recognise(without_names(mixed), network.canvas)
    assert names_by_level(head, mixed) == expected_names(network.strides)


def test_the_output_names_of_torchvision_are_recognised():
    network = Network(Size(64, 64), num_classes=1, strides=(8,))
    names = ['bbox_ctrness', 'bbox_regression', 'cls_logits']
    torchvision_names = {'cls': 'cls_logits', 'box': 'bbox_regression', 'ctr': 'bbox_ctrness'}
    specs = [replace(spec, name=torchvision_names[spec.name[:3]]) for spec in specs_of(network)]
    specs.sort(key=lambda spec: names.index(spec.name))
    head = recognise(specs, network.canvas, HeadSpec(strides=(8,)))
    assert names_by_level(head, specs) == [('cls_logits', 'bbox_regression', 'bbox_ctrness')]


@pytest.mark.parametrize('size', [512, 768, 896])
@pytest.mark.parametrize(('dtype', 'unit'), [('int32', 'stride'), ('float32', 'pixel')])
def test_the_published_networks_are_recognised(size, dtype, unit):
    network = Network(Size(size, size), dtype=dtype)
    head = recognise(specs_of(network), network.canvas)
    assert [level.stride for level in head.levels] == [8, 16, 32, 64, 128]
    assert [level.classes.output for level in head.levels] == [0, 1, 2, 3, 4]
    assert (head.num_classes, head.box_unit, head.point_offset) == (80, unit, 0.5)


@given(NETWORKS, st.booleans(), st.booleans(), st.booleans())
def test_joined_levels_and_parts_are_recognised(network, joined, combined, centred):
    network = replace(network, joined=joined, combined=combined,
                      kinds=('box', 'cls', 'ctr') if centred else ('box', 'cls'))
    specs = specs_of(network)
    head = network.head(specs)
    for level, stride in zip(head.levels, network.strides):
        assert (level.stride, level.grid) == (stride, network.grid(stride))
        assert (level.classes.channels, level.box.channels) == (network.num_classes, 4)
        assert (level.centerness is not None) == centred
        assert level.classes.first_channel == (4 if combined else 0)
        for part in level.parts.values():
            values = specs[part.output]
            channels = values.shape[-1 if network.layout == 'NHWC' else 1]
            assert part.first_channel + part.channels <= channels
            cells = np.prod(values.shape) // channels
            assert part.first_cell + level.cells <= cells
    assert head.score == ('sqrt(cls*ctr)' if centred else 'cls')
    parts = ('box', 'class', 'centerness') if centred else ('box', 'class')
    levels = [network.strides] if joined else [(stride,) for stride in network.strides]
    assert sorted(head.contents()) == sorted(
        (content, strides) for strides in levels
        for content in ([parts] if combined else [(part,) for part in parts]))


@pytest.mark.parametrize('strides', [
    (8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32, 64, 128)], ids=str)
@pytest.mark.parametrize('joined', [False, True])
def test_strides_that_double_are_found_and_noted_if_they_are_unusual(strides, joined):
    network = Network(Size(512, 384), num_classes=3, strides=strides, joined=joined)
    head = recognise(specs_of(network), network.canvas)
    assert tuple(level.stride for level in head.levels) == strides
    assert head.notes == () if strides[0] == 8 else head.notes == (
        f'the strides follow from the numbers of cells: {", ".join(map(str, strides))}',)


@pytest.mark.parametrize(('spacing', 'expected'), [
    ('stride', (128, 128)), ('canvas/grid', (320 / 3, 100)), ('canvas//grid', (106, 100))])
def test_the_spacing_of_cells_is_as_stated(spacing, expected):
    network = Network(Size(320, 200), num_classes=3)
    head = recognise(specs_of(network), network.canvas, HeadSpec(spacing=spacing))
    assert head.levels[-1].grid == Size(3, 2)
    assert head.levels[-1].spacing == expected
    assert head.levels[-1].stride == 128


def test_a_list_of_boxes_is_no_level_unless_its_stride_is_stated():
    network = Network(Size(640, 640), strides=(64,), kinds=('cls', 'box'), joined=True)
    with pytest.raises(HeadError, match=r'given 2:'):
        recognise(specs_of(network), network.canvas)
    head = recognise(specs_of(network), network.canvas, HeadSpec(strides=(64,)))
    assert [level.cells for level in head.levels] == [100]


def test_strides_may_be_fractions_in_any_order():
    network = Network(Size(300, 300), num_classes=3, strides=(7.5, 12.5))
    head = recognise(specs_of(network), network.canvas, HeadSpec(strides=(12.5, 7.5)))
    assert [(level.stride, level.grid) for level in head.levels] == [
        (7.5, Size(40, 40)), (12.5, Size(24, 24))]


@pytest.mark.parametrize(('network', 'spec', 'complaint'), [
    (Network(kinds=('cls', 'box')), HeadSpec(score='cls*ctr'),
     'the network has no centerness; accepted: cls'),
    (Network(combined=True), HeadSpec(), 'if their order is stated'),
    (Network(combined=True), HeadSpec(order=('class', 'box'), num_classes=80),
     'num_classes is 80, and the network has 81 classes'),
    (Network(), HeadSpec(order=('class',) * 5 + ('box',) * 6),
     r'given 15:(.*\n)*order has 11 entries; accepted: one for each output'),
    (Network(Size(8, 8), 2, strides=(8,)), HeadSpec(),
     'the outputs fit the strides 8 or 16 or 32 or 64; state strides'),
], ids=['score', 'no order', 'order without centerness', 'length of the order', 'one cell'])
def test_heads_that_cannot_be_decoded_as_stated_are_refused(network, spec, complaint):
    with pytest.raises(HeadError, match=complaint):
        recognise(specs_of(network), network.canvas, spec)


def test_the_box_unit_and_the_point_offset_can_be_given():
    network = Network(dtype='int32')
    head = recognise(
        specs_of(network), network.canvas, HeadSpec(box_unit='pixel', point_offset=0.0))
    assert (head.box_unit, head.point_offset) == ('pixel', 0.0)


def test_a_scale_of_a_float_output_is_not_applied_and_noted():
    specs = [replace(spec, scale=np.full(80, 0.5)) if spec.name == 'cls_8' else spec
             for spec in specs_of(Network())]
    head = recognise(specs, Size(512, 512))
    assert head.outputs[0].scale.size == 80
    assert head.levels[0].classes.scale is None
    assert head.notes == ('float outputs state scales, which are not applied: cls_8',)


def test_an_empty_scale_counts_as_no_scale():
    specs = [replace(spec, scale=np.empty(0)) for spec in specs_of(Network())]
    assert recognise(specs, Size(512, 512)).levels[0].classes.scale is None


def changed(index, **changes):
    specs = specs_of(Network(dtype='int32'))
    specs[index] = replace(specs[index], **changes)
    return specs


@pytest.mark.parametrize(('specs', 'complaint'), [
    pytest.param([], 'given 0:\n  no outputs', id='no outputs'),
    pytest.param(specs_of(Network())[:-1], 'given 14', id='missing output'),
    pytest.param([*specs_of(Network()), OutputSpec('extra', (1, 7), np.float32)],
                 r'given 16:(.|\n)*extra float32\[1, 7\]', id='additional output'),
    pytest.param(specs_of(Network(Size(640, 640))), r'stride 8: \[1, 64, 64, channels\]',
                 id='another canvas'),
    pytest.param(changed(2, shape=(1, 16, 16, 79)), r'one with C \(class\)',
                 id='class counts differ'),
    pytest.param(changed(2, shape=(2, 16, 16, 80)), r'cls_32 int32\[2, 16, 16, 80\]',
                 id='batch of two'),
    pytest.param(changed(1, shape=(1, 80, 32, 32)), 'of the same layout', id='mixed layouts'),
    pytest.param(changed(3, scale=None), 'output cls_64 .* accepted for integers: 1 or 80 finite',
                 id='integers without scales'),
    pytest.param(changed(5, scale=np.ones(3)),
                 'output box_8 .* accepted for integers: 1 or 4 finite', id='3 scales'),
    pytest.param(changed(10, scale=[np.nan]), 'output ctr_8 .* finite', id='nan as scale'),
    pytest.param(changed(0, dtype=np.int64), 'output cls_8 int64.* up to 32 bits',
                 id='wide integers'),
    pytest.param(changed(6, dtype=np.float32, scale=None), 'box outputs .* state box_unit',
                 id='float and integer boxes'),
])
def test_other_outputs_are_refused_with_the_accepted_and_given_ones(specs, complaint):
    with pytest.raises(HeadError, match=complaint):
        recognise(specs, Size(512, 512))


@pytest.mark.parametrize(('options', 'complaint'), [
    ({'box_unit': 'metre'}, "box_unit is 'metre'; accepted: "),
    ({'box_activation': 'softplus'}, "box_activation is 'softplus'; accepted: relu, exp"),
    ({'point_offset': 0.25}, 'point_offset is 0.25; accepted: '),
    ({'strides': (8, 8)}, r'strides is \(8, 8\)'),
    ({'strides': ()}, r'strides is \(\)'),
    ({'num_classes': 79}, 'num_classes is 79, and the network has 80 classes'),
])
def test_invalid_properties_are_refused_with_the_accepted_values(options, complaint):
    with pytest.raises(HeadError, match=complaint):
        recognise(specs_of(Network()), Size(512, 512), HeadSpec(**options))
