# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A real browser that looks at a real detector with a real camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright
import pytest
from web.in_browser.stack import START_TIMEOUT, Peer, Programs

from fcos_ros.demo.browser import find_browser
from fcos_ros.runtime.model_path import demo_model

DESKTOP = {'viewport': {'width': 1440, 'height': 900}, 'locale': 'en-US', 'color_scheme': 'dark'}
PHONE = {'viewport': {'width': 390, 'height': 844}, 'locale': 'zh-CN', 'color_scheme': 'light',
         'device_scale_factor': 2, 'is_mobile': True, 'has_touch': True}
TABLET = {'viewport': {'width': 1000, 'height': 800}, 'locale': 'en-US', 'color_scheme': 'light'}

RATE = 4.0
"""Images of the camera per second: few, as the machine may be busy."""

expect.set_options(timeout=1000 * START_TIMEOUT)

Open = Callable[..., Page]
"""Opens the page in a new window; the arguments are an address and options of the window."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption('--screenshots', type=Path, default=None,
                     help='folder that receives pictures of the page, such as docs')


@pytest.fixture(scope='session')
def browser() -> Iterator[Browser]:
    program = find_browser()
    assert program, 'no Chromium was found; install it with `sudo apt install chromium`'
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=program)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open pages; at the end, assert that none of them had an error."""
    contexts: list[Any] = []
    errors: list[str] = []

    def open_one(address: str, **options: Any) -> Page:
        contexts.append(browser.new_context(**{**DESKTOP, **options}))
        page = contexts[-1].new_page()
        page.set_default_timeout(1000 * START_TIMEOUT)
        page.on('pageerror', lambda error: errors.append(error.stack or str(error)))
        page.on('console', lambda message: errors.append(message.text)
                if 'Content Security Policy' in message.text else None)
        page.goto(address)
        return page
    yield open_one
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope='session')
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Run the detector with the demo network, its camera, and the server of the page."""
    with Programs(tmp_path_factory.mktemp('programs')) as running:
        running.start('page', 'fcos_ros.web', {'web_port': 0})
        running.start('detector', 'fcos_ros.node', {'model': demo_model(), 'track': True})
        running.start('camera', 'fcos_ros.demo.camera_program', {'scenes': 12, 'rate': RATE})
        yield running


@pytest.fixture(scope='session')
def peer(programs: Programs) -> Iterator[Peer]:
    with Peer() as running:
        yield running


@pytest.fixture
def page(programs: Programs, open_page: Open) -> Page:
    """Open the page on a desktop, and wait for its first picture."""
    return wait_for_picture(open_page(programs.address()))


def wait_for_picture(page: Page) -> Page:
    """Wait until the page shows a picture with boxes, and the parameters of the detector."""
    expect(page.locator('.camera[data-stamp]').first).to_be_visible()
    expect(page.locator('[data-parameter=score_threshold] input').first).to_be_enabled()
    expect(page.locator('#latency .chart .bar').first).to_be_visible()
    return page
