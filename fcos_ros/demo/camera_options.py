# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the demo's camera, which are also arguments of `demo.launch.py`."""

from __future__ import annotations

from collections.abc import Mapping

from fcos_ros.settings.schema import Option

MAX_SEED = 2**31 - 1

OPTIONS: Mapping[str, Option] = {
    'encoding': Option('bgr8', 'Pixel format of the camera.', choices=('bgr8', 'nv12')),
    # NV12 has one pair of U, V for 2 x 2 pixels.
    'width': Option(640, 'Width of the images in pixels.', limits=(64, 4096), step=2),
    'height': Option(480, 'Height of the images in pixels.', limits=(64, 4096), step=2),
    'rate': Option(12.0, 'Frame rate in Hz.', limits=(0.1, 240.0)),
    'seed': Option(505, 'Seed of the rendered scenes.', limits=(0, MAX_SEED)),
    'scenes': Option(60, 'Number of different images, rendered at the start and repeated forever.',
                     limits=(1, 1000)),
}
