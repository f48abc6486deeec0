# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of every kind mean the same in a child process; a file goes there as a file."""

from concurrent.futures import ThreadPoolExecutor
import os
import socket

import cv2
import numpy as np
from onnx_models import white_square, write_fcos
import pytest
from waiting import TIMEOUT

from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.runtime.child import serve
from fcos_ros.runtime.protocol import Line, Recipe
from fcos_ros.runtime.worker import LocalWorker, ProcessWorker, WorkerError, open_workers

SIZE = Size(128, 128)
SCENE = white_square(128, 5, 3)
GREY = SCENE[:, :, 0]
NOISE = np.random.default_rng(0).integers(0, 256, GREY.shape, np.uint8)
JPEG = cv2.imencode('.jpg', SCENE)[1].tobytes()


@pytest.fixture(scope='module')
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp('model') / 'squares.onnx'
    return Recipe(write_fcos(path, half_box=8.0))


@pytest.fixture(scope='module')
def child(recipe):
    worker = ProcessWorker(recipe, deadline=TIMEOUT)
    worker.wait()
    yield worker
    worker.close()


@pytest.fixture(scope='module')
def local(recipe):
    worker, = open_workers(recipe, 1, deadline=TIMEOUT)
    assert isinstance(worker, LocalWorker)
    yield worker
    worker.close()


def wrapped(encoding, *channels, big_endian=False):
    """Interleave channels, and pad each row with 6 bytes."""
    rows = np.dstack(channels).reshape(128, -1)
    padded = np.hstack([rows, NOISE[:, :6]])
    return Frame.wrap(padded.tobytes(), SIZE, encoding, padded.shape[1], big_endian)


@pytest.mark.parametrize('frame', [
    pytest.param(wrapped('rgba8', SCENE, NOISE), id='rgba8'),
    pytest.param(wrapped('mono16', NOISE, GREY), id='mono16'),
    pytest.param(wrapped('mono16', GREY, NOISE, big_endian=True), id='mono16, big endian'),
    pytest.param(wrapped('yuv422', np.full_like(GREY, 128), GREY), id='yuv422'),
    pytest.param(wrapped('bayer_rggb16', NOISE, GREY), id='bayer_rggb16'),
    pytest.param(Frame.compressed(JPEG), id='jpeg'),
    pytest.param(Frame.compressed(cv2.imencode('.png', SCENE)[1]), id='png'),
])
def test_a_child_finds_the_same_in_a_frame_of_any_kind(child, local, frame):
    expected, found = local.detect(frame).detections, child.detect(frame).detections
    assert len(found) == 1
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_a_picture_that_is_cut_off_costs_one_frame_and_no_child(child):
    with pytest.raises(WorkerError, match=r'FrameError: jpeg picture 128x128 .* is cut off'):
        child.detect(Frame.compressed(JPEG[:-9]))
    assert len(child.detect(Frame.compressed(JPEG)).detections) == 1


def test_a_child_ends_in_silence_when_its_parent_hangs_up_before_it_has_listened(recipe):
    ours, theirs = socket.socketpair()
    memory = os.memfd_create('frame')
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve, theirs, recipe, memory)
        assert Line(ours).poll(TIMEOUT)  # it describes the model, which nobody reads
        ours.close()
        assert served.result(TIMEOUT) is None
    theirs.close()
    os.close(memory)
