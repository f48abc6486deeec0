# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read and change the parameters of the detector through its own services."""

from __future__ import annotations

from array import array
import asyncio
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParametersAtomically,
)
from rclpy.parameter import Parameter, parameter_value_to_python
from std_srvs.srv import Trigger

from fcos_ros.settings.schema import Option, Settings, near_name
from fcos_ros.settings.write_parameters import parameter_text
from fcos_ros.web.detector_link import RECORD, DetectorLink
from fcos_ros.web.messages import Message
from fcos_ros.web.ros_thread import TIMEOUT, RosThread

_KINDS = {bool: 'bool', int: 'int', float: 'float', str: 'text', tuple: 'list'}

_WHOLE = 2**63

RETRY_PERIOD = 0.5
"""Seconds between two attempts to reach the detector."""


class Refused(ValueError):
    """The detector refuses a change; the message is its reason."""


class ParameterClient:
    """
    The parameters of the detector, as far as they are settings of `Settings`.

    All methods run on the server's event loop.
    """

    def __init__(self, link: DetectorLink, ros: RosThread) -> None:
        self._link = link
        self._ros = ros

    async def values(self) -> Mapping[str, Any]:
        """
        Return the value of each setting by its name; None for an unset one of a camera.

        :raises ConnectionError: the detector does not run.
        :raises TimeoutError: it does not answer.
        """
        listed = await self._ask('list_parameters', ListParameters.Request())
        known = {name for name in listed.result.names if option_of(name) is not None}
        names = sorted(known, key=_order)
        answer = await self._ask('get_parameters', GetParameters.Request(names=names))
        return {name: _to_plain(value) for name, value in zip(names, answer.values)}

    async def wait_for_values(self) -> Mapping[str, Any]:
        """Return `values`, also of a detector that is discovered within `TIMEOUT`."""
        end = monotonic() + TIMEOUT
        while True:
            try:
                return await self.values()
            except ConnectionError:
                if monotonic() > end:
                    raise
                await asyncio.sleep(RETRY_PERIOD)

    async def message(self) -> Message:
        """Return all parameters with their limits for the page; raise as `values`."""
        values = await self.values()
        answer = await self._ask(
            'describe_parameters', DescribeParameters.Request(names=list(values)))
        return parameters_message([
            _describe(name, values[name], descriptor)
            for name, descriptor in zip(values, answer.descriptors)])

    async def set(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """
        Change all values or none; return the values before.

        :raises Refused: the detector or the type of a value does not allow it.
        :raises ConnectionError, TimeoutError: as `values`.
        """
        parameters = [to_parameter(name, value) for name, value in changes.items()]
        before = await self._ask('get_parameters', GetParameters.Request(names=list(changes)))
        answer = await self._ask('set_parameters_atomically', SetParametersAtomically.Request(
            parameters=[parameter.to_parameter_msg() for parameter in parameters]))
        if not answer.result.successful:
            raise Refused(answer.result.reason or 'the detector refuses this without a reason')
        return {name: _to_plain(value) for name, value in zip(changes, before.values)}

    async def record(self) -> str:
        """Let the recorder keep the last moments; return its message. Raise as `set`."""
        answer = await self._ask(RECORD, Trigger.Request())
        if not answer.success:
            raise Refused(answer.message or 'the recorder refuses this without a reason')
        return str(answer.message)

    async def _ask(self, service: str, request: Any) -> Any:
        try:
            return await self._ros.ask(lambda: self._link.client(service), request)
        except TimeoutError as error:
            raise TimeoutError(f'{self._link.name}: {error}') from None


class ParameterWatch:
    """
    Publishes the parameters whenever they have changed.

    Several changes in a short time are read once.

    :param publish: called with the message.
    """

    def __init__(self, client: ParameterClient, publish: Callable[[Message], None]) -> None:
        self._client = client
        self._publish = publish
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Read the parameters soon."""
        self._changed.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                self._publish(await self._client.message())
            except ConnectionError:  # it is called again when the detector is there
                self._publish(parameters_message([]))
            except TimeoutError:
                self._changed.set()


def parameters_message(parameters: Sequence[Message]) -> Message:
    """Return the message with all parameters; it is empty while the detector is gone."""
    return {'type': 'parameters', 'parameters': parameters}


def option_of(name: str) -> Option | None:
    """Return the option of a setting, also of one camera's own; None for other parameters."""
    options = Settings.options()
    option = options.get(name) or options.get(name.partition('.')[2])
    return option if option and (name in options or option.camera) else None


def to_parameter(name: str, value: Any) -> Parameter[Any]:
    """
    Convert a value of the page to a parameter of the type that the setting has.

    :raises Refused: ROS 2 has no such parameter value; all other checks are the detector's.
    """
    option = option_of(name)
    if option is None:
        raise Refused(f'unknown parameter {name}{near_name(name, Settings.options())}')
    if value is None:
        return Parameter(name, Parameter.Type.NOT_SET)
    given = option.given(value)
    entries = given if isinstance(given, tuple) else (given,)
    if not all(isinstance(entry, (str, bool, float)) or _is_whole(entry) for entry in entries):
        raise Refused(f'{name} {option.complaint(given) or "is no value of a parameter"}')
    if not isinstance(given, tuple):
        return Parameter(name, value=given)
    if entries and all(map(_is_whole, entries)):
        return Parameter(name, Parameter.Type.INTEGER_ARRAY, list(entries))
    # An empty list has no type, and lists of ROS are of one type.
    return Parameter(name, Parameter.Type.STRING_ARRAY, [str(entry) for entry in entries] or [''])


def to_yaml(node: str, values: Mapping[str, Any]) -> str:
    """
    Return a parameter file with these values, for `params_file:=` of the launch file.

    :param node: full name of the node, for the comment.
    :param values: by name; None is left out.
    """
    parameters = {name: value for name, value in values.items() if value is not None}
    return parameter_text(parameters, [
        f'Parameters of {node}, saved from its page. Use them with',
        'ros2 launch fcos_ros fcos.launch.py params_file:=/path/to/this/file'])


def _is_whole(value: Any) -> bool:
    return type(value) is int and -_WHOLE <= value < _WHOLE


def _order(name: str) -> tuple[str, int]:
    """Sort the common settings first, then those of each camera, in the order of the schema."""
    options = list(Settings.options())
    if name in options:
        return '', options.index(name)
    camera, _, setting = name.partition('.')
    return camera, options.index(setting)


def _to_plain(value: ParameterValue) -> Any:
    """Return a value as JSON and YAML have it; None if it is not set."""
    plain = parameter_value_to_python(value)
    if isinstance(plain, (list, tuple, array)):
        return [entry.decode('latin-1') if isinstance(entry, bytes) else entry
                for entry in plain]
    return plain


def _describe(name: str, value: Any, descriptor: Any) -> Message:
    option = option_of(name)
    assert option is not None
    minimum, maximum = option.limits or (None, None)
    ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
    if ranges:
        minimum, maximum = ranges[0].from_value, ranges[0].to_value
    default = option.default
    return {
        'name': name, 'value': value, 'description': descriptor.description,
        'kind': _KINDS[type(default)], 'minimum': minimum, 'maximum': maximum,
        'step': option.step, 'choices': list(option.choices),
        'read_only': bool(descriptor.read_only), 'live': option.live, 'camera': option.camera,
        'default': list(default) if isinstance(default, tuple) else default}

