# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The maths of the detector: pixels in, boxes out.

Needs numpy and OpenCV only; knows nothing of ROS, threads or inference engines. Images are
`Frame`s, results are `Detections`, and every change of coordinates is a `Resize`.
"""
