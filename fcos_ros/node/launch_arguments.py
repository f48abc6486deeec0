# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What users write after `NAME:=` of a launch argument, and what it means."""

from __future__ import annotations

from pathlib import Path


def parameter_file(given: str, ours: Path) -> Path:
    """
    Find a parameter file.

    :param given: a path, or the name of a file in the folder `ours`; a file that is really there,
        seen from the working folder, counts more.
    """
    path = Path(given)
    return path if path.exists() or not (ours / path).is_file() else ours / path
