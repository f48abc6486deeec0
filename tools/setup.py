# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Create the virtual environments of this checkout: `python3 -m tools.setup demo` or `... test`.

`demo` creates `.venv` with all packages that the node and the demo need. `test` adds the packages
for tests. It also creates a second environment for the other set of libraries, if this machine has
a Python for it. A step is repeated only when its inputs have changed. Standard library only.
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

from tools import native
from tools.machine import NEWEST, Environment, Host, SetupError, environments

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / '.cache'
REQUIREMENTS = ROOT / 'tools' / 'requirements'
MESSAGES = ROOT / 'tools' / 'msgs'

ENVIRONMENTS = CACHE / 'environments'
"""A file that lists the environments for tests, one folder per line."""

SHARED = ('package.xml', 'config', 'launch', 'models')
"""The files and folders that the package installs below `share/fcos_ros`."""

ALWAYS_IN_ROS = frozenset({'numpy', 'opencv-python-headless'})
"""Distributions that every sourced ROS 2 has; Debian's OpenCV is not listed as one."""

ALWAYS_INSTALLED = frozenset({'setuptools'})
"""Distributions that are always installed: Humble's setuptools cannot build our wheel."""

NETWORK_ADVICE = ('If no version was found, check that the package index is reachable. Set '
                  'PIP_CERT to the certificate of a proxy.')
"""pip reports an unreachable index as a missing version."""

AMENT_STARTUP_CODE = (
    "import os, sys; p = os.environ.get('AMENT_PREFIX_PATH'); "
    "os.environ['AMENT_PREFIX_PATH'] = f'{p}{os.pathsep}{sys.prefix}' if p else sys.prefix\n")
"""Start-up code of an environment: lets ROS find our share files, after those of a workspace."""


@dataclass(frozen=True)
class Step:
    """
    One step of set-up.

    :ivar name: the result of the step, for the terminal.
    :ivar key: a text that changes whenever the step must be repeated.
    """

    name: str
    key: str
    run: Callable[[], None]


class EnvironmentBuilder:
    """
    Creates one environment.

    :param test: also install the packages for tests.
    """

    def __init__(self, environment: Environment, test: bool) -> None:
        self.environment = environment
        self.test = test
        self.is_main = environment.name == '.venv'
        self.folder = ROOT / environment.name
        self.python = self.folder / 'bin' / 'python'

    def build(self) -> None:
        """Run the steps whose inputs have changed."""
        run_steps(self.steps(), self.folder)

    def steps(self) -> list[Step]:
        """Return all steps in their order."""
        base, sourced = self.environment.python, self.environment.sourced
        steps = [
            # The scripts contain the path of the folder, so a moved checkout needs a new one.
            Step(f'environment of {base}', f'{self.folder} {base} sourced={sourced}',
                 self._create),
            self._packages('libraries' if sourced else 'ROS 2 and libraries',
                           self._runtime_lists()),
        ]
        if not sourced:
            steps.append(Step('message packages', message_key(base.version),
                              self._install_messages))
        if self.test:
            lists = ['test.txt', 'check.txt'] if self.is_main else ['test.txt']
            steps.append(self._packages('test tools', lists))
        if self.test and self.is_main and not sourced and base.libraries == NEWEST:
            pins = read_pins(REQUIREMENTS / 'humble.txt')
            steps.append(Step("signatures of Humble's rclpy", _key(*pins), self._install_humble))
        steps.append(Step('link to the package', _key(AMENT_STARTUP_CODE, *SHARED), self._link))
        return steps

    def _runtime_lists(self) -> list[str]:
        libraries = f'{self.environment.python.libraries}.txt'
        return [libraries] if self.environment.sourced else [
            'ros.txt', 'services.txt', libraries]

    def _create(self) -> None:
        site = ['--system-site-packages'] if self.environment.sourced else []
        python = self.environment.python.executable
        _run([python, '-m', 'venv', '--clear', *site, self.folder])

    def _packages(self, name: str, lists: Iterable[str]) -> Step:
        """Return a step that installs pinned lists, without the packages of a sourced ROS 2."""
        sourced, python = self.environment.sourced, self.environment.python
        present: frozenset[str] = frozenset()
        if sourced:
            present = (python.distributions | ALWAYS_IN_ROS) - ALWAYS_INSTALLED
        pins = [pin for file in lists for pin in read_pins(REQUIREMENTS / file)]
        pins = [pin for pin in dict.fromkeys(pins) if not is_provided(pin, present)]
        return Step(name, _key(*pins), lambda: self._pip(*pins))

    def _install_messages(self) -> None:
        """Install our own message packages; their wheels are built once and kept."""
        cache = CACHE / 'message_wheels' / message_key(self.environment.python.version)
        missing = [path for path in sorted(MESSAGES.iterdir())
                   if path.is_dir() and not list(cache.glob(f'ros_{path.name}-*.whl'))]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda package: _run(
                [self.python, '-m', 'tools.message_wheel', package, cache]), missing))
        self._pip('--no-index', '--force-reinstall', *sorted(map(str, cache.glob('*.whl'))))

    def _install_humble(self) -> None:
        """Create an environment for mypy only: Humble's rclpy and our libraries."""
        folder = self.folder / 'humble'
        _run([self.python, '-m', 'venv', '--clear', '--without-pip', folder])
        site = _site_packages(folder)
        self._pip('--target', str(site), *read_pins(REQUIREMENTS / 'humble.txt'))
        (site / 'rclpy' / 'py.typed').touch()
        for name in ('ament_index_python', 'cv2', 'numpy'):
            _symlink(site / name, _site_packages(self.folder) / name)

    def _link(self) -> None:
        """Link the package and its share files into the environment."""
        site = _site_packages(self.folder)
        _symlink(site / 'fcos_ros', ROOT / 'fcos_ros')
        for name in SHARED:
            _symlink(self.folder / 'share' / 'fcos_ros' / name, ROOT / name)
        index = self.folder / 'share' / 'ament_index' / 'resource_index' / 'packages'
        _symlink(index / 'fcos_ros', ROOT / 'resource' / 'fcos_ros')
        (site / 'fcos_ros_ament.pth').write_text(AMENT_STARTUP_CODE)

    def _pip(self, *arguments: str) -> None:
        # No dependencies: the lists are complete. No byte-code: it would delay the demo.
        if arguments:
            _run([self.python, '-m', 'pip', 'install', '-qq', '--disable-pip-version-check',
                  '--no-deps', '--no-compile', *arguments])


