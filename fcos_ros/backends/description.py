# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a model by its tensors and its metadata, the same way for every engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fcos_ros.backends.base import ModelInfo, TensorInfo, UnfitModelError
from fcos_ros.backends.errors import ModelError
from fcos_ros.backends.metadata import Metadata
from fcos_ros.core.head import AnyHead, HeadError, OutputSpec
from fcos_ros.core.labels import COCO, COCO_CATEGORIES, Labels, default_labels
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.recognition import recognise
from fcos_ros.core.resize import Size

MIDDLE_GREY = 128


def make_input(
    name: str, size: Size, metadata: Metadata, layout: str = 'NHWC',
    dtype: np.dtype[Any] = np.dtype(np.uint8), nv12: bool = False,
) -> InputSpec:
    """
    Return the description of an input with the stated properties.

    :param nv12: whether it takes NV12; else RGB or BGR.
    :raises ValueError: a stated property does not fit the input.
    """
    accepted = ('nv12',) if nv12 else ('rgb', 'bgr')
    misplaced = ('mean', 'std', 'mean_std_scale') if nv12 else ('nv12_range',)
    for key in misplaced:
        if getattr(metadata, key) is not None:
            raise ValueError(f'{key} is stated, which has no meaning for an input of '
                             f'{" or ".join(accepted)}; remove it')
    pixels = metadata.pixels or accepted[0]
    if pixels not in accepted:
        raise ValueError(f'pixels is {pixels}; accepted for this model: {", ".join(accepted)}')
    mean, std = _normalisation(metadata)
    return InputSpec(name, size, pixels, layout, dtype, mean, std, _padding(metadata, nv12),
                     metadata.nv12_range or 'full')


def describe(
    path: Path, backend: str, name: str, spec: InputSpec, outputs: Sequence[OutputSpec],
    metadata: Metadata,
) -> ModelInfo:
    """
    Return the description of a model.

    :param name: the model's own name; if empty, the file's name without its suffix is used.
    :raises HeadError: the outputs are not those of an FCOS network, or contradict the metadata.
    """
    head = _recognise(outputs, spec.size, metadata)
    labels = metadata.labels or default_labels(head.num_classes)
    return ModelInfo(
        name or path.stem, path, backend, spec, tuple(outputs), head, labels, metadata.criteria(),
        metadata, (*_notes(spec, labels, metadata), *head.notes))


@contextmanager
def reporting_tensors(
    path: Path, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo],
) -> Iterator[None]:
    """
    Add the tensors of the model to every error in its description inside the block.

    :param outputs: as they are known when the error is raised.
    :raises UnfitModelError: instead of any other ValueError.
    """
    try:
        yield
    except UnfitModelError:
        raise
    except ModelError as error:
        raise UnfitModelError(str(error), inputs, outputs) from error.__cause__
    except ValueError as error:
        raise UnfitModelError(f'{path} is not an FCOS network that can be used: {error}', inputs,
                              outputs) from error


def _recognise(outputs: Sequence[OutputSpec], canvas: Size, metadata: Metadata) -> AnyHead:
    spec = metadata.head_spec()
    try:
        return recognise(outputs, canvas, spec)
    except HeadError:
        if spec.num_classes is None:
            raise
        found = _class_count(outputs, canvas, replace(spec, num_classes=None))
        if found in (None, spec.num_classes):
            raise
    raise HeadError(f'labels has {spec.num_classes} names, the network {found} classes; state one '
                    'name for each class, from class 0 on')


def _class_count(outputs: Sequence[OutputSpec], canvas: Size, spec: Any) -> int | None:
    try:
        return recognise(outputs, canvas, spec).num_classes
    except HeadError:
        return None


def _normalisation(metadata: Metadata) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """
    Return mean and standard deviation on the scale 0 to 255.

    :raises ValueError: they cannot be meant for their scale.
    """
    scale = metadata.mean_std_scale or 255
    mean, std = metadata.mean or (0.0,) * 3, metadata.std or (1.0,) * 3
    stated = f'mean is {list(mean)} and std is {list(std)} for pixels from 0 to {scale:g}'
    if scale == 1 and max(*mean, *std) > 1:
        raise ValueError(f'{stated}; accepted: up to 1; or state mean_std_scale: 255')
    small_mean = metadata.mean_std_scale is None and 0 < max(mean) <= 1
    if scale == 255 and (0 < min(std) < 1 or small_mean):
        if max(*mean, *std) > 1:
            raise ValueError(f'{stated}, which seem to be for different scales; state both for '
                             'one scale, and mean_std_scale')
        grey = (MIDDLE_GREY - mean[0]) / std[0]
        raise ValueError(f'{stated}, which converts middle grey to {grey:.0f}; if they are meant '
                         'for pixels from 0 to 1, state mean_std_scale: 1')
    factor = 255 / scale
    return tuple(value * factor for value in mean), tuple(value * factor for value in std)


def _padding(metadata: Metadata, nv12: bool) -> tuple[int, ...] | None:
    padding = metadata.padding
    if padding is None or len(padding) == 3:
        return padding
    return (*padding, 128, 128) if nv12 else padding * 3


def _notes(spec: InputSpec, labels: Labels, metadata: Metadata) -> Iterator[str]:
    """Yield what is assumed because the author does not state it, and what is not used."""
    if metadata.labels is None and labels in (COCO, COCO_CATEGORIES):
        yield (f'the {len(labels)} classes are taken to be those of COCO; other networks state '
               'labels')
    if metadata.input_size not in (None, spec.size):
        yield f'input_size is stated as {metadata.input_size}, and the input is {spec.size}'
    if spec.dtype.kind == 'f' and metadata.mean is None and metadata.std is None:
        yield ('pixels are given as 0 to 255, without normalisation; other networks state mean, '
               'std and mean_std_scale')
