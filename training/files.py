# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write files so that an interruption leaves no incomplete one."""

from __future__ import annotations

from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """
    Write a file beside its place, then move it there.

    :raises OSError: it cannot be written.
    """
    part = path.with_name(f'{path.name}.part')
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
