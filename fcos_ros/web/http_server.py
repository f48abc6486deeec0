# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The HTTP server: files of the page, login, parameter file, and the WebSocket.

This is the only file that needs aiohttp; others import it inside functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
import logging
from pathlib import Path
import re
import struct
from typing import Any
from weakref import WeakSet

from aiohttp import WSCloseCode, WSMsgType, web

from fcos_ros.web.access import Access, Gate, TooManyAttempts, Visitor
from fcos_ros.web.limits import ConnectionLimit, Rate, RateLimit, VisitorRates
from fcos_ros.web.messages import (
    Message,
    PageInfo,
    Record,
    SetValues,
    Shown,
    Watch,
    encode,
    read_request,
)
from fcos_ros.web.parameters import ParameterClient, to_yaml
from fcos_ros.web.watchers import TooManyReplies, Watcher, Watchers

STATIC = Path(__file__).with_name('static')
"""The files of the page."""

CONTENT_TYPES = {
    '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml',
    '.png': 'image/png', '.ico': 'image/x-icon', '.json': 'application/json',
    '.webmanifest': 'application/manifest+json'}
"""The types of the page's files by their ending; no other file is sent."""

HEADERS = {
    'Content-Security-Policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
    'Cache-Control': 'no-cache',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
    'Referrer-Policy': 'no-referrer',  # the first address may contain the token
    'Server': 'fcos_web',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
}
"""Headers of all answers: nothing from other origins, no frames, no guesses."""

MAX_BODY = 4096
"""Bytes of the body of a request: it holds a token."""

MAX_MESSAGE = 64 * 2**10
"""Bytes of a message that close the page: zones have up to 256 corners and need less."""

MAX_CONNECTIONS, MAX_CONNECTIONS_EACH = 128, 48
"""TCP connections, of all visitors and of one address. A browser opens up to 6 for a page."""

MAX_PAGES, MAX_PAGES_EACH = 64, 32
"""Open pages, of all visitors and of one address."""

REQUEST_RATE = Rate(burst=400, per_second=100)
"""Requests of one address. A page has some 20 files."""

MESSAGE_RATE = Rate(burst=400, per_second=200)
"""Messages of one page: it confirms each picture of each camera."""

FAILURE_RATE = Rate(burst=3, per_second=0.1)
"""Errors in the log; a visitor could fill it with damaged requests."""

REQUEST_TIMEOUT = 10.0
"""Seconds until a new connection must have sent a request, and a request its body."""

KEEP_ALIVE = 30.0
"""Seconds that a connection stays open without a further request."""

HEARTBEAT = 15.0
"""Seconds between two pings; a page that does not answer one is closed."""

UNREAD_BYTES = Rate(burst=512 * 2**10, per_second=1.0)
"""Bytes from a page before a message is complete; its pongs alone are less than 1 byte/s."""

DISCARDED_BYTES = Rate(burst=2 * 2**20, per_second=0.0)
"""Bytes that are read from a page which is being closed."""

CLOSE_TIMEOUT = 2.0
"""Seconds in which a page that is being closed must close its side."""

STOP_TIMEOUT = 2.0
"""Seconds in which connections may end."""

MAX_REQUESTS = 16
"""Requests of a page that wait for the detector."""

SESSION_AGE = 30 * 86400
"""Seconds that a browser keeps the cookie. The server forgets all sessions when it ends."""

_FILE = re.compile(r'\w[\w-]*(\.\w[\w-]*)*(/\w[\w-]*(\.\w[\w-]*)*)?', re.ASCII)
"""Names of files of the page, perhaps in a folder; neither `..` nor hidden files."""

