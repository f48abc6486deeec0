# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Install the board vendor's compiler and simulator into `.venv-bpu`: `python3 -m tools.bpu`.

They are proprietary packages of the vendor, on PyPI, for Python 3.10 on x86_64. Nothing else
installs them. Standard library only.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys

from tools.machine import SetupError
from tools.setup import NETWORK_ADVICE, REQUIREMENTS, ROOT, Step, read_pins, run_steps

FOLDER = ROOT / '.venv-bpu'
PYTHON = 'python3.10'
PACKAGING = ('pip', 'setuptools<81')
"""Newer setuptools lack a module that the toolchain imports."""

SIZE = 2.7
"""Gigabytes on the disk."""


def main() -> None:
    """Install the toolchain."""
    try:
        _require_platform()
        _install()
    except SetupError as error:
        sys.exit(f'{error}')
    except subprocess.CalledProcessError as error:
        sys.exit(f'\nThis command failed; its output is above: {" ".join(error.cmd)[:200]}\n'
                 f'{NETWORK_ADVICE}')
    except KeyboardInterrupt:
        sys.exit('\nInterrupted: run the same command again to continue.')
    print(f'Installed. The packages belong to the board vendor, under its licence. Their commands '
          f'are found with:\n  export FCOS_BPU_TOOLS={FOLDER / "bin"}')


def _require_platform() -> None:
    machine = platform.machine()
    if (platform.system(), machine) != ('Linux', 'x86_64'):
        raise SetupError(f'The toolchain runs on Linux on x86_64; this is {platform.system()} on '
                         f'{machine}.')
    if shutil.which(PYTHON) is None:
        raise SetupError(f'The toolchain needs {PYTHON}, which was not found. On Ubuntu 22.04: '
                         f'sudo apt install {PYTHON}-venv; elsewhere: https://www.python.org')


def _install() -> None:
    pins = read_pins(REQUIREMENTS / 'bpu.txt')
    python = str(FOLDER / 'bin' / 'python')
    pip = [python, '-m', 'pip', 'install', '-q', '--disable-pip-version-check']
    run_steps([
        Step(f'environment of {PYTHON}', str(FOLDER),
             lambda: _run([PYTHON, '-m', 'venv', '--clear', str(FOLDER)])),
        Step('packaging tools', ' '.join(PACKAGING), lambda: _run([*pip, '-U', *PACKAGING])),
        Step(f"the vendor's toolchain, {SIZE} GB", ' '.join(pins),
             lambda: _run([*pip, '--no-deps', *pins])),
    ], FOLDER)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, cwd=ROOT)


if __name__ == '__main__':
    main()
