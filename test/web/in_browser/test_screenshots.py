# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the page, for the documents (`make screenshots`) and of the demo."""

from __future__ import annotations

import cv2
from playwright.sync_api import expect
import pytest
from web.in_browser.conftest import DESKTOP, PHONE, wait_for_picture

from fcos_ros.demo.browser import BrowserFailed, find_browser, save_screenshot

WINDOWS = {'page_desktop': (DESKTOP, 1440), 'page_phone': (PHONE, 780)}
"""The window of each picture, and the width of the picture."""


@pytest.mark.parametrize('name', WINDOWS)
def test_pictures_for_the_documents(name, programs, open_page, request, tmp_path):
    folder = request.config.getoption('--screenshots') or tmp_path
    window, width = WINDOWS[name]
    page = wait_for_picture(open_page(programs.address(), **window))
    expect(page.locator('.frames tr.published td')).to_contain_text('%')
    page.locator('button.zones').wait_for()
    # The names of this machine are of no use to others.
    page.evaluate("""document.querySelectorAll('[data-word=model_path], [data-word=host]').forEach(
        (name) => name.parentElement.remove())""")
    path = folder / f'{name}.jpg'
    page.screenshot(path=path, type='jpeg', quality=82)
    assert cv2.imread(str(path)).shape[1] == width


def test_the_picture_of_the_demo(programs, tmp_path):
    path = tmp_path / 'new' / 'page.png'
    save_screenshot(find_browser(), programs.address(), path)
    assert cv2.imread(str(path)).shape[1] == 1440


def test_a_page_that_does_not_open(monkeypatch, tmp_path):
    monkeypatch.setattr('fcos_ros.demo.browser.TIMEOUT', 5.0)
    with pytest.raises(BrowserFailed, match='showed no picture within 5 s'):
        save_screenshot(find_browser(), 'http://localhost:9/', tmp_path / 'page.png')
    assert list(tmp_path.iterdir()) == []


def test_a_browser_that_ends(tmp_path):
    with pytest.raises(BrowserFailed, match='ended'):
        save_screenshot('/bin/true', 'http://localhost:9/', tmp_path / 'page.png')