_FORWARDED = ('Forwarded', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Real-IP', 'Via')
"""Headers that a proxy adds."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpServer:
    """
    Serves the page. All methods run on one event loop.

    :param gate: decides who may do what.
    :param watchers: the open pages.
    :param parameters: of the detector.
    """

    def __init__(self, info: PageInfo, gate: Gate, watchers: Watchers,
                 parameters: ParameterClient) -> None:
        self._info = info
        self._gate = gate
        self._watchers = watchers
        self._parameters = parameters
        self._cookie = 'fcos_web'
        self._requests = VisitorRates(REQUEST_RATE)
        self._connections = ConnectionLimit(MAX_CONNECTIONS, MAX_CONNECTIONS_EACH)
        self._pages = ConnectionLimit(MAX_PAGES, MAX_PAGES_EACH)
        self._sockets: WeakSet[web.WebSocketResponse] = WeakSet()
        self._served: set[Any] = set()

        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guard(request, handler)

        app = web.Application(middlewares=[web.middleware(guard)], client_max_size=MAX_BODY)
        app.on_response_prepare.append(_add_headers)
        app.add_routes([
            web.get('/', self._index),
            web.get('/static/{name:.+}', self._file),
            web.get('/api/session', self._session),
            web.post('/api/login', self._log_in),
            web.post('/api/logout', self._log_out),
            web.get('/api/parameters.yaml', self._parameter_file),
            web.get('/api/socket', self._socket),
        ])
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, keepalive_timeout=KEEP_ALIVE)
        self._server: asyncio.AbstractServer | None = None
        failures = RateLimit(FAILURE_RATE)
        logging.getLogger('aiohttp.server').addFilter(lambda record: failures.accepts())

    async def start(self, host: str, port: int) -> int:
        """
        Listen; return the port.

        :raises OSError: the address cannot be used.
        """
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self._server = server = await loop.create_server(
            self._protocol, host, port, reuse_address=True)
        found: int = server.sockets[0].getsockname()[1]
        # Browsers send cookies to all ports of a host: each server has its own.
        self._cookie = f'fcos_web_{found}'
        return found

    async def stop(self) -> None:
        """Close all connections."""
        if self._server is not None:
            self._server.close()
        for socket in list(self._sockets):
            with suppress(asyncio.TimeoutError, ConnectionError):
                await asyncio.wait_for(
                    socket.close(code=1001, message=b'the server ends'), STOP_TIMEOUT)
        if self._runner.server is not None:
            await self._runner.server.shutdown(STOP_TIMEOUT)
        await self._runner.cleanup()

    # Connections

    def _protocol(self) -> asyncio.Protocol:
        assert self._runner.server is not None
        handler = self._runner.server()
        return _BoundedConnection(handler, self._connections, self._served)

    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse requests for other hosts, from other sites, and too many."""
        self._served.add(request.protocol)
        visitor = self._visitor(request)
        if not self._requests.accepts(visitor.address):
            return _refusal(429, 'too many requests; wait a second')
        if not self._gate.accepts_host(visitor.host):
            return _refusal(
                421, f'the host is {visitor.host[:200]!r}; accepted: an address, localhost or a '
                'name of this machine; add further names to the parameter web_names')
        if request.method != 'GET' and not visitor.has_own_origin:
            return _refusal(403, 'the request is from another site; open the page itself')
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _refusal(error.status, error.reason)

    def _visitor(self, request: web.Request) -> Visitor:
        return Visitor(
            address=request.remote or '', host=request.headers.get('Host', ''),
            origin=request.headers.get('Origin', ''),
            session=request.cookies.get(self._cookie, ''),
            forwarded=any(name in request.headers for name in _FORWARDED))

    def _access(self, request: web.Request) -> Access:
        return self._gate.access(self._visitor(request))

    # Files

    async def _index(self, request: web.Request) -> web.StreamResponse:
        token = request.query.get('token')
        if token is None:
            return _file_response('index.html')
        try:
            session = self._gate.log_in(self._visitor(request), token)
        except TooManyAttempts as error:
            return _refusal(429, str(error))
        # The address with the token must not stay in the browser's history.
        response = web.Response(
            status=303, headers={'Location': './' if session else './?refused'})
        self._set_cookie(response, session)
        return response

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return _file_response(request.match_info['name'])

    async def _parameter_file(self, request: web.Request) -> web.StreamResponse:
        if self._access(request) < Access.VIEW:
            return _refusal(401, 'the token is missing; open the address that the server printed')
        watcher = Watcher()
        self._watchers.add(watcher)  # the detector is followed only for open pages
        try:
            values = await self._parameters.wait_for_values()
        except (ConnectionError, TimeoutError) as error:
            return _refusal(503, str(error))
        finally:
            self._watchers.remove(watcher)
        name = re.sub(r'\W+', '_', self._info.detector).strip('_')
        return web.Response(
            text=to_yaml(self._info.detector, values), content_type='application/yaml',
            headers={'Content-Disposition': f'attachment; filename="{name}.yaml"'})

    # Login

    async def _session(self, request: web.Request) -> web.StreamResponse:
        access = self._access(request)
        return _json({
            'access': access.name.lower(), 'login': access < Access.CONTROL,
            'detector': self._info.detector, 'version': self._info.version}
            if access else {'access': 'none', 'login': True})

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await asyncio.wait_for(request.json(), REQUEST_TIMEOUT)
            session = self._gate.log_in(self._visitor(request), str(body['token']))
        except TooManyAttempts as error:
            return _refusal(429, str(error))
        except (ValueError, TypeError, KeyError, RecursionError, asyncio.TimeoutError):
            return _refusal(400, 'the request has no token')
        if session is None:
            return _refusal(403, 'the token is wrong; use the one that the server has printed')
        response = web.Response(status=204)
        self._set_cookie(response, session)
        return response

    async def _log_out(self, request: web.Request) -> web.StreamResponse:
        self._gate.log_out(self._visitor(request))
        response = web.Response(status=204)
        response.del_cookie(self._cookie)
        return response

    def _set_cookie(self, response: web.Response, session: str | None) -> None:
        if session:
            response.set_cookie(self._cookie, session, max_age=SESSION_AGE, httponly=True,
                                samesite='Strict')

    # WebSocket

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        visitor, access = self._visitor(request), self._access(request)
        if not visitor.has_own_origin:
            return _refusal(403, 'the request is from another site; open the page itself')
        if access < Access.VIEW:
            return _refusal(401, 'the token is missing; open the address that the server printed')
        if not self._pages.enter(visitor.address):
            return _refusal(503, 'too many pages are open; close one')
        try:
            connection = _BoundedConnection.of(request)
            socket = web.WebSocketResponse(
                heartbeat=HEARTBEAT, max_msg_size=int(UNREAD_BYTES.burst), compress=False)
            await socket.prepare(request)
            self._sockets.add(socket)
            page = _Page(socket, connection, access, self._watchers, self._parameters)
            await page.run(self._info)
            return socket
        finally:
            self._pages.leave(visitor.address)


@dataclass(frozen=True)
class _Refusal:
    """Why the server closes a page."""

    reason: str
    code: WSCloseCode = WSCloseCode.POLICY_VIOLATION

    def frame(self) -> bytes:
        """Return the close frame (RFC 6455, section 5.5.1); it has room for 123 bytes of text."""
        text = self.reason.encode()[:123].decode(errors='ignore').encode()
        return struct.pack('!BBH', 0x88, 2 + len(text), self.code) + text


class _Page:
    """One open page: reads its requests, and sends what waits for it."""

    def __init__(self, socket: web.WebSocketResponse, connection: _BoundedConnection,
                 access: Access, watchers: Watchers, parameters: ParameterClient) -> None:
        self._socket = socket
        self._connection = connection
        self._access = access
        self._watchers = watchers
        self._parameters = parameters
        self._watcher = Watcher()
        self._rate = RateLimit(MESSAGE_RATE)
        self._waiting: asyncio.Queue[SetValues | Record] = asyncio.Queue(MAX_REQUESTS)

    async def run(self, info: PageInfo) -> None:
        """Serve the page until it is closed."""
        self._watcher.put_text('session', encode({
            'type': 'session', 'access': self._access.name.lower(), 'version': info.version}))
        self._watchers.add(self._watcher)
        tasks = [asyncio.ensure_future(self._send()), asyncio.ensure_future(self._answer())]
        try:
            refusal = await self._read()
        finally:
            self._watchers.remove(self._watcher)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if refusal is not None:
            await self._refuse(refusal)

    async def _read(self) -> _Refusal | None:
        """Handle messages; return why the page must be closed, None if it has gone itself."""
        self._connection.limit_bytes(UNREAD_BYTES)
        async for message in self._socket:
            self._connection.limit_bytes(UNREAD_BYTES)
            if message.type != WSMsgType.TEXT:
                return _Refusal('accepted: texts')
            if len(message.data.encode()) >= MAX_MESSAGE:
                return _Refusal('the message is too large', WSCloseCode.MESSAGE_TOO_BIG)
            if not self._rate.accepts():
                return _Refusal('too many messages')
            try:
                self._handle(message.data)
            except (ValueError, TooManyReplies) as error:
                return _Refusal(str(error))
        return None

    async def _refuse(self, refusal: _Refusal) -> None:
        """
        Close the page, and discard what it still sends until it has closed its side.

        The connection would else be reset, and the page would not get the reason. `close` of
        aiohttp 3.8 reads one message only.
        """
        self._connection.limit_bytes(DISCARDED_BYTES)
        self._connection.write(refusal.frame())
        try:
            await asyncio.wait_for(self._discard(), CLOSE_TIMEOUT)
        except asyncio.TimeoutError:
            self._connection.abort()

    async def _discard(self) -> None:
        async for _ in self._socket:
            pass

    def _handle(self, text: str) -> None:
        request = read_request(text)
        if isinstance(request, Watch):
            self._watcher.watch(request.cameras)
            self._watchers.update_demand()
        elif isinstance(request, Shown):
            self._watcher.shown(request.camera, request.number)
        elif self._access < Access.CONTROL:
            self._reply(request.id, error='changes need the token: log in first')
        else:
            try:
                self._waiting.put_nowait(request)
            except asyncio.QueueFull:
                self._reply(request.id, error='the detector has not answered earlier requests; '
                            'wait, then try again')

    async def _answer(self) -> None:
        """Pass requests on to the detector, one after the other."""
        while True:
            request = await self._waiting.get()
            try:
                facts = await self._perform(request)
            except Exception as error:  # noqa: BLE001 - the next request must be answered, too
                facts = {'error': str(error) or repr(error)}
            self._reply(request.id, **facts)

    async def _perform(self, request: SetValues | Record) -> Mapping[str, Any]:
        if isinstance(request, SetValues):
            return {'before': await self._parameters.set(request.values)}
        return {'message': await self._parameters.record()}

    def _reply(self, number: int, *, error: str = '', **facts: Any) -> None:
        self._watcher.reply(
            {'type': 'reply', 'id': number, 'ok': not error, 'error': error, **facts})

    async def _send(self) -> None:
        """Send what waits; a page that reads slowly delays only itself."""
        with suppress(ConnectionError):
            while True:
                message = await self._watcher.next()
                if isinstance(message, str):
                    await self._socket.send_str(message)
                else:
                    await self._socket.send_bytes(message)


class _BoundedConnection(asyncio.Protocol):
    """
    A connection that is closed if there are too many, or if no request comes in time.

    Once it is accepted, it passes everything on to aiohttp's protocol, up to a limit of bytes.
    """

    def __init__(self, handler: Any, limit: ConnectionLimit, served: set[Any]) -> None:
        self._handler = handler
        self._limit = limit
        self._served = served
        self._address = ''
        self._accepted = False
        self._transport: Any = None
        self._bytes: RateLimit | None = None  # aiohttp limits requests

    @staticmethod
    def of(request: web.Request) -> _BoundedConnection:
        """
        Return the connection of a request.

        :raises ConnectionResetError: it has ended.
        """
        if request.transport is None:
            raise ConnectionResetError
        connection = request.transport.get_protocol()
        assert isinstance(connection, _BoundedConnection)
        return connection

    def limit_bytes(self, rate: Rate) -> None:
        """Abort the connection if more bytes arrive from now on; a new limit replaces this."""
        self._bytes = RateLimit(rate)

    def write(self, data: bytes) -> None:
        """Send bytes after those that aiohttp has sent."""
        self._transport.write(data)

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        peer = transport.get_extra_info('peername')
        self._address = str(peer[0]) if peer else ''
        self._accepted = self._limit.enter(self._address)
        if not self._accepted:
            self.abort()
            return
        asyncio.get_running_loop().call_later(REQUEST_TIMEOUT, self._close_if_silent)
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._bytes is not None and not self._bytes.accepts(len(data)):
            self.abort()
        elif self._accepted:
            self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        eof: bool | None = self._handler.eof_received() if self._accepted else None
        return eof

    def connection_lost(self, error: Exception | None) -> None:
        if self._accepted:
            self._accepted = False
            self._limit.leave(self._address)
            self._served.discard(self._handler)
            self._handler.connection_lost(error)

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def _close_if_silent(self) -> None:
        if self._accepted and self._handler not in self._served:
            self._handler.force_close()


def _file_response(name: str) -> web.StreamResponse:
    path = STATIC / name
    if not _FILE.fullmatch(name) or path.suffix not in CONTENT_TYPES or not path.is_file():
        return _refusal(404, 'there is no such file')
    response = web.FileResponse(path)
    response.content_type = CONTENT_TYPES[path.suffix]
    if path.suffix in ('.html', '.css', '.js', '.json', '.webmanifest', '.svg'):
        response.charset = 'utf-8'
    return response


def _json(message: Message, status: int = 200) -> web.Response:
    return web.Response(text=encode(message), status=status, content_type='application/json',
                        headers={'Cache-Control': 'no-store'})


def _refusal(status: int, error: str) -> web.Response:
    return _json({'error': error}, status)


async def _add_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        if name == 'Server':
            response.headers[name] = value
        else:
            response.headers.setdefault(name, value)
