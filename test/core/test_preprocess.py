# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `Preprocessor` promises: the frame in the corner of a canvas that is else black."""

from __future__ import annotations

import cv2
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.frame import ENCODINGS, Frame
from fcos_ros.core.preprocess import FITS, LAYOUTS, PIXELS, InputSpec, Preprocessor
from fcos_ros.core.resize import Size

# OpenCV 4.5 converts no colour image, and no chroma plane, of a single sample.
SIZES = st.builds(lambda w, h: Size(2 * w, 2 * h), st.integers(2, 60), st.integers(1, 60))
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def spec_of(size, pixels, layout='NHWC', dtype=np.uint8, **options):
    return InputSpec('image', size, pixels, layout, np.dtype(dtype), **options)


SPECS = st.one_of(
    st.builds(spec_of, SIZES, st.just('nv12')),
    st.builds(spec_of, SIZES, st.sampled_from(['rgb', 'bgr']), st.sampled_from(LAYOUTS)),
    st.builds(spec_of, SIZES, st.sampled_from(['rgb', 'bgr']), st.sampled_from(LAYOUTS),
              st.just(np.float32), mean=st.just(MEAN), std=st.just(STD)))


def frame_of(encoding, size, seed=0, padding=0):
    """Make a frame of random bytes that cannot be written to."""
    rows = size.height * 3 // 2 if encoding == 'nv12' else size.height
    step = size.width * (3 if encoding in ('bgr8', 'rgb8') else 1) + padding
    data = np.random.default_rng(seed).integers(0, 256, rows * step, np.uint8)
    return Frame.wrap(data.tobytes(), size, encoding, step)


def flat_frame(encoding, size, bgr):
    """Make a frame of one colour."""
    pixels = np.full((size.height, size.width, 3), bgr, np.uint8)
    if encoding == 'nv12':
        planar = cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420).reshape(-1)
        area = size.width * size.height
        chroma = planar[area:].reshape(2, -1).T.reshape(-1)
        return Frame.wrap(np.concatenate([planar[:area], chroma]), size, encoding)
    if encoding == 'mono8':
        return Frame.wrap(np.ascontiguousarray(pixels[..., 0]), size, encoding)
    order = slice(None, None, -1) if encoding == 'rgb8' else slice(None)
    return Frame.wrap(np.ascontiguousarray(pixels[..., order]), size, encoding)


