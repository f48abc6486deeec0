# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Copies of the checkout, installed with pip."""

from __future__ import annotations

from pathlib import Path
import shutil
import sys

from package.commands import run
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def sources(tmp_path_factory):
    """Return a copy of the checkout without its build outputs."""
    folder = tmp_path_factory.mktemp('sources') / 'fcos_ros'
    ignored = (ROOT / '.gitignore').read_text().replace('/', '').split()
    # git is not used, as it may be missing: the sources may have come as an archive.
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns('.git', *ignored))
    return folder


@pytest.fixture(scope='session')
def prefix(sources, tmp_path_factory):
    """Return a folder into which pip has installed the package."""
    prefix = tmp_path_factory.mktemp('prefix')
    run(sys.executable, '-m', 'pip', 'install', '-qq', '--no-deps', '--no-build-isolation',
        '--prefix', str(prefix), '.', cwd=sources)
    return prefix


@pytest.fixture(scope='session')
def site(prefix):
    """Return the folder of the packages that pip has installed."""
    return next(prefix.glob('lib/python3.*/site-packages'))
