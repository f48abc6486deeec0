# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node that serves the page, `fcos_web`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
import os
import socket
import sys
from typing import Any
from urllib.parse import urlencode

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from fcos_ros.node.program import run_node
from fcos_ros.runtime.end_signals import EndSignals
from fcos_ros.runtime.libraries import package_version
from fcos_ros.runtime.stop_request import StopRequest
from fcos_ros.settings.launch_arguments import full_name
from fcos_ros.settings.schema import Option
from fcos_ros.settings.web_options import (
    ADDRESS_MARK,
    LIBRARY,
    LOCALHOST,
    MISSING,
    PARAMETERS,
    WebSettings,
)
from fcos_ros.web.access import Gate, choose_token
from fcos_ros.web.detector_link import DetectorLink
from fcos_ros.web.messages import PageInfo
from fcos_ros.web.ros_thread import RosThread
from fcos_ros.web.server_thread import ServerThread

TOKEN_VARIABLE = 'FCOS_WEB_TOKEN'
"""The environment variable with a token that the user chooses; other users cannot read it."""

ALL_ADDRESSES = ('', '0.0.0.0', '::')
"""Values of `web_host` for all networks."""


class WebNode(Node):
    """
    Serves the page of one detector.

    :param environment: may contain the token.
    :raises ValueError: a parameter is not accepted, or the address cannot be used.
    """

    def __init__(self, environment: Mapping[str, str], **node_arguments: Any) -> None:
        super().__init__('fcos_web', **node_arguments)
        settings = WebSettings.of({
            name: self._declare(name, option) for name, option in PARAMETERS.items()})
        token = choose_token(environment.get(TOKEN_VARIABLE, ''))
        self._ros = RosThread(self)
        self._server = ServerThread(self._ros)
        self._link = DetectorLink(
            self, full_name(self.get_namespace(), settings.detector), settings,
            self._server.publish, self._server.publish_picture, self._server.parameters_changed)
        gate = Gate(token, settings.public_view, [*_machine_names(), *settings.names])
        info = PageInfo(self._link.name, package_version())
        port = self._server.start(settings, info, gate, self._link)
        self.addresses = tuple(_addresses(settings.host, port, token))

    def destroy_node(self) -> None:
        """Close the pages before their subscriptions are destroyed."""
        self._server.stop()
        self._link.close()
        self._ros.close()
        super().destroy_node()

    def _declare(self, name: str, option: Option) -> Any:
        default = option.default
        # `WebSettings` checks the type, and names the accepted values.
        descriptor = ParameterDescriptor(
            name=name, description=option.description, read_only=True, dynamic_typing=True)
        return self.declare_parameter(
            name, list(default) if isinstance(default, tuple) else default, descriptor).value


def _machine_names() -> Sequence[str]:
    """Return the names under which other machines know this one."""
    name = socket.gethostname()
    short = name.partition('.')[0]
    return [name, short, f'{short}.local'] if short else []


def _addresses(host: str, port: int, token: str) -> Iterable[str]:
    """Yield the addresses of the page; those for other machines contain the token."""
    if host in (LOCALHOST, *ALL_ADDRESSES):
        yield f'http://{LOCALHOST}:{port}/'
    if host == LOCALHOST:
        return
    names = [_own_address(), socket.gethostname()] if host in ALL_ADDRESSES else [host]
    for name in dict.fromkeys(filter(None, names)):
        shown = f'[{name}]' if ':' in name else name
        yield f'http://{shown}:{port}/?{urlencode({"token": token})}'


def _own_address() -> str:
    """Return the address of this machine in its network; '' if there is no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(('192.0.2.1', 9))  # of no machine; nothing is sent
        except OSError:
            return ''
        return str(probe.getsockname()[0])


def run(signals: EndSignals, arguments: Sequence[str] = sys.argv) -> int:
    """Run the server as a program until a signal ends it; return the exit code."""
    try:
        import fcos_ros.web.http_server  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != LIBRARY:
            raise
        print(f'fcos_web: {MISSING}', file=sys.stderr)
        return 1

    def make_node(stop_request: StopRequest) -> WebNode:
        node = WebNode(os.environ)
        # Not to the log: ROS 2 publishes that on /rosout.
        for address in node.addresses:
            print(f'{ADDRESS_MARK}{address}', flush=True)
        return node
    return run_node('fcos_web', make_node, signals, arguments)
