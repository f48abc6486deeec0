# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames are scaled into the top-left corner of a black canvas, whatever their encoding."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from core.camera_formats import (
    BAYER,
    FORMATS,
    GREY,
    YUV,
    decode,
    encode,
    join,
    packed_step,
    random_blocks,
    samples_of,
    to_yuv,
)
import cv2
from hypothesis import assume, given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.preprocess import FITS, LAYOUTS, PIXELS, InputSpec, Preprocessor
from fcos_ros.core.resize import Size
from fcos_ros.core.yuv_range import RANGES

FILES = ('jpeg', 'png', 'tiff', 'webp')
KINDS = (*FORMATS, *FILES)
"""Every encoding of a frame, and every format of image files."""

CHROMA_ROUNDING = 1.7
"""
Levels by which chroma made of BGR may differ. Rounded are the mean colour (up to 1/2), the luma
that is subtracted (1/2 * 0.56), the chroma (1/2), and once more in limited range (1/2).
"""


class Range(NamedTuple):
    """The luma of black, and the levels that luma and chroma have."""

    black: int
    luma: int
    chroma: int


LEVELS = {'full': Range(0, 255, 255), 'limited': Range(16, 219, 224)}

CANVASES = st.builds(lambda w, h: Size(2 * w, 2 * h), st.integers(1, 60), st.integers(1, 60))
SIZES = st.builds(lambda w, h: Size(2 * w, 2 * h), st.integers(2, 60), st.integers(2, 60))
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def spec_of(size, pixels, layout='NHWC', dtype=np.uint8, **options):
    return InputSpec('image', size, pixels, layout, np.dtype(dtype), **options)


SPECS = st.one_of(
    st.builds(spec_of, CANVASES, st.just('nv12'), nv12_range=st.sampled_from(RANGES)),
    st.builds(spec_of, CANVASES, st.sampled_from(['rgb', 'bgr']), st.sampled_from(LAYOUTS)),
    st.builds(spec_of, CANVASES, st.sampled_from(['rgb', 'bgr']), st.sampled_from(LAYOUTS),
              st.just(np.float32), mean=st.just(MEAN), std=st.just(STD)))


def frame_of(kind, size, seed=0, padding=0):
    """Return a frame of random colours, with read-only data."""
    if kind in FILES:
        rng = np.random.default_rng(seed)
        return frame_showing(rng.integers(0, 256, (size.height, size.width, 3), np.uint8), kind)
    step = packed_step(kind, size) + padding
    data = join(kind, random_blocks(kind, size, seed), step)
    return replace(Frame.wrap(data, size, kind, step), bit_depth=16)


def frame_showing(bgr, kind, yuv_range='limited'):
    """Return a frame that shows an image (H, W, 3)."""
    if kind in FILES:
        options = {'webp': [cv2.IMWRITE_WEBP_QUALITY, 101]}  # without losses
        return Frame.compressed(cv2.imencode(f'.{kind}', bgr, options.get(kind, []))[1])
    data = join(kind, encode(bgr, kind, yuv_range=yuv_range))
    frame = Frame.wrap(data, Size(*bgr.shape[1::-1]), kind)
    return replace(frame, bit_depth=16, yuv_range=yuv_range)