def main() -> None:
    """Create the environments."""
    parser = argparse.ArgumentParser(description='create the virtual environments')
    parser.add_argument('purpose', choices=['demo', 'test'],
                        help='demo creates .venv; test adds the packages for tests')
    parser.add_argument('--python', default='python3', help='command of the preferred Python')
    arguments = parser.parse_args()
    try:
        _set_up(arguments.python, arguments.purpose == 'test')
    except SetupError as error:
        sys.exit(f'\n{error}')
    except subprocess.CalledProcessError as error:
        advice = f'\n{NETWORK_ADVICE}' if 'pip' in error.cmd else ''
        sys.exit(f'\nThis command failed; its output is above: {_shorten(error.cmd)}{advice}')
    except KeyboardInterrupt:
        # Ctrl-C also ends the running commands, which print their own messages.
        sys.exit('\nInterrupted: run the same command again to continue.')


def run_steps(steps: Iterable[Step], folder: Path) -> None:
    """Run the steps that were not yet completed in `folder` with the same key."""
    for step in steps:
        stamp = folder / '.setup' / re.sub(r'\W+', '_', step.name)
        if stamp.exists() and stamp.read_text() == step.key:
            continue
        _print_line(f'{folder.name}: {step.name} ...')
        started = time.monotonic()
        step.run()
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(step.key)
        _print_line(f'{folder.name}: {step.name}: done in {time.monotonic() - started:.0f} s')


def read_pins(file: Path) -> list[str]:
    """Return the requirements in a file, without its comments."""
    lines = (line.partition('#')[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line]


def is_provided(pin: str, distributions: Iterable[str]) -> bool:
    """Return whether any version of a pinned requirement is among the installed distributions."""
    name = re.split(r'[=; ]', pin)[0].lower().replace('_', '-')
    return name in distributions


def message_key(version: tuple[int, int]) -> str:
    """Return a key for the inputs of the message wheels: definitions, generators and Python."""
    sources = [ROOT / 'tools' / 'message_wheel.py', REQUIREMENTS / 'ros.txt',
               *sorted(path for path in MESSAGES.rglob('*') if path.is_file())]
    contents = (f'{path.relative_to(ROOT)}\n{path.read_text()}' for path in sources)
    return f'cp{version[0]}{version[1]}-{_key(*contents)}'


def _set_up(python: str, test: bool) -> None:
    chosen = environments(Host.detect(python), both=test)
    builders = [EnvironmentBuilder(environment, test) for environment in chosen]
    from fcntl import LOCK_EX, flock  # It does not exist on Windows, which `environments` refuses.
    CACHE.mkdir(exist_ok=True)
    with (CACHE / 'lock').open('w') as lock, ThreadPoolExecutor() as pool:
        flock(lock, LOCK_EX)
        list(pool.map(EnvironmentBuilder.build, builders))
        native.build()
        if test:
            ENVIRONMENTS.write_text(''.join(f'{environment.name}\n' for environment in chosen))


def _site_packages(environment: Path) -> Path:
    return next(environment.glob('lib/python3.*/site-packages'))


def _symlink(link: Path, target: Path) -> None:
    """Create or replace a link; its path is relative."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    link.symlink_to(os.path.relpath(target, link.parent))


def _run(command: Iterable[str | Path]) -> None:
    words = [str(word) for word in command]
    subprocess.run(words, check=True, cwd=ROOT)


def _print_line(line: str) -> None:
    # In one write, as two environments are created at the same time.
    print(f'{line}\n', end='', flush=True)


def _shorten(command: Iterable[str]) -> str:
    """Return a command, shortened if it contains a long list of requirements."""
    text = ' '.join(command)
    return text if len(text) < 200 else f'{text[:200]} ...'


def _key(*parts: str) -> str:
    return hashlib.sha256('\0'.join(parts).encode()).hexdigest()[:16]


if __name__ == '__main__':
    main()
