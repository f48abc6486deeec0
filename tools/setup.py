# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Make the virtual environments of this checkout: `python3 -m tools.setup demo` or `... test`.

`demo` makes `.venv` with all that runs the package. `test` adds what tests it, and makes a second
environment for the other set of libraries where a Python for it is there. Each step is done again
only when what it was made from has changed. Standard library only.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import hashlib
import os
from pathlib import Path
import re
import subprocess
import sys
import time

from tools.machine import NEWEST, Environment, Machine, SetupError, environments

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / '.cache'
REQUIREMENTS = ROOT / 'tools' / 'requirements'
MESSAGES = ROOT / 'tools' / 'msgs'

ENVIRONMENTS = CACHE / 'environments'
"""Lists the environments that tests run in, one folder a line."""

SHARED = ('package.xml', 'config', 'launch', 'models')
"""What the package installs below `share/fcos_ros`."""

DEBIAN = frozenset({'numpy', 'opencv-python-headless'})
"""What comes with a sourced ROS 2 in any case, though Debian's OpenCV does not list itself."""

OURS = frozenset({'setuptools'})
"""What is installed in any case: Humble's would build no wheel of the package."""

NETWORK = ('If no version was found, is the package index reachable? The certificate of a proxy '
           'goes into PIP_CERT.')
"""What pip does not say when it reaches nobody."""

JOIN_AMENT = (
    "import os, sys; p = os.environ.get('AMENT_PREFIX_PATH'); "
    "os.environ['AMENT_PREFIX_PATH'] = f'{p}{os.pathsep}{sys.prefix}' if p else sys.prefix\n")
"""Start-up line of an environment: share files are found there, after those of a workspace."""


@dataclass(frozen=True)
class Step:
    """
    A part of set-up.

    :ivar name: what is made, for the reader of the terminal.
    :ivar key: changes whenever the step has to be done again.
    """

    name: str
    key: str
    run: Callable[[], None]


class Builder:
    """Makes one environment; `test` and `main` say what belongs into it."""

    def __init__(self, environment: Environment, test: bool) -> None:
        self.environment = environment
        self.test = test
        self.main = environment.name == '.venv'
        self.folder = ROOT / environment.name
        self.python = self.folder / 'bin' / 'python'

    def build(self) -> None:
        """Do the steps that are not done."""
        perform(self.steps(), self.folder)

    def steps(self) -> list[Step]:
        """All steps, in order."""
        base, sourced = self.environment.python, self.environment.sourced
        steps = [
            # Its scripts know the folder: a checkout that was moved needs a new one.
            Step(f'environment of {base}', f'{self.folder} {base} sourced={sourced}',
                 self._create),
            self._packages('libraries' if sourced else 'ROS 2 and libraries', self._runtime()),
        ]
        if not sourced:
            steps.append(Step('message packages', message_key(base.version), self._messages))
        if self.test:
            lists = ['test.txt', 'check.txt'] if self.main else ['test.txt']
            steps.append(self._packages('test tools', lists))
        if self.test and self.main and not sourced and base.libraries == NEWEST:
            pins = read_pins(REQUIREMENTS / 'humble.txt')
            steps.append(Step("signatures of Humble's rclpy", _key(*pins), self._humble))
        steps.append(Step('link to the package', _key(JOIN_AMENT, *SHARED), self._link))
        return steps

    def _runtime(self) -> list[str]:
        libraries = f'{self.environment.python.libraries}.txt'
        return [libraries] if self.environment.sourced else ['ros.txt', libraries]

    def _create(self) -> None:
        site = ['--system-site-packages'] if self.environment.sourced else []
        python = self.environment.python.executable
        _run([python, '-m', 'venv', '--clear', *site, self.folder])

    def _packages(self, name: str, lists: Iterable[str]) -> Step:
        """Install pinned lists, less what a sourced ROS 2 has."""
        sourced, python = self.environment.sourced, self.environment.python
        there = (python.distributions | DEBIAN) - OURS if sourced else frozenset()
        pins = [pin for file in lists for pin in read_pins(REQUIREMENTS / file)]
        pins = [pin for pin in dict.fromkeys(pins) if not provided(pin, there)]
        return Step(name, _key(*pins), lambda: self._pip(*pins))

    def _messages(self) -> None:
        """Install our own message packages; wheels are made once and kept."""
        cache = CACHE / 'message_wheels' / message_key(self.environment.python.version)
        missing = [path for path in sorted(MESSAGES.iterdir())
                   if path.is_dir() and not list(cache.glob(f'ros_{path.name}-*.whl'))]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda package: _run(
                [self.python, '-m', 'tools.message_wheel', package, cache]), missing))
        self._pip('--no-index', '--force-reinstall', *sorted(map(str, cache.glob('*.whl'))))

    def _humble(self) -> None:
        """Make an environment for mypy's eyes only: Humble's rclpy beside our libraries."""
        folder = self.folder / 'humble'
        _run([self.python, '-m', 'venv', '--clear', '--without-pip', folder])
        site = _site_packages(folder)
        self._pip('--target', str(site), *read_pins(REQUIREMENTS / 'humble.txt'))
        (site / 'rclpy' / 'py.typed').touch()
        for name in ('ament_index_python', 'cv2', 'numpy'):
            _symlink(site / name, _site_packages(self.folder) / name)

    def _link(self) -> None:
        """Make the checkout importable, and its share files findable, without a copy of them."""
        site = _site_packages(self.folder)
        _symlink(site / 'fcos_ros', ROOT / 'fcos_ros')
        for name in SHARED:
            _symlink(self.folder / 'share' / 'fcos_ros' / name, ROOT / name)
        index = self.folder / 'share' / 'ament_index' / 'resource_index' / 'packages'
        _symlink(index / 'fcos_ros', ROOT / 'resource' / 'fcos_ros')
        (site / 'fcos_ros_ament.pth').write_text(JOIN_AMENT)

    def _pip(self, *what: str) -> None:
        # Nothing is resolved and nothing byte-compiled: the lists are complete, the demo is near.
        if what:
            _run([self.python, '-m', 'pip', 'install', '-qq', '--disable-pip-version-check',
                  '--no-deps', '--no-compile', *what])


