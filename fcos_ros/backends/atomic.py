# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Replace files as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
import os
from pathlib import Path
import tempfile


def replace_file(path: Path, content: bytes, durable: bool = True) -> None:
    """
    Write a file so that, at any time, a reader finds either the old or the new content.

    A link stays a link, and a present file keeps its permissions.

    :param durable: whether to wait until the storage has the content. Without it, many files are
        written much faster, and those of the last seconds are lost when the power fails.
    :raises OSError: the file cannot be written; the old content stays.
    """
    replace_files({path: content}, durable)


def replace_files(contents: Mapping[Path, bytes], durable: bool = True) -> None:
    """
    Write several files as `replace_file` does; the first appears when the last is complete.

    :raises OSError: a file cannot be written; the old contents stay.
    """
    with ExitStack() as temporary:
        complete = [(_write_beside(path.resolve(), content, temporary, durable), path.resolve())
                    for path, content in contents.items()]
        for name, target in complete:
            os.replace(name, target)


def _write_beside(
    target: Path, content: bytes, temporary: ExitStack, durable: bool,
) -> str:
    """Write a temporary file beside a target; it is removed with `temporary`, unless renamed."""
    descriptor, name = tempfile.mkstemp(prefix=f'.{target.name[:100]}.', dir=target.parent)
    temporary.callback(Path(name).unlink, missing_ok=True)
    with open(descriptor, 'wb') as file:
        os.fchmod(descriptor, _permissions(target))
        file.write(content)
        file.flush()
        if durable:
            os.fsync(descriptor)
    return name


def _permissions(path: Path) -> int:
    """Return those of a present file, else those that a new file usually gets."""
    with suppress(OSError):
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
