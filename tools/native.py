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
    """Compile the library beside its source; without a compiler, say so."""
    compiler = find_compiler()
    if compiler is None:
        print('no C compiler was found, so outputs are decoded with numpy, which is slower')
    else:
        compile_library(compiler, SOURCE.with_name(LIBRARY))


def find_compiler() -> str | None:
    """Return the command of a C compiler."""
    return next(filter(None, map(shutil.which, ('cc', 'gcc', 'clang', 'g++'))), None)


def compile_library(compiler: str, library: Path, flags: Iterable[str] = ()) -> None:
    """Compile the library."""
    partial = library.with_suffix('.tmp')
    language = ['-x', 'c'] if compiler.endswith('++') else []
    subprocess.run([compiler, *FLAGS, *flags, *language, str(SOURCE), '-o', str(partial), '-lm'],
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
