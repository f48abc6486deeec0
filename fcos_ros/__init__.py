# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
FCOS object detection for ROS 2, and as a library that needs no ROS 2.

The names in `__all__` are the public interface of the package; all other names may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fcos_ros.backends import InferenceError, ModelError
    from fcos_ros.core.criteria import Criteria
    from fcos_ros.core.detections import Detections
    from fcos_ros.core.errors import FrameError
    from fcos_ros.core.frame import Frame
    from fcos_ros.core.labels import Labels
    from fcos_ros.core.resize import Size
    from fcos_ros.runtime.detector import Detector, Result, StageTimes

__all__ = ['Criteria', 'Detections', 'Detector', 'Frame', 'FrameError', 'InferenceError',
           'Labels', 'ModelError', 'Result', 'Size', 'StageTimes']

_MODULES = {
    'Criteria': 'core.criteria', 'Detections': 'core.detections', 'Detector': 'runtime.detector',
    'Frame': 'core.frame', 'FrameError': 'core.errors', 'InferenceError': 'backends',
    'Labels': 'core.labels', 'ModelError': 'backends', 'Result': 'runtime.detector',
    'Size': 'core.resize', 'StageTimes': 'runtime.detector'}
"""
The module of each public name; it is imported when the name is used.

The programs of this package must handle signals before they import numpy and OpenCV.
"""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_MODULES[name]}'), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
