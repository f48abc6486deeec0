# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages with detections for bags."""

import numpy as np
from offline.bags.bag_files import START, STORE, header


def array(stamp, *found):
    """Return detections; each is a class id, a score and the corners of a box."""
    types = STORE.types
    pose = types['geometry_msgs/msg/PoseWithCovariance'](
        pose=types['geometry_msgs/msg/Pose'](
            position=types['geometry_msgs/msg/Point'](0.0, 0.0, 0.0),
            orientation=types['geometry_msgs/msg/Quaternion'](0.0, 0.0, 0.0, 1.0)),
        covariance=np.zeros(36))
    own = header(STORE, stamp)
    return types['vision_msgs/msg/Detection2DArray'](header=own, detections=[
        types['vision_msgs/msg/Detection2D'](
            header=own, id='', bbox=types['vision_msgs/msg/BoundingBox2D'](
                center=types['vision_msgs/msg/Pose2D'](
                    types['vision_msgs/msg/Point2D']((x1 + x2) / 2, (y1 + y2) / 2), 0.0),
                size_x=float(x2 - x1), size_y=float(y2 - y1)),
            results=[types['vision_msgs/msg/ObjectHypothesisWithPose'](
                types['vision_msgs/msg/ObjectHypothesis'](class_id, score), pose)])
        for class_id, score, (x1, y1, x2, y2) in found])


def label_info(names):
    """Return the names of classes, in the order of their ids."""
    types = STORE.types
    return types['vision_msgs/msg/LabelInfo'](
        header=header(STORE, START), threshold=0.5, class_map=[
            types['vision_msgs/msg/VisionClass'](number, name)
            for number, name in enumerate(names)])
