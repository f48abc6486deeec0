# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Print the tables of a benchmark, and record them for the report of `make bench`.

A benchmark prints each row as soon as it is measured. If `RESULTS` names a file, all rows are also
appended to it, one JSON object a line. So a benchmark that is aborted leaves the rows before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
from typing import Any

RESULTS = 'FCOS_BENCH_RESULTS'
"""The environment variable with the path of the file for the results."""

Cell = str | float | None
"""A text, a number or nothing."""


@dataclass(frozen=True)
class Result:
    """
    A table with its rows, a note, or other values.

    :ivar note: a sentence between two tables.
    :ivar missed_bar: whether the note is about a figure that misses its bar.
    :ivar formats: the format of each column of a table, by its name; it is empty for texts.
    :ivar values: what is not printed, by name.
    """

    note: str = ''
    missed_bar: bool = False
    formats: Mapping[str, str] = field(default_factory=dict)
    rows: list[Sequence[Cell]] = field(default_factory=list)
    values: Mapping[str, Any] = field(default_factory=dict)


class Table:
    """
    A table that grows while it is measured. Its head is printed at once.

    :param formats: the format of each column, by its name, as for `format`; empty for texts.
    """

    def __init__(self, formats: Mapping[str, str]) -> None:
        self._formats = formats
        print(*_head(formats), sep='\n', flush=True)
        _record({'formats': dict(formats)})

    def add(self, *cells: Cell) -> None:
        """Print and record a row; it has a cell for each column."""
        print(_line(self._formats, cells), flush=True)
        _record({'row': cells})


def note(text: str) -> None:
    """Print and record a sentence, with an empty line before and after it."""
    print(f'\n{text}\n', flush=True)
    _record({'note': text})


def note_missed_bar(text: str) -> None:
    """Print and record that a figure misses its bar."""
    print(f'\nBAR MISSED: {text}\n', flush=True)
    _record({'note': text, 'missed_bar': True})


def keep(**values: Any) -> None:
    """Record values that are not printed; JSON can hold them."""
    _record({'values': values})


def read_results(path: Path) -> list[Result]:
    """Return the results of a file; a line that was cut off ends it."""
    results: list[Result] = []
    for entry in _entries(path):
        if 'row' in entry:
            results[-1].rows.append(entry['row'])
        else:
            results.append(Result(**entry))
    return results


def to_markdown(results: Iterable[Result]) -> str:
    """Convert tables and notes to Markdown."""
    return '\n\n'.join(
        (f'**Bar missed:** {result.note}' if result.missed_bar else result.note) or '\n'.join(
            [*_head(result.formats), *(_line(result.formats, row) for row in result.rows)])
        for result in results if not result.values)


def yes_or_no(is_right: bool) -> str:
    """Return the cell of a check; one that failed is conspicuous."""
    return 'yes' if is_right else 'NO'


def _head(formats: Mapping[str, str]) -> list[str]:
    rules = ('---:' if form else '---' for form in formats.values())
    return [f'| {" | ".join(formats)} |', f'| {" | ".join(rules)} |']


def _line(formats: Mapping[str, str], cells: Sequence[Cell]) -> str:
    if len(cells) != len(formats):
        raise ValueError(f'the row has {len(cells)} cells; accepted: {len(formats)}')
    texts = (_text(cell, form) for cell, form in zip(cells, formats.values()))
    return f'| {" | ".join(texts)} |'


def _text(cell: Cell, form: str) -> str:
    return '-' if cell is None else str(cell) if isinstance(cell, str) else format(cell, form)


def _record(entry: Mapping[str, Any]) -> None:
    path = os.environ.get(RESULTS)
    if path:
        with Path(path).open('a') as file:
            file.write(f'{json.dumps(entry)}\n')


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return
