# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A child process finds the same objects in frames of every encoding; files go there as files."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
import os
import socket

import cv2
import numpy as np
from onnx_models import white_square
import pytest
from runtime.square_frame import truncated_jpeg
from waiting import TIMEOUT

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.runtime.channel import Channel
from fcos_ros.runtime.workers import LocalWorker, ProcessWorker, open_workers
from fcos_ros.runtime.workers.child import serve

SIZE = Size(128, 128)
SCENE = white_square(128, 5, 3)
GREY = SCENE[:, :, 0]
NOISE = np.random.default_rng(0).integers(0, 256, GREY.shape, np.uint8)
JPEG = cv2.imencode('.jpg', SCENE)[1].tobytes()


@pytest.fixture(scope='module')
def child(config):
    worker = ProcessWorker(config, inference_timeout=TIMEOUT)
    worker.wait_until_loaded()
    yield worker
    worker.close()


@pytest.fixture(scope='module')
def local(config):
    worker, = open_workers(config, 1, inference_timeout=TIMEOUT)
    assert isinstance(worker, LocalWorker)
    yield worker
    worker.close()


def padded_frame(encoding, *channels, big_endian=False):
    """Interleave channels, and pad each row with 6 bytes."""
    rows = np.dstack(channels).reshape(128, -1)
    padded = np.hstack([rows, NOISE[:, :6]])
    return Frame.wrap(padded.tobytes(), SIZE, encoding, padded.shape[1], big_endian)


@pytest.mark.parametrize('frame', [
    pytest.param(padded_frame('rgba8', SCENE, NOISE), id='rgba8'),
    pytest.param(padded_frame('mono16', NOISE, GREY), id='mono16'),
    pytest.param(padded_frame('mono16', GREY, NOISE, big_endian=True), id='mono16, big endian'),
    pytest.param(replace(padded_frame('mono16', NOISE, GREY // 16), bit_depth=12), id='12 bits'),
    pytest.param(replace(padded_frame('yuv422', np.full_like(GREY, 128), GREY), yuv_range='full'),
                 id='yuv422 of full range'),
    pytest.param(padded_frame('yuv422', np.full_like(GREY, 128), GREY), id='yuv422'),
    pytest.param(padded_frame('bayer_rggb16', NOISE, GREY), id='bayer_rggb16'),
    pytest.param(Frame.compressed(JPEG), id='jpeg'),
    pytest.param(Frame.compressed(cv2.imencode('.png', SCENE)[1]), id='png'),
])
def test_a_child_finds_the_same_objects_in_a_frame_of_any_encoding(child, local, frame):
    expected, found = local.detect(frame).detections, child.detect(frame).detections
    assert len(found) == 1
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_a_child_sees_each_frame_of_frames_that_are_alike_and_of_frames_that_are_not(child, local):
    def moved(scene, encoding='bgr8'):
        return Frame.wrap(np.ascontiguousarray(scene).tobytes(), Size(*scene.shape[1::-1]),
                          encoding)

    small, other = moved(SCENE), moved(SCENE[::-1, ::-1])
    large = moved(np.tile(SCENE, (2, 2, 1)))
    boxes = []
    for frame in (small, other, small, large, other, moved(GREY, 'mono8'), small):
        expected, found = local.detect(frame).detections, child.detect(frame).detections
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        boxes.append(expected.boxes.tolist())
    assert boxes[0] != boxes[1]
    strict = Criteria(score_threshold=1.0)
    assert not len(child.detect(small, strict).detections)
    assert not len(child.detect(other, strict).detections)
    assert len(child.time_inference(small, 2).seconds) == 2
    assert len(child.detect(other).detections) == 1


@pytest.mark.parametrize('kind', [LocalWorker, ProcessWorker])
def test_a_result_has_the_warnings_of_the_decoder_of_its_file_if_they_are_collected(
        config, kind, capfd):
    collecting = replace(config, collects_warnings=True)
    worker = (ProcessWorker(collecting, TIMEOUT) if kind is ProcessWorker
              else open_workers(collecting, 1, TIMEOUT)[0])
    flawed = Frame.compressed(JPEG.replace(b'JFIF\0\x01\x01', b'JFIF\0\x09\x01'))
    with closing(worker):
        assert worker.detect(flawed).warnings == ('Warning: unknown JFIF revision number 9.01',)
        assert worker.detect(Frame.compressed(JPEG)).warnings == ()
    assert 'JFIF' not in capfd.readouterr().err


def test_a_truncated_image_file_fails_its_frame_and_keeps_the_child(child, new_children):
    with pytest.raises(FrameError, match=r'jpeg file .* is truncated') as caught:
        child.detect(truncated_jpeg())
    assert caught.value.kind == 'truncated'
    assert len(child.detect(Frame.compressed(JPEG)).detections) == 1
    assert not new_children(), 'the child was not replaced'


def test_a_child_ends_without_an_error_when_its_parent_closes_the_channel(config):
    ours, theirs = socket.socketpair()
    memory = os.memfd_create('frame')
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve, theirs, config, memory)
        assert Channel(ours).wait(TIMEOUT)  # the child has sent the description of its model
        ours.close()
        assert served.result(TIMEOUT) is None
    theirs.close()
    os.close(memory)
