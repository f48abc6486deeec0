# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`assign` finds the pairs with the maximum total gain."""

from __future__ import annotations

from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.assignment import assign

SIDES = st.integers(0, 5)
SEEDS = st.integers(0, 2**32 - 1)
SPARSE = st.sampled_from([0.0, 0.3, 0.6, 0.9])


def random_gains(rows, columns, seed, zeros, steps=None):
    rng = np.random.default_rng(seed)
    gains = rng.random((rows, columns)) if steps is None else rng.integers(
        0, steps, (rows, columns)) / steps
    gains[rng.random((rows, columns)) < zeros] = 0
    return gains


def maximum_gain(gains):
    """Return the maximum total gain, by trying all pairs."""
    def best(row, columns):
        if row == len(gains):
            return 0.0
        with_one = (gains[row, column] + best(row + 1, columns - {column}) for column in columns)
        return max(best(row + 1, columns), *with_one, 0.0)
    return best(0, frozenset(range(gains.shape[1])))


def assert_pairs(gains, rows, columns):
    assert len(rows) == len(columns)
    assert len(set(rows.tolist())) == len(rows)
    assert len(set(columns.tolist())) == len(columns)
    assert (gains[rows, columns] > 0).all()


@given(SIDES, SIDES, SEEDS, SPARSE, st.sampled_from([None, 2, 4]))
def test_the_total_gain_is_the_maximum(rows, columns, seed, zeros, steps):
    gains = random_gains(rows, columns, seed, zeros, steps)
    pairs = assign(gains)
    assert_pairs(gains, *pairs)
    assert gains[pairs].sum() == pytest.approx(maximum_gain(gains))


@given(st.integers(1, 60), st.integers(1, 60), SEEDS, SPARSE)
def test_the_total_gain_does_not_depend_on_the_order(rows, columns, seed, zeros):
    gains = random_gains(rows, columns, seed, zeros)
    rng = np.random.default_rng(seed)
    shuffled = gains[rng.permutation(rows)][:, rng.permutation(columns)]
    expected = gains[assign(gains)].sum()
    assert shuffled[assign(shuffled)].sum() == pytest.approx(expected)
    assert gains.T[assign(gains.T)].sum() == pytest.approx(expected)


@given(st.integers(1, 60), SEEDS)
def test_a_perfect_assignment_of_many_rows_is_found(count, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    gains = rng.random((count, count)) * 0.5
    gains[np.arange(count), order] = 0.75
    rows, columns = assign(gains)
    assert order[rows].tolist() == columns.tolist()
    assert len(rows) == count


def test_the_best_pair_is_given_up_when_two_others_gain_more():
    rows, columns = assign(np.array([[0.9, 0.8], [0.8, 0.0]]))
    assert sorted(zip(rows.tolist(), columns.tolist())) == [(0, 1), (1, 0)]


@pytest.mark.parametrize('shape', [(0, 0), (0, 3), (3, 0), (2, 3)])
def test_pairs_without_gain_are_not_matched(shape):
    rows, columns = assign(np.zeros(shape))
    assert (rows.tolist(), columns.tolist()) == ([], [])
