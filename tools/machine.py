# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Detect the properties of this machine, and choose the virtual environments to create.

A sourced ROS 2 is used as it is. Otherwise ROS 2 is installed from wheels, which exist for few
platforms. An error names the missing packages and the command that installs them.
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
"""The versions of Python for which the pinned packages exist."""

FLOOR, NEWEST = 'floor', 'newest'
"""The oldest and the newest supported libraries; each is the name of a file in `requirements`."""

GLIBC = (2, 28)
"""The minimum version of the C library for the ROS 2 wheels."""

ROS_MODULES = {
    'cv2': 'python3-opencv',
    'diagnostic_msgs': 'ros-{distro}-diagnostic-msgs',
    'numpy': 'python3-numpy',
    'sensor_msgs': 'ros-{distro}-sensor-msgs',
    'vision_msgs': 'ros-{distro}-vision-msgs',
}
"""Python modules that a sourced ROS 2 must provide, and their Debian packages."""


class SetupError(Exception):
    """Set-up failed. The message gives the reason and the remedy."""


@dataclass(frozen=True)
class Python:
    """
    A Python interpreter and its installed modules.

    :ivar venv: whether it can create virtual environments.
    :ivar headers: whether its C headers are installed.
    :ivar rclpy: whether `import rclpy` works.
    :ivar modules: the installed modules among `ROS_MODULES`.
    :ivar distributions: names of the installed distributions, in lower case with hyphens.
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
        """The set of libraries with which this Python is tested: `FLOOR` or `NEWEST`."""
        return FLOOR if self.version == SUPPORTED[0] else NEWEST


@dataclass(frozen=True)
class Host:
    """
    The properties of a machine on which set-up depends.

    :ivar pythons: the interpreters found, the preferred one first.
    :ivar compilers: commands of the installed C and C++ compilers.
    :ivar libc: name and version of the C library; empty if it is not glibc.
    :ivar distro: the sourced ROS 2 distribution, such as `humble`; None for none.
    """

    pythons: tuple[Python, ...]
    compilers: frozenset[str] = frozenset({'gcc', 'g++'})
    system: str = 'Linux'
    processor: str = 'x86_64'
    libc: tuple[str, str] = ('glibc', '2.36')
    distro: str | None = None

    @classmethod
    def detect(cls, python: str) -> Host:
        """
        Detect the properties of this machine.

        :param python: command of the preferred interpreter.
        """
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
    A virtual environment to create.

    :ivar name: the name of its folder.
    :ivar sourced: whether it uses ROS 2, numpy and OpenCV of a sourced ROS 2.
    """

    name: str
    python: Python
    sourced: bool = False


def environments(host: Host, both: bool) -> tuple[Environment, ...]:
    """
    Choose the environments to create.

    :param both: add an environment with the other set of libraries to `.venv`, if this machine
        has a Python for it.
    :raises SetupError: the machine is not supported, or packages are missing.
    """
    if host.distro:
        return (Environment('.venv', _sourced_python(host), sourced=True),)
    _require_platform(host)
    pythons = [python for python in host.pythons if python.version in SUPPORTED]
    if not pythons:
        raise SetupError(_no_python(host))
    main = pythons[0]
    _require(_missing(host, main))
    others = sorted(
        (python for python in pythons
         if python.libraries != main.libraries and not _missing(host, python)),
        key=lambda python: python.version)
    chosen = [Environment('.venv', main)]
    if both and others:
        version = others[0].version
        chosen.append(Environment(f'.venv-{version[0]}.{version[1]}', others[0]))
    return tuple(chosen)


def probe(command: str, sourced: bool = False) -> Python | None:
    """
    Return the properties of an interpreter; for a virtual environment, those of its base.

    :param sourced: also look for the modules of a sourced ROS 2, which takes longer.
    :returns: None if the command fails.
    """
    script = _PROBE.format(modules=sorted(ROS_MODULES), sourced=sourced)
    try:
        done = subprocess.run(
            [command, '-c', script], capture_output=True, check=True, text=True, timeout=60)
        found = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if found['nested'] and found['executable'] != command:
        return probe(found['executable'], sourced)
    return Python(found['executable'], tuple(found['version']), found['venv'], found['headers'],
                  found['rclpy'], frozenset(found['modules']), frozenset(found['distributions']))


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
    """Return commands that may be a usable Python: the preferred one, then the newest first."""
    names = [f'python{major}.{minor}' for major, minor in reversed(SUPPORTED)]
    pyenv = os.environ.get('PYENV_ROOT')
    # The shim of a Python that pyenv has not activated fails, so the Pythons are found directly.
    installed = [str(path) for name in names if pyenv
                 for path in sorted(Path(pyenv).glob(f'versions/*/bin/{name}'), reverse=True)]
    return [python, '/usr/bin/python3', *names, *installed]


def _sourced_python(host: Host) -> Python:
    distro = host.distro
    usable = [python for python in host.pythons if python.rclpy]
    if not usable:
        raise SetupError(
            f'ROS 2 {distro} is sourced (ROS_DISTRO={distro}), but none of these can import its '
            f'rclpy: {_listed(host.pythons)}.\n'
            'Choose the Python for which it was built:\n  make PYTHON=/usr/bin/python3 ...\n'
            'or use the ROS 2 wheels in a shell without a sourced ROS 2.')
    python = usable[0]
    missing = sorted(set(ROS_MODULES) - python.modules)
    packages = [ROS_MODULES[name].format(distro=distro) for name in missing]
    if not python.venv:
        missing.append('venv')
        packages.append('python3-venv')
    _require(dict(zip(missing, packages)), f'The sourced ROS 2 {distro} lacks')
    return python


def _require_platform(host: Host) -> None:
    name, version = host.libc
    supported = name == 'glibc' and tuple(int(part) for part in version.split('.')[:2]) >= GLIBC
    if host.system == 'Linux' and host.processor == 'x86_64' and supported:
        return
    libc = f'{name} {version}' if name else 'a C library that is not glibc'
    raise SetupError(
        f'This machine is {host.system} on {host.processor} with {libc}; accepted for the '
        'ROS 2 wheels: Linux on x86_64 with glibc 2.28 or newer.\n'
        'Install ROS 2 Humble or Jazzy, source it, and run the same command again:\n'
        '  sudo apt install ros-humble-ros-base ros-humble-vision-msgs && '
        '. /opt/ros/humble/setup.sh')


def _no_python(host: Host) -> str:
    return (f'Python found: {_listed(host.pythons) or "none"}; accepted: 3.10 to 3.13.\n'
            'Install one, and run the same command again:\n'
            '  sudo apt install python3.11 python3.11-venv python3.11-dev\n'
            'or give the path of a Python: make PYTHON=/path/to/python3.11 ...')


def _missing(host: Host, python: Python) -> dict[str, str]:
    """Return what is missing for an environment, and the Debian package of each."""
    version = f'python{python.version[0]}.{python.version[1]}'
    needs = {
        'a C and a C++ compiler': (len(host.compilers) == 2, 'g++'),
        f"Python's venv module ({python})": (python.venv, f'{version}-venv'),
        f"Python's headers ({python})": (python.headers, f'{version}-dev'),
    }
    return {need: package for need, (present, package) in needs.items() if not present}


def _require(missing: dict[str, str], intro: str = 'Missing:') -> None:
    if missing:
        raise SetupError(f'{intro} {", ".join(missing)}.\nInstall it with:\n'
                         f'  sudo apt install {" ".join(missing.values())}')


def _listed(pythons: Iterable[Python]) -> str:
    return ', '.join(str(python) for python in pythons)
