# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`Settings` as ROS parameters, with their limits; a change applies to all values or to none."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from traceback import format_exc
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from fcos_ros.core.text import shorten
from fcos_ros.settings.cameras import (
    CameraSettings,
    camera_settings,
    common_settings,
    refuse,
)
from fcos_ros.settings.schema import Option, Settings, near_name

Check = Callable[[CameraSettings, CameraSettings], None]
"""Called with the old and the new settings; raises ValueError to refuse the change."""

SetAll = Callable[[list[Any]], SetParametersResult]
"""`set_parameters_atomically` of rclpy."""


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
        self._options = dict(Settings.options())
        overrides = _overrides(node)
        self._values: dict[str, Any] = {
            name: _initial(option, overrides.get(name), option.default)
            for name, option in self._options.items()}
        refuse(self.settings.complaints())
        names = self.settings.camera_names
        for own, option in _own_options(names).items():
            self._options[own] = option
            self._values[own] = _initial(option, overrides.get(own), None)
        self.cameras: CameraSettings = camera_settings(names, self._values)
        for name in self._options:
            self._declare(name)
        _warn_of_unknown(node, self._values)
        node.add_on_set_parameters_callback(self._on_set)

    @property
    def settings(self) -> Settings:
        """The common settings: those of the node, and of cameras without their own values."""
        return common_settings(self._values)

    def set(self, parameters: Sequence[Any], set_all: SetAll) -> SetParametersResult:
        """
        Set parameters of the node, all or none.

        rclpy's own checks come later: its reasons name neither the accepted values nor a remedy,
        it refuses 1 for 1.0, and it refuses unchanged read-only parameters.
        """
        changes = [parameter for parameter in parameters if not self._is_unchanged(parameter)]
        complaints = [f'{parameter.name} {complaint}' for parameter in changes
                      if (complaint := self._complaint(parameter))]
        if complaints:
            return SetParametersResult(successful=False, reason=shorten('; '.join(complaints)))
        if not changes:
            return SetParametersResult(successful=True)
        result = set_all([self._typed(parameter) for parameter in changes])
        for name in self._options:
            # rclpy removes the declaration of a parameter that is unset.
            if not self._node.has_parameter(name):
                self._declare(name)
        return result

    def _declare(self, name: str) -> None:
        # The value given at the start is part of `_values`, and may have been replaced since.
        self._node.declare_parameter(
            name, _as_parameter(self._values[name]), _descriptor(name, self._options[name]),
            ignore_override=True)

    def _is_unchanged(self, parameter: Any) -> bool:
        """Return whether a read-only parameter is set to its value, as a dumped file does."""
        node, name = self._node, parameter.name
        return (node.has_parameter(name) and bool(node.describe_parameter(name).read_only)
                and bool(_as_setting(node.get_parameter(name).value)
                         == _as_setting(parameter.value)))

    def _complaint(self, parameter: Any) -> str | None:
        """Return why a value is not accepted; None if it is accepted, or not a setting."""
        option = self._options.get(parameter.name)
        if option is None:
            return None
        value = option.given(_as_setting(parameter.value))
        if value is None:
            is_own = parameter.name not in Settings.options()
            return None if is_own else (
                f'cannot be unset; set it to its default, {_as_parameter(option.default)}')
        if option.read_only:
            return 'is read-only: it is used when the node starts; start it with another value'
        return option.complaint(value)

    def _typed(self, parameter: Any) -> Any:
        """Return a parameter with the exact type of its setting."""
        option = self._options.get(parameter.name)
        if option is None:
            return parameter
        value = option.given(_as_setting(parameter.value))
        return Parameter(parameter.name, value=_as_parameter(value))

    def _on_set(self, parameters: Sequence[Any]) -> SetParametersResult:
        changes = {parameter.name: _as_setting(parameter.value)
                   for parameter in parameters if parameter.name in self._values}
        try:
            if changes:
                self._change(changes)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=shorten(str(error)))
        except Exception as error:  # noqa: BLE001 - a failed change must not end the node
            if self._node.context.ok():  # else a signal has shut ROS 2 down
                self._node.get_logger().error(format_exc())
            return SetParametersResult(
                successful=False, reason=shorten(f'{type(error).__name__}: {error}'))
        return SetParametersResult(successful=True)

    def _change(self, changes: Mapping[str, Any]) -> None:
        """Apply all changes, or raise and apply none."""
        before = self._values, self.cameras
        values = {**self._values, **changes}
        settings_of = camera_settings(tuple(self.cameras), values)
        self._check(self.cameras, settings_of)
        self._values, self.cameras = values, settings_of
        try:
            self._changed()
        except Exception:
            self._values, self.cameras = before
            self._changed()  # undo what the failed call has applied
            raise


def _own_options(cameras: Sequence[str]) -> Mapping[str, Option]:
    """Return the options of each camera's own parameters; unset, the common one is used."""
    return {
        f'{camera}.{name}': replace(option, description=f'For this camera only. '
                                    f'{option.description} If not set, {name} is used.')
        for camera in filter(None, cameras)
        for name, option in Settings.options().items() if option.camera}


def _initial(option: Option, given: Any, default: Any) -> Any:
    """Return the value of a parameter at the start; `given` is a parameter or None."""
    if given is None:
        return default
    if given.value is None:
        # An empty list of YAML has no type and arrives as unset.
        return ('',) if isinstance(option.default, tuple) else ()
    value = option.given(_as_setting(given.value))
    return default if value is None else value


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
    return near_name(name, known)


def _as_parameter(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _as_setting(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple, array)) else value


def _descriptor(name: str, option: Option) -> ParameterDescriptor:
    is_own = name not in Settings.options()
    descriptor = ParameterDescriptor(
        name=name, description=option.description, read_only=option.read_only,
        # A list may contain texts or numbers; a camera's own parameter may be unset.
        dynamic_typing=is_own or isinstance(option.default, tuple),
        additional_constraints=f'one of: {option.accepted}' if option.choices else '')
    if option.limits is not None and isinstance(option.default, float):
        minimum, maximum = option.limits
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(minimum), to_value=float(maximum), step=0.0)]
    elif option.limits is not None:
        minimum, maximum = option.limits
        descriptor.integer_range = [
            IntegerRange(from_value=int(minimum), to_value=int(maximum), step=1)]
    return descriptor
