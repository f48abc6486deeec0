# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Serialise detections as vision_msgs/Detection2DArray, for ROS 2 and for bags.

The bytes are made without message objects: rclpy needs several objects and some hundred calls for
each detection. The format is CDR, version 1, little endian (OMG DDSI-RTPS 2.3, 10.2). Each number
is aligned to its size, counted from the end of the first four bytes. Covariance and depth are not
known: poses of results have the default values of ROS 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any

from fcos_ros.core.detections import Detections
from fcos_ros.core.labels import Labels

ENCAPSULATION = b'\x00\x01\x00\x00'
"""The first four bytes: CDR, little endian, no options."""

_STAMP = Struct('<iI')
_COUNT = Struct('<I')
_SCORE = Struct('<d')
_BOX = Struct('<5d')
"""A BoundingBox2D: x, y and theta of its centre, width and height."""

_POSE = Struct('<43d').pack(*[0.0] * 6, 1.0, *[0.0] * 36)
"""A PoseWithCovariance: position, the identity as x, y, z, w, and 36 covariances."""


def serialise_detections(
    detections: Detections, header: Any, labels: Labels | None = None,
) -> bytes:
    """
    Return the bytes of a Detection2DArray.

    :param detections: in image pixels.
    :param header: the header of the image; the message and each detection get it.
    :param labels: if given, `class_id` is the name of the class; else its decimal index.
    """
    name = str if labels is None else labels.name
    stamped = _header(header)
    body = bytearray(stamped + _COUNT.pack(len(detections)))
    rows = zip(detections.boxes.tolist(), _results(detections), _track_ids(detections))
    for (x1, y1, x2, y2), results, track_id in rows:
        body += bytes(-len(body) % 4) + stamped + _COUNT.pack(len(results))
        for class_id, score in results:
            body += _text(name(class_id))
            body += bytes(-len(body) % 8) + _SCORE.pack(score) + _POSE
        body += _BOX.pack((x1 + x2) / 2, (y1 + y2) / 2, 0.0, x2 - x1, y2 - y1)
        body += _text(track_id)
    return ENCAPSULATION + body


def stamp_of(serialised: bytes) -> tuple[int, int]:
    """Return seconds and nanoseconds of the stamp of a message that begins with a header."""
    seconds, nanoseconds = _STAMP.unpack_from(serialised, len(ENCAPSULATION))
    return seconds, nanoseconds


def _results(detections: Detections) -> Iterator[list[tuple[int, float]]]:
    """Yield class and score of each detection, followed by those of its alternatives."""
    best = zip(detections.class_ids.tolist(), detections.scores.tolist())
    others = detections.alternatives
    if others is None:
        yield from ([each] for each in best)
        return
    for each, class_ids, scores in zip(best, others.class_ids.tolist(), others.scores.tolist()):
        yield [each, *((class_id, score) for class_id, score in zip(class_ids, scores)
                       if class_id >= 0)]


def _track_ids(detections: Detections) -> list[str]:
    """Return the `id` of each detection; empty for an object without a number."""
    if detections.track_ids is None:
        return [''] * len(detections)
    return [str(track_id or '') for track_id in detections.track_ids.tolist()]


def _header(header: Any) -> bytes:
    """Return the bytes of a header, and zeros up to the next multiple of 4."""
    body = _STAMP.pack(header.stamp.sec, header.stamp.nanosec) + _text(header.frame_id)
    return body + bytes(-len(body) % 4)


def _text(text: str) -> bytes:
    content = text.encode() + b'\0'
    return _COUNT.pack(len(content)) + content
