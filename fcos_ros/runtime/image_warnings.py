# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Collect the warnings about image files that libjpeg and libpng print on standard error.

OpenCV offers no other way to receive them, and a faulty camera causes one with each image.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from threading import Lock

from fcos_ros.core.frame import Frame
from fcos_ros.core.image_file import FORMATS
from fcos_ros.core.image_file.jpeg import check_warnings

STDERR = 2
"""The file descriptor of standard error."""

STDERR_LOCK = Lock()
"""
Held while standard error is redirected. It must also be held to start a process, which would
inherit the redirection otherwise.
"""

MAX_WARNINGS = 3
"""Warnings that are kept of one image."""

_BEGINNINGS = (
    'Corrupt JPEG data', 'Premature end of JPEG', 'Inconsistent progression sequence',
    'Invalid SOS parameters', 'Unknown Adobe color transform', 'Warning: unknown JFIF revision',
    'libpng warning: ', 'libpng error: ')


@contextmanager
def image_warnings(frame: Frame) -> Iterator[list[str]]:
    """
    Collect the warnings about an image file that are printed in the block.

    They are in the list after the block, except those that our own check of the data causes.
    Everything else that any thread prints meanwhile is printed after the block. Only one thread
    at a time is in such a block; frames that are no files pass at once.

    :raises FrameError: at the end of the block: the warnings show that data are missing.
    """
    found: list[str] = []
    if frame.encoding not in FORMATS:
        yield found
        return
    with STDERR_LOCK, _redirected(found):
        yield found
    if found and frame.encoding == 'jpeg':
        found[:] = check_warnings(frame.planes[0], found)


@contextmanager
def _redirected(found: list[str]) -> Iterator[None]:
    """Redirect standard error; afterwards, append warnings to a list and print the rest."""
    try:
        stderr = os.dup(STDERR)
    except OSError:  # it is closed
        yield
        return
    with open(os.memfd_create('fcos_ros stderr'), 'w+b', buffering=0) as printed:
        os.dup2(printed.fileno(), STDERR)
        try:
            yield
        finally:
            os.dup2(stderr, STDERR)
            os.close(stderr)
            printed.seek(0)
            _sort(printed.readlines(), found)


def _sort(lines: list[bytes], found: list[str]) -> None:
    """Append the warnings to a list, and print the other lines."""
    for line in lines:
        text = line.decode(errors='replace').rstrip('\n')
        if not text.startswith(_BEGINNINGS):
            os.write(STDERR, line)
        elif text not in found and len(found) < MAX_WARNINGS:
            found.append(text)
