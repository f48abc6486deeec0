# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run the tests in every environment at once: `python3 -m tools.test [PYTEST ARGUMENTS]`.

Much of the time tests wait for a ROS graph, so runs side by side take little longer than one.
Without arguments the tests of node and board are a run of their own. The first run is shown as it
goes, the others when they have ended. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
import subprocess
import sys

from tools.setup import CACHE, ENVIRONMENTS, ROOT

HALVES = {'of node and board': ('test/node', 'test/board'),
          'of all else': ('--ignore=test/node', '--ignore=test/board')}
"""What takes about equally long."""


@dataclass(frozen=True)
class Run:
    """
    Some tests in one environment.

    :ivar environment: the name of its folder.
    :ivar part: of the tests, in words.
    """

    environment: str
    part: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return ' '.join(filter(None, ('tests', self.part, 'in', self.environment)))

    @property
    def log(self) -> Path:
        """Where it prints to, unless it is shown."""
        return CACHE / f'{str(self).replace(" ", "_")}.log'

    def start(self, shown: bool) -> subprocess.Popen[bytes]:
        """Begin; what it prints goes into the log unless it is shown."""
        command = [str(ROOT / self.environment / 'bin' / 'python'), '-m', 'pytest',
                   *self.arguments]
        if shown:
            return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
        with self.log.open('wb') as out:
            return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=subprocess.STDOUT)


def main(arguments: list[str]) -> int:
    """Return 0 when all tests passed in all environments."""
    first, *others = _runs(tuple(arguments))
    running = [(run, run.start(shown=False)) for run in others]
    print(f'== {first}', flush=True)
    codes = {first: first.start(shown=True).wait()}
    for run, process in running:
        codes[run] = process.wait()
        print(f'== {run}\n{run.log.read_text(errors="replace")}', flush=True)
    for run, code in codes.items():
        print(f'{"FAILED" if code else "passed"}: {run}')
    return max(map(abs, codes.values()))


def _runs(arguments: tuple[str, ...]) -> Iterator[Run]:
    parts = {'': arguments} if arguments else HALVES
    for environment in ENVIRONMENTS.read_text().split():
        for part, chosen in parts.items():
            yield Run(environment, part, chosen)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
