# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What this machine has, and which environments that allows.

A sourced ROS 2 is used as it is; else ROS 2 comes as wheels, which exist for few machines. What
is missing is said with the command that mends it.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import json
import os
from pathlib import Path
import platform
import shutil
import subprocess

SUPPORTED = ((3, 10), (3, 11), (3, 12), (3, 13))
"""Pythons that the pinned packages exist for."""

FLOOR, NEWEST = 'floor', 'newest'
"""The two sets of libraries: see `requirements/floor.txt` and `requirements/newest.txt`."""

GLIBC = (2, 28)
"""The oldest C library that the ROS 2 wheels run with."""

SOURCED_NEEDS = {
    'cv2': 'python3-opencv',
    'diagnostic_msgs': 'ros-{distro}-diagnostic-msgs',
    'numpy': 'python3-numpy',
    'sensor_msgs': 'ros-{distro}-sensor-msgs',
    'vision_msgs': 'ros-{distro}-vision-msgs',
}
"""Modules that a sourced ROS 2 has to bring, with the Debian packages that hold them."""


class SetupError(Exception):
    """Set-up cannot go on; the text says why and what to do."""


@dataclass(frozen=True)
class Python:
    """
    An interpreter and what it can import.

    :ivar rclpy: `import rclpy` works.
    :ivar modules: those of `SOURCED_NEEDS` that are there.
    :ivar distributions: names of all that is installed, in lower case with hyphens.
    """

    executable: str
    version: tuple[int, int]
    venv: bool = True
    headers: bool = True
    rclpy: bool = False
    modules: frozenset[str] = frozenset()
    distributions: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f'Python {self.version[0]}.{self.version[1]} ({self.executable})'

    @property
    def libraries(self) -> str:
        """The set of libraries that this Python is tested with."""
        return FLOOR if self.version == SUPPORTED[0] else NEWEST


@dataclass(frozen=True)
class Machine:
    """
    What set-up depends on.

    :ivar pythons: the interpreters found, the one asked for first.
    :ivar compilers: names of the C and C++ compilers that can be run.
    :ivar libc: name and version of the C library; empty if it is not glibc.
    :ivar distro: the sourced ROS 2, such as `humble`.
    """

    pythons: tuple[Python, ...]
    compilers: frozenset[str] = frozenset({'gcc', 'g++'})
    system: str = 'Linux'
    processor: str = 'x86_64'
    libc: tuple[str, str] = ('glibc', '2.36')
    distro: str | None = None

    @classmethod
    def look(cls, python: str) -> Machine:
        """Look around; `python` is the command of the interpreter to prefer."""
        names = [os.environ.get('CC', 'gcc'), os.environ.get('CXX', 'g++')]
        distro = os.environ.get('ROS_DISTRO') or None
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda name: probe(name, bool(distro)), _candidates(python))
            pythons = tuple(dict.fromkeys(python for python in found if python))
        return cls(pythons, frozenset(name for name in names if shutil.which(name)),
                   platform.system(), platform.machine(), platform.libc_ver(), distro)


@dataclass(frozen=True)
class Environment:
    """
    A virtual environment to make.

    :ivar name: its folder.
    :ivar sourced: ROS 2, numpy and OpenCV are those of the sourced ROS 2.
    """

    name: str
    python: Python
    sourced: bool = False


def environments(machine: Machine, both: bool) -> tuple[Environment, ...]:
    """
    Choose what to make: `.venv`, and with `both` one more with the other set of libraries.

    :raises SetupError: this machine lacks something.
    """
    if machine.distro:
        return (Environment('.venv', _sourced_python(machine), sourced=True),)
    _require_platform(machine)
    pythons = [python for python in machine.pythons if python.version in SUPPORTED]
    if not pythons:
        raise SetupError(_no_python(machine))
    main = pythons[0]
    _require(_missing(machine, main))
    others = sorted(
        (python for python in pythons
         if python.libraries != main.libraries and not _missing(machine, python)),
        key=lambda python: python.version)
    chosen = [Environment('.venv', main)]
    if both and others:
        version = others[0].version
        chosen.append(Environment(f'.venv-{version[0]}.{version[1]}', others[0]))
    return tuple(chosen)


def probe(command: str, sourced: bool = False) -> Python | None:
    """
    Ask an interpreter about itself; a virtual environment answers for what it was made from.

    :param sourced: also ask for what a sourced ROS 2 brings; takes longer.
    :returns: None if the command does not run.
    """
    script = _PROBE.format(modules=sorted(SOURCED_NEEDS), sourced=sourced)
    try:
        answer = subprocess.run(
            [command, '-c', script], capture_output=True, check=True, text=True, timeout=60)
        said = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if said['nested'] and said['executable'] != command:
        return probe(said['executable'], sourced)
    return Python(said['executable'], tuple(said['version']), said['venv'], said['headers'],
                  said['rclpy'], frozenset(said['modules']), frozenset(said['distributions']))


