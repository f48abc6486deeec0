# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The browser of this machine, without a window: it takes a picture of a page.

`python3 -m fcos_ros.demo.browser` prints the path of the browser. Standard library only.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
import fcntl
import json
import os
from pathlib import Path
import select
import shutil
import signal
import sys
from tempfile import TemporaryDirectory
from time import monotonic
from types import TracebackType
from typing import Any

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
"""Commands of browsers that can run without a window, in the order of preference."""

MISSING = ('no browser was found; accepted: ' + ', '.join(NAMES) +
           '; install one, such as with `sudo apt install chromium`')

SIZE = (1440, 900)
"""Width and height of the picture in pixels."""

TIMEOUT = 60.0
"""Seconds until the page must be ready: a small and busy board starts the browser slowly."""

POLL_PERIOD = 0.2
"""Seconds between two looks at the page, and between two checks for a stop."""

IS_READY = ('Boolean(document.querySelector(".camera[data-stamp]")'
            ' && document.querySelector(".latency"))')
"""Whether the page shows a picture and figures."""


class BrowserFailed(RuntimeError):
    """The browser ended, or the page did not become ready."""


class CallRefused(BrowserFailed):
    """The browser answers a call with an error."""


def find_browser() -> str | None:
    """Return the path of a browser; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def save_screenshot(program: str, address: str, path: Path,
                    check: Callable[[], None] = lambda: None) -> None:
    """
    Save a picture of our page, as PNG, when it shows a picture of a camera and figures.

    :param program: the path of the browser.
    :param check: called again and again; raises to end early.
    :raises BrowserFailed: the browser has not opened the page in time.
    :raises OSError: the file cannot be written.
    """
    with (TemporaryDirectory(prefix='fcos_browser_') as profile,
          Browser(program, profile) as browser):
        target = browser.call('Target.createTarget', {'url': address})['targetId']
        session = browser.call(
            'Target.attachToTarget', {'targetId': target, 'flatten': True})['sessionId']
        end = monotonic() + TIMEOUT
        while not _is_ready(browser, session):
            check()
            if monotonic() > end:
                raise BrowserFailed(f'{address} showed no picture within {TIMEOUT:g} s')
            select.select([], [], [], POLL_PERIOD)
        picture = browser.call('Page.captureScreenshot', {'format': 'png'}, session)['data']
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(picture))


def _is_ready(browser: Browser, session: str) -> bool:
    try:
        answer = browser.call('Runtime.evaluate', {'expression': IS_READY}, session)
    except CallRefused:  # the page is being opened
        return False
    return answer.get('result', {}).get('value') is True


class Browser:
    """
    A browser that is controlled through two pipes, with the protocol of its developer tools.

    :param program: the path of the browser.
    :param profile: an empty folder for its files.
    """

    def __init__(self, program: str, profile: str) -> None:
        self._number = 0
        self._rest = b''
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        # The browser reads from descriptor 3 and writes to 4, so ours must have other numbers.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (commands, answers)]
        try:
            self._process = os.posix_spawn(
                program, _command(program, profile), os.environ, setsid=True, file_actions=[
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, ends[0], 3), (os.POSIX_SPAWN_DUP2, ends[1], 4)])
        finally:
            for end in (commands, answers, *ends):
                os.close(end)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._commands)
        os.close(self._answers)

    def call(self, method: str, parameters: Mapping[str, Any],
             session: str = '') -> Mapping[str, Any]:
        """
        Call a method of the browser and return its result.

        :raises CallRefused: the browser answers with an error.
        :raises BrowserFailed: the browser has ended, or does not answer.
        """
        self._number += 1
        message = {'id': self._number, 'method': method, 'params': dict(parameters)}
        if session:
            message['sessionId'] = session
        try:
            os.write(self._commands, json.dumps(message).encode() + b'\0')
        except BrokenPipeError:
            raise BrowserFailed('the browser has ended') from None
        end = monotonic() + TIMEOUT
        while True:
            answer = json.loads(self._read(end))
            if answer.get('id') != self._number:
                continue
            if 'result' not in answer:
                raise CallRefused(f'the browser refuses {method}: {answer.get("error")}')
            result: Mapping[str, Any] = answer['result']
            return result

    def _read(self, end: float) -> bytes:
        """Return the next message; each ends with a zero byte."""
        while b'\0' not in self._rest:
            if not select.select([self._answers], [], [], max(0.0, end - monotonic()))[0]:
                raise BrowserFailed(f'the browser gave no answer within {TIMEOUT:g} s')
            part = os.read(self._answers, 65536)
            if not part:
                raise BrowserFailed('the browser has ended')
            self._rest += part
        message, _, self._rest = self._rest.partition(b'\0')
        return message


def _command(program: str, profile: str) -> list[str]:
    # Chromium refuses its sandbox to root, who runs containers.
    root = ['--no-sandbox'] if os.geteuid() == 0 else []
    width, height = SIZE
    return [program, '--headless', '--remote-debugging-pipe', f'--user-data-dir={profile}',
            f'--window-size={width},{height}', '--hide-scrollbars', '--no-first-run',
            '--disable-gpu', *root, 'about:blank']


def main() -> int:
    """Print the path of the browser; return 1 if there is none."""
    program = find_browser()
    print(program or MISSING, file=sys.stdout if program else sys.stderr)
    return 0 if program else 1


if __name__ == '__main__':
    sys.exit(main())
