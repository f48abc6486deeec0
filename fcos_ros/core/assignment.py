# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The assignment problem: match rows with columns so that the total gain is the maximum."""

from __future__ import annotations

import numpy as np

from fcos_ros.core.arrays import Floats, Indices


def assign(gains: Floats) -> tuple[Indices, Indices]:
    """
    Match rows with columns, each at most once, so that the sum of the gains is the maximum.

    :param gains: (R, C), finite and not negative; pairs without gain are not matched.
    :returns: the rows and the columns of the pairs, two arrays of the same length.
    """
    possible = gains > 0
    row_options = np.count_nonzero(possible, axis=1)
    column_options = np.count_nonzero(possible, axis=0)
    # Most objects do not overlap another one. Only the rest needs the costly search.
    unique = possible & (row_options[:, None] == 1) & (column_options == 1)
    rows, columns = unique.nonzero()
    row_options[rows], column_options[columns] = 0, 0
    open_rows, open_columns = row_options.nonzero()[0], column_options.nonzero()[0]
    if not open_rows.size:
        return rows, columns
    open_gains = gains[open_rows[:, None], open_columns]
    first, second = _best_pairs(open_gains)
    matched = open_gains[first, second] > 0
    return (np.concatenate([rows, open_rows.take(first[matched])]),
            np.concatenate([columns, open_columns.take(second[matched])]))


def _best_pairs(gains: Floats) -> tuple[Indices, Indices]:
    """Match as many pairs as possible, also pairs without gain."""
    count, width = gains.shape
    if count > width:
        columns, rows = _best_pairs(gains.T)
        return rows, columns
    return np.arange(count), _minimum_cost(-gains)


def _minimum_cost(costs: Floats) -> Indices:
    """
    Return a different column for each row, so that the sum of the costs is the minimum.

    This is the Hungarian method. Rows enter one by one, each on the shortest path over the
    columns in use, and every row on the path moves to its next column. Potentials of rows and
    columns keep the reduced costs at 0 or above.

    :param costs: (R, C), R not above C.
    :returns: (R,).
    """
    count, width = costs.shape
    row_potentials, column_potentials = np.zeros(count), np.zeros(width)
    column_of, row_of = np.full(count, -1), np.full(width, -1)
    for entering in range(count):
        distances, origins = np.full(width, np.inf), np.full(width, entering)
        unvisited = np.ones(width, bool)
        row, distance = entering, 0.0
        while row >= 0:
            through = distance + costs[row] - row_potentials[row] - column_potentials
            nearer = unvisited & (through < distances)
            distances[nearer], origins[nearer] = through[nearer], row
            column = int(np.where(unvisited, distances, np.inf).argmin())
            unvisited[column] = False
            row, distance = int(row_of[column]), float(distances[column])
        visited = (~unvisited).nonzero()[0]
        change = distance - distances[visited]
        column_potentials[visited] -= change
        row_potentials[entering] += distance
        moving = row_of[visited] >= 0
        row_potentials[row_of[visited[moving]]] += change[moving]
        while row != entering:
            row = int(origins[column])
            row_of[column] = row
            column, column_of[row] = int(column_of[row]), column
    return column_of
