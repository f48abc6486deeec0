# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
FCOS object detection for ROS 2, and as a library that needs no ROS 2.

The names in `__all__` are the public interface of the package; all other names may change.
"""

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
