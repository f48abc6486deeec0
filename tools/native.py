# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Compile `decode.c` inside the checkout, as `setup.py` does when the package is installed.

`python -m tools.native` tests it with the sanitizers of the compiler, in a copy of the checkout.
"""

from __future__ import annotations

from collections.abc import Iterable
import os
from pathlib import Path
import shutil
import subprocess
import sys
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / 'fcos_ros' / 'core' / 'decode.c'
LIBRARY = '_decode.so'

FLAGS = ('-std=c11', '-O3', '-ffp-contract=off', '-Wall', '-Wextra', '-fPIC', '-shared')
SANITIZERS = ('-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined')

TESTS = ('test/core/test_decode.py', 'test/core/test_crowds.py', 'test/core/test_nms.py')


def build() -> None:
    """Compile the library beside its source if it is older; a failure is only printed."""
    library, compiler = SOURCE.with_name(LIBRARY), find_compiler()
    if library.exists() and library.stat().st_mtime >= SOURCE.stat().st_mtime:
        return
    try:
        if compiler is None:
            raise OSError('no C compiler was found')
        compile_library(compiler, library)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f'{error}; outputs are decoded with numpy, which is slower', flush=True)


def find_compiler() -> str | None:
    """Return the command of a C compiler."""
    return next(filter(None, map(shutil.which, ('cc', 'gcc', 'clang'))), None)


def compile_library(compiler: str, library: Path, flags: Iterable[str] = ()) -> None:
    """Compile the library."""
    with TemporaryDirectory(dir=library.parent) as folder:
        partial = Path(folder) / library.name
        subprocess.run([compiler, *FLAGS, *flags, str(SOURCE), '-o', str(partial), '-lm'],
                       check=True)
        partial.rename(library)


def main() -> int:
    """Run the tests of decoding with a library that checks its memory accesses."""
    compiler = find_compiler()
    if compiler is None:
        print('no test was run, as no C compiler was found', file=sys.stderr)
        return 1
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ('fcos_ros', 'test'):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns('*.so'))
        shutil.copy(ROOT / 'pyproject.toml', copy)
        compile_library(compiler, copy / 'fcos_ros' / 'core' / LIBRARY, SANITIZERS)
        libraries = [subprocess.check_output([compiler, f'-print-file-name={name}.so'], text=True)
                     for name in ('libasan', 'libubsan')]
        environment = {**os.environ, 'LD_PRELOAD': ' '.join(map(str.strip, libraries)),
                       'ASAN_OPTIONS': 'detect_leaks=0'}
        return subprocess.run([sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider',
                               *TESTS], cwd=copy, env=environment, check=False).returncode


if __name__ == '__main__':
    sys.exit(main())