_PROBE = """
import json, os, sys, sysconfig
from importlib.util import find_spec

def imports(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True

def distributions():
    from importlib.metadata import distributions
    names = [distribution.metadata['Name'] or '' for distribution in distributions()]
    return [name.lower().replace('_', '-') for name in names]

print(json.dumps(dict(
    executable=os.path.realpath(getattr(sys, '_base_executable', sys.executable)),
    nested=sys.prefix != sys.base_prefix,
    version=sys.version_info[:2],
    venv=bool(find_spec('ensurepip') and find_spec('venv')),
    headers=os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h')),
    rclpy={sourced} and imports('rclpy'),
    modules=[name for name in {modules} if {sourced} and find_spec(name)],
    distributions=distributions() if {sourced} else [],
)))
"""


def _candidates(python: str) -> list[str]:
    """Commands that may be a usable Python: the one asked for first, then the newest."""
    names = [f'python{major}.{minor}' for major, minor in reversed(SUPPORTED)]
    pyenv = os.environ.get('PYENV_ROOT')
    # A shim of pyenv is on the PATH though its Python may be switched off: look behind it.
    behind = [str(path) for name in names if pyenv
              for path in sorted(Path(pyenv).glob(f'versions/*/bin/{name}'), reverse=True)]
    return [python, '/usr/bin/python3', *names, *behind]


def _sourced_python(machine: Machine) -> Python:
    distro = machine.distro
    usable = [python for python in machine.pythons if python.rclpy]
    if not usable:
        raise SetupError(
            f'ROS 2 {distro} is sourced (ROS_DISTRO={distro}), but none of these can import its '
            f'rclpy: {_listed(machine.pythons)}.\n'
            'Name the Python that it was built for:\n  make PYTHON=/usr/bin/python3 ...\n'
            'or, for the ROS 2 wheels, open a shell in which no ROS 2 is sourced.')
    python = usable[0]
    lacking = sorted(set(SOURCED_NEEDS) - python.modules)
    packages = [SOURCED_NEEDS[name].format(distro=distro) for name in lacking]
    if not python.venv:
        lacking.append('venv')
        packages.append('python3-venv')
    _require(dict(zip(lacking, packages)), f'ROS 2 {distro} is sourced and lacks')
    return python


def _require_platform(machine: Machine) -> None:
    name, version = machine.libc
    fits = name == 'glibc' and tuple(int(part) for part in version.split('.')[:2]) >= GLIBC
    if machine.system == 'Linux' and machine.processor == 'x86_64' and fits:
        return
    libc = f'{name} {version}' if name else 'a C library that is not glibc'
    raise SetupError(
        'The ROS 2 wheels exist for Linux on x86_64 with glibc 2.28 or newer; this is '
        f'{machine.system} on {machine.processor} with {libc}.\n'
        'Install ROS 2 Humble or Jazzy, source it, and run the same command again:\n'
        '  sudo apt install ros-humble-ros-base ros-humble-vision-msgs && '
        '. /opt/ros/humble/setup.sh')


def _no_python(machine: Machine) -> str:
    return (f'Python 3.10 to 3.13 is needed; found: {_listed(machine.pythons) or "none"}.\n'
            'Install one, and run the same command again:\n'
            '  sudo apt install python3.11 python3.11-venv python3.11-dev\n'
            'One that is elsewhere can be named: make PYTHON=/path/to/python3.11 ...')


def _missing(machine: Machine, python: Python) -> dict[str, str]:
    """Name what is missing to make an environment, with the Debian packages that bring it."""
    version = f'python{python.version[0]}.{python.version[1]}'
    needs = {
        'a C and a C++ compiler': (len(machine.compilers) == 2, 'g++'),
        f"Python's venv module ({python})": (python.venv, f'{version}-venv'),
        f"Python's headers ({python})": (python.headers, f'{version}-dev'),
    }
    return {what: package for what, (there, package) in needs.items() if not there}


def _require(missing: dict[str, str], intro: str = 'Missing:') -> None:
    if missing:
        raise SetupError(f'{intro} {", ".join(missing)}.\nMend it with:\n'
                         f'  sudo apt install {" ".join(missing.values())}')


def _listed(pythons: Iterable[Python]) -> str:
    return ', '.join(str(python) for python in pythons)
