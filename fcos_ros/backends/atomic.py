# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Replace a file as a whole."""

from __future__ import annotations

from contextlib import suppress
import os
from pathlib import Path
import tempfile


def replace_file(path: Path, content: bytes) -> None:
    """
    Write a file so that, at any time, a reader finds either the old or the new content.

    A link stays a link, and a present file keeps its permissions.

    :raises OSError: the file cannot be written; the old content stays.
    """
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f'.{target.name[:100]}.', dir=target.parent)
    try:
        with open(descriptor, 'wb') as file:
            os.fchmod(descriptor, _permissions(target))
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _permissions(path: Path) -> int:
    """Return those of a present file, else those that a new file usually gets."""
    with suppress(OSError):
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
