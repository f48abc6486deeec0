# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run the tests in every environment at once: `python3 -m tools.test [PYTEST ARGUMENTS]`.

Several runs at once take little longer than one, because tests often wait for a ROS graph. Without
arguments, the tests are split into two runs. The output of the first run is shown at once, that of
the others at their end. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
import subprocess
import sys

from tools.setup import CACHE, ENVIRONMENTS, ROOT

FIRST = ('test/node', 'test/board', 'test/cli')

PARTS = {'of node, board and cli': FIRST,
         'of all else': tuple(f'--ignore={folder}' for folder in FIRST)}
"""Two parts of the tests that take about the same time; values are arguments of pytest."""


@dataclass(frozen=True)
class TestRun:
    """
    A run of some tests in one environment.

    :ivar environment: the name of the environment's folder.
    :ivar part: the name of the part in `PARTS`; empty for all tests.
    :ivar arguments: arguments of pytest.
    """

    environment: str
    part: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return ' '.join(filter(None, ('tests', self.part, 'in', self.environment)))

    @property
    def log(self) -> Path:
        """The file for the output of a run that is not shown."""
        return CACHE / f'{str(self).replace(",", "").replace(" ", "_")}.log'

    def start(self, shown: bool) -> subprocess.Popen[bytes]:
        """
        Start the run.

        :param shown: print the output to the terminal instead of the log.
        """
        command = [str(ROOT / self.environment / 'bin' / 'python'), '-m', 'pytest',
                   *self.arguments]
        if shown:
            return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
        with self.log.open('wb') as out:
            return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=subprocess.STDOUT)


def main(arguments: list[str]) -> int:
    """Run the tests; return 0 if all passed in all environments."""
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


def _runs(arguments: tuple[str, ...]) -> Iterator[TestRun]:
    parts = {'': arguments} if arguments else PARTS
    for environment in ENVIRONMENTS.read_text().split():
        for part, chosen in parts.items():
            yield TestRun(environment, part, chosen)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
