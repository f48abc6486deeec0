# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a node shows its work, and a private one no personal data."""

from dataclasses import replace

from evaluation.images import image
import numpy as np
import pytest
from report.histories import WARNING, frame, history, status
from report.web_page import HOSTILE, WebPage

from fcos_ros.core.frame import Frame
from fcos_ros.report.node_page import node_page
from fcos_ros.report.picture import small_jpeg

SECRETS = ('drive', 'secret', 'robot-host', '/home', 'r1', 'front', '1970')
JPEG = small_jpeg(Frame.from_bgr(np.zeros((48, 64, 3), np.uint8)))
FOUND = image(((1, 2, 11, 12), 0, 0.9))


@pytest.fixture
def full():
    """Return a history with every kind of content, and personal data in every text."""
    frames = [frame(1, 'failed', error='truncated', reason='/home/me/secret is cut off'),
              *(frame(number, detections=FOUND) for number in range(2, 9)),
              frame(9, 'superseded'), frame(10, 'expired')]
    worst = [('failed', frames[0]), ('slow', replace(frames[1], image=JPEG))]
    return history(
        frames=frames, worst=worst, remarks=['/home/me/secret ends early'],
        reports=[status(second, 10 * second, problems=(WARNING,)) for second in range(4)],
        facts={'node': '/r1/fcos', 'file': '/home/me/net.onnx', 'host': 'robot-host',
               'backend': 'onnx', 'version of numpy': '2.4.6'},
        settings={'front': {'model': '/home/me/secret.onnx', 'classes': ('secret person',),
                            'score_threshold': 0.35, 'fit': 'stretch'}})


def test_a_page_shows_everything_that_is_known(full):
    page = WebPage(node_page(full))
    page.require_self_contained()
    for text in ('7 published', '1 superseded', '1 expired', '1 failed', 'truncated',
                 'is cut off', 'cube', 'onnx', '2.4.6', '/home/me/secret.onnx', '0.35',
                 'no image on /front/image', 'ends early', 'robot-host', '50.0 ms'):
        assert text in page.text, text
    assert len(page.pictures()) == 1


def test_a_private_page_has_no_personal_data(full):
    html = node_page(full, is_private=True)
    page = WebPage(html)
    page.require_self_contained()
    assert not [secret for secret in SECRETS if secret in html]
    assert not page.pictures()
    for text in ('7 published', 'truncated', 'cube', 'onnx', '2.4.6', '0.35', 'stretch'):
        assert text in page.text, text


def test_a_page_of_little_is_a_page():
    WebPage(node_page(history(frames=[frame(1)]))).require_self_contained()
    WebPage(node_page(history(reports=[status(0, 1)]))).require_self_contained()


def test_hostile_texts_stay_texts(full):
    hostile = replace(
        full, source=HOSTILE, remarks=[HOSTILE], facts={HOSTILE: HOSTILE},
        settings={HOSTILE: {'model': HOSTILE}},
        frames=[frame(1, 'failed', camera=HOSTILE, error=HOSTILE, reason=HOSTILE)],
        worst=[(HOSTILE, replace(frame(2, detections=FOUND, image=JPEG), classes=(HOSTILE,)))])
    WebPage(node_page(hostile)).require_self_contained()
