# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run the tests in every environment at once: `python3 -m tools.test [PYTEST ARGUMENTS]`.

Much of the time tests wait for a ROS graph, so two runs side by side take little longer than one.
The first is shown as it goes, the others when they have ended. Standard library only.
"""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

from tools.setup import CACHE, ENVIRONMENTS, ROOT


def main(arguments: list[str]) -> int:
    """Return 0 when all tests passed in all environments."""
    first, *others = ENVIRONMENTS.read_text().split()
    running = [(name, _start(name, arguments, _log(name))) for name in others]
    print(f'== tests in {first}', flush=True)
    codes = [_start(first, arguments).wait()]
    for name, process in running:
        codes.append(process.wait())
        print(f'== tests in {name}\n{_log(name).read_text(errors="replace")}', flush=True)
    return max(map(abs, codes))


def _log(name: str) -> Path:
    return CACHE / f'tests{name}.log'


def _start(name: str, arguments: list[str], log: Path | None = None) -> subprocess.Popen[bytes]:
    command = [str(ROOT / name / 'bin' / 'python'), '-m', 'pytest', *arguments]
    if log is None:
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    with log.open('wb') as out:
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
                                stderr=subprocess.STDOUT)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
