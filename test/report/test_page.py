# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pages hold all that they show, and show hostile names as text."""

from base64 import b64decode

import cv2
import numpy as np
from report.web_page import HOSTILE, WebPage

from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.report import page as pages
from fcos_ros.report.picture import MAX_SIDE, MISSED, RIGHT, Mark, picture, small_jpeg

BOX = np.array([10, 20, 30, 40], np.float32)


def test_a_page_shows_hostile_names_as_text():
    marked = picture(b'', Size(100, 100), [Mark(BOX, HOSTILE, RIGHT), Mark(BOX, HOSTILE, MISSED)])
    page = WebPage(pages.page(HOSTILE, HOSTILE, [
        pages.Section(HOSTILE, [pages.table([(HOSTILE,), (HOSTILE,)]), pages.paragraph(HOSTILE),
                                pages.grid([pages.figure(HOSTILE, [(HOSTILE, marked)])])]),
        pages.Section('left out', [])]))
    page.require_self_contained()
    assert page.text.count('<script>alert(1)</script>"\'&') == 13
    assert not set('\x1b‮') & set(page.text)
    assert 'left out' not in page.text


def test_a_picture_is_scaled_down_and_its_marks_are_in_pixels_of_the_image():
    pixels = np.full((960, 1280, 3), 60, np.uint8)
    jpeg = small_jpeg(Frame.from_bgr(pixels))
    page = WebPage(picture(jpeg, Size(1280, 960), [Mark(BOX, 'cube 0.90', RIGHT)]))
    source, = page.pictures()
    decoded = cv2.imdecode(np.frombuffer(b64decode(source.partition(',')[2]), np.uint8),
                           cv2.IMREAD_COLOR)
    assert decoded.shape == (MAX_SIDE * 3 // 4, MAX_SIDE, 3)
    rect, = (values for tag, values in page.tags if tag == 'rect')
    assert [float(rect[name]) for name in ('x', 'y', 'width', 'height')] == [10, 20, 20, 20]
    assert small_jpeg(Frame.from_bgr(pixels[:50, :60])).startswith(b'\xff\xd8')
