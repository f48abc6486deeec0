# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Print the results of jobs: tables, failures, and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
import sys
from typing import Any

from fcos_ros.cli.output import Row, plain_table, printable_lines
from fcos_ros.offline.jobs import JobResult


def figures_of(result: JobResult) -> dict[str, Any]:
    """Return the result of a job as JSON values."""
    if result.report is None:
        return {'name': result.name, 'error': result.error}
    own = {name: value for name, value in result.report.summary.items() if name != 'labels'}
    return {'name': result.name, 'kept': result.kept, **own}


def class_counts(results: Sequence[JobResult]) -> Mapping[str, int]:
    """Return the number of detections of each class in all results, the largest first."""
    classes: Counter[str] = Counter()
    for result in results:
        if result.report is not None:
            classes.update(result.report.summary['classes'])
    return dict(classes.most_common())


def print_tables(results: Sequence[JobResult], kind: str, count: str, parts: Row,
                 numbers: Mapping[str, int]) -> None:
    """
    Print a table of all jobs, and one of numbers.

    :param kind: of the inputs, such as `bag`.
    :param count: the figure of each job that is shown besides the numbers of frames.
    :param parts: the head of the table of `numbers`, which is left out if there are none.
    """
    shown = ('frames', 'failed', count)
    rows: list[Row] = [(kind, *shown, '')]
    for result in results:
        figures = figures_of(result)
        rows.append((result.name, *(str(figures.get(name, '-')) for name in shown),
                     'done before' if result.kept else ''))
    print(plain_table(rows))
    if numbers:
        print()
        print(plain_table([parts, *((name, str(number)) for name, number in numbers.items())]))
    print()


def print_failures(verb: str, results: Sequence[JobResult], lists_all: bool = False) -> None:
    """
    Print a line on stderr for each warning, and for each input, part and frame that failed.

    :param lists_all: whether the first output of a job lists all failed frames.
    """
    warnings = dict.fromkeys(result.report.summary.get('warning', '')
                             for result in results if result.report)
    lines = [*filter(None, warnings),
             *(line for result in results for line in _failures(result, lists_all))]
    for line in lines:
        print(f'fcos {verb}: {printable_lines(line)}', file=sys.stderr)


def exit_code(results: Sequence[JobResult]) -> int:
    """Return 0 if all is whole; 1 if a frame, a part or an input failed; 2 if all inputs did."""
    summaries = [result.report.summary for result in results if result.report]
    if not summaries:
        return 2
    is_whole = len(summaries) == len(results) and not any(
        summary['failed'] or summary.get('problems') for summary in summaries)
    return 0 if is_whole else 1


def _failures(result: JobResult, lists_all: bool) -> Iterator[str]:
    """Yield a line for each failure of a job, but not for all frames of many."""
    if result.report is None:
        yield f'{result.name} failed: {result.error}'
        return
    summary = result.report.summary
    yield from summary.get('problems', ())
    yield from (f'frame failed: {error}' for error in summary['errors'])
    rest = summary['failed'] - len(summary['errors'])
    if rest:
        yield (f'{rest} more frames failed'
               f'{f"; see {result.report.outputs[0]}" if lists_all else ""}')
    for name in summary.get('replaced', ()):
        yield f'{result.name} had {name}; the new bag has only the new messages'
