# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`Settings` as ROS parameters: declared with their limits, changed all or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
import re
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node

from fcos_ros.node.settings import Option, Settings

Views = Mapping[str, Settings]
"""The settings as each camera sees them, by its name; '' is the only camera of a node."""

Check = Callable[[Views, Views], None]
"""Called with the old and the new settings; raises ValueError with the reason to refuse."""

_NAME = re.compile('[A-Za-z][A-Za-z0-9_]*')


class Parameters:
    """
    The settings of a node, kept equal to its ROS parameters.

    With several cameras, `front.max_age` is the camera `front`'s own `max_age`. It is not set
    unless the user does so, and as long as it is not, `max_age` holds for that camera, too.

    :param node: where the parameters are declared.
    :param check: asked before a change is accepted.
    :param changed: told after it was.
    :raises ValueError: when a value is not accepted.
    """

    def __init__(self, node: Node, check: Check, changed: Callable[[], None]) -> None:
        self._node = node
        self._check = check
        self._changed = changed
        known = Settings.options()
        self._values: dict[str, Any] = {
            name: _declared(node, name, option) for name, option in known.items()}
        names = _checked_names(Settings(**self._values).camera_names)
        for camera in filter(None, names):
            for name, option in known.items():
                if option.camera:
                    own = f'{camera}.{name}'
                    self._values[own] = _declared_own(node, own, name, option)
        self.views: Views = _views(names, self._values)
        node.add_on_set_parameters_callback(self._on_set)

    @property
    def settings(self) -> Settings:
        """What holds for the whole node, and for cameras without a setting of their own."""
        return _common(self._values)

    def restore(self) -> None:
        """Declare anew what rclpy forgot because it was unset, or it could not be set again."""
        for camera in filter(None, self.views):
            for name, option in Settings.options().items():
                own = f'{camera}.{name}'
                if option.camera and not self._node.has_parameter(own):
                    _declared_own(self._node, own, name, option, anew=True)

    def _on_set(self, parameters: Sequence[Any]) -> SetParametersResult:
        changes = {parameter.name: _as_setting(parameter.value)
                   for parameter in parameters if parameter.name in self._values}
        if not changes:
            return SetParametersResult(successful=True)
        try:
            values = {**self._values, **changes}
            views = _views(tuple(self.views), values)
            self._check(self.views, views)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._values, self.views = values, views
        self._changed()
        return SetParametersResult(successful=True)


def _views(cameras: Sequence[str], values: Mapping[str, Any]) -> Views:
    """Lay each camera's own values over the common ones."""
    options = Settings.options()
    common = _common(values)
    complaints = common.complaints()
    views = {}
    for camera in cameras:
        own = {name: values[f'{camera}.{name}'] for name in options
               if values.get(f'{camera}.{name}') is not None}
        complaints += [f'{camera}.{name} {complaint}' for name, value in own.items()
                       if (complaint := options[name].complaint(value))]
        views[camera] = replace(common, **own)
    if complaints:
        raise ValueError('; '.join(complaints))
    return views


def _common(values: Mapping[str, Any]) -> Settings:
    return Settings(**{name: values[name] for name in Settings.options()})


def _checked_names(names: Sequence[str]) -> tuple[str, ...]:
    if names == ('',):
        return ('',)
    wrong = [name for name in names if not _NAME.fullmatch(name)]
    if wrong or len(set(names)) < len(names):
        raise ValueError(f'cameras is {list(names)}; accepted: names that differ, of letters, '
                         'digits and _, with a letter first')
    return tuple(names)


def _declared(node: Node, name: str, option: Option) -> Any:
    value = node.declare_parameter(
        name, _as_parameter(option.default), _descriptor(name, option)).value
    return _as_setting(value)


def _declared_own(
    node: Node, own: str, name: str, option: Option, *, anew: bool = False,
) -> Any:
    """
    Declare a camera's own parameter, which may be left unset and therefore has no one type.

    :param anew: whether its first value is history.
    """
    descriptor = ParameterDescriptor(
        name=own, dynamic_typing=True, description=f'Of this camera only. {option.description} '
        f'Not set: as {name}.', additional_constraints=_constraints(option))
    return _as_setting(
        node.declare_parameter(own, None, descriptor, ignore_override=anew).value)


def _as_parameter(default: Any) -> Any:
    return list(default) if isinstance(default, tuple) else default


def _as_setting(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) else value


def _constraints(option: Option) -> str:
    """Say what is accepted, where that is not any value of the type."""
    if option.limits is not None:
        return f'{option.limits[0]} to {option.limits[1]}'
    return f'one of: {", ".join(option.choices)}' if option.choices else ''


def _descriptor(name: str, option: Option) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        name=name, description=option.description, read_only=name == 'cameras',
        # Users write `score_threshold: 1`; a static type would refuse the integer.
        dynamic_typing=isinstance(option.default, float),
        additional_constraints=_constraints(option) if option.choices else '')
    if option.limits is not None and isinstance(option.default, float):
        least, greatest = option.limits
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(least), to_value=float(greatest), step=0.0)]
    elif option.limits is not None:
        least, greatest = option.limits
        descriptor.integer_range = [
            IntegerRange(from_value=int(least), to_value=int(greatest), step=1)]
    return descriptor
