# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding gives the same detections as a slow implementation in float64, for any outputs."""

from __future__ import annotations

from dataclasses import replace
import warnings

from core import reference
from core.networks import Network, to_raw
from hypothesis import assume, given, settings, strategies as st
import numpy as np
import pytest

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.resize import Size

FORMS = st.fixed_dictionaries({
    'kinds': st.sampled_from([('cls', 'box', 'ctr'), ('cls', 'box', 'ctr'), ('cls', 'box'),
                              ('box', 'ctr', 'cls')]),
    'joined': st.booleans(), 'combined': st.booleans()})
NETWORKS = FORMS.flatmap(lambda form: st.builds(
    Network, **{name: st.just(value) for name, value in form.items()},
    canvas=st.builds(lambda w, h: Size(2 * w, 2 * h), st.integers(8, 40), st.integers(8, 40)),
    num_classes=st.sampled_from([1, 2, 3, 4, 7, 20]),
    strides=st.sampled_from([(8, 16, 32, 64, 128), (16, 32, 64), (32,), (7.5, 21.25)]),
    layout=st.sampled_from(['NHWC', 'NCHW']),
    dtype=st.sampled_from(['float16', 'float32', 'float64', 'int8', 'int16', 'int32']),
    scales=st.sampled_from(['channel', 'tensor'])))
THRESHOLDS = st.one_of(st.sampled_from([0.0, 0.05, 0.5, 1.0]), st.floats(0, 1))
CRITERIA = st.builds(
    Criteria,
    score_threshold=THRESHOLDS,
    nms_threshold=st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1)),
    one_class_per_cell=st.booleans(),
    class_ids=st.one_of(st.none(), st.just((0,))),
    class_thresholds=st.one_of(st.just(()), st.builds(lambda own: ((0, own),), THRESHOLDS)),
    hypotheses=st.sampled_from([1, 1, 2, 4]))
SEEDS = st.integers(0, 2**32 - 1)
STATED = st.fixed_dictionaries({
    'box_unit': st.sampled_from(['stride', 'pixel']),
    'point_offset': st.sampled_from([0.5, 0.0]),
    'spacing': st.sampled_from(['stride', 'canvas/grid', 'canvas//grid']),
    'activation': st.sampled_from(['logits', 'sigmoid']),
    'box_activation': st.sampled_from(['relu', 'exp']),
    'score': st.sampled_from([None, 'sqrt(cls*ctr)', 'cls*ctr', 'cls'])})


def scene(network, rng, *, coarse=1e-2, mean=-1.0, spread=2.0, **stated):
    """Return a head and random outputs in which any cell may become a detection."""
    def draw(kind, shape):
        values = rng.normal(2.0 if kind == 'box' else mean, spread, shape)
        if kind == 'box' or stated.get('activation') != 'sigmoid':
            return values
        return 1.05 / (1 + np.exp(-values))  # quantised probabilities may be above 1

    if 'ctr' not in network.kinds:
        stated['score'] = None
    specs = network.specs(rng, coarse)
    return network.head(specs, **stated), network.outputs(specs, draw)


def decode(head, outputs, criteria):
    """Decode one image with new decoders, with and without the compiled library."""
    found = make_decoder(head, is_native=False).decode(outputs, criteria)
    assert_same(make_decoder(head).decode(outputs, criteria), found)
    return found


def assert_same(found, expected):
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    assert (found.alternatives is None) == (expected.alternatives is None)
    if found.alternatives is not None:
        for array, wanted in zip(found.alternatives, expected.alternatives):
            np.testing.assert_array_equal(array, wanted)


@settings(max_examples=150)
@given(NETWORKS, CRITERIA, SEEDS, STATED, st.sampled_from([-4.0, -1.0, 3.0]))
def test_the_result_equals_that_of_the_reference(network, criteria, seed, stated, mean):
    head, outputs = scene(network, np.random.default_rng(seed), mean=mean, **stated)
    assert_same(decode(head, outputs, criteria), reference.decode(head, outputs, criteria))


