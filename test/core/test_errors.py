# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each kind of wrong image has a name, by which failed frames are counted."""

import pickle
from typing import get_args

import cv2
import numpy as np
import pytest

from fcos_ros.core.errors import FrameError, FrameErrorKind
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
JPEG = cv2.imencode('.jpg', IMAGE)[1].tobytes()
PNG = cv2.imencode('.png', IMAGE)[1].tobytes()
HUGE_PNG = PNG[:16] + b'\0\0\xea\x60\0\0\xea\x60' + PNG[24:]


@pytest.mark.parametrize(('make', 'kind'), [
    (lambda: Frame.wrap([0] * 12, Size(2, 2), 'bgr8'), 'data'),
    (lambda: Frame.from_bgr(IMAGE.astype(np.float32)), 'data'),
    (lambda: Frame.wrap(b'', Size(0, 2), 'bgr8'), 'size'),
    (lambda: Frame.wrap(bytes(13), Size(3, 3), 'nv12'), 'size'),
    (lambda: Frame.compressed(HUGE_PNG), 'size'),
    (lambda: Frame.wrap(bytes(12), Size(2, 2), 'bgr8', step=5), 'step'),
    (lambda: Frame.wrap(bytes(11), Size(2, 2), 'bgr8'), 'length'),
    (lambda: Frame.wrap(bytes(13), Size(2, 2), 'bgr8'), 'length'),
    (lambda: Frame.wrap(bytes(12), Size(2, 2), 'yuv9'), 'encoding'),
    (lambda: Frame.compressed(b'GIF89a1234'), 'format'),
    (lambda: Frame.compressed(b''), 'format'),
    (lambda: Frame.compressed(JPEG[:len(JPEG) // 2]).bgr(), 'truncated'),
    (lambda: Frame.compressed(PNG[:-20]).bgr(), 'truncated'),
    (lambda: Frame.compressed(PNG[:-20] + b'?' + PNG[-19:]).bgr(), 'damaged'),
    (lambda: Frame.compressed(b'\xff\xd8\xff\xd9'), 'damaged'),
    (lambda: Frame.compressed(PNG[:33] + 50_001 * tiny_chunk() + PNG[33:]).bgr(), 'limit'),
])
def test_the_kind_of_a_wrong_image_is_named(make, kind):
    with pytest.raises(FrameError) as caught:
        make()
    assert caught.value.kind == kind
    assert kind in get_args(FrameErrorKind)


def tiny_chunk():
    """Return an empty text chunk of a PNG."""
    return b'\0\0\0\0tEXt\x96\x42\xc5\x85'


def test_an_error_keeps_text_and_kind_when_it_is_pickled():
    error = pickle.loads(pickle.dumps(FrameError('too small', 'size')))
    assert (str(error), error.kind) == ('too small', 'size')