def main() -> None:
    """Make the environments that the command line asks for."""
    parser = argparse.ArgumentParser(description='make the virtual environments')
    parser.add_argument('purpose', choices=['demo', 'test'])
    parser.add_argument('--python', default='python3', help='the Python to prefer')
    arguments = parser.parse_args()
    try:
        _set_up(arguments.python, arguments.purpose == 'test')
    except SetupError as error:
        sys.exit(f'\n{error}')
    except subprocess.CalledProcessError as error:
        advice = f'\n{NETWORK}' if 'pip' in error.cmd else ''
        sys.exit(f'\nThis command failed, its words are above: {_words(error.cmd)}{advice}')
    except KeyboardInterrupt:
        # What it was at ends by itself, and complains in words of its own.
        sys.exit('\nInterrupted: the same command goes on where it was.')


def perform(steps: Iterable[Step], folder: Path) -> None:
    """Do the steps that have not been done in `folder` with the same key, and say so."""
    for step in steps:
        stamp = folder / '.setup' / re.sub(r'\W+', '_', step.name)
        if stamp.exists() and stamp.read_text() == step.key:
            continue
        _say(f'{folder.name}: {step.name} ...')
        started = time.monotonic()
        step.run()
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(step.key)
        _say(f'{folder.name}: {step.name}: done in {time.monotonic() - started:.0f} s')


def read_pins(file: Path) -> list[str]:
    """Return the requirements of a pinned list, without its comments."""
    lines = (line.partition('#')[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line]


def provided(pin: str, distributions: Iterable[str]) -> bool:
    """Tell whether one of the installed distributions, any version, stands in for a pin."""
    name = re.split(r'[=; ]', pin)[0].lower().replace('_', '-')
    return name in distributions


def message_key(version: tuple[int, int]) -> str:
    """Name the state of definitions, generators and Python that message wheels are made from."""
    sources = [ROOT / 'tools' / 'message_wheel.py', REQUIREMENTS / 'ros.txt',
               *sorted(path for path in MESSAGES.rglob('*') if path.is_file())]
    contents = (f'{path.relative_to(ROOT)}\n{path.read_text()}' for path in sources)
    return f'cp{version[0]}{version[1]}-{_key(*contents)}'


def _set_up(python: str, test: bool) -> None:
    chosen = environments(Machine.look(python), both=test)
    builders = [Builder(environment, test) for environment in chosen]
    from fcntl import LOCK_EX, flock  # Not on Windows, which `environments` has refused.
    CACHE.mkdir(exist_ok=True)
    with (CACHE / 'lock').open('w') as lock, ThreadPoolExecutor() as pool:
        flock(lock, LOCK_EX)
        list(pool.map(Builder.build, builders))
        if test:
            ENVIRONMENTS.write_text(''.join(f'{environment.name}\n' for environment in chosen))


def _site_packages(environment: Path) -> Path:
    return next(environment.glob('lib/python3.*/site-packages'))


def _symlink(link: Path, target: Path) -> None:
    """Link, with a relative path; what was there before is replaced."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    link.symlink_to(os.path.relpath(target, link.parent))


def _run(command: Iterable[str | Path]) -> None:
    words = [str(word) for word in command]
    subprocess.run(words, check=True, cwd=ROOT)


def _say(line: str) -> None:
    # In one piece: two environments are made at a time.
    print(f'{line}\n', end='', flush=True)


def _words(command: Iterable[str]) -> str:
    """Return the start of a command: a list of pins may be long."""
    text = ' '.join(command)
    return text if len(text) < 200 else f'{text[:200]} ...'


def _key(*parts: str) -> str:
    return hashlib.sha256('\0'.join(parts).encode()).hexdigest()[:16]


if __name__ == '__main__':
    main()