@settings(max_examples=150)
@given(NETWORKS, SEEDS, STATED, st.data())
def test_thresholds_of_single_classes_equal_the_reference(network, seed, stated, data):
    head, outputs = scene(network, np.random.default_rng(seed), **stated)
    some = st.lists(st.integers(0, network.num_classes - 1), unique=True)
    own = data.draw(st.dictionaries(st.integers(0, network.num_classes - 1), THRESHOLDS))
    criteria = Criteria(
        score_threshold=data.draw(THRESHOLDS), class_thresholds=tuple(own.items()),
        class_ids=data.draw(st.one_of(st.none(), some.map(tuple))),
        hypotheses=data.draw(st.integers(1, 5)), one_class_per_cell=data.draw(st.booleans()))
    assert_same(decode(head, outputs, criteria), reference.decode(head, outputs, criteria))


@settings(max_examples=100)
@given(NETWORKS, CRITERIA, SEEDS, STATED, THRESHOLDS)
def test_lowered_criteria_keep_all_earlier_detections(
    network, criteria, seed, stated, threshold,
):
    head, outputs = scene(network, np.random.default_rng(seed), **stated)
    criteria = replace(criteria, hypotheses=1)
    more = make_decoder(head).decode(outputs, criteria.lowered(threshold))
    assert_same(more[criteria.reached(more)], decode(head, outputs, criteria))


@settings(max_examples=100)
@given(NETWORKS, SEEDS, STATED, st.booleans(), st.integers(0, 10**6),
       st.sampled_from([1.0, 0.3, 0.05]))
def test_a_score_equal_to_the_threshold_is_kept(
    network, seed, stated, one_class, choice, coarse,
):
    rng = np.random.default_rng(seed)
    head, outputs = scene(network, rng, coarse=coarse, **stated)
    everything = Criteria(score_threshold=0, nms_threshold=1, one_class_per_cell=one_class)
    with np.errstate(all='ignore'):
        candidates = [candidate for level in head.levels for candidate in
                      reference.level_candidates(head, level, outputs, everything)]
    assume(candidates)
    exact = candidates[choice % len(candidates)].score
    for threshold in (exact, np.nextafter(exact, 0), np.nextafter(exact, 1)):
        criteria = replace(everything, score_threshold=float(threshold))
        kept = sum(candidate.score >= threshold for candidate in candidates)
        decoded = decode(head, outputs, criteria)
        assert_same(decoded, reference.decode(head, outputs, criteria))
        assert len(decoded) <= kept


@settings(max_examples=150)
@given(NETWORKS, SEEDS, STATED, st.sampled_from(['cls', 'ctr']), st.sampled_from([1.0, 0.3, 0.05]))
def test_scores_near_the_threshold_are_exact_when_one_factor_is_1(
    network, seed, stated, certain, coarse,
):
    """The gate of one factor is exact where the probability of the other factor is 1."""
    rng = np.random.default_rng(seed)
    network = replace(network, canvas=Size(64, 48), strides=(16,), kinds=('cls', 'box', 'ctr'),
                      combined=False)
    specs = network.specs(rng, coarse)
    for spec in specs:
        if spec.scale is not None and spec.name.startswith(certain):
            spec.scale[:] = 1
    logits = stated['activation'] == 'logits'

    def draw(kind, shape):
        if kind == certain:
            return rng.normal(50.0, 2.0, shape) if logits else np.ones(shape)
        values = rng.normal(rng.normal(0, 2), 2.0, shape)
        return values if logits or kind == 'box' else 1 / (1 + np.exp(-values))

    outputs = network.outputs(specs, draw)
    head = network.head(specs, **stated)
    all_cells = Criteria(score_threshold=0, nms_threshold=1)
    scores = [candidate.score for candidate in
              reference.level_candidates(head, head.levels[0], outputs, all_cells)]
    assume(scores)
    exact = float(rng.choice(scores))
    for threshold in (exact, np.nextafter(exact, 0), np.nextafter(exact, 1)):
        if threshold <= 1:
            criteria = replace(all_cells, score_threshold=float(threshold))
            assert_same(decode(head, outputs, criteria),
                        reference.decode(head, outputs, criteria))


