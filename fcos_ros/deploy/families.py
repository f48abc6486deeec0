# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read FCOS networks that were trained with torchvision, MMDetection or AdelaiDet.

The facts of each family are in its function, and in docs/import.md. Import this module inside
functions only, as torch may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any, NamedTuple

from fcos_ros.backends import ModelError
from fcos_ros.core.resize import Size
from fcos_ros.deploy.checkpoint import load
from fcos_ros.deploy.network import MULTIPLE, STRIDES, Tensor, torch
from fcos_ros.deploy.resnet_fcos import BLOCKS, ResNetFcos, ResNetSettings, count_blocks
from fcos_ros.deploy.trained_network import TrainedNetwork

Weights = dict[str, Tensor]

Names = tuple[tuple[str, str], ...]
"""Pairs of a pattern of the other program's names of weights, and our name."""


@dataclass(frozen=True)
class Facts:
    """
    The properties of a network that its weights do not show.

    :ivar mean: for each channel of `pixels`, on the scale 0 to 255; likewise `std`.
    :ivar box_activation: 'relu' or 'exp'.
    :ivar box_unit: see `HeadSpec`; likewise `point_offset`, `spacing` and `score`.
    :ivar stride_in_1x1: see `ResNetSettings`; likewise `centerness_of_boxes`.
    :ivar labels: class names; None for those of COCO, by their number.
    """

    pixels: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    box_activation: str
    box_unit: str
    point_offset: float
    spacing: str
    score: str
    score_threshold: float
    nms_threshold: float
    stride_in_1x1: bool
    centerness_of_boxes: bool
    labels: tuple[str, ...] | None = None


class Family(NamedTuple):
    """
    A program that trains FCOS.

    :ivar names: the names of its weights.
    :ivar weights: the key of the checkpoint that holds the weights; empty if it is the weights.
    :ivar facts: reads the facts from the checkpoint and from the text of the configuration.
    """

    names: Names
    weights: str
    facts: Callable[[Mapping[str, Any], str], Facts]


def read_network(
    family: str, path: Path, size: Size, labels: tuple[str, ...] | None = None, config: str = '',
) -> TrainedNetwork:
    """
    Read the checkpoint of another program.

    :param size: size of the input in pixels.
    :param labels: class names, instead of those of the checkpoint.
    :param config: the text of the program's configuration; later values have priority.
    :raises ModelError: the file is not such a checkpoint, or its network is another one.
    """
    if min(size) < MULTIPLE or any(side % MULTIPLE for side in size):
        raise ModelError(f'size is {size}; accepted: multiples of {MULTIPLE}')
    own = FAMILIES[family]
    content = load(path)
    stored = content.get(own.weights) if own.weights and isinstance(content, dict) else content
    if not isinstance(stored, Mapping) or not stored:
        raise ModelError(f'{path} has no weights; accepted: a checkpoint of {family}')
    facts = own.facts(content, config)
    weights = _converted(stored, own.names, family, path)
    network = _network(weights, facts, path)
    names = labels or facts.labels
    classes = network.classes.out_channels
    if names is not None and len(names) != classes:
        raise ModelError(f'there are {len(names)} labels, and {path} has {classes} classes; give '
                         'one label for each class')
    metadata: dict[str, object] = {
        'strides': list(STRIDES), 'spacing': facts.spacing, 'box_unit': facts.box_unit,
        'point_offset': facts.point_offset, 'score': facts.score, 'one_class_per_cell': False,
        'score_threshold': facts.score_threshold, 'nms_threshold': facts.nms_threshold,
        'padding': [round(value) for value in facts.mean],
        **({'labels': list(names)} if names is not None else {})}
    return TrainedNetwork(network, network, size, facts.pixels, facts.mean, facts.std,
                          facts.box_activation, metadata)


