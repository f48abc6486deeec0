# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tiles cover the image, show its very pixels, and give each object once."""

from itertools import pairwise

from core.camera_formats import FORMATS, join as join_blocks, random_blocks
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Alternatives, Detections, join
from fcos_ros.core.frame import Frame, Window
from fcos_ros.core.preprocess import InputSpec, Preprocessor
from fcos_ros.core.resize import Size
from fcos_ros.core.tiles import CUT_MARGIN, GRIDS, Grid, Tiles, Tiling, part_criteria
from fcos_ros.core.zones import Zones

CANVAS = Size(128, 128)
sizes = st.builds(Size, *2 * [st.integers(1, 400).map(lambda half: 2 * half)])
tilings = st.builds(Tiling, st.sampled_from(GRIDS).map(Grid.parse), st.floats(0, 0.5))


def found(*rows):
    """Return detections of rows (x1, y1, x2, y2, score, class)."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(table[:, :4].astype(np.float32), table[:, 4].astype(np.float32),
                      table[:, 5].astype(np.int32))


def rows_of(detections):
    return sorted((*map(float, box), float(score), int(class_id)) for box, score, class_id in zip(
        detections.boxes, detections.scores, detections.class_ids))


@given(tilings, sizes)
def test_tiles_cover_the_image_begin_at_even_pixels_and_are_not_empty(tiling, size):
    tiles = tiling.tiles(size, CANVAS)
    shown = np.zeros((size.height, size.width), int)
    for left, top, right, bottom in tiles.windows if tiles else ():
        assert 0 <= left < right <= size.width
        assert 0 <= top < bottom <= size.height
        assert not any(side % 2 for side in (left, top, right, bottom))
        shown[top:bottom, left:right] += 1
    assert tiles is None or shown.all()


@pytest.mark.parametrize('text', GRIDS)
def test_a_grid_has_columns_x_rows_of_one_size_that_share_the_overlap(text):
    columns, rows = map(int, text.split('x'))
    windows = Tiling(Grid.parse(text), 0.25).tiles(Size(1920, 1080), CANVAS).windows
    assert len(windows) == columns * rows
    for low, high, count in ((0, 2, columns), (1, 3, rows)):
        spans = sorted({(window[low], window[high]) for window in windows})
        assert len(spans) == count
        for (first, last), (following, _) in pairwise(spans):
            assert last - following == pytest.approx(0.25 * (last - first), abs=4)


@pytest.mark.parametrize(('image', 'canvas', 'grid'), [
    (Size(1920, 1080), Size(512, 512), (4, 2)),
    (Size(1280, 720), Size(512, 512), (2, 1)),
    (Size(640, 480), Size(512, 512), None),
    (Size(512, 512), Size(512, 512), None),
    (Size(320, 240), Size(896, 896), None),
    (Size(1536, 1536), Size(320, 320), (4, 4)),
    (Size(480, 1920), Size(480, 480), (1, 4)),
])
def test_auto_makes_tiles_of_about_the_size_of_the_canvas(image, canvas, grid):
    tiles = Tiling(None).tiles(image, canvas)
    spans = tiles and (len({window[0] for window in tiles.windows}),
                       len({window[1] for window in tiles.windows}))
    assert spans == grid


@pytest.mark.parametrize('encoding', FORMATS)
@pytest.mark.parametrize('spec', [
    InputSpec('image', Size(64, 64)), InputSpec('image', Size(64, 64), 'nv12')],
    ids=['rgb', 'nv12'])
def test_a_tile_has_the_pixels_that_the_image_has_there(encoding, spec):
    size, window = Size(96, 64), Window(20, 12, 90, 58)
    frame = Frame.wrap(join_blocks(encoding, random_blocks(encoding, size), 0), size, encoding)
    frame, _ = frame.measure()
    tile = frame.crop(window)
    assert tile.size == Size(70, 46)
    alone = Frame(tile.size, frame.encoding, tuple(map(np.ascontiguousarray, tile.planes)),
                  frame.yuv_range, bit_depth=frame.bit_depth)
    np.testing.assert_array_equal(Preprocessor(spec).prepare(tile)[0],
                                  Preprocessor(spec).prepare(alone)[0])
    left, top, right, bottom = window
    shown, expected = tile.bgr(), frame.bgr()[top:bottom, left:right]
    np.testing.assert_array_equal(shown[1:-1, 1:-1], expected[1:-1, 1:-1])


def test_the_planes_of_a_tile_are_views():
    frame = Frame.from_bgr(np.zeros((64, 96, 3), np.uint8))
    assert np.shares_memory(frame.crop(Window(8, 8, 40, 40)).planes[0], frame.planes[0])


def plain_merge(tiles, whole, parts, criteria):
    """Merge box by box, by the definition."""
    margins = [CUT_MARGIN * max(window.size.width / tiles.canvas.width,
                                window.size.height / tiles.canvas.height) for window, _ in parts]
    candidates = rows_of(whole)
    for (window, own), margin in zip(parts, margins):
        for x1, y1, x2, y2, score, class_id in rows_of(own):
            x1, x2, y1, y2 = x1 + window[0], x2 + window[0], y1 + window[1], y2 + window[1]
            if ((window[0] > 0 and x1 < window[0] + margin)
                    or (window[1] > 0 and y1 < window[1] + margin)
                    or (window[2] < tiles.image[0] and x2 > window[2] - margin)
                    or (window[3] < tiles.image[1] and y2 > window[3] - margin)):
                continue
            candidates.append((x1, y1, x2, y2, score, class_id))
    kept = []
    for row in sorted(candidates, key=lambda row: -row[4]):
        if not any(other[5] == row[5] and iou(other, row) > criteria.nms_threshold
                   for other in kept):
            kept.append(row)
    return kept[:criteria.max_detections]


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


@given(st.sampled_from(GRIDS), st.integers(0, 10**6), st.sampled_from([3, 100]))
def test_detections_are_merged_as_defined(grid, seed, max_detections):
    rng = np.random.default_rng(seed)
    tiles = Tiling(Grid.parse(grid), 0.2).tiles(Size(600, 400), CANVAS)
    criteria = Criteria(max_detections=max_detections)

    def random_found(size):
        count = int(rng.integers(0, 12))
        corners = rng.integers(0, np.array(size) - 4, (count, 2))
        ends = np.minimum(corners + rng.integers(4, 120, (count, 2)), size)
        scores = rng.permutation(count) / 100 + rng.integers(1, 90) / 1000
        return found(*np.column_stack([corners, ends, scores, rng.integers(0, 2, count)]))

    whole = random_found(tiles.image)
    parts = [(window, random_found(window.size)) for window in tiles.windows]
    merged = tiles.merge(whole, parts, criteria)
    expected = plain_merge(tiles, whole, parts, criteria)
    scores = [row[4] for row in expected]
    if len(set(scores)) == len(scores):  # else their order is not defined
        assert rows_of(merged) == sorted(expected)
    assert (np.diff(merged.scores) <= 0).all()


def seen(window, box):
    """Return the visible part of a box in a window, in its pixels; None if it is outside."""
    corner, size = np.array(window[:2]), np.array(window.size)
    first, last = np.clip(box[:2] - corner, 0, size), np.clip(box[2:] - corner, 0, size)
    return np.concatenate([first, last]) if (first < last).all() else None


@given(st.sampled_from(GRIDS), st.integers(0, 10**6))
def test_a_detector_that_sees_what_is_visible_finds_each_object_once(grid, seed):
    """Small objects are seen in tiles only, also where they are cut; large ones in both."""
    rng = np.random.default_rng(seed)
    image = Size(1000, 800)
    tiles = Tiling(Grid.parse(grid), 0.4).tiles(image, Size(512, 512))
    # One object in each field of 200 pixels, so that none hides another.
    corners = np.array([(x, y) for x in range(0, 1000, 200) for y in range(0, 800, 200)])
    sides = rng.integers(10, 190, (len(corners), 2))
    places = corners + (rng.random(corners.shape) * (200 - sides)).astype(int)
    boxes = np.hstack([places, places + sides]).astype(np.float64)
    strip = 0.4 * min(min(window.size) for window in tiles.windows) - 4
    margin = CUT_MARGIN * max(max(window.size) for window in tiles.windows) / 512
    is_large = (sides > strip - 2 * margin).any(axis=1)
    whole = found(*([*box, 0.5, 0] for box in boxes[is_large]))
    parts = []
    for window in tiles.windows:
        views = [view for view in (seen(window, box) for box in boxes) if view is not None]
        parts.append((window, found(*([*view, 0.9, 0] for view in views))))
    merged = tiles.merge(whole, parts, Criteria(nms_threshold=0.9))
    np.testing.assert_allclose(sorted(merged.boxes.tolist()), sorted(boxes.tolist()), atol=1e-3)


def test_a_piece_of_an_object_loses_even_with_a_higher_score():
    tiles = Tiling(Grid(2, 1), 0.2).tiles(Size(200, 100), CANVAS)
    left, right = tiles.windows
    whole = found((60, 20, 140, 80, 0.6, 1))
    pieces = [(left, found((60, 20, left.right, 80, 0.9, 1))),
              (right, found((0, 20, 140 - right.left, 80, 0.9, 2)))]
    assert rows_of(tiles.merge(whole, pieces, Criteria())) == rows_of(whole)


def test_a_box_at_the_border_of_the_image_is_complete():
    tiles = Tiles(Size(200, 100), CANVAS, (Window(0, 0, 110, 100), Window(90, 0, 200, 100)))
    edge = found((0, 0, 30, 100, 0.9, 1))
    assert len(tiles.merge(found(), [(tiles.windows[0], edge)], Criteria())) == 1
    assert len(tiles.merge(found(), [(tiles.windows[1], edge)], Criteria())) == 0


def test_size_zones_and_number_are_those_of_the_image():
    tiles = Tiling(Grid(2, 1), 0.2).tiles(Size(400, 100), CANVAS)
    right_half = Zones(include=(((0.5, 0), (1, 0), (1, 1), (0.5, 1)),))
    criteria = Criteria(zones=right_half, min_size=12, max_detections=1)
    own = part_criteria(criteria)
    assert (own.min_size, len(own.zones.include)) == (0, 0)
    assert own.max_detections > 100
    parts = [(window, found((100, 40, 120, 60, 0.9 - 0.1 * number, 0),
                            (60, 40, 70, 60, 0.95, 0)))
             for number, window in enumerate(tiles.windows)]
    merged = tiles.merge(found(), parts, criteria)
    assert merged.boxes.tolist() == [[100 + tiles.windows[1].left, 40,
                                      120 + tiles.windows[1].left, 60]]


def test_joined_detections_keep_their_alternatives():
    one = found((0, 0, 1, 1, 0.9, 0), (0, 0, 2, 2, 0.8, 1))
    other = Detections(*vars_of(found((0, 0, 3, 3, 0.7, 2))), Alternatives(
        np.array([[1, 0]], np.int32), np.array([[0.3, 0.2]], np.float32)))
    joined = join([one, Detections.empty(), other])
    assert joined.class_ids.tolist() == [0, 1, 2]
    assert joined.alternatives.class_ids.tolist() == [[-1, -1], [-1, -1], [1, 0]]
    np.testing.assert_allclose(joined.alternatives.scores, [[0, 0], [0, 0], [0.3, 0.2]])
    assert join([one, one]).alternatives is None


def vars_of(detections):
    return detections.boxes, detections.scores, detections.class_ids