@settings(max_examples=60)
@given(NETWORKS, SEEDS, STATED, st.booleans(), st.sampled_from([-40.0, 36.0]))
def test_scores_that_differ_in_the_last_bits_keep_their_order(
    network, seed, stated, one_class, mean,
):
    """Rounded logits of one sum have nearly the same score if they are very low or very high."""
    rng = np.random.default_rng(seed)
    network = replace(network, kinds=('cls', 'box', 'ctr'), dtype='float32')
    head, outputs = scene(network, rng, mean=mean, **{**stated, 'activation': 'logits'})
    criteria = Criteria(score_threshold=0, nms_threshold=1, one_class_per_cell=one_class)
    outputs = [np.round(output) for output in outputs]
    assert_same(decode(head, outputs, criteria), reference.decode(head, outputs, criteria))


@settings(max_examples=100)
@given(NETWORKS, CRITERIA, SEEDS, STATED)
def test_infinite_and_extreme_values_and_nan_equal_the_reference(
    network, criteria, seed, stated,
):
    rng = np.random.default_rng(seed)
    head, outputs = scene(network, rng, **stated)
    for output in outputs:
        if output.dtype.kind == 'f':
            limits = np.finfo(output.dtype)
            strange = [np.nan, np.inf, -np.inf, limits.max, limits.min, limits.tiny, 0.0, -0.0]
        else:
            limits = np.iinfo(output.dtype)
            strange = [limits.max, limits.min, limits.min + 1, 0]
        places = rng.random(output.shape) < rng.choice([0.05, 0.5, 1.0])
        output[places] = rng.choice(np.array(strange, output.dtype), int(places.sum()))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = decode(head, outputs, criteria)
    assert_same(found, reference.decode(head, outputs, criteria))
    assert np.isfinite(found.boxes).all()
    assert np.isfinite(found.scores).all()


@settings(max_examples=100)
@given(NETWORKS, CRITERIA, SEEDS)
def test_padded_and_read_only_outputs_are_decoded(network, criteria, seed):
    rng = np.random.default_rng(seed)
    head, outputs = scene(network, rng)
    views = padded(outputs)
    for view in views:
        view.setflags(write=False)
    assert_same(make_decoder(head).decode(views, criteria), decode(head, outputs, criteria))


def padded(outputs):
    """Return views with the same numbers in larger arrays."""
    views = []
    for output in outputs:
        room = np.zeros([2 * side for side in output.shape], output.dtype)
        views.append(room[tuple(slice(side) for side in output.shape)])
        views[-1][...] = output
    return views


def unaligned(outputs):
    """Return arrays whose numbers start at odd addresses."""
    shifted = []
    for output in outputs:
        memory = bytearray(output.nbytes + 1)
        shifted.append(np.frombuffer(memory, output.dtype, output.size, 1).reshape(output.shape))
        shifted[-1][...] = output
    return shifted


@settings(max_examples=60)
@given(NETWORKS, SEEDS, st.permutations([
    list, tuple, padded, unaligned,
    lambda outputs: [output.astype(output.dtype.newbyteorder()) for output in outputs],
    lambda outputs: [output.astype(np.promote_types(output.dtype, np.int16))
                     for output in outputs]]))
def test_the_form_of_the_outputs_may_change_from_image_to_image(network, seed, forms):
    rng = np.random.default_rng(seed)
    head, outputs = scene(network, rng)
    criteria, decoder = Criteria(score_threshold=0.3), make_decoder(head)
    for form in forms:
        for output in outputs:
            output[...] = rng.permuted(output)
        found = decoder.decode(form(outputs), criteria)
        assert_same(found, decode(head, outputs, criteria))


@settings(max_examples=100)
@given(NETWORKS, SEEDS, st.sampled_from([0.0, -1e-2]))
def test_scales_of_zero_and_below_are_decoded(network, seed, scale):
    rng = np.random.default_rng(seed)
    network = replace(network, dtype='int16')
    specs = network.specs(rng, coarse=1e-2)
    for spec in specs:
        spec.scale[rng.integers(spec.scale.size)] = scale
    head = network.head(specs)
    outputs = [rng.integers(-600, 600, spec.shape).astype(np.int16) for spec in specs]
    criteria = Criteria(score_threshold=0.4)
    assert_same(decode(head, outputs, criteria), reference.decode(head, outputs, criteria))


