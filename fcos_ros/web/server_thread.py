# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the HTTP server and its event loop on a thread of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread

from fcos_ros.settings.web_options import WebSettings
from fcos_ros.web.access import Gate
from fcos_ros.web.detector_link import DetectorLink
from fcos_ros.web.messages import Message, PageInfo
from fcos_ros.web.parameters import ParameterClient, ParameterWatch
from fcos_ros.web.ros_thread import RosThread
from fcos_ros.web.watchers import Demand, Watchers

START_TIMEOUT = 30.0
"""Seconds until the server must listen: a small board is slow."""

STOP_TIMEOUT = 5.0
"""Seconds in which the server may close its connections."""


class ServerThread:
    """
    The server's event loop and the open pages; any thread may call the methods.

    :param ros: of the node.
    """

    def __init__(self, ros: RosThread) -> None:
        self._ros = ros
        self._loop = asyncio.new_event_loop()
        self._link: DetectorLink | None = None
        self._watchers = Watchers(self._demand)
        self._parameters: ParameterWatch | None = None
        self._stop: Callable[[], None] = _do_nothing
        self._thread: Thread | None = None

    def start(self, settings: WebSettings, info: PageInfo, gate: Gate, link: DetectorLink) -> int:
        """
        Start the thread, wait until the server listens, and return its port.

        :raises ValueError: the address cannot be used.
        """
        self._link = link
        started: Future[int] = Future()
        self._thread = Thread(
            target=self._loop.run_until_complete, name='fcos-web', daemon=True,
            args=(self._serve(settings, info, gate, link, started),))
        self._thread.start()
        try:
            return started.result(START_TIMEOUT)
        except OSError as error:
            raise ValueError(
                f'the page cannot be served on {settings.host}, port {settings.port}: '
                f'{error.strerror or error}; set web_port to another port, 0 for a free one, and '
                'web_host to an address of this machine') from error

    def stop(self) -> None:
        """Close all connections, and end the thread."""
        if self._thread is not None:
            self._call(self._stop)
            self._thread.join(STOP_TIMEOUT)

    def publish(self, subject: str, message: Message) -> None:
        """Send the state of a subject to all pages."""
        self._call(lambda: self._watchers.publish(subject, message))

    def publish_picture(self, camera: str, number: int, picture: bytes) -> None:
        """Send a picture to the pages that need it."""
        self._call(lambda: self._watchers.publish_picture(camera, number, picture))

    def parameters_changed(self) -> None:
        """Read the parameters of the detector again, soon."""
        if self._parameters is not None:
            self._call(self._parameters.changed)

    def _call(self, call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(call)

    def _demand(self, demand: Demand) -> None:
        link = self._link
        if link is not None:
            self._ros.post(lambda: link.demand(demand))

    async def _serve(self, settings: WebSettings, info: PageInfo, gate: Gate, link: DetectorLink,
                     started: Future[int]) -> None:
        from fcos_ros.web.http_server import HttpServer
        stopped = asyncio.Event()
        self._stop = stopped.set
        client = ParameterClient(link, self._ros)
        self._parameters = ParameterWatch(
            client, lambda message: self._watchers.publish('parameters', message))
        server = HttpServer(info, gate, self._watchers, client)
        try:
            started.set_result(await server.start(settings.host, settings.port))
        except Exception as error:  # noqa: BLE001 - raised again by `start`
            started.set_exception(error)
            return
        reading = asyncio.ensure_future(self._parameters.run())
        await stopped.wait()
        reading.cancel()
        await server.stop()


def _do_nothing() -> None:
    pass
