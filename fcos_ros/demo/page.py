# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Serve the page during the demo, and let a browser take a picture of it."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

from fcos_ros.demo.browser import MISSING, BrowserFailed, find_browser, save_screenshot
from fcos_ros.demo.processes import ProcessEnded, Processes
from fcos_ros.settings.web_options import ADDRESS_MARK

PROCESS = 'page'


class DemoPage:
    """
    The server of the page, and a picture of the page.

    :ivar path: of the picture.
    :ivar problem: why there is no picture; empty if there is one.

    :param processes: start and stop the server.
    """

    def __init__(self, processes: Processes, path: Path) -> None:
        self.path = path
        self.problem = 'it was not taken'
        self._processes = processes
        self._cancelled = Event()
        self._thread = Thread(target=self._take_picture, daemon=True)
        processes.start(PROCESS, 'fcos_ros.web', {'web_port': 0})

    @property
    def address(self) -> str:
        """
        The address of the page; empty while the server starts.

        :raises ProcessEnded: the server has ended.
        """
        self._processes.check()
        lines = self._processes.output(PROCESS).splitlines()
        return next((line[len(ADDRESS_MARK):] for line in lines
                     if line.startswith(ADDRESS_MARK)), '')

    @property
    def has_picture(self) -> bool:
        """Whether the picture was taken, or cannot be."""
        return not self._thread.is_alive()

    def start_picture(self) -> None:
        """Let a browser take the picture, while the demo goes on."""
        self._thread.start()

    def cancel(self) -> None:
        """End the browser, if it runs."""
        self._cancelled.set()
        if self._thread.is_alive():
            self._thread.join()

    def _take_picture(self) -> None:
        program = find_browser()
        if program is None:
            self.problem = MISSING
            return
        try:
            save_screenshot(program, self.address, self.path, self._check)
            self.problem = ''
        except (BrowserFailed, ProcessEnded, OSError) as error:
            self.problem = str(error)

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise BrowserFailed('the demo was interrupted')