def _network(weights: Weights, facts: Facts, path: Path) -> ResNetFcos:
    """Build the network that fits the weights."""
    blocks = count_blocks(weights)
    if blocks not in BLOCKS:
        raise ModelError(f'{path} has a backbone with {blocks} blocks; accepted: '
                         f'{", ".join(f"ResNet-{depth}" for depth in BLOCKS.values())}')
    for name in ('pixel.mean', 'pixel.std'):
        weights.pop(name, None)
    scales = [float(weights.pop(f'scales.{level}', torch.tensor(1.0)).reshape(()))
              for level in range(len(STRIDES))]
    try:
        for level, scale in enumerate(scales):
            for kind in ('weight', 'bias'):
                weights[f'boxes.{level}.{kind}'] = weights[f'box.{kind}'] * scale
        del weights['box.weight'], weights['box.bias']
        for name in [name for name in weights if re.fullmatch(r'\w+_tower\.\d+\.0\.weight', name)]:
            weights.setdefault(name.replace('weight', 'bias'), torch.zeros(len(weights[name])))
        tower = len({name for name in weights if re.fullmatch(r'box_tower\.\d+\.0\.weight', name)})
        network = ResNetFcos(ResNetSettings(
            weights['classes.weight'].shape[0], blocks, weights['classes.weight'].shape[1], tower,
            'box_tower.0.1.weight' in weights, facts.stride_in_1x1, facts.centerness_of_boxes))
        missing, unknown = network.load_state_dict(weights, strict=False)
    except (KeyError, IndexError, RuntimeError, ValueError) as error:
        raise ModelError(f'{path} has weights that do not fit FCOS with ResNet-{BLOCKS[blocks]}: '
                         f'{error}') from error
    # Frozen normalisations do not count their batches.
    missing = [name for name in missing if not name.endswith('num_batches_tracked')]
    if missing or unknown:
        raise ModelError(f'{path} has another network than FCOS with ResNet-{BLOCKS[blocks]}: '
                         f'it lacks {_some(missing)}, and has {_some(unknown)}')
    return network.eval()


def _converted(
    stored: Mapping[str, Any], names: Names, family: str, path: Path,
) -> Weights:
    """Return the weights with our names."""
    weights: Weights = {}
    unknown = []
    for name, value in stored.items():
        for pattern, own in names:
            if re.fullmatch(pattern, name):
                weights[re.sub(pattern, own, name)] = torch.as_tensor(value)
                break
        else:
            unknown.append(name)
    if unknown:
        raise ModelError(f'{path} has {len(unknown)} weights that FCOS of {family} does not have: '
                         f'{_some(unknown)}; accepted: FCOS with a ResNet, without deformable '
                         'convolutions')
    return weights


def _some(names: list[str]) -> str:
    shown = ', '.join(names[:3])
    return (f'{shown} and {len(names) - 3} more' if len(names) > 3 else shown) or 'nothing else'




def _backbone(prefix: str, first: int, norm: str, shortcut: tuple[str, str]) -> Names:
    """
    Return the names of the weights of a ResNet.

    :param prefix: pattern of a stage, without its number.
    :param first: number of the first stage.
    :param norm: pattern of the number-less name of a normalisation beside `conv1`.
    :param shortcut: patterns of the convolution and of the normalisation of a shortcut.
    """
    found: list[tuple[str, str]] = []
    for number in range(4):
        block, own = rf'{prefix}{number + first}\.(\d+)\.', rf'backbone.stages.{number}.\1.'
        found += [
            (rf'{block}conv(\d)\.weight', rf'{own}conv\2.weight'),
            (rf'{block}{norm}\.(\w+)', rf'{own}bn\2.\3'),
            (rf'{block}{shortcut[0]}\.weight', rf'{own}shortcut.0.weight'),
            (rf'{block}{shortcut[1]}\.(\w+)', rf'{own}shortcut.1.\2')]
    return tuple(found)


def _towers(pattern: str, names: Mapping[str, str]) -> Names:
    """
    Return the names of the towers whose layers are in one sequence: convolution, norm, ReLU.

    :param names: our names by the other program's, for `pattern`.
    """
    return tuple(
        (pattern.format(tower=tower, layer=3 * index + part) + r'\.(\w+)',
         rf'{own}.{index}.{part}.\1')
        for tower, own in names.items() for index in range(_LONGEST_TOWER) for part in (0, 1))


_LONGEST_TOWER = 8

