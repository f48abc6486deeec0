# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`Settings` as ROS parameters: declared with their limits, changed all or none."""

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
    :param changed: told after it was; when it raises, the change is taken back and it is told
        again.
    :raises ValueError: when a value is not accepted.
    """

    def __init__(self, node: Node, check: Check, changed: Callable[[], None]) -> None:
        self._node = node
        self._check = check
        self._changed = changed
        known = Settings.options()
        self._values: dict[str, Any] = {
            name: _declared(node, name, option.default, _descriptor(name, option))
            for name, option in known.items()}
        _refuse(self.settings.complaints())
        names = _checked_names(self.settings.camera_names)
        for camera in filter(None, names):
            for name, option in known.items():
                if option.camera:
                    own = f'{camera}.{name}'
                    self._values[own] = _declared(
                        node, own, None, _own_descriptor(own, name, option))
        _warn_of_strangers(node, self._values)
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
                    # What was given at the start is history.
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
        except Exception as error:  # noqa: BLE001 - a wish that fails must not end the node
            if self._node.context.ok():  # unless a signal ended ROS 2 meanwhile
                self._node.get_logger().error(format_exc())
            return SetParametersResult(
                successful=False, reason=f'{type(error).__name__}: {error}')
        return SetParametersResult(successful=True)

    def _change(self, changes: Mapping[str, Any]) -> None:
        """Take over all changes, or leave everything as it was and raise."""
        before = self._values, self.views
        values = {**self._values, **changes}
        views = _views(tuple(self.views), values)
        self._check(self.views, views)
        self._values, self.views = values, views
        try:
            self._changed()
        except Exception:
            self._values, self.views = before
            self._changed()  # for those who had been told already
            raise


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
    _refuse(complaints)
    return views


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
        raise ValueError(f'cameras is {list(names)}; accepted: names that differ, of letters, '
                         'digits and _, with a letter first')
    return tuple(names)


def _declared(node: Node, name: str, default: Any, descriptor: ParameterDescriptor) -> Any:
    """Declare a parameter and return what it is set to."""
    given = _given(node).get(name)
    # An empty list of YAML has no type and comes as unset; one empty text says the same.
    empty = given is not None and given.value is None
    value = ('',) if empty else default
    return _as_setting(node.declare_parameter(
        name, _as_parameter(value), descriptor, ignore_override=empty).value)


def _given(node: Node) -> Mapping[str, Any]:
    """Tell the parameters that were given at the start; rclpy has no public way to ask."""
    given: Mapping[str, Any] = getattr(node, '_parameter_overrides', {})
    return given


def _warn_of_strangers(node: Node, known: Iterable[str]) -> None:
    """Say in the log what was given at the start and is not a parameter of the node."""
    for name in _given(node):
        # Each topic declares its own qos_overrides, when it is opened.
        if not node.has_parameter(name) and not name.startswith('qos_overrides.'):
            node.get_logger().warning(
                f'there is no parameter {name}: its value counts for nothing{_hint(name, known)}')


def _hint(name: str, known: Iterable[str]) -> str:
    # What `[person: 0.3]` becomes in YAML, where it is a map.
    if '.class_thresholds.' in f'.{name}':
        return '; put quotes around the entries of class_thresholds, such as ["person: 0.3"]'
    near = difflib.get_close_matches(name, known, n=1)
    return f'; did you mean {near[0]}?' if near else ''


def _as_parameter(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _as_setting(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple, array)) else value


def _constraints(option: Option) -> str:
    """Say what is accepted, where that is not any value of the type."""
    if option.limits is not None:
        return f'{option.limits[0]} to {option.limits[1]}'
    return f'one of: {", ".join(option.choices)}' if option.choices else ''


def _descriptor(name: str, option: Option) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        name=name, description=option.description, read_only=name == 'cameras',
        # A static type would refuse `score_threshold: 1` and `classes: [0, 2]`, and whatever else
        # it refuses, in words that name neither the parameter nor what is accepted.
        dynamic_typing=True,
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


def _own_descriptor(own: str, name: str, option: Option) -> ParameterDescriptor:
    """Describe a camera's own parameter, which may be left unset."""
    return ParameterDescriptor(
        name=own, dynamic_typing=True, description=f'Of this camera only. {option.description} '
        f'Not set: as {name}.', additional_constraints=_constraints(option))
