# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network of torchvision gives the detections of torchvision."""

import numpy as np
import pytest
import torch
import torchvision
from torchvision.models.detection.image_list import ImageList

from fcos_ros.backends import load
from fcos_ros.cli.main import main
from fcos_ros.core.decode import make_decoder

WIDTH, HEIGHT = 160, 96
"""No multiples of the coarse strides, for which torchvision rounds the spacing down."""

FLOOR = 0.35
"""Scores that are compared; the threshold of torchvision is 0.2."""


@pytest.fixture(scope='module', name='model')
def make_model():
    torch.manual_seed(0)
    model = torchvision.models.detection.fcos_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=91, topk_candidates=100_000,
        detections_per_img=100_000).eval()
    with torch.no_grad():
        model.head.classification_head.cls_logits.weight.mul_(6)
        model.head.regression_head.bbox_reg.weight.mul_(8)
    return model


@pytest.fixture(scope='module', name='name')
def imported(model, tmp_path_factory):
    path = tmp_path_factory.mktemp('torchvision') / 'network.pth'
    torch.save(model.state_dict(), path)
    assert main(['import', 'torchvision', str(path), '--size', f'{WIDTH}x{HEIGHT}']) == 0
    return path.with_suffix('')


@torch.no_grad()
def detect(model, normalised):
    """
    Return the detections of torchvision in an image that needs no resizing.

    Its boxes end at the border before the NMS, and ours do not, so it must not clip here.
    """
    features = list(model.backbone(normalised).values())
    outputs = model.head(features)
    anchors = model.anchor_generator(ImageList(normalised, [(HEIGHT, WIDTH)]), features)
    counts = [feature.shape[2] * feature.shape[3] for feature in features]
    outputs = {name: list(value.split(counts, 1)) for name, value in outputs.items()}
    found, = model.postprocess_detections(
        outputs, [list(anchors[0].split(counts))], [(HEIGHT, WIDTH)])
    return found


@pytest.mark.parametrize('target', ['', '_bpu'])
def test_the_detections_are_those_of_torchvision(model, name, target, monkeypatch):
    monkeypatch.setattr(torchvision.models.detection.fcos.box_ops, 'clip_boxes_to_image',
                        lambda boxes, size: boxes)
    backend = load(name.with_name(f'{name.name}{target}.onnx'))
    image = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    normalised = model.transform.normalize(torch.from_numpy(image).permute(2, 0, 1) / 255)
    wanted = detect(model, normalised[None])
    tensor = normalised[None].numpy() if target else image[None]
    found = make_decoder(backend.info.head).decode(backend.infer(tensor), backend.info.criteria)
    # Scores next to the threshold may reach it in one program only.
    kept, own = wanted['scores'] > FLOOR, found.scores > FLOOR
    assert kept.sum() > 20
    assert own.sum() == kept.sum()
    np.testing.assert_allclose(found.scores[own], wanted['scores'][kept], rtol=1e-4)
    assert found.class_ids[own].tolist() == wanted['labels'][kept].tolist()
    np.testing.assert_allclose(found.boxes[own], wanted['boxes'][kept], rtol=1e-3, atol=0.02)


def test_the_classes_are_those_of_torchvision(name):
    info = load(name.with_suffix('.onnx')).info
    weights = torchvision.models.detection.FCOS_ResNet50_FPN_Weights.COCO_V1
    assert list(info.labels.names) == weights.meta['categories']
