# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write a parameter file that the node and the command `fcos` take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from fcos_ros.core.labels import printable


def parameter_text(values: Mapping[str, Any], comments: Sequence[str] = ()) -> str:
    """Return the text of a file with parameters for every node; each comment is one line."""
    head = ''.join(f'# {printable(comment)}\n' for comment in comments)
    body: str = yaml.safe_dump({'/**': {'ros__parameters': dict(values)}}, sort_keys=False,
                               allow_unicode=True, default_flow_style=None, width=96)
    return head + body
