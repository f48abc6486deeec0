# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Problems of a dataset, as values, and their report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

ERROR, WARNING = 'error', 'warning'


class Kind(NamedTuple):
    """
    A kind of problem.

    :ivar severity: `ERROR` if the labels or images must be wrong, else `WARNING`.
    :ivar result: what `usable` does about it.
    """

    severity: str
    result: str


KINDS: Mapping[str, Kind] = {
    'missing image': Kind(ERROR, 'the image is left out'),
    'unreadable image': Kind(ERROR, 'the image is left out'),
    'wrong size': Kind(ERROR, 'the image is left out'),
    'malformed label': Kind(ERROR, 'the object is left out'),
    'unknown class': Kind(ERROR, 'the object is left out'),
    'inverted box': Kind(ERROR, 'the object is left out'),
    'empty box': Kind(ERROR, 'the object is left out'),
    'box outside': Kind(ERROR, 'the object is left out'),
    'duplicate id': Kind(ERROR, 'the first one is used'),
    'labels without image': Kind(ERROR, 'the labels are left out'),
    'box partly outside': Kind(WARNING, 'the box is clipped'),
    'duplicate box': Kind(WARNING, 'the object is used once'),
    'duplicate image': Kind(WARNING, 'all are used'),
    'images without objects': Kind(WARNING, 'they are used as background'),
    'class without objects': Kind(WARNING, 'it cannot be learnt'),
    'rare class': Kind(WARNING, 'all objects are used'),
    'no class names': Kind(WARNING, 'the names are numbers'),
}
"""The kinds of problems, in the order of the report."""


@dataclass(frozen=True)
class Finding:
    """
    One problem.

    :ivar kind: a key of `KINDS`.
    :ivar place: the file, with a line or an id where it helps.
    :ivar detail: what is there, and what is accepted; may be empty.
    """

    kind: str
    place: str
    detail: str = ''

    @property
    def severity(self) -> str:
        """`ERROR` or `WARNING`."""
        return KINDS[self.kind].severity

    def __str__(self) -> str:
        return f'{self.place}: {self.detail}' if self.detail else self.place


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are errors."""
    return [finding for finding in findings if finding.severity == ERROR]


def report(findings: Sequence[Finding], limit: int = 5) -> str:
    """
    Return the findings by kind, errors first.

    :param limit: maximum number of lines for each kind.
    """
    return '\n'.join(line for kind in KINDS for line in _lines(kind, findings, limit))


def _lines(kind: str, findings: Sequence[Finding], limit: int) -> Iterator[str]:
    own = [finding for finding in findings if finding.kind == kind]
    if not own:
        return
    severity, result = KINDS[kind]
    yield f'{severity}: {kind} ({len(own)}); {result}'
    yield from (f'  {finding}' for finding in own[:limit])
    if len(own) > limit:
        yield f'  ... and {len(own) - limit} more'
