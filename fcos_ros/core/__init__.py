# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The maths of the detector: images in, detections out.

It needs numpy and OpenCV only, and does not use ROS, threads or inference engines. Images are
`Frame`s, results are `Detections`, and every change of coordinates is a `Resize`.
"""
