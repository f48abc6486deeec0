# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Warnings of libjpeg are collected; everything else stays on standard error."""

import os
from threading import Event, Thread

import cv2
import numpy as np
from onnx_models import white_square
import pytest
from waiting import TIMEOUT

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.child_process import ChildProcess
from fcos_ros.runtime.image_warnings import MAX_WARNINGS, image_warnings

NOISE = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


def jpeg(*flags, image=NOISE):
    return cv2.imencode('.jpg', image, flags)[1].tobytes()


def unknown_revision(file):
    """Return a JPEG file with a revision about which libjpeg warns, without any damage."""
    return file.replace(b'JFIF\0\x01\x01', b'JFIF\0\x09\x01')


def collect(file):
    with image_warnings(frame := Frame.compressed(file)) as warnings:
        frame.bgr()
    return warnings


def test_a_warning_of_libjpeg_is_collected_and_not_printed(capfd):
    assert collect(unknown_revision(jpeg())) == ['Warning: unknown JFIF revision number 9.01']
    assert capfd.readouterr().err == ''


def test_a_hole_in_a_progressive_file_fails_and_the_intact_file_does_not(capfd):
    image = cv2.resize(NOISE, (640, 480))
    file = jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1, image=image)
    assert collect(file) == []
    with pytest.raises(FrameError, match='is damaged: Corrupt JPEG data') as caught:
        collect(file[:9000] + file[9500:])
    assert caught.value.kind == 'damaged'
    assert capfd.readouterr().err == ''


@pytest.mark.parametrize('flags', [
    (), (cv2.IMWRITE_JPEG_QUALITY, 100), (cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    (cv2.IMWRITE_JPEG_RST_INTERVAL, 3)], ids=['usual', 'best quality', 'optimised', 'restarts'])
def test_a_good_file_has_no_warnings_although_its_check_may_cause_one(capfd, flags):
    assert collect(jpeg(*flags)) == []
    assert capfd.readouterr().err == ''


def test_the_warnings_about_a_file_that_fails_are_not_printed(capfd):
    file = jpeg(image=cv2.resize(NOISE, (640, 480)))
    with pytest.raises(FrameError, match='is damaged'):
        collect(file[:5000] + file[8000:])
    assert capfd.readouterr().err == ''


def test_everything_else_is_printed(capfd):
    with image_warnings(Frame.compressed(jpeg())) as warnings:
        os.write(2, b'one line\nCorrupt JPEG data: 2 bytes\n\xff is no text\nno end')
    assert warnings == ['Corrupt JPEG data: 2 bytes']
    os.write(2, b' of this line\n')
    assert os.fsencode(capfd.readouterr().err).endswith(b'is no text\nno end of this line\n')


def test_equal_warnings_are_collected_once_and_only_the_first_different_ones():
    with image_warnings(Frame.compressed(jpeg())) as warnings:
        os.write(2, b''.join(b'libpng warning: %d\n' % (number // 2) for number in range(100)))
    assert warnings == [f'libpng warning: {number}' for number in range(MAX_WARNINGS)]


def test_frames_without_a_file_leave_standard_error_alone(capfd):
    with image_warnings(Frame.from_bgr(white_square(64, 2, 2))) as warnings:
        os.write(2, b'Corrupt JPEG data\n')
        assert capfd.readouterr().err == 'Corrupt JPEG data\n'
    assert warnings == []


def test_a_closed_standard_error_stays_closed():
    saved = os.dup(2)
    os.close(2)
    try:
        with image_warnings(Frame.compressed(jpeg())) as warnings:
            pass
        with pytest.raises(OSError, match='Bad file descriptor'):
            os.fstat(2)
    finally:
        os.dup2(saved, 2)
        os.close(saved)
    assert warnings == []


def print_line(end):
    os.write(2, b'a line of the child\n')
    end.close()


def test_a_process_that_starts_meanwhile_prints_on_the_real_standard_error(capfd):
    collecting, go_on = Event(), Event()

    def collect_for_a_while():
        with image_warnings(Frame.compressed(jpeg())):
            collecting.set()
            go_on.wait(TIMEOUT)

    threads = [Thread(target=collect_for_a_while),
               Thread(target=lambda: children.append(ChildProcess(print_line)))]
    children = []
    threads[0].start()
    assert collecting.wait(TIMEOUT)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(TIMEOUT)
    assert children[0].socket.recv(1) == b'', 'the child has printed its line'
    children[0].end(TIMEOUT)
    assert capfd.readouterr().err == 'a line of the child\n'