@settings(max_examples=60)
@given(NETWORKS, CRITERIA, SEEDS, st.booleans(), st.booleans())
def test_joined_levels_and_parts_give_the_same_detections(
    network, criteria, seed, joined, combined,
):
    rng = np.random.default_rng(seed)
    network = replace(network, dtype='float32', joined=False, combined=False)
    cells = sum(np.prod(network.grid(stride)) for stride in network.strides)
    tables = {kind: rng.normal(0, 2, (cells, network.channels(kind))) for kind in network.kinds}
    found = []
    for form in (network, replace(network, joined=joined, combined=combined)):
        rest = dict(tables)

        def draw(kind, shape, rest=rest):
            rows, rest[kind] = np.split(rest[kind], [shape[0]])
            return rows

        specs = form.specs(rng)
        # With as many cells as channels, the shape does not show which of them are the last side.
        assume(all(len(spec.shape) != 3 or spec.shape[1] != spec.shape[2] for spec in specs))
        outputs = form.outputs(specs, draw)
        found.append(decode(form.head(specs), outputs, criteria))
    assert_same(*found)


@given(NETWORKS, SEEDS, st.permutations(range(6)))
def test_the_order_of_the_outputs_does_not_matter(network, seed, order):
    network = replace(network, strides=(16, 32), canvas=Size(64, 48), kinds=('cls', 'box', 'ctr'),
                      joined=False, combined=False)
    rng = np.random.default_rng(seed)
    head, outputs = scene(network, rng)
    specs = network.specs(np.random.default_rng(seed), coarse=1e-2)
    shuffled = network.head([specs[index] for index in order])
    assert_same(make_decoder(shuffled).decode([outputs[index] for index in order], Criteria()),
                make_decoder(head).decode(outputs, Criteria()))


@settings(max_examples=50)
@given(SEEDS, st.lists(CRITERIA, min_size=2, max_size=5))
def test_earlier_images_and_criteria_do_not_change_the_result(seed, many):
    rng = np.random.default_rng(seed)
    network = Network(canvas=Size(64, 64), num_classes=3, dtype='int32')
    head, _ = scene(network, rng)
    decoder = make_decoder(head)
    for criteria in many:
        outputs = scene(network, np.random.default_rng(seed))[1]
        outputs[0][...] = rng.integers(-600, 300, outputs[0].shape)
        assert_same(decoder.decode(outputs, criteria), decode(head, outputs, criteria))


def test_many_different_thresholds_are_used_in_turn():
    head, outputs = scene(Network(canvas=Size(64, 64), num_classes=3), np.random.default_rng(0))
    decoder = make_decoder(head)
    for threshold in [*np.linspace(0.1, 0.9, 50).tolist(), 0.1]:
        criteria = Criteria(score_threshold=threshold)
        assert_same(decoder.decode(outputs, criteria), decode(head, outputs, criteria))


@pytest.mark.parametrize('sparse', [True, False], ids=['sparse centerness', 'dense centerness'])
@pytest.mark.parametrize('dtype', ['int32', 'float32'])
@pytest.mark.parametrize('size', [512, 768, 896])
def test_the_published_networks_are_decoded(size, dtype, sparse):
    rng = np.random.default_rng(size)
    network = Network(Size(size, size), dtype=dtype)
    specs = network.specs(rng, coarse=3e-5)
    means = {'cls': -6.0, 'box': 3.0, 'ctr': -4.0 if sparse else -1.0}
    values = [rng.normal(means[spec.name[:3]], 1.0, spec.shape) for spec in specs]
    for index in range(5):  # one object on each level, in two cells
        values[index][0, 1, 1:3, 17] = 3.0
        values[10 + index][0, 1, 1:3] = 2.0
    outputs = [to_raw(value, spec) for value, spec in zip(values, specs)]
    head = network.head(specs, strides=None, num_classes=None)
    found = make_decoder(head).decode(outputs, Criteria())
    assert_same(found, reference.decode(head, outputs, Criteria()))
    assert np.count_nonzero(found.class_ids == 17) >= 5