_TORCHVISION_NAMES: Names = (
    (r'backbone\.body\.(conv1|bn1)\.(\w+)', r'backbone.\1.\2'),
    *_backbone(r'backbone\.body\.layer', 1, r'bn(\d)', (r'downsample\.0', r'downsample\.1')),
    # Releases before 0.13 lack the zero.
    (r'backbone\.fpn\.inner_blocks\.(\d)(?:\.0)?\.(\w+)', r'lateral.\1.\2'),
    (r'backbone\.fpn\.layer_blocks\.(\d)(?:\.0)?\.(\w+)', r'smooth.\1.\2'),
    (r'backbone\.fpn\.extra_blocks\.p6\.(\w+)', r'coarser.0.\1'),
    (r'backbone\.fpn\.extra_blocks\.p7\.(\w+)', r'coarser.1.\1'),
    *_towers(r'head\.{tower}_head\.conv\.{layer}',
             {'classification': 'class_tower', 'regression': 'box_tower'}),
    (r'head\.classification_head\.cls_logits\.(\w+)', r'classes.\1'),
    (r'head\.regression_head\.bbox_reg\.(\w+)', r'box.\1'),
    (r'head\.regression_head\.bbox_ctrness\.(\w+)', r'centerness.\1'))

_MMDETECTION_NAMES: Names = (
    (r'backbone\.(conv1|bn1)\.(\w+)', r'backbone.\1.\2'),
    *_backbone(r'backbone\.layer', 1, r'bn(\d)', (r'downsample\.0', r'downsample\.1')),
    (r'neck\.lateral_convs\.(\d)\.conv\.(\w+)', r'lateral.\1.\2'),
    (r'neck\.fpn_convs\.([012])\.conv\.(\w+)', r'smooth.\1.\2'),
    (r'neck\.fpn_convs\.3\.conv\.(\w+)', r'coarser.0.\1'),
    (r'neck\.fpn_convs\.4\.conv\.(\w+)', r'coarser.1.\1'),
    (r'bbox_head\.cls_convs\.(\d)\.conv\.(\w+)', r'class_tower.\1.0.\2'),
    (r'bbox_head\.cls_convs\.(\d)\.gn\.(\w+)', r'class_tower.\1.1.\2'),
    (r'bbox_head\.reg_convs\.(\d)\.conv\.(\w+)', r'box_tower.\1.0.\2'),
    (r'bbox_head\.reg_convs\.(\d)\.gn\.(\w+)', r'box_tower.\1.1.\2'),
    (r'bbox_head\.(?:conv|fcos)_cls\.(\w+)', r'classes.\1'),
    (r'bbox_head\.(?:conv|fcos)_reg\.(\w+)', r'box.\1'),
    (r'bbox_head\.(?:conv|fcos)_centerness\.(\w+)', r'centerness.\1'),
    (r'bbox_head\.scales\.(\d)\.scale', r'scales.\1'))

_BOTTOM_UP = r'backbone\.bottom_up\.'

_ADELAIDET_NAMES: Names = (
    (r'pixel_(mean|std)', r'pixel.\1'),
    (_BOTTOM_UP + r'stem\.conv1\.weight', r'backbone.conv1.weight'),
    (_BOTTOM_UP + r'stem\.conv1\.norm\.(\w+)', r'backbone.bn1.\1'),
    *_backbone(_BOTTOM_UP + 'res', 2, r'conv(\d)\.norm', ('shortcut', r'shortcut\.norm')),
    *((rf'backbone\.fpn_{name}{level + 3}\.(\w+)', rf'{own}.{level}.\1')
      for name, own in (('lateral', 'lateral'), ('output', 'smooth')) for level in range(3)),
    (r'backbone\.top_block\.p6\.(\w+)', r'coarser.0.\1'),
    (r'backbone\.top_block\.p7\.(\w+)', r'coarser.1.\1'),
    *_towers(r'proposal_generator\.fcos_head\.{tower}_tower\.{layer}',
             {'cls': 'class_tower', 'bbox': 'box_tower'}),
    (r'proposal_generator\.fcos_head\.cls_logits\.(\w+)', r'classes.\1'),
    (r'proposal_generator\.fcos_head\.bbox_pred\.(\w+)', r'box.\1'),
    (r'proposal_generator\.fcos_head\.ctrness\.(\w+)', r'centerness.\1'),
    (r'proposal_generator\.fcos_head\.scales\.(\d)\.scale', r'scales.\1'))


def _torchvision(content: Mapping[str, Any], config: str) -> Facts:
    """
    Return the facts of torchvision, whose weights all have the same.

    Sources: `FCOS.__init__`, `FCOS.postprocess_detections`, `FCOSRegressionHead.forward` (ReLU),
    `BoxLinearCoder.decode` (strides), `AnchorGenerator` (corners, whole spacings).
    """
    return Facts(
        'rgb', (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), 'relu', 'stride', 0.0,
        'canvas//grid', 'sqrt(cls*ctr)', 0.2, 0.6, stride_in_1x1=False, centerness_of_boxes=True)


