# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks in torch: shapes, units, and operators that the BPU runs."""

import pytest
import torch
from torch import nn

from fcos_ros.deploy.network import BACKBONES, STRIDES, Fcos, NetworkSettings, SharedConv

SETTINGS = {
    'residual': NetworkSettings('residual', (4, 6, 8, 10, 12), 8),
    'lite': NetworkSettings('lite', (8, 4, 6, 8, 10, 12, 14, 16), 8, 2),
}


@pytest.fixture(name='network', params=SETTINGS)
def make_network(request):
    torch.manual_seed(1)
    return Fcos(SETTINGS[request.param], classes=3).eval()


def test_every_backbone_is_tested():
    assert set(SETTINGS) == set(BACKBONES)


@pytest.mark.parametrize(('width', 'height'), [(32, 32), (96, 160), (256, 128)])
@torch.no_grad()
def test_each_stride_has_a_cell_for_each_started_stride(network, width, height):
    outputs = network(torch.zeros(2, 3, height, width))
    for levels, channels in zip(outputs, (3, 4, 1)):
        assert [tuple(level.shape) for level in levels] == [
            (2, channels, -(-height // stride), -(-width // stride)) for stride in STRIDES]


@torch.no_grad()
def test_scores_begin_low_and_boxes_at_two_strides(network):
    outputs = network(torch.randn(1, 3, 64, 64))
    scores = torch.cat([level.sigmoid().flatten() for level in outputs.classes])
    distances = torch.cat([level.exp().flatten() for level in outputs.boxes])
    torch.testing.assert_close(scores.mean(), torch.tensor(0.01), atol=0.005, rtol=0)
    torch.testing.assert_close(distances.mean(), torch.tensor(2.0), atol=0.3, rtol=0)


@torch.no_grad()
def test_a_raw_box_is_the_last_convolution_times_the_scale_of_the_level(network):
    """The export folds the scale into the convolution."""
    last = []
    network.head.boxes.register_forward_hook(lambda module, inputs, output: last.append(output))
    image = torch.randn(1, 3, 64, 64)
    network(image)
    network.head.scales.copy_(torch.tensor([1.0, 2.0, 3.0, 0.5, -1.0]))
    scaled = network(image).boxes
    for level, scale, own in zip(last, network.head.scales, scaled):
        torch.testing.assert_close(own, level * scale)


def test_only_operators_of_the_bpu_are_used(network):
    kinds = {type(module) for module in network.modules() if not list(module.children())}
    assert kinds <= {nn.Conv2d, nn.BatchNorm2d, nn.ReLU}


def test_every_weight_has_a_gradient(network):
    outputs = network.train()(torch.randn(2, 3, 128, 128))
    sum(level.square().sum() for levels in outputs for level in levels).backward()
    assert [name for name, value in network.named_parameters() if value.grad is None] == []


def test_the_levels_share_one_normalisation_in_training():
    shared = SharedConv(4).train()
    pyramid = [torch.randn(2, 4, 8, 8), 5 + torch.randn(2, 4, 2, 2)]
    results = torch.cat([level.flatten(2) for level in shared(pyramid)], 2)
    levels = torch.cat([shared.conv(level).flatten(2) for level in pyramid], 2)
    torch.testing.assert_close(
        results, nn.functional.relu(nn.functional.batch_norm(levels, None, None, training=True)))


@pytest.mark.parametrize(('values', 'message'), [
    (('vgg', (1, 2, 3, 4, 5), 8), "backbone is 'vgg'; accepted: residual, lite"),
    (('residual', (1, 2, 3), 8), 'accepted: 5 widths'),
    (('lite', (8, 4, 6, 8, 10, 12, 14, 0), 8), 'all above 0'),
    (('residual', (1, 2, 3, 4, 5), 8, 0), 'branch_depth is 0'),
])
def test_settings_that_build_no_network_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        NetworkSettings(*values)