def one_cell(logits, centerness=20.0, box=(1, 1, 1, 1), **options):
    """Decode a canvas of 16 x 16 with one cell of stride 16."""
    network = Network(Size(16, 16), len(logits), strides=(16,))
    specs = network.specs(np.random.default_rng(0))
    head = network.head(specs, **options)
    outputs = [np.reshape(np.array(values, np.float32), spec.shape)
               for values, spec in zip((logits, box, centerness), specs)]
    return lambda **criteria: make_decoder(head).decode(outputs, Criteria(**criteria))


def test_a_score_is_the_square_root_of_class_times_centerness():
    found = one_cell([-20.0, 0.0], centerness=0.0)(score_threshold=0.5)
    assert (found.scores[0], found.class_ids[0]) == (0.5, 1)


@pytest.mark.parametrize(('stated', 'score'), [
    ({'score': 'sqrt(cls*ctr)'}, (0.5 * 0.25) ** 0.5),
    ({'score': 'cls*ctr'}, 0.5 * 0.25),
    ({'score': 'cls'}, 0.5),
], ids=lambda value: value.get('score', '') if isinstance(value, dict) else '')
@pytest.mark.parametrize('activation', ['logits', 'sigmoid'])
def test_the_score_is_made_of_probabilities_as_stated(stated, score, activation):
    values = {'logits': (0.0, -np.log(3)), 'sigmoid': (0.5, 0.25)}[activation]
    found = one_cell([values[0]], centerness=values[1], activation=activation, **stated)(
        score_threshold=0.1)
    np.testing.assert_allclose(found.scores, [score], rtol=1e-6)


def test_probabilities_above_1_by_quantisation_count_as_1():
    found = one_cell([1.01], centerness=0.25, activation='sigmoid')(score_threshold=0.5)
    assert found.scores.tolist() == [0.5]


@pytest.mark.parametrize(('options', 'box'), [
    ({'box_unit': 'pixel'}, [7, 6, 11, 12]),
    ({'box_unit': 'stride'}, [-8, -24, 56, 72]),
    ({'box_unit': 'pixel', 'point_offset': 0.0}, [-1, -2, 3, 4]),
    ({'box_unit': 'pixel', 'point_offset': 0.0, 'box_activation': 'exp'},
     [-np.exp(1), -np.exp(2), np.exp(3), np.exp(4)]),
], ids=['pixels', 'strides', 'points in corners', 'logarithms'])
def test_a_box_extends_from_its_point_to_four_sides(options, box):
    found = one_cell([9.0], box=(1, 2, 3, 4), **options)()
    np.testing.assert_array_equal(found.boxes, np.array([box], np.float32))


def test_a_negative_distance_counts_as_zero():
    np.testing.assert_array_equal(
        one_cell([9.0], box=(-5, 1, -5, 1))().boxes, [[8, 7, 8, 9]])


def test_a_cell_is_assigned_to_its_best_class_only():
    decode = one_cell([8.0, 9.0])
    assert decode(class_ids=(1,)).class_ids.tolist() == [1]
    assert len(decode(class_ids=(0,))) == 0
    assert len(decode(class_ids=())) == 0


def test_a_cell_below_the_threshold_of_its_best_class_is_dropped():
    decode = one_cell([1.0, 2.0])
    assert decode(score_threshold=0.6).class_ids.tolist() == [1]
    assert len(decode(score_threshold=0.6, class_thresholds=((1, 0.99),))) == 0
    assert len(decode(score_threshold=0.99, class_thresholds=((0, 0.6),))) == 0
    assert decode(score_threshold=0.99, class_thresholds=((1, 0.6),)).class_ids.tolist() == [1]


