# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Begin with the weights of a file."""

import pytest
import torch

from fcos_ros.backends.errors import ModelError
from fcos_ros.core.resize import Size
from fcos_ros.deploy.checkpoint import Checkpoint
from fcos_ros.deploy.network import Fcos, NetworkSettings
from training.settings import MODELS
from training.weights import load_weights

SMALL = NetworkSettings('residual', (2, 3, 4, 5, 6), 4)
LITE = NetworkSettings('lite', (8, 4, 6, 8, 10, 12, 14, 16), 8)


def network(settings, classes, seed):
    torch.manual_seed(seed)
    return Fcos(settings, classes)


def save_checkpoint(path, settings, classes):
    labels = tuple(map(str, range(classes)))
    Checkpoint('x', settings, labels, Size(64, 64), (0.0,) * 3, (1.0,) * 3, 0.5, 0.6,
               network(settings, classes, 1).state_dict()).save(path)
    return Checkpoint.load(path).weights


def test_a_checkpoint_of_other_classes_gives_all_but_the_class_output(tmp_path):
    saved = save_checkpoint(tmp_path / 'a.pt', SMALL, 3)
    own = network(SMALL, 5, 2)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    assert load_weights(own, tmp_path / 'a.pt') == len(saved) - 2
    for name, value in own.state_dict().items():
        expected = before if name.startswith('head.classes') else saved
        assert torch.equal(value, expected[name])


@pytest.mark.parametrize('wrap', [lambda state: state, lambda state: {'state_dict': state},
                                  lambda state: {'model': state}])
def test_the_weights_of_a_backbone_alone_are_loaded(tmp_path, wrap):
    """Public files have the names of the backbone, and layers that a detector does not have."""
    source, own = network(LITE, 1, 1), network(LITE, 2, 2)
    state = source.backbone.state_dict()
    state.update({'conv_head.weight': torch.zeros(5, 16, 1, 1), 'classifier.bias': torch.zeros(9)})
    torch.save(wrap(state), tmp_path / 'a.pth')
    assert load_weights(own, tmp_path / 'a.pth') == len(source.backbone.state_dict())
    for name, value in own.backbone.state_dict().items():
        assert torch.equal(value, state[name])


def test_medium_has_the_shapes_of_efficientnet_lite0():
    """The shapes are those of the public model: Tan and Le, 2019, Table 1 without scaling."""
    shapes = {name: tuple(value.shape)
              for name, value in Fcos(MODELS['medium'].network, 1).backbone.state_dict().items()}
    assert shapes['conv_stem.weight'] == (32, 3, 3, 3)
    assert shapes['blocks.0.0.conv_pw.weight'] == (16, 32, 1, 1)
    assert shapes['blocks.1.0.conv_pw.weight'] == (96, 16, 1, 1)
    assert shapes['blocks.2.1.conv_dw.weight'] == (240, 1, 5, 5)
    assert shapes['blocks.5.3.conv_pwl.weight'] == (192, 1152, 1, 1)
    assert shapes['blocks.6.0.conv_pwl.weight'] == (320, 1152, 1, 1)
    assert sum(name.endswith('conv_dw.weight') for name in shapes) == 16


@pytest.mark.parametrize('content', [{}, [1, 2], {'weights': 3}, 'text',
                                     {'conv_stem.weight': 1.0}])
def test_a_file_without_fitting_weights_is_refused(tmp_path, content):
    torch.save(content, tmp_path / 'a.pt')
    with pytest.raises(ModelError, match=r'has no fitting backbone\.conv_stem\.weight .*accepted'):
        load_weights(network(LITE, 1, 1), tmp_path / 'a.pt')


def test_the_weights_of_another_backbone_are_refused(tmp_path):
    save_checkpoint(tmp_path / 'a.pt', SMALL, 3)
    own = network(LITE, 3, 2)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    with pytest.raises(ModelError, match='of the same MODEL'):
        load_weights(own, tmp_path / 'a.pt')
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())
