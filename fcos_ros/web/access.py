# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Decide who may view the page, and who may change parameters.

A browser sends requests also for pages of other sites. Three checks keep those out:

- `Host` must be an address, localhost, or a name of this machine. Another name may be one that an
  attacker's name server points to this machine (DNS rebinding).
- `Origin` must be the page itself, for each request that changes something and for the WebSocket.
- The cookie is sent with requests of the page only (`SameSite=Strict`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
import hmac
from ipaddress import IPv4Address, IPv6Address, ip_address
import secrets
from time import monotonic
from urllib.parse import urlsplit

from fcos_ros.settings.web_options import LOCALHOST
from fcos_ros.web.limits import Rate, VisitorRates

MIN_TOKEN = 16
"""Minimum characters of a token that a user chooses."""

MAX_SESSIONS = 256
"""Sessions that are remembered; the oldest is forgotten first."""

LOGIN_RATE = Rate(burst=10, per_second=0.2)
"""Wrong tokens of one address."""

_SCHEMES = ('http', 'https')


class Access(IntEnum):
    """The rights of a visitor."""

    NONE = 0
    VIEW = 1
    CONTROL = 2


class TooManyAttempts(ValueError):
    """An address has given too many wrong tokens."""


@dataclass(frozen=True)
class Visitor:
    """
    The properties of a request that decide the access.

    :ivar address: of the other end of the connection.
    :ivar host: the header `Host`.
    :ivar origin: the header `Origin`; empty if there is none.
    :ivar session: the value of our cookie; empty if there is none.
    :ivar forwarded: whether a proxy passes on the request of another machine.
    """

    address: str
    host: str
    origin: str = ''
    session: str = ''
    forwarded: bool = False

    @property
    def is_local(self) -> bool:
        """Whether the request was made on this machine, or comes through a tunnel to it."""
        name, address = _host_name(self.host), _address(self.address)
        host = _address(name)
        return (not self.forwarded and address is not None and _is_loopback(address)
                and (name == LOCALHOST or (host is not None and _is_loopback(host))))

    @property
    def has_own_origin(self) -> bool:
        """Whether the request was made by our page."""
        try:
            origin = urlsplit(self.origin)
            return origin.scheme in _SCHEMES and origin.netloc.lower() == self.host.lower()
        except ValueError:
            return False


class Gate:
    """
    Decides the access of visitors, and keeps their sessions.

    :param token: gives full access.
    :param public_view: whether visitors without the token may view the page.
    :param names: accepted names of this machine, besides localhost.
    """

    def __init__(self, token: str, public_view: bool, names: Iterable[str],
                 clock: Callable[[], float] = monotonic) -> None:
        self._token = token
        self._public_view = public_view
        given = (name.lower().rstrip('.') for name in names)
        self._names = frozenset((LOCALHOST, *filter(None, given)))
        self._sessions: OrderedDict[str, None] = OrderedDict()
        self._attempts = VisitorRates(LOGIN_RATE, clock)

    def accepts_host(self, host: str) -> bool:
        """Return whether a header `Host` names this machine."""
        name = _host_name(host)
        return name in self._names or _address(name) is not None

    def access(self, visitor: Visitor) -> Access:
        """Return what a visitor may do."""
        if visitor.is_local or self._has_session(visitor):
            return Access.CONTROL
        return Access.VIEW if self._public_view else Access.NONE

    def log_in(self, visitor: Visitor, token: str) -> str | None:
        """
        Return a new session for the right token, None for a wrong one.

        :raises TooManyAttempts: the visitor has given too many tokens.
        """
        if not self._attempts.accepts(visitor.address):
            raise TooManyAttempts('too many attempts; wait a minute, then use the address that '
                                  'the server has printed')
        if not hmac.compare_digest(token.encode(errors='replace'), self._token.encode()):
            return None
        session = secrets.token_urlsafe(32)
        self._sessions[session] = None
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def log_out(self, visitor: Visitor) -> None:
        """Forget the session of a visitor."""
        self._sessions.pop(visitor.session, None)

    def _has_session(self, visitor: Visitor) -> bool:
        return visitor.session in self._sessions


def choose_token(given: str) -> str:
    """
    Return a token that a user has chosen, or a random one.

    :param given: empty for a random one.
    :raises ValueError: the token is too short.
    """
    if not given:
        return secrets.token_urlsafe(24)
    if len(given) < MIN_TOKEN or not given.isascii() or not given.isprintable() or ' ' in given:
        raise ValueError(f'the token has {len(given)} characters; accepted: {MIN_TOKEN} or more '
                         'visible ASCII characters')
    return given


def _host_name(host: str) -> str:
    """Return the name or address in a header `Host`, without the port; '' if it is damaged."""
    try:
        parts = urlsplit(f'//{host}')
        parts.port  # noqa: B018 - raises for a damaged port
    except ValueError:
        return ''
    is_plain = parts.netloc == host and '@' not in host
    return (parts.hostname or '').rstrip('.') if is_plain else ''


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _is_loopback(address: IPv4Address | IPv6Address) -> bool:
    mapped = getattr(address, 'ipv4_mapped', None)
    return bool((mapped or address).is_loopback)
