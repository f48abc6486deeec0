# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Histories of a node for tests."""

from __future__ import annotations

from fcos_ros.core.resize import Size
from fcos_ros.report.history import FrameRecord, NodeHistory
from fcos_ros.runtime.node_status import (
    CameraStatus,
    Level,
    ModelStatus,
    NodeStatus,
    Problem,
    ProcessStatus,
)
from fcos_ros.runtime.statistics import FrameCounts, Percentiles


def frame(number, fate='published', camera='front', age=0.05, detections=None, **fields):
    """Return a frame; one arrives each tenth of a second."""
    times = {} if fate in ('superseded', 'expired') else {
        'wait': 0.001, 'infer': 0.02, 'total': age / 2, 'age': age}
    names = ('cube',) * len(detections) if detections is not None else ()
    return FrameRecord(camera, 1000 + number / 10, number, fate, times=times,
                       detections=detections, classes=names, size=Size(64, 48), **fields)


def status(second, published, failed=0, name='/r1/fcos', pid=7, problems=()):
    """Return a report with counts of frames."""
    counts = FrameCounts(published + failed, published, 0, 0, failed,
                         {'truncated': failed} if failed else {}, 'is cut off')
    camera = CameraStatus('front', '/front/image', 'sensor_msgs/msg/Image', 'reliable', 1, counts,
                          stages={'infer': Percentiles(0.02, 0.03, 0.04),
                                  'age': Percentiles(0.05, 0.06, 0.07)})
    return NodeStatus(
        name, 1000.0 + second,
        ProcessStatus('0.1.0', 'active', second, pid, 'robot-host', libraries={'numpy': '2.4.6'}),
        ModelStatus('net', '/home/me/net.onnx', 'onnx', '512x512', '8', 2, 'pixel'), (camera,),
        problems)


WARNING = Problem(Level.WARNING, 'front frames', 'no image on /front/image')


def history(**fields):
    return NodeHistory(**{'source': '/home/me/drive.mcap', **fields})
