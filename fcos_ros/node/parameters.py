# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`Settings` as ROS parameters: declared with their limits, changed all or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node

from fcos_ros.node.settings import Option, Settings

Check = Callable[[Settings, Settings], None]
"""Called with the old and the new settings; raises ValueError with the reason to refuse."""


class Parameters:
    """
    The settings of a node, kept equal to its ROS parameters.

    :param node: where the parameters are declared.
    :param check: asked before a change is accepted.
    :param changed: told after it was.
    """

    def __init__(self, node: Node, check: Check, changed: Callable[[], None]) -> None:
        self._check = check
        self._changed = changed
        for entry in fields(Settings):
            node.declare_parameter(
                entry.name, _as_parameter(entry.default),
                _descriptor(entry.name, entry.default, Settings.options()[entry.name]))
        self.settings = _accepted(replace(Settings(), **{
            entry.name: _as_setting(node.get_parameter(entry.name).value)
            for entry in fields(Settings)}))
        node.add_on_set_parameters_callback(self._on_set)

    def _on_set(self, parameters: Sequence[Any]) -> SetParametersResult:
        known = Settings.options()
        changes = {parameter.name: _as_setting(parameter.value)
                   for parameter in parameters if parameter.name in known}
        if not changes:
            return SetParametersResult(successful=True)
        try:
            proposed = _accepted(replace(self.settings, **changes))
            self._check(self.settings, proposed)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.settings = proposed
        self._changed()
        return SetParametersResult(successful=True)


def _accepted(settings: Settings) -> Settings:
    complaints = settings.complaints()
    if complaints:
        raise ValueError('; '.join(complaints))
    return settings


def _as_parameter(default: Any) -> Any:
    return list(default) if isinstance(default, tuple) else default


def _as_setting(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) else value


def _descriptor(name: str, default: Any, option: Option) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        name=name, description=option.description,
        # Users write `score_threshold: 1`; a static type would refuse the integer.
        dynamic_typing=isinstance(default, float),
        additional_constraints=f'one of: {", ".join(option.choices)}' if option.choices else '')
    if option.limits is not None and isinstance(default, float):
        least, greatest = option.limits
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(least), to_value=float(greatest), step=0.0)]
    elif option.limits is not None:
        least, greatest = option.limits
        descriptor.integer_range = [
            IntegerRange(from_value=int(least), to_value=int(greatest), step=1)]
    return descriptor
