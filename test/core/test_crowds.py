# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""No object is lost because many cells detect another one; limits count what is kept."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from core import reference
from core.networks import Network
from core.test_decode import assert_same, scene
from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from fcos_ros.core.criteria import MAX_DETECTIONS, Criteria
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.resize import Resize, Size
from fcos_ros.core.selection import admitted, select
from fcos_ros.core.tracking import Tracker
from fcos_ros.core.zones import Zones

IMAGE = Size(1920, 1080)
LEFT = Zones(include=(((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),))
"""Objects count in the left half of the image only."""


def objects_on(grid, boxes, logit=6.0):
    """
    Return outputs of one level of stride 8 with 3 classes.

    :param boxes: (x, y, columns, rows, class): cells that all detect the box around them.
    """
    network = Network(Size(8 * grid, 8 * grid), num_classes=3, strides=(8,))
    tables = {'cls': np.full((grid, grid, 3), -9.0), 'box': np.zeros((grid, grid, 4)),
              'ctr': np.full((grid, grid, 1), 9.0)}
    index = np.arange(grid)
    px, py = np.meshgrid(8 * index + 4, 8 * index + 4)
    for x, y, columns, rows, class_id in boxes:
        own = slice(y, y + rows), slice(x, x + columns)
        tables['cls'][(*own, class_id)] = logit
        sides = px - 8 * x, py - 8 * y, 8 * (x + columns) - px, 8 * (y + rows) - py
        tables['box'][own] = np.stack(sides, axis=-1)[own]
    specs = network.specs(np.random.default_rng(0))
    outputs = network.outputs(specs, lambda kind, shape: tables[kind].reshape(shape))
    return network, network.head(specs, box_unit='pixel'), outputs


def test_an_object_that_a_thousand_cells_detect_hides_no_other_object():
    network, head, outputs = objects_on(64, [(0, 0, 40, 40, 0), (50, 50, 2, 2, 0)])
    outputs[0][0, 50:52, 50:52, 0] = 0.13  # a score of 0.73
    found = make_decoder(head).decode(outputs, Criteria())
    np.testing.assert_array_equal(found.boxes, [[0, 0, 320, 320], [400, 400, 416, 416]])
    assert found.scores[1] == pytest.approx(0.73, abs=0.01)
    assert network.canvas == Size(512, 512)


@pytest.mark.parametrize('threshold', [0.5, 0.1])
def test_all_of_many_objects_are_detected(threshold):
    rng = np.random.default_rng(1)
    boxes = [(14 * (index % 8), 14 * (index // 8), 12, 12, index % 3) for index in range(60)]
    _, head, outputs = objects_on(112, boxes)
    outputs[0] += rng.normal(0, 1.5, outputs[0].shape)
    outputs[1] *= rng.normal(1, 0.02, outputs[1].shape).clip(0.95, 1.05)
    criteria = Criteria(max_detections=MAX_DETECTIONS, score_threshold=threshold)
    found = make_decoder(head).decode(outputs, criteria)
    assert_same(found, reference.decode(head, outputs, criteria))
    for x, y, columns, rows, class_id in boxes:
        centre = 8 * np.array([x + columns / 2, y + rows / 2])
        near = np.abs(found.boxes[:, :2] + found.boxes[:, 2:] - 2 * centre).max(axis=1) < 16
        assert (near & (found.class_ids == class_id)).any()


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([0.0, 20.0, 120.0]),
       st.sampled_from([Zones(), LEFT]), st.booleans(), st.sampled_from([0.3, 0.7, 1.0]))
def test_a_decoder_that_stops_at_the_limit_gives_the_same_detections(
    seed, limit, min_size, zones, one_class, nms_threshold,
):
    network = Network(Size(320, 256), num_classes=3, strides=(8, 16), dtype='int32')
    head, outputs = scene(network, np.random.default_rng(seed), box_unit='stride')
    criteria = Criteria(
        score_threshold=0.3, nms_threshold=nms_threshold, max_detections=limit, zones=zones,
        min_size=min_size, one_class_per_cell=one_class)
    resize = Resize.letterbox(IMAGE, network.canvas)

    def in_image(found):
        return found.with_boxes(resize.to_image(found.boxes))

    decoder = make_decoder(head)
    everything = decoder.decode(outputs, criteria)
    enough = decoder.decode(
        outputs, criteria, lambda boxes: admitted(resize.to_image(boxes), criteria, IMAGE))
    assert len(enough) <= len(everything)
    assert_same(select(in_image(enough), criteria, IMAGE),
                select(in_image(everything), criteria, IMAGE))


@pytest.mark.parametrize(('dtype', 'mean'), [('int32', -1.0), ('int8', 3.0)],
                         ids=['various scores', 'most scores are the highest of an int8'])
def test_the_best_of_thousands_of_candidates_are_the_same_with_a_limit(dtype, mean):
    network = Network(Size(320, 256), num_classes=25, strides=(8, 16), dtype=dtype,
                      scales='tensor')
    head, outputs = scene(network, np.random.default_rng(0), mean=mean, box_unit='stride')
    criteria = Criteria(score_threshold=0.01, hypotheses=2, one_class_per_cell=False)
    decoder, canvas = make_decoder(head), network.canvas
    assert len(decoder.decode(outputs, replace(criteria, nms_threshold=1))) > 35_000
    everything = decoder.decode(outputs, criteria)
    for limit, zones in product((1, 100, 1000, 100_000), (Zones(), LEFT)):
        limited = replace(criteria, max_detections=limit, zones=zones)
        enough = decoder.decode(
            outputs, limited, lambda boxes, limited=limited: admitted(boxes, limited, canvas))
        assert_same(select(enough, limited, canvas), select(everything, limited, canvas))


def test_a_decoder_stops_soon_after_the_limit():
    _, head, outputs = objects_on(64, [(2 * x, 2 * y, 1, 1, 0) for x in range(32)
                                       for y in range(32)])
    decoder, criteria = make_decoder(head), Criteria(max_detections=5)
    assert len(decoder.decode(outputs, criteria)) == 1024
    assert 5 <= len(decoder.decode(
        outputs, criteria, lambda boxes: np.ones(len(boxes), bool))) < 200


def test_a_crowd_in_an_excluded_zone_takes_no_places():
    crowd = [(40 + 2 * (index % 10), 2 * (index // 10), 1, 1, 0) for index in range(300)]
    _, head, outputs = objects_on(64, [*crowd, (5, 5, 1, 1, 0)])
    outputs[0][0, 5, 5, 0] = 3.0  # the worst of all
    image = Size(512, 512)
    criteria = Criteria(max_detections=10, zones=LEFT)
    found = make_decoder(head).decode(
        outputs, criteria, lambda boxes: admitted(boxes, criteria, image))
    assert select(found, criteria, image).boxes.tolist() == [[40, 40, 48, 48]]


def test_tracking_loses_no_object_of_a_crowd():
    boxes = [(2 * (index % 30), 2 * (index // 30), 1, 1, 0) for index in range(600)]
    _, head, outputs = objects_on(64, boxes)
    outputs[0][0, ::4] -= 8.0  # half of the objects are below the threshold
    criteria = Criteria(max_detections=MAX_DETECTIONS)
    image = Size(512, 512)

    def detect(wanted):
        found = make_decoder(head).decode(
            outputs, wanted, lambda boxes: admitted(boxes, wanted, image))
        return select(found, wanted, image)

    tracker = Tracker()
    tracked = [tracker.update(detect(criteria.lowered(0.1)), second / 10, criteria)
               for second in range(4)]
    assert len(detect(criteria)) == 300
    assert len(detect(criteria.lowered(0.1))) == 600
    assert len(tracked[-1]) == 300
    assert (tracked[-1].track_ids > 0).all()