def seen(tensor, spec):
    """Turn a tensor back into (H, W, 3) BGR pixels, float64."""
    width, height = spec.size
    if spec.pixels == 'nv12':
        return cv2.cvtColor(
            tensor.reshape(height * 3 // 2, width), cv2.COLOR_YUV2BGR_NV12).astype(np.float64)
    last = tensor[0] if spec.layout == 'NHWC' else tensor[0].transpose(1, 2, 0)
    pixels = last.astype(np.float64) * spec.std + spec.mean
    return pixels if spec.pixels == 'bgr' else pixels[..., ::-1]


@given(SPECS, st.sampled_from(sorted(FITS)), st.sampled_from(ENCODINGS), SIZES,
       st.sampled_from([0, 5]))
def test_the_tensor_is_as_the_spec_says_and_the_rest_is_black(spec, fit, encoding, size, padding):
    tensor, resize = Preprocessor(spec, fit)(frame_of(encoding, size, padding=padding))
    assert (tensor.shape, tensor.dtype) == (spec.shape, spec.dtype)
    assert tensor.flags.c_contiguous
    assert resize == FITS[fit](size, spec.size)
    pixels = seen(tensor, spec)
    np.testing.assert_allclose(pixels[resize.content.height:], 0, atol=1e-3)
    np.testing.assert_allclose(pixels[:, resize.content.width:], 0, atol=1e-3)


@given(SPECS, st.sampled_from(sorted(FITS)),
       st.lists(st.tuples(st.sampled_from(ENCODINGS), SIZES), min_size=2, max_size=5))
def test_nothing_of_earlier_frames_remains(spec, fit, arrivals):
    used = Preprocessor(spec, fit)
    for seed, (encoding, size) in enumerate(arrivals):
        frame = frame_of(encoding, size, seed)
        tensor, resize = used(frame)
        expected, fresh = Preprocessor(spec, fit)(frame)
        np.testing.assert_array_equal(tensor, expected)
        assert resize == fresh


@given(SPECS, st.sampled_from(ENCODINGS))
def test_inputs_are_written_where_the_caller_wants_them(spec, encoding):
    place = np.empty(spec.shape, spec.dtype)
    frame = frame_of(encoding, Size(30, 20))
    tensor, _ = Preprocessor(spec, tensor=place)(frame)
    assert tensor is place
    np.testing.assert_array_equal(place, Preprocessor(spec)(frame)[0])


@given(SPECS, st.sampled_from(ENCODINGS), SIZES,
       st.sampled_from([(0, 0, 0), (255, 255, 255), (40, 40, 40), (200, 60, 30), (0, 0, 250)]))
def test_a_flat_colour_stays_that_colour(spec, encoding, size, bgr):
    if encoding == 'mono8':
        bgr = (bgr[0],) * 3
    tensor, resize = Preprocessor(spec, 'letterbox')(flat_frame(encoding, size, bgr))
    content = seen(tensor, spec)[:resize.content.height, :resize.content.width]
    # A round trip through limited-range YUV may lose some levels.
    np.testing.assert_allclose(content, np.broadcast_to(bgr, content.shape), atol=6)


@given(SPECS, st.sampled_from(ENCODINGS))
def test_a_frame_of_the_canvas_size_is_converted_but_not_resized(spec, encoding):
    frame = frame_of(encoding, spec.size)
    tensor, _ = Preprocessor(spec)(frame)
    if spec.pixels != 'nv12':
        np.testing.assert_allclose(seen(tensor, spec), frame.bgr(), atol=1e-3)
    elif encoding == 'nv12':
        np.testing.assert_array_equal(
            tensor, np.concatenate([plane.reshape(-1) for plane in frame.planes]))
    else:
        planar = cv2.cvtColor(frame.bgr(), cv2.COLOR_BGR2YUV_I420).reshape(-1)
        area = spec.size.width * spec.size.height
        np.testing.assert_array_equal(tensor[:area], planar[:area])
        np.testing.assert_array_equal(tensor[area:].reshape(-1, 2).T, planar[area:].reshape(2, -1))


@pytest.mark.parametrize('pixels', PIXELS)
@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('size', [Size(640, 480), Size(480, 640), Size(320, 240), Size(1280, 720)],
                         ids=str)
def test_a_picture_looks_the_same_as_resized_pixels(encoding, size, pixels):
    """Planes resized apart, and converted afterwards, are the picture all the same."""
    y, x = np.mgrid[:size.height, :size.width]
    smooth = np.stack([255 * x / size.width, 255 * y / size.height, 128 + 0 * x], axis=-1)
    bgr = smooth.astype(np.uint8)
    if encoding == 'mono8':
        bgr = np.repeat(bgr[..., :1], 3, axis=-1)
    source = {'bgr8': bgr, 'rgb8': bgr[..., ::-1], 'mono8': bgr[..., 0]}
    frame = Frame.wrap(np.ascontiguousarray(source[encoding]), size, encoding) \
        if encoding != 'nv12' else nv12_frame(bgr, size)
    spec = spec_of(Size(256, 256), pixels)
    tensor, resize = Preprocessor(spec)(frame)
    content = seen(tensor, spec)[:resize.content.height, :resize.content.width]
    expected = cv2.resize(bgr, resize.content).astype(np.float64)
    np.testing.assert_allclose(content, expected, atol=8)
    assert np.abs(content - expected).mean() < 2


def nv12_frame(bgr, size):
    planar = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    area = size.width * size.height
    return Frame.wrap(np.concatenate(
        [planar[:area], planar[area:].reshape(2, -1).T.reshape(-1)]), size, 'nv12')


def test_a_white_square_lands_where_the_transform_says():
    image = np.zeros((480, 640), np.uint8)
    image[120:240, 320:480] = 255
    frame = Frame.wrap(image, Size(640, 480), 'mono8')
    spec = spec_of(Size(512, 512), 'rgb')
    tensor, resize = Preprocessor(spec)(frame)
    rows, columns = np.nonzero(tensor[0, ..., 0] > 127)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(
        resize.to_image(np.array([found], np.float32)), [[320, 120, 480, 240]], atol=1)


def test_one_pixel_fills_its_content():
    tensor, resize = Preprocessor(spec_of(Size(64, 32), 'rgb'))(
        Frame.wrap(bytes([10, 20, 30]), Size(1, 1), 'rgb8'))
    assert resize.content == Size(32, 32)
    assert (tensor[0, :, :32] == (10, 20, 30)).all()
    assert not tensor[0, :, 32:].any()


@pytest.mark.parametrize('layout', LAYOUTS)
def test_float_pixels_are_normalised_in_the_order_of_the_channels(layout):
    spec = spec_of(Size(2, 2), 'rgb', layout, np.float32, mean=MEAN, std=STD)
    frame = Frame.wrap(bytes([10, 20, 30] * 4), Size(2, 2), 'bgr8')
    tensor, _ = Preprocessor(spec)(frame)
    first = tensor[0, 0, 0] if layout == 'NHWC' else tensor[0, :, 0, 0]
    expected = (np.array([30, 20, 10]) - MEAN) / STD
    np.testing.assert_array_equal(first, expected.astype(np.float32))


def test_the_tensor_belongs_to_the_preprocessor_and_is_used_again():
    preprocess = Preprocessor(spec_of(Size(64, 64), 'nv12'))
    first, _ = preprocess(frame_of('nv12', Size(64, 64)))
    second, _ = preprocess(frame_of('nv12', Size(64, 64), seed=1))
    assert first is second


@pytest.mark.parametrize(('options', 'complaint'), [
    ({'pixels': 'yuyv'}, "pixels is 'yuyv': accepted are nv12, rgb, bgr"),
    ({'layout': 'HWC'}, "layout is 'HWC'"),
    ({'dtype': np.int8}, "dtype is 'int8': accepted are uint8, float32"),
    ({'pixels': 'nv12', 'dtype': np.float32}, "dtype is 'float32': accepted are uint8"),
    ({'dtype': np.float32, 'std': (1, 0, 1)}, 'std is .*: expected three numbers'),
    ({'dtype': np.float32, 'mean': (1, 2)}, 'mean is .*: expected three numbers'),
    ({'mean': MEAN}, 'only float32 is normalised'),
    ({'size': Size(63, 64)}, 'size is 63x64: both sides must be even'),
])
def test_impossible_inputs_are_refused_by_name(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        InputSpec(**{'name': 'image', 'size': Size(64, 64), **options})


def test_an_unknown_fit_is_refused_by_name():
    with pytest.raises(ValueError, match="fit is 'crop': accepted are letterbox, stretch"):
        Preprocessor(spec_of(Size(64, 64), 'rgb'), 'crop')