def to_bgr(tensor, spec):
    """Convert a tensor to BGR pixels, float64 (H, W, 3)."""
    width, height = spec.size
    if spec.pixels == 'nv12':
        blocks = np.split(tensor.reshape(height * 3 // 2, width), [height])
        return decode(blocks, 'nv12', spec.size, yuv_range=spec.nv12_range)
    last = tensor[0] if spec.layout == 'NHWC' else tensor[0].transpose(1, 2, 0)
    pixels = last.astype(np.float64) * spec.std + spec.mean
    return pixels if spec.pixels == 'bgr' else pixels[..., ::-1]


@given(SPECS, st.sampled_from(sorted(FITS)), st.sampled_from(KINDS), SIZES,
       st.sampled_from([0, 4]))
def test_the_tensor_follows_its_spec_and_is_black_outside_the_image(
    spec, fit, encoding, size, padding,
):
    frame = frame_of(encoding, size, padding=padding)
    tensor, resize = Preprocessor(spec, fit).prepare(frame)
    assert (tensor.shape, tensor.dtype) == (spec.shape, spec.dtype)
    assert tensor.flags.c_contiguous
    assert resize == FITS[fit](size, spec.size)
    pixels = to_bgr(tensor, spec)
    np.testing.assert_allclose(pixels[resize.content.height:], 0, atol=1e-3)
    np.testing.assert_allclose(pixels[:, resize.content.width:], 0, atol=1e-3)


@pytest.mark.parametrize(('pixels', 'layout'), [
    ('nv12', 'NHWC'), ('rgb', 'NHWC'), ('bgr', 'NHWC'), ('bgr', 'NCHW')])
def test_the_canvas_around_the_image_has_the_padding_colour_of_the_network(pixels, layout):
    spec = spec_of(Size(64, 64), pixels, layout, padding=(114, 10, 200))
    tensor, resize = Preprocessor(spec).prepare(frame_of('bgr8', Size(40, 20)))
    assert resize.content == Size(64, 32)
    if pixels == 'nv12':
        luma, chroma = tensor[:64 * 64].reshape(64, 64), tensor[64 * 64:].reshape(32, 32, 2)
        assert set(luma[32:].flat) == {114}
        np.testing.assert_array_equal(chroma[16:], np.full((16, 32, 2), (10, 200)))
    else:
        image = tensor[0] if layout == 'NHWC' else tensor[0].transpose(1, 2, 0)
        np.testing.assert_array_equal(image[32:], np.full((32, 64, 3), (114, 10, 200)))


@pytest.mark.parametrize('layout', LAYOUTS)
def test_half_precision_values_are_the_rounded_single_precision_values(layout):
    frame = frame_of('bgr8', Size(40, 20))
    options = {'mean': MEAN, 'std': STD, 'padding': (1, 2, 3)}
    single, half = (
        Preprocessor(spec_of(Size(64, 64), 'rgb', layout, dtype, **options)).prepare(frame)[0]
        for dtype in (np.float32, np.float16))
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, single.astype(np.float16))


@given(SPECS, st.sampled_from(sorted(FITS)),
       st.lists(st.tuples(st.sampled_from(KINDS), SIZES), min_size=2, max_size=5))
def test_a_frame_leaves_no_pixels_of_earlier_frames(spec, fit, arrivals):
    reused = Preprocessor(spec, fit)
    for seed, (encoding, size) in enumerate(arrivals):
        frame = frame_of(encoding, size, seed)
        tensor, resize = reused.prepare(frame)
        expected, expected_resize = Preprocessor(spec, fit).prepare(frame)
        np.testing.assert_array_equal(tensor, expected)
        assert resize == expected_resize


@given(SPECS, st.sampled_from(KINDS))
def test_the_input_is_written_to_the_given_memory(spec, encoding):
    place = np.empty(spec.shape, spec.dtype)
    frame = frame_of(encoding, Size(30, 20))
    tensor, _ = Preprocessor(spec, tensor=place).prepare(frame)
    assert tensor is place
    np.testing.assert_array_equal(place, Preprocessor(spec).prepare(frame)[0])


@given(SPECS, st.sampled_from(KINDS), SIZES,
       st.sampled_from([(0, 0, 0), (255, 255, 255), (40, 40, 40), (200, 60, 30), (0, 0, 250)]))
def test_a_uniform_colour_is_kept(spec, encoding, size, bgr):
    if encoding in GREY:
        bgr = (bgr[0],) * 3
    frame = frame_showing(np.full((size.height, size.width, 3), bgr, np.uint8), encoding)
    tensor, resize = Preprocessor(spec, 'letterbox').prepare(frame)
    content = to_bgr(tensor, spec)[:resize.content.height, :resize.content.width]
    # A round trip through limited-range YUV may lose some levels.
    np.testing.assert_allclose(content, np.broadcast_to(bgr, content.shape), atol=6)


@given(CANVASES, st.sampled_from(RANGES), st.sampled_from(YUV), st.sampled_from(RANGES), SIZES,
       st.sampled_from([(0, 0, 0), (255, 255, 255), (40, 40, 40), (200, 60, 30), (0, 0, 250)]))
def test_a_colour_is_kept_from_each_range_of_yuv_to_each(
        canvas, nv12_range, encoding, yuv_range, size, bgr):
    image = np.full((size.height, size.width, 3), bgr, np.uint8)
    frame = frame_showing(image, encoding, yuv_range)
    for pixels in PIXELS:
        spec = spec_of(canvas, pixels, nv12_range=nv12_range)
        tensor, resize = Preprocessor(spec).prepare(frame)
        content = to_bgr(tensor, spec)[:resize.content.height, :resize.content.width]
        np.testing.assert_allclose(content, np.broadcast_to(bgr, content.shape), atol=4)


@pytest.mark.parametrize('encoding', [kind for kind in KINDS if kind not in YUV])
@pytest.mark.parametrize(('nv12_range', 'black', 'white'), [
    ('full', 0, 255), ('limited', 16, 235)])
def test_black_and_white_have_the_luma_of_the_range(encoding, nv12_range, black, white):
    spec = spec_of(Size(64, 64), 'nv12', nv12_range=nv12_range)
    bgr = np.zeros((64, 48, 3), np.uint8)
    bgr[32:] = 255
    tensor, _ = Preprocessor(spec).prepare(frame_showing(bgr, encoding))
    luma = tensor[:64 * 64].reshape(64, 64)
    np.testing.assert_allclose(luma[:28, :48], black, atol=1)
    np.testing.assert_allclose(luma[36:, :48], white, atol=1)
    assert (luma[:, 48:] == black).all()
    chroma = tensor[64 * 64:].reshape(32, 64)
    np.testing.assert_allclose(np.delete(chroma, range(14, 18), 0), 128, atol=1)


@pytest.mark.parametrize('nv12_range', RANGES)
def test_nv12_of_the_range_of_the_network_is_not_changed(nv12_range):
    data = join('nv12', random_blocks('nv12', Size(64, 64), yuv_range='full'))
    frame = replace(Frame.wrap(data, Size(64, 64), 'nv12'), yuv_range=nv12_range)
    tensor, _ = Preprocessor(spec_of(Size(64, 64), 'nv12', nv12_range=nv12_range)).prepare(frame)
    assert tensor.tobytes() == data


@pytest.mark.parametrize('before', RANGES)
@pytest.mark.parametrize('after', RANGES)
def test_each_level_of_yuv_changes_its_range_as_defined(before, after):
    size, levels = Size(32, 16), np.arange(256, dtype=np.uint8)
    data = np.concatenate([levels, levels, levels]).tobytes()  # luma twice, then chroma
    frame = replace(Frame.wrap(data, size, 'nv12'), yuv_range=before)
    tensor, _ = Preprocessor(spec_of(size, 'nv12', nv12_range=after)).prepare(frame)
    old, new = LEVELS[before], LEVELS[after]
    luma = [(level - old.black) * Fraction(new.luma, old.luma) + new.black for level in range(256)]
    chroma = [(level - 128) * Fraction(new.chroma, old.chroma) + 128 for level in range(256)]
    assert tensor.tolist() == [min(max(round(level), 0), 255) for level in luma + luma + chroma]


@given(st.integers(0, 99), st.sampled_from(RANGES))
def test_bgr_becomes_the_nv12_of_its_definition(seed, nv12_range):
    rng = np.random.default_rng(seed)
    bgr = rng.integers(0, 256, (16, 16, 3), np.uint8)
    tensor, _ = Preprocessor(spec_of(Size(16, 16), 'nv12', nv12_range=nv12_range)).prepare(
        frame_showing(bgr, 'bgr8'))
    expected = join('nv12', encode(bgr, 'nv12', yuv_range=nv12_range))
    np.testing.assert_allclose(tensor.astype(int), np.frombuffer(expected, np.uint8), atol=1)


@given(SPECS, st.sampled_from(KINDS))
def test_a_frame_of_the_canvas_size_is_converted_but_not_resized(spec, encoding):
    assume(encoding not in BAYER or min(spec.size) > 2)
    frame = frame_of(encoding, spec.size)
    tensor, _ = Preprocessor(spec).prepare(frame)
    if spec.pixels == 'nv12':
        luma, chroma = as_nv12(frame, spec.nv12_range)
        np.testing.assert_allclose(tensor[:luma.size], luma.reshape(-1), atol=1)
        np.testing.assert_allclose(tensor[luma.size:], chroma.reshape(-1), atol=CHROMA_ROUNDING)
    elif encoding not in YUV or FORMATS[encoding].shared == (2, 2):
        # The chroma of other YUV encodings is halved, also without scaling.
        np.testing.assert_allclose(to_bgr(tensor, spec), frame.bgr(), atol=1e-3)


def as_nv12(frame, nv12_range):
    """Return luma and chroma of a frame; chroma of a higher resolution is averaged."""
    width, height = frame.size
    if frame.encoding in YUV:
        blocks = [plane.reshape(len(plane), -1) for plane in frame.planes]
        luma, u, v = (samples_of(blocks, frame.encoding)[letter] for letter in 'yuv')
    else:
        luma, u, v = to_yuv(frame.bgr(), Size(2, 2), nv12_range).values()
        return np.clip(luma, 0, 255), np.clip(np.stack([u, v], -1), 0, 255)
    rows, columns = 2 * u.shape[0] // height, 2 * u.shape[1] // width
    chroma = np.stack([u, v], -1).reshape(height // 2, rows, width // 2, columns, 2).mean((1, 3))
    if nv12_range == 'full':
        luma, chroma = (luma - 16.0) * 255 / 219, (chroma - 128) * 255 / 224 + 128
    return np.clip(luma, 0, 255), np.clip(chroma, 0, 255)


@pytest.mark.parametrize('pixels', PIXELS)
@pytest.mark.parametrize('encoding', KINDS)
@pytest.mark.parametrize('size', [Size(320, 240), Size(240, 320), Size(160, 120), Size(640, 360)],
                         ids=str)
def test_scaling_before_conversion_gives_the_same_image_as_after_it(encoding, size, pixels):
    y, x = np.mgrid[:size.height, :size.width]
    smooth = np.stack([255 * x / size.width, 255 * y / size.height, 128 + 0 * x], axis=-1)
    bgr = smooth.astype(np.uint8)
    if encoding in GREY:
        bgr = np.repeat(bgr[..., :1], 3, axis=-1)
    spec = spec_of(Size(192, 192), pixels)
    tensor, resize = Preprocessor(spec).prepare(frame_showing(bgr, encoding))
    content = to_bgr(tensor, spec)[:resize.content.height, :resize.content.width]
    expected = cv2.resize(bgr, resize.content).astype(np.float64)
    # The check of a JPEG mixes colours of its last row with others.
    rows = slice(None, -2 if encoding == 'jpeg' else None)
    np.testing.assert_allclose(content[rows], expected[rows], atol=8)
    assert np.abs(content - expected).mean() < 2


@pytest.mark.parametrize('pixels', PIXELS)
@pytest.mark.parametrize('encoding', [kind for kind in KINDS if kind not in BAYER])
def test_a_coloured_area_keeps_its_colour_and_place(encoding, pixels):
    """A grey image with a coloured quarter: chroma is neither swapped nor moved."""
    bgr = np.full((96, 128, 3), 100, np.uint8)
    bgr[48:, :64] = (100,) * 3 if encoding in GREY else (200, 80, 30)
    spec = spec_of(Size(64, 64), pixels)
    tensor, _ = Preprocessor(spec).prepare(frame_showing(bgr, encoding))
    content = to_bgr(tensor, spec)
    np.testing.assert_allclose(content[28:44, 4:28], np.broadcast_to(bgr[-1, 0], (16, 24, 3)),
                               atol=6)
    np.testing.assert_allclose(content[4:20, 4:60], 100, atol=6)
    np.testing.assert_allclose(content[28:44, 36:60], 100, atol=6)


@pytest.mark.parametrize('pixels', PIXELS)
def test_a_truncated_file_is_refused_and_the_next_frame_is_drawn(pixels):
    preprocessor = Preprocessor(spec_of(Size(64, 64), pixels))
    whole = frame_of('jpeg', Size(80, 80))
    truncated = Frame(whole.size, 'jpeg', (whole.planes[0][:-2000],))
    expected = np.array(preprocessor.prepare(whole)[0])
    with pytest.raises(FrameError, match=r'jpeg file of \d+ bytes is truncated: data are'):
        preprocessor.prepare(truncated)
    np.testing.assert_array_equal(preprocessor.prepare(whole)[0], expected)


def test_the_transform_maps_a_white_square_back_to_its_place():
    image = np.zeros((480, 640), np.uint8)
    image[120:240, 320:480] = 255
    frame = Frame.wrap(image, Size(640, 480), 'mono8')
    spec = spec_of(Size(512, 512), 'rgb')
    tensor, resize = Preprocessor(spec).prepare(frame)
    rows, columns = np.nonzero(tensor[0, ..., 0] > 127)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(
        resize.to_image(np.array([found], np.float32)), [[320, 120, 480, 240]], atol=1)


def test_an_image_of_one_pixel_fills_its_part_of_the_canvas():
    tensor, resize = Preprocessor(spec_of(Size(64, 32), 'rgb')).prepare(
        Frame.wrap(bytes([10, 20, 30]), Size(1, 1), 'rgb8'))
    assert resize.content == Size(32, 32)
    assert (tensor[0, :, :32] == (10, 20, 30)).all()
    assert not tensor[0, :, 32:].any()


@pytest.mark.parametrize('pixels', PIXELS)
@pytest.mark.parametrize('encoding', [kind for kind in KINDS if kind not in BAYER])
@pytest.mark.parametrize('canvas', [Size(2, 2), Size(4, 2), Size(8, 8)], ids=str)
@pytest.mark.parametrize('image', [Size(2, 2), Size(2, 40), Size(40, 2)], ids=str)
def test_the_smallest_images_and_canvases_work(encoding, pixels, canvas, image):
    spec = spec_of(canvas, pixels)
    frame = frame_showing(np.full((image.height, image.width, 3), 90, np.uint8), encoding)
    tensor, resize = Preprocessor(spec).prepare(frame)
    content = to_bgr(tensor, spec)[:resize.content.height, :resize.content.width]
    np.testing.assert_allclose(content, 90, atol=3)


def test_a_large_jpeg_is_decoded_at_a_reduced_size():
    file = frame_of('jpeg', Size(640, 480)).planes[0]
    smaller = cv2.imdecode(file, cv2.IMREAD_REDUCED_COLOR_4)
    assert smaller.shape == (120, 160, 3)
    spec = spec_of(Size(130, 130), 'bgr')
    expected, _ = Preprocessor(spec).prepare(Frame.wrap(smaller, Size(160, 120), 'bgr8'))
    tensor, resize = Preprocessor(spec).prepare(Frame.compressed(file))
    np.testing.assert_array_equal(tensor, expected)
    assert resize.image == Size(640, 480)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_float_inputs_are_normalised_channel_by_channel(layout):
    spec = spec_of(Size(2, 2), 'rgb', layout, np.float32, mean=MEAN, std=STD)
    frame = Frame.wrap(bytes([10, 20, 30] * 4), Size(2, 2), 'bgr8')
    tensor, _ = Preprocessor(spec).prepare(frame)
    first = tensor[0, 0, 0] if layout == 'NHWC' else tensor[0, :, 0, 0]
    expected = (np.array([30, 20, 10]) - MEAN) / STD
    np.testing.assert_array_equal(first, expected.astype(np.float32))


def test_a_preprocessor_reuses_its_tensor():
    preprocessor = Preprocessor(spec_of(Size(64, 64), 'nv12'))
    first, _ = preprocessor.prepare(frame_of('nv12', Size(64, 64)))
    second, _ = preprocessor.prepare(frame_of('nv12', Size(64, 64), seed=1))
    assert first is second


@pytest.mark.parametrize(('options', 'complaint'), [
    ({'pixels': 'yuyv'}, "pixels is 'yuyv'; accepted: nv12, rgb, bgr"),
    ({'layout': 'HWC'}, "layout is 'HWC'"),
    ({'dtype': np.int8}, "dtype is 'int8'; accepted: uint8, float32"),
    ({'pixels': 'nv12', 'dtype': np.float32}, "dtype is 'float32'; accepted: uint8"),
    ({'dtype': np.float32, 'std': (1, 0, 1)}, 'std is .*; accepted: three numbers'),
    ({'dtype': np.float32, 'mean': (1, 2)}, 'mean is .*; accepted: three numbers'),
    ({'mean': MEAN}, 'a uint8 input is not normalised; accepted: mean 0 and std 1'),
    ({'padding': (0, 0, 256)}, r'padding is \(0, 0, 256\); accepted: three numbers from 0 to 255'),
    ({'padding': (114,)}, r'padding is \(114,\); accepted: three numbers'),
    ({'nv12_range': 'video'}, "nv12_range is 'video'; accepted: full, limited"),
    ({'size': Size(63, 64)}, 'size is 63x64; accepted: even sides'),
])
def test_an_invalid_input_spec_is_refused_with_the_accepted_values(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        InputSpec(**{'name': 'image', 'size': Size(64, 64), **options})


def test_an_unknown_fit_is_refused_with_the_accepted_ones():
    with pytest.raises(ValueError, match="fit is 'crop'; accepted: letterbox, stretch"):
        Preprocessor(spec_of(Size(64, 64), 'rgb'), 'crop')
