# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a source, such as a folder of pictures, a video or a bag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame


class OfflineError(ValueError):
    """A source, a setting or an output cannot be used; the message names the remedy."""


class SourceError(OfflineError):
    """A source cannot be opened, or has no frames."""


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """
    One frame of a source, or the reason why it is damaged.

    :ivar name: different for each frame of a source, such as `a/1.jpg` or `drive.mp4:12`.
    :ivar stamp: when the camera took it, in nanoseconds; the time in the video if that is unknown.
    :ivar image: an image file is not decoded yet. A damaged frame is an error.
    :ivar camera: its name in the settings; '' for a source with a single camera.
    :ivar context: a value that comes back with the result, such as the header of a message.
    """

    name: str
    stamp: int
    image: Frame | FrameError
    camera: str = ''
    context: Any = None


class Source(Protocol):
    """
    A sequence of frames that can be read several times, unless it is live.

    :ivar name: for the user.
    """

    name: str

    @property
    def count(self) -> int | None:
        """The number of frames, or an estimate for the progress; None if it is unknown."""
        ...

    def frames(self) -> Iterator[SourceFrame]:
        """
        Open the source and yield its frames in order.

        A frame that is damaged is yielded with its error, and so is a source that ends too early.

        :raises SourceError: the source cannot be opened.
        """
        ...
