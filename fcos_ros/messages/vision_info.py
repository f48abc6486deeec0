# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a detector in messages of vision_msgs, with the classes of ROS 2 or of a bag."""

from __future__ import annotations

from typing import Any

from fcos_ros.backends import ModelInfo
from fcos_ros.core.criteria import Criteria


def class_names(model: ModelInfo) -> tuple[str, ...]:
    """Return the name of each class of a model, by its index."""
    return tuple(map(model.labels.name, range(model.head.num_classes)))


def method(model: ModelInfo) -> str:
    """Return the name of a detector."""
    return f'{model.name} ({model.backend})'


def to_label_info(types: Any, model: ModelInfo, criteria: Criteria, header: Any) -> Any:
    """
    Return a message with the name of each class index and the minimum published score.

    :param types: has the classes of vision_msgs as attributes, such as the module
        `vision_msgs.msg`.
    """
    names = class_names(model)
    classes = [types.VisionClass(class_id=index, class_name=name)
               for index, name in enumerate(names)]
    minimum = float(criteria.thresholds(len(names)).min())
    return types.LabelInfo(header=header, class_map=classes, threshold=minimum)


def to_vision_info(
    types: Any, model: ModelInfo, location: str, version: int, header: Any,
) -> Any:
    """
    Return a message with the detector's name, and the topic and version of its labels.

    :param types: see `to_label_info`.
    """
    return types.VisionInfo(header=header, method=method(model), database_location=location,
                            database_version=version)
