# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The server on a real ROS graph, and pages that speak its protocol without a browser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
import json
import struct
from threading import Thread
from typing import Any, NamedTuple
from urllib.request import urlopen

import aiohttp
from rclpy.parameter import Parameter
from waiting import TIMEOUT, wait_until

from fcos_ros.web.web_node import WebNode

TOKEN = 'a-token-of-this-test'


class Picture(NamedTuple):
    """A picture that arrived: its header, and its JPEG file."""

    header: dict[str, Any]
    jpeg: bytes


@contextmanager
def serving(graph: Any, **parameters: Any) -> Iterator[WebNode]:
    """Serve a page on the executor of a graph; it is on a free port of this machine."""
    values = {'web_port': 0, 'web_rate': 60.0, **parameters}
    server = WebNode({'FCOS_WEB_TOKEN': TOKEN}, context=graph.context, enable_rosout=False,
                     namespace=graph.node.get_namespace(), parameter_overrides=[
                         Parameter(name, value=value) for name, value in values.items()])
    graph.executor.add_node(server)
    try:
        yield server
    finally:
        graph.call(graph.executor.remove_node, server)
        graph.call(bool)  # the executor has begun to wait without the server's entities
        server.destroy_node()


def port_of(server: WebNode) -> int:
    """Return the port of a server."""
    return int(server.addresses[0].split(':')[2].split('/')[0])


class Page:
    """
    An open page.

    :ivar texts: all messages with JSON, in the order in which they arrived.
    :ivar pictures: all pictures.
    :ivar closed: code and reason after the server has closed the page.

    :param confirms: whether it confirms each picture at once.
    :param watches: the cameras; None for all.
    :param headers: of the request, besides the origin of the page.
    """

    def __init__(self, port: int, *, confirms: bool = True,
                 watches: list[str] | None = None, **headers: str) -> None:
        self.texts: list[dict[str, Any]] = []
        self.pictures: list[Picture] = []
        self.closed: tuple[int | None, str] | None = None
        self.refused = 0
        self._confirms = confirms
        self._watches = watches
        self._base = f'http://localhost:{port}'
        self._headers = {'Origin': self._base, **headers}
        self._loop = asyncio.new_event_loop()
        self._socket: Any = None
        self._next = 0
        self._thread = Thread(
            target=self._loop.run_until_complete, args=(self._run(),), daemon=True)

    def __enter__(self) -> Page:
        self._thread.start()
        wait_until(lambda: self._socket or self.refused)
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None and self.closed is None:
            self._loop.call_soon_threadsafe(
                lambda: self._loop.create_task(self._socket.close()))
        self._thread.join(TIMEOUT)

    def send(self, **message: Any) -> None:
        """Send a message."""
        self.send_text(json.dumps(message))

    def send_text(self, text: str) -> None:
        """Send a text."""
        asyncio.run_coroutine_threadsafe(
            self._socket.send_str(text), self._loop).result(TIMEOUT)

    def flood(self, text: str, times: int) -> None:
        """Send a text many times, until the server closes the page; return at once."""
        async def send() -> None:
            with suppress(ConnectionError):
                for _ in range(times):
                    await self._socket.send_str(text)
        asyncio.run_coroutine_threadsafe(send(), self._loop)

    def request(self, kind: str, **facts: Any) -> dict[str, Any]:
        """Send a request, and return its reply."""
        self._next += 1
        number = self._next
        self.send(type=kind, id=number, **facts)
        return self.wait_for('reply', lambda reply: reply['id'] == number)

    def set(self, **values: Any) -> dict[str, Any]:
        """Set parameters, and return the reply; `__` stands for a dot."""
        return self.request('set', values={
            name.replace('__', '.'): value for name, value in values.items()})

    def wait_for(self, kind: str, wanted: Callable[[Any], Any] = bool) -> dict[str, Any]:
        """Return the newest message of a type for which `wanted` is true."""
        return wait_until(lambda: next(
            (text for text in reversed(self.texts) if text['type'] == kind and wanted(text)),
            None))

    def wait_for_picture(self, wanted: Callable[[Any], Any] = bool) -> Picture:
        """Return the newest picture for whose header `wanted` is true."""
        return wait_until(lambda: next(
            (picture for picture in reversed(self.pictures) if wanted(picture.header)), None))

    def parameter(self, name: str) -> dict[str, Any]:
        """Return the newest state of a parameter."""
        message = self.wait_for('parameters', lambda text: text['parameters'])
        return next(entry for entry in message['parameters'] if entry['name'] == name)

    def download(self, path: str) -> str:
        """Return a text that the server sends for a path."""
        with urlopen(f'{self._base}{path}', timeout=TIMEOUT) as answer:
            return str(answer.read().decode())

    async def _run(self) -> None:
        # `localhost` in the headers, also on machines that resolve it to ::1 first.
        async with aiohttp.ClientSession() as session:
            try:
                socket = await session.ws_connect(
                    f'{self._base.replace("localhost", "127.0.0.1")}/api/socket',
                    headers={'Host': self._base.partition('//')[2], **self._headers},
                    max_msg_size=0)
            except aiohttp.WSServerHandshakeError as error:
                self.refused = error.status
                return
            await socket.send_json({'type': 'watch', 'cameras': self._watches})
            self._socket = socket
            async for message in socket:
                await self._take(message)
            self.closed = socket.close_code, str(getattr(socket, '_close_reason', ''))

    async def _take(self, message: aiohttp.WSMessage) -> None:
        if message.type == aiohttp.WSMsgType.TEXT:
            self.texts.append(json.loads(message.data))
            return
        length, = struct.unpack_from('<I', message.data)
        header = json.loads(message.data[4:4 + length])
        self.pictures.append(Picture(header, message.data[4 + length:]))
        if self._confirms:
            with suppress(ConnectionError):
                await self._socket.send_json({
                    'type': 'shown', 'camera': header['camera'], 'number': header['number']})
