# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of a node in the form of `ros2 param dump`."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
import yaml


def dump(node: Node) -> dict[str, Any]:
    """Return all parameters of a node; dots in names make nested maps, unset ones are None."""
    tree: dict[str, Any] = {}
    for name in node.list_parameters([], 0).names:
        place = tree
        *folders, last = name.split('.')
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = node.get_parameter_or(name).value
    return tree


def dump_text(node: Node) -> str:
    """Return the file of all parameters of a node."""
    return yaml.safe_dump({node.get_fully_qualified_name(): {'ros__parameters': dump(node)}})
