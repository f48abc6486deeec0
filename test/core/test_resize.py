# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`Resize` maps boxes between images and canvases of any size."""

from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.resize import Resize, Size

SIDES = st.integers(1, 5000)
IMAGES = st.builds(Size, SIDES, SIDES)
CANVASES = st.builds(lambda w, h: Size(2 * w, 2 * h), st.integers(1, 1000), st.integers(1, 1000))
FITS = st.sampled_from([Resize.letterbox, Resize.stretch])


@given(FITS, IMAGES, CANVASES)
def test_the_whole_image_is_mapped_to_the_whole_content(fit, image, canvas):
    resize = fit(image, canvas)
    whole = np.array([[0, 0, *image]], np.float32)
    expected = [[0, 0, *resize.content]]
    np.testing.assert_allclose(resize.to_canvas(whole), expected, rtol=1e-5)


@given(FITS, IMAGES, CANVASES, st.data())
def test_mapping_a_box_to_the_canvas_and_back_does_not_change_it(fit, image, canvas, data):
    fractions = st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4)
    box = np.array([data.draw(fractions)], np.float32) * np.float32([*image, *image])
    resize = fit(image, canvas)
    np.testing.assert_allclose(resize.to_image(resize.to_canvas(box)), box, rtol=1e-4, atol=1e-2)


@given(FITS, IMAGES, CANVASES)
def test_the_content_has_even_sides_and_fits_the_canvas(fit, image, canvas):
    content = fit(image, canvas).content
    assert all(2 <= side <= limit and side % 2 == 0 for side, limit in zip(content, canvas))


@given(IMAGES, CANVASES)
def test_letterbox_keeps_the_aspect_ratio_up_to_one_pixel(image, canvas):
    content = Resize.letterbox(image, canvas).content
    scale = min(canvas.width / image.width, canvas.height / image.height)
    for side, length in zip(content, image):
        assert abs(side - length * scale) <= 1 or side == 2


@pytest.mark.parametrize(('image', 'canvas', 'content'), [
    pytest.param(Size(1920, 1080), Size(512, 512), Size(512, 288), id='full HD'),
    pytest.param(Size(1080, 1920), Size(512, 512), Size(288, 512), id='portrait'),
    pytest.param(Size(512, 512), Size(512, 512), Size(512, 512), id='same size'),
    pytest.param(Size(4000, 1), Size(512, 512), Size(512, 2), id='one row'),
])
def test_letterbox_content_of_common_images(image, canvas, content):
    assert Resize.letterbox(image, canvas).content == content


def test_boxes_outside_the_image_are_clipped():
    resize = Resize.letterbox(Size(200, 100), Size(100, 100))
    boxes = np.array([[-10, -10, 300, 300]], np.float32)
    np.testing.assert_array_equal(resize.to_image(boxes), [[0, 0, 200, 100]])


def test_mapping_zero_boxes_returns_zero_boxes():
    resize = Resize.stretch(Size(200, 100), Size(64, 64))
    assert resize.to_image(np.empty((0, 4), np.float32)).shape == (0, 4)


@pytest.mark.parametrize(('image', 'canvas', 'complaint'), [
    (Size(0, 10), Size(64, 64), 'image is 0x10; accepted: both sides at least 1 pixel'),
    (Size(10, 10), Size(63, 64), 'canvas is 63x64; accepted: even sides'),
])
def test_invalid_sizes_are_refused_with_the_accepted_ones(image, canvas, complaint):
    with pytest.raises(ValueError, match=complaint):
        Resize.letterbox(image, canvas)


@pytest.mark.parametrize(('text', 'size'), [
    ('640x480', (640, 480)), (' 2X99999 ', (2, 99999))])
def test_a_size_is_read_from_a_text_as_it_is_written(text, size):
    assert Size.parse(text) == size
    assert Size.parse(str(Size(*size))) == size


@pytest.mark.parametrize('text', ['', '640', '640x', 'x480', '0x480', '-1x480', '1.5x2', '640 480',
                                  '100000x1', '640x480x3', '٣x٣'])
def test_a_text_that_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match='is no size; accepted: WIDTHxHEIGHT'):
        Size.parse(text)
