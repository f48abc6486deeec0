# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Join the pictures and the detections of the same image."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

MAX_WAIT = 3.0
"""Seconds without a pair after which pictures are shown without detections."""

MAX_PICTURES = 32
"""Pictures that wait for their detections: 1 s at 30 Hz."""

MAX_BYTES = 96 * 2**20
"""Bytes of these pictures: 15 raw images of 1920x1080 pixels."""

MAX_DETECTIONS = 32
"""Detections that wait for their picture."""

REMEMBERED = 512
"""Images whose headers are remembered, to recognise a header that is used twice."""

Picture = TypeVar('Picture')
Found = TypeVar('Found')


@dataclass(frozen=True)
class Key:
    """The header of an image, which its detections repeat."""

    sec: int
    nanosec: int
    frame_id: str

    @property
    def is_set(self) -> bool:
        """Whether the publisher has set a stamp."""
        return bool(self.sec or self.nanosec)


@dataclass(frozen=True)
class Pair(Generic[Picture, Found]):
    """
    A picture with its detections.

    :ivar detections: None if the detector has none for this image, or if they are unknown.
    """

    key: Key
    picture: Picture
    detections: Found | None


class Pairing(Generic[Picture, Found]):
    """
    Pairs the pictures and detections of one camera.

    Both arrive in the order of the images; some of both may be missing. A header that belongs to
    several images gets no detections, as they may be those of another image.

    :ivar repeated: number of pictures whose header was used before, or has no stamp.
    :ivar unmatched: number of detections in a row whose picture did not arrive.

    :param size: returns the bytes of a picture.
    """

    def __init__(self, size: Callable[[Picture], int],
                 clock: Callable[[], float] = monotonic) -> None:
        self.repeated = 0
        self.unmatched = 0
        self._size = size
        self._clock = clock
        self._last_pair = clock()
        self._pictures: OrderedDict[Key, Picture] = OrderedDict()
        self._bytes = 0
        self._detections: OrderedDict[Key, Found] = OrderedDict()
        self._seen: set[Key] = set()
        self._order: deque[Key] = deque()

    def add_picture(self, key: Key, picture: Picture) -> Pair[Picture, Found] | None:
        """Return a pair that is ready, after a picture has arrived."""
        if not key.is_set or key in self._seen:
            self.repeated += 1
            self._forget(key)
        elif key in self._detections:
            self._remember(key)
            return self._pair(key, picture, self._detections[key])
        else:
            self._remember(key)
            self._hold(key, picture)
        if self._clock() - self._last_pair > MAX_WAIT:
            return Pair(key, picture, None)
        return None

    def add_detections(self, key: Key, detections: Found) -> Pair[Picture, Found] | None:
        """Return a pair that is ready, after detections have arrived."""
        if key in self._pictures:
            return self._pair(key, self._pictures[key], detections)
        if key.is_set and key not in self._seen:
            self._detections[key] = detections
            if len(self._detections) > MAX_DETECTIONS:
                self._detections.popitem(last=False)
                self.unmatched += 1
        return None

    def _pair(self, key: Key, picture: Picture, detections: Found) -> Pair[Picture, Found]:
        """Return a pair, and drop everything that is older."""
        self._last_pair = self._clock()
        self.unmatched = 0
        is_held = key in self._pictures
        while self._pictures and self._drop_picture() != key:
            pass
        if is_held:
            self._detections.clear()
        while self._detections and self._detections.popitem(last=False)[0] != key:
            pass
        return Pair(key, picture, detections)

    def _hold(self, key: Key, picture: Picture) -> None:
        self._pictures[key] = picture
        self._bytes += self._size(picture)
        while len(self._pictures) > MAX_PICTURES or (
                self._bytes > MAX_BYTES and len(self._pictures) > 1):
            self._drop_picture()

    def _drop_picture(self) -> Key:
        key, picture = self._pictures.popitem(last=False)
        self._bytes -= self._size(picture)
        return key

    def _forget(self, key: Key) -> None:
        """Drop what waits under a header that belongs to several images."""
        picture = self._pictures.pop(key, None)
        if picture is not None:
            self._bytes -= self._size(picture)
        self._detections.pop(key, None)

    def _remember(self, key: Key) -> None:
        self._seen.add(key)
        self._order.append(key)
        if len(self._order) > REMEMBERED:
            self._seen.discard(self._order.popleft())