@pytest.mark.parametrize(('criteria', 'expected'), [
    ({}, [1, 2, 0]),
    ({'score_threshold': 0.8}, [1, 2]),
    ({'class_ids': (0, 2)}, [2, 0]),
    ({'class_thresholds': ((1, 0.99),)}, [2, 0]),
], ids=['all', 'threshold', 'wanted classes', 'threshold of a class'])
def test_without_one_class_per_cell_all_classes_of_a_cell_are_detected(criteria, expected):
    found = one_cell([0.0, 3.0, 2.0, -9.0])(one_class_per_cell=False, **criteria)
    assert found.class_ids.tolist() == expected
    assert len({tuple(box) for box in found.boxes.tolist()}) == 1
    scores = {0: 0.5 ** 0.5, 1: (1 / (1 + np.exp(-3))) ** 0.5, 2: (1 / (1 + np.exp(-2))) ** 0.5}
    np.testing.assert_allclose(found.scores, [scores[one] for one in expected], rtol=1e-6)


def test_alternatives_of_several_detections_of_a_cell_are_only_worse_classes():
    found = one_cell([0.0, 3.0, 3.0, -9.0])(one_class_per_cell=False, hypotheses=4)
    assert found.class_ids.tolist() == [1, 2, 0]
    assert found.alternatives.class_ids.tolist() == [[2, 0, -1], [0, -1, -1], [-1, -1, -1]]


@pytest.mark.parametrize(('criteria', 'alternatives'), [
    ({}, None),
    ({'hypotheses': 2}, [2]),
    ({'hypotheses': 3}, [2, 0]),
    ({'hypotheses': 9}, [2, 0, -1, -1]),
    ({'hypotheses': 3, 'score_threshold': 0.8}, [2, -1]),
    ({'hypotheses': 3, 'score_threshold': 0.8, 'class_thresholds': ((3, 0.5),)}, [2, 0]),
    ({'hypotheses': 3, 'class_ids': (0, 1)}, [0, -1]),
], ids=['not requested', 'one', 'two', 'all', 'below threshold', 'threshold of another class',
        'unwanted class'])
def test_alternatives_are_the_next_best_wanted_classes(criteria, alternatives):
    found = one_cell([0.0, 3.0, 2.0, -9.0])(**criteria)
    assert found.class_ids.tolist() == [1]
    if alternatives is None:
        assert found.alternatives is None
        return
    assert found.alternatives.class_ids.tolist() == [alternatives]
    scores = {0: 0.5 ** 0.5, 2: (1 / (1 + np.exp(-2))) ** 0.5, -1: 0}
    np.testing.assert_allclose(
        found.alternatives.scores, [[scores[other] for other in alternatives]], rtol=1e-6)


def test_the_first_of_two_equal_classes_wins():
    assert one_cell([-1.0, 9.0, 9.0])().class_ids.tolist() == [1]


def test_outputs_that_differ_from_the_head_are_refused():
    network = Network(Size(64, 64), num_classes=3)
    head, outputs = scene(network, np.random.default_rng(0))
    decoder = make_decoder(head)
    with pytest.raises(ValueError, match='has 14 outputs; accepted: 15, as in the head'):
        decoder.decode(outputs[:-1], Criteria())
    wrong_shape = r'output 0 is float32\[1, 8, 8, 2\]; accepted: float\[1, 8, 8, 3\], as in the'
    with pytest.raises(ValueError, match=wrong_shape):
        decoder.decode([outputs[0][..., :2], *outputs[1:]], Criteria())
    with pytest.raises(ValueError, match=r'output 6 is int32.*; accepted: float'):
        decoder.decode([*outputs[:6], outputs[6].astype(np.int32), *outputs[7:]], Criteria())


@pytest.mark.parametrize('criteria', [
    {'class_ids': (0, 2)}, {'class_ids': (-1,)}, {'class_thresholds': ((2, 0.5),)},
], ids=str)
def test_a_class_that_the_network_does_not_have_is_refused(criteria):
    name, = criteria
    with pytest.raises(ValueError, match=rf'{name} is .*; accepted: classes 0 to 1,'):
        one_cell([1.0, 2.0])(**criteria)
