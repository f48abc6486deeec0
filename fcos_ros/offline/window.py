# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A window with the annotated frames."""

from __future__ import annotations

import cv2

from fcos_ros.core.arrays import Pixels
from fcos_ros.offline.frames import OfflineError

TITLE = 'fcos detect (q ends)'

END_KEYS = (ord('q'), 27)
"""The letter q and Escape."""


class WindowClosed(Exception):
    """The user has pressed a key that ends the run."""


def show(bgr: Pixels) -> None:
    """
    Show a frame.

    :raises OfflineError: OpenCV cannot open windows here.
    :raises WindowClosed: the user wants to end.
    """
    try:
        cv2.imshow(TITLE, bgr)
        key = cv2.waitKey(1) & 0xFF
    except cv2.error as error:
        raise OfflineError('--show is not possible: this OpenCV or this session has no windows; '
                           'install opencv-python in place of opencv-python-headless, or leave '
                           'out --show') from error
    if key in END_KEYS:
        raise WindowClosed
