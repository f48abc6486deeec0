# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The open pages, and the messages that wait for each of them.

All methods run on the server's event loop. A page that reads slowly gets the newest messages only,
and delays no other page.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from fcos_ros.web.messages import Message, encode

MAX_UNSHOWN = 2
"""Pictures of a camera that are on the way to a page: one travels while one is drawn."""

MAX_REPLIES = 64
"""Replies that wait for a page; a page that asks and does not read is closed."""


class TooManyReplies(RuntimeError):
    """A page asks without reading the replies."""


@dataclass(frozen=True)
class Demand:
    """
    The needs of all open pages.

    :ivar open: whether there is a page.
    :ivar cameras: whose pictures are needed; None for all.
    """

    open: bool = False
    cameras: frozenset[str] | None = frozenset()

    def includes(self, camera: str) -> bool:
        """Return whether the pictures of a camera are needed."""
        return self.cameras is None or camera in self.cameras


class Watcher:
    """
    One open page: its cameras, and the messages that wait for it.

    :ivar cameras: whose pictures it needs; None for all.
    """

    def __init__(self) -> None:
        self.cameras: frozenset[str] | None = frozenset()
        self._changed = asyncio.Event()
        self._replies: deque[str] = deque()
        self._texts: dict[str, str] = {}
        self._pictures: dict[str, tuple[int, bytes]] = {}
        self._unshown: dict[str, list[int]] = {}

    def reply(self, message: Message) -> None:
        """
        Queue the reply to a request.

        :raises TooManyReplies: the page does not read them.
        """
        if len(self._replies) >= MAX_REPLIES:
            raise TooManyReplies('too many requests without reading the replies')
        self._replies.append(encode(message))
        self._changed.set()

    def put_text(self, subject: str, text: str) -> None:
        """Queue the state of a subject; it replaces an older one that waits."""
        self._texts[subject] = text
        self._changed.set()

    def put_picture(self, camera: str, number: int, picture: bytes) -> None:
        """Queue a picture; it replaces an older one of the camera that waits."""
        if self.cameras is None or camera in self.cameras:
            self._pictures[camera] = number, picture
            self._changed.set()

    def watch(self, cameras: frozenset[str] | None) -> None:
        """Use another list of cameras."""
        self.cameras = cameras
        self._pictures.clear()
        self._unshown.clear()

    def shown(self, camera: str, number: int) -> None:
        """Record that the page has shown a picture, and with it all that were sent before."""
        self._unshown[camera] = [sent for sent in self._unshown.get(camera, ()) if sent > number]
        self._changed.set()

    async def next(self) -> str | bytes:
        """Wait for the next message to send."""
        while True:
            self._changed.clear()
            message = self._take()
            if message is not None:
                return message
            await self._changed.wait()

    def _take(self) -> str | bytes | None:
        if self._replies:
            return self._replies.popleft()
        if self._texts:
            return self._texts.pop(next(iter(self._texts)))
        return self._take_picture()

    def _take_picture(self) -> bytes | None:
        """Take a picture of a camera that may have one more on the way; cameras take turns."""
        for camera, (number, picture) in self._pictures.items():
            unshown = self._unshown.setdefault(camera, [])
            if len(unshown) < MAX_UNSHOWN:
                del self._pictures[camera]
                unshown.append(number)
                return picture
        return None


class Watchers:
    """
    All open pages, and the present state of each subject for those that open later.

    :param demand: called when the pages need other things than before.
    """

    def __init__(self, demand: Callable[[Demand], None]) -> None:
        self._demand = demand
        self._demanded = Demand()
        self._watchers: set[Watcher] = set()
        self._state: dict[str, str] = {}

    def add(self, watcher: Watcher) -> None:
        """Add a page, and send it the present state."""
        self._watchers.add(watcher)
        for subject, text in self._state.items():
            watcher.put_text(subject, text)
        self.update_demand()

    def remove(self, watcher: Watcher) -> None:
        """Remove a page."""
        self._watchers.discard(watcher)
        self.update_demand()

    def update_demand(self) -> None:
        """Find out what the pages need, after a page has come, gone or changed."""
        cameras = [watcher.cameras for watcher in self._watchers]
        named = frozenset().union(*(names for names in cameras if names is not None))
        demand = Demand(bool(cameras), None if None in cameras else named)
        if demand != self._demanded:
            self._demanded = demand
            if not demand.open:
                self._state.clear()  # it would be old for the next page
            self._demand(demand)

    def publish(self, subject: str, message: Message) -> None:
        """Send the state of a subject to all pages."""
        self._state[subject] = text = encode(message)
        for watcher in self._watchers:
            watcher.put_text(subject, text)

    def forget(self, subject: str) -> None:
        """Forget the state of a subject that is no more."""
        self._state.pop(subject, None)

    def publish_picture(self, camera: str, number: int, picture: bytes) -> None:
        """Send a picture to the pages that need it."""
        for watcher in self._watchers:
            watcher.put_picture(camera, number, picture)