def _mmdetection(content: Mapping[str, Any], config: str) -> Facts:
    """
    Return the facts of MMDetection, of which the configuration decides several.

    Sources: `FCOSHead.forward_single` and `_get_bboxes_single`, `ResNet` (style).
    """
    meta = content.get('meta')
    meta = meta if isinstance(meta, Mapping) else {}
    text = '\n'.join([*(str(meta[key]) for key in ('config', 'cfg') if key in meta), config])
    normalised = _stated(text, 'norm_on_bbox', 'False') == 'True'
    to_rgb = _stated(text, '(?:bgr_to_rgb|to_rgb)')
    dataset = meta.get('dataset_meta')
    dataset = dataset if isinstance(dataset, Mapping) else {}
    labels = meta.get('CLASSES') or dataset.get('classes') or dataset.get('CLASSES')
    return Facts(
        'rgb' if to_rgb == 'True' else 'bgr', _three(text, 'mean'), _three(text, 'std'),
        'relu' if normalised else 'exp', 'stride' if normalised else 'pixel', 0.5, 'stride',
        'cls*ctr', float(_stated(text, 'score_thr', '0.05')),
        float(_stated(text, '(?:iou_threshold|iou_thr)', '0.5')),
        stride_in_1x1=_stated(text, 'style') == 'caffe',
        centerness_of_boxes=_stated(text, 'centerness_on_reg', 'False') == 'True',
        labels=tuple(map(str, labels)) if labels else None)


def _adelaidet(content: Mapping[str, Any], config: str) -> Facts:
    """
    Return the facts of AdelaiDet, with its defaults for what the configuration does not state.

    Sources: `FCOSHead.forward` (ReLU), `FCOSOutputs.predict_proposals` (strides) and
    `forward_for_single_feature_map` (score), `config/defaults.py`; of detectron2, the defaults.
    """
    weights = content['model']
    mean, std = (
        tuple(torch.as_tensor(weights[name]).flatten().tolist()) if name in weights
        else _three(config, name.upper(), default)
        for name, default in (('pixel_mean', (103.53, 116.28, 123.675)),
                              ('pixel_std', (1.0, 1.0, 1.0))))
    # The threshold is one for the probability of the class, before its root.
    return Facts(
        'rgb' if _stated(config, 'FORMAT', 'BGR') == 'RGB' else 'bgr', mean, std, 'relu', 'stride',
        0.5, 'stride', 'sqrt(cls*ctr)', float(_stated(config, 'INFERENCE_TH_TEST', '0.05')) ** 0.5,
        float(_stated(config, 'NMS_TH', '0.6')),
        stride_in_1x1=_stated(config, 'STRIDE_IN_1X1', 'True') == 'True',
        centerness_of_boxes=True)


def _stated(config: str, key: str, default: str | None = None) -> str:
    """
    Return the last value of a key in a configuration, which is Python or YAML.

    :raises ModelError: it is not stated, and there is no default.
    """
    found = re.findall(rf'\b{key}[\'"]?\s*[=:]\s*[\'"]?([\w.]+)', config)
    if found:
        return str(found[-1])
    if default is None:
        raise ModelError(f'the configuration of the network does not state {key}; give its files '
                         'with --config, the base files first')
    return default


def _three(
    config: str, key: str, default: tuple[float, ...] | None = None,
) -> tuple[float, ...]:
    """Return the last three numbers of a key in a configuration; see `_stated`."""
    found = re.findall(rf'\b{key}[\'"]?\s*[=:]\s*[\[(]\s*([-\d.,\s]+?),?\s*[\])]', config)
    if not found and default is not None:
        return default
    numbers = tuple(float(number) for number in found[-1].split(',')) if found else ()
    if len(numbers) != 3:
        raise ModelError(f'the configuration of the network does not state three numbers for '
                         f'{key}; give its files with --config, the base files first')
    return numbers


FAMILIES: Mapping[str, Family] = {
    'torchvision': Family(_TORCHVISION_NAMES, '', _torchvision),
    'mmdetection': Family(_MMDETECTION_NAMES, 'state_dict', _mmdetection),
    'adelaidet': Family(_ADELAIDET_NAMES, 'model', _adelaidet),
}
"""The programs by their names on the command line."""
