# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who belongs to whom, all pairs considered together."""

from __future__ import annotations

import numpy as np

from fcos_ros.core.nms import Floats, Indices


def assign(gains: Floats) -> tuple[Indices, Indices]:
    """
    Pair rows with columns, each at most once, so that the sum of their gains is the greatest.

    :param gains: (R, C), finite and not negative; a pair without gain is not made.
    :returns: the pairs' rows and columns, two arrays of one length.
    """
    possible = gains > 0
    options, rivals = np.count_nonzero(possible, axis=1), np.count_nonzero(possible, axis=0)
    # Most objects are alone in their place: only what is in dispute has to be weighed.
    alone = possible & (options[:, None] == 1) & (rivals == 1)
    rows, columns = alone.nonzero()
    options[rows], rivals[columns] = 0, 0
    left, right = options.nonzero()[0], rivals.nonzero()[0]
    if not left.size:
        return rows, columns
    disputed = gains[left[:, None], right]
    first, second = _best_pairs(disputed)
    made = disputed[first, second] > 0
    return (np.concatenate([rows, left.take(first[made])]),
            np.concatenate([columns, right.take(second[made])]))


def _best_pairs(gains: Floats) -> tuple[Indices, Indices]:
    """Pair as many as can be."""
    count, width = gains.shape
    if count > width:
        columns, rows = _best_pairs(gains.T)
        return rows, columns
    return np.arange(count), _cheapest(-gains)


def _cheapest(costs: Floats) -> Indices:
    """
    Find a column of its own for each row, so that the sum of the costs is the least.

    Row after row enters by the shortest path over the columns that are taken: each on the way
    changes to another column, and prices keep account of what that costs (the Hungarian method).

    :param costs: (R, C), R not above C.
    :returns: (R,).
    """
    count, width = costs.shape
    row_prices, column_prices = np.zeros(count), np.zeros(width)
    column_of, row_of = np.full(count, -1), np.full(width, -1)
    for entering in range(count):
        distances, origins = np.full(width, np.inf), np.full(width, entering)
        unvisited = np.ones(width, bool)
        row, distance = entering, 0.0
        while row >= 0:
            through = distance + costs[row] - row_prices[row] - column_prices
            nearer = unvisited & (through < distances)
            distances[nearer], origins[nearer] = through[nearer], row
            column = int(np.where(unvisited, distances, np.inf).argmin())
            unvisited[column] = False
            row, distance = int(row_of[column]), float(distances[column])
        visited = (~unvisited).nonzero()[0]
        saved = distance - distances[visited]
        column_prices[visited] -= saved
        row_prices[entering] += distance
        changing = row_of[visited] >= 0
        row_prices[row_of[visited[changing]]] += saved[changing]
        while row != entering:
            row = int(origins[column])
            row_of[column] = row
            column, column_of[row] = int(column_of[row]), column
    return column_of
