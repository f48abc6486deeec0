# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`Settings` as ROS parameters, with their limits; a change applies to all values or to none."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
import difflib
import re
from traceback import format_exc
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node

from fcos_ros.settings.schema import Option, Settings

CameraSettings = Mapping[str, Settings]
"""The settings of each camera, by its name; '' is the only camera of a node."""

Check = Callable[[CameraSettings, CameraSettings], None]
"""Called with the old and the new settings; raises ValueError to refuse the change."""

_NAME = re.compile('[A-Za-z][A-Za-z0-9_]*')


class Parameters:
    """
    The settings of a node, kept equal to its ROS parameters.

    With several cameras, `front.max_age` is the `max_age` of the camera `front`. If it is not set,
    the camera uses the common `max_age`.

    :ivar cameras: the settings of each camera.

    :param node: the node that declares the parameters.
    :param check: called before a change is accepted.
    :param changed: called after a change. If it raises, the change is undone and it is called
        again.
    :raises ValueError: a value is not accepted.
    """

    def __init__(self, node: Node, check: Check, changed: Callable[[], None]) -> None:
        self._node = node
        self._check = check
        self._changed = changed
        known = Settings.options()
        self._values: dict[str, Any] = {
            name: _declare(node, name, option.default, _descriptor(name, option))
            for name, option in known.items()}
        _refuse(self.settings.complaints())
        names = _checked_names(self.settings.camera_names)
        for camera in filter(None, names):
            for name, option in known.items():
                if option.camera:
                    own = f'{camera}.{name}'
                    self._values[own] = _declare(
                        node, own, None, _own_descriptor(own, name, option))
        _warn_of_unknown(node, self._values)
        self.cameras: CameraSettings = _camera_settings(names, self._values)
        node.add_on_set_parameters_callback(self._on_set)

    @property
    def settings(self) -> Settings:
        """The common settings: those of the node, and of cameras without their own values."""
        return _common(self._values)

    def restore(self) -> None:
        """Declare parameters again that were unset: rclpy removes their declaration."""
        for camera in filter(None, self.cameras):
            for name, option in Settings.options().items():
                own = f'{camera}.{name}'
                if option.camera and not self._node.has_parameter(own):
                    # Ignore the value given at the start: it was replaced since.
                    self._node.declare_parameter(
                        own, None, _own_descriptor(own, name, option), ignore_override=True)

    def _on_set(self, parameters: Sequence[Any]) -> SetParametersResult:
        changes = {parameter.name: _as_setting(parameter.value)
                   for parameter in parameters if parameter.name in self._values}
        try:
            if changes:
                self._change(changes)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        except Exception as error:  # noqa: BLE001 - a failed change must not end the node
            if self._node.context.ok():  # else a signal has shut ROS 2 down
                self._node.get_logger().error(format_exc())
            return SetParametersResult(
                successful=False, reason=f'{type(error).__name__}: {error}')
        return SetParametersResult(successful=True)

    def _change(self, changes: Mapping[str, Any]) -> None:
        """Apply all changes, or raise and apply none."""
        before = self._values, self.cameras
        values = {**self._values, **changes}
        settings_of = _camera_settings(tuple(self.cameras), values)
        self._check(self.cameras, settings_of)
        self._values, self.cameras = values, settings_of
        try:
            self._changed()
        except Exception:
            self._values, self.cameras = before
            self._changed()  # undo what the failed call has applied
            raise


def _camera_settings(cameras: Sequence[str], values: Mapping[str, Any]) -> CameraSettings:
    """Return the settings of each camera: its own values, else the common ones."""
    options = Settings.options()
    common = _common(values)
    complaints = common.complaints()
    settings_of = {}
    for camera in cameras:
        own = {name: values[f'{camera}.{name}'] for name in options
               if values.get(f'{camera}.{name}') is not None}
        complaints += [f'{camera}.{name} {complaint}' for name, value in own.items()
                       if (complaint := options[name].complaint(value))]
        settings_of[camera] = replace(common, **own)
    _refuse(complaints)
    return settings_of


def _refuse(complaints: Sequence[str]) -> None:
    if complaints:
        raise ValueError('; '.join(complaints))


def _common(values: Mapping[str, Any]) -> Settings:
    return Settings(**{name: values[name] for name in Settings.options()})


def _checked_names(names: Sequence[str]) -> tuple[str, ...]:
    if names == ('',):
        return ('',)
    wrong = [name for name in names if not _NAME.fullmatch(name)]
    if wrong or len(set(names)) < len(names):
        raise ValueError(f'cameras is {list(names)}; accepted: different names of letters, '
                         'digits and _, beginning with a letter')
    return tuple(names)


def _declare(node: Node, name: str, default: Any, descriptor: ParameterDescriptor) -> Any:
    """Declare a parameter and return its value."""
    given = _overrides(node).get(name)
    # An empty list of YAML has no type and arrives as unset; a list of '' means the same.
    empty = given is not None and given.value is None
    value = ('',) if empty else default
    return _as_setting(node.declare_parameter(
        name, _as_parameter(value), descriptor, ignore_override=empty).value)


def _overrides(node: Node) -> Mapping[str, Any]:
    """Return the parameters that were given at the start; rclpy has no public access to them."""
    overrides: Mapping[str, Any] = getattr(node, '_parameter_overrides', {})
    return overrides


def _warn_of_unknown(node: Node, known: Iterable[str]) -> None:
    """Log parameters that were given at the start and do not exist."""
    for name in _overrides(node):
        # qos_overrides are declared later, when publishers and subscriptions are created.
        if not node.has_parameter(name) and not name.startswith('qos_overrides.'):
            node.get_logger().warning(
                f'unknown parameter {name}, its value is ignored{_hint(name, known)}')


def _hint(name: str, known: Iterable[str]) -> str:
    """Return the likely mistake behind an unknown parameter."""
    options = Settings.options()
    for part in name.split('.')[:-1]:  # YAML reads `[person: 0.3]` as a map
        if part in options and options[part].quoted:
            return f'; put quotes around the entries of {part}, such as ["{options[part].quoted}"]'
    near = difflib.get_close_matches(name, known, n=1)
    return f'; did you mean {near[0]}?' if near else ''


def _as_parameter(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _as_setting(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple, array)) else value


def _constraints(option: Option) -> str:
    """Return the accepted values in words; empty when any value of the type is accepted."""
    if option.limits is not None:
        return f'{option.limits[0]} to {option.limits[1]}'
    return f'one of: {", ".join(option.choices)}' if option.choices else ''


def _descriptor(name: str, option: Option) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        name=name, description=option.description, read_only=option.read_only,
        # With static types, rclpy refuses `score_threshold: 1` and `classes: [0, 2]`, and its
        # errors name neither the parameter nor the accepted values.
        dynamic_typing=True,
        additional_constraints=_constraints(option) if option.choices else '')
    if option.limits is not None and isinstance(option.default, float):
        minimum, maximum = option.limits
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(minimum), to_value=float(maximum), step=0.0)]
    elif option.limits is not None:
        minimum, maximum = option.limits
        descriptor.integer_range = [
            IntegerRange(from_value=int(minimum), to_value=int(maximum), step=1)]
    return descriptor


def _own_descriptor(own: str, name: str, option: Option) -> ParameterDescriptor:
    """Describe the parameter of one camera, which may be unset."""
    return ParameterDescriptor(
        name=own, dynamic_typing=True, description=f'For this camera only. {option.description} '
        f'If not set, {name} is used.', additional_constraints=_constraints(option))
