# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nothing overlaps on any screen, and axe finds no serious fault of accessibility."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from playwright.sync_api import expect
import pytest
from waiting import wait_until
from web.in_browser.conftest import DESKTOP, PHONE, TABLET, wait_for_picture

LAYOUT = (Path(__file__).parent / 'layout.js').read_text(encoding='utf-8')
AXE = resources.files('axe_playwright_python').joinpath('axe.min.js').read_text(encoding='utf-8')

WINDOWS = {
    'desktop': DESKTOP,
    'desktop_light_zh': {**DESKTOP, 'locale': 'zh-CN', 'color_scheme': 'light'},
    'phone': PHONE, 'phone_dark_en': {**PHONE, 'locale': 'en-US', 'color_scheme': 'dark'},
    'tablet': TABLET, 'small_phone': {**PHONE, 'viewport': {'width': 320, 'height': 568}},
}

SERIOUS = {'serious', 'critical'}


def faults_of(page):
    """Return the serious faults that axe finds, with the elements."""
    page.evaluate(AXE)  # through the driver, as the page itself runs no foreign script
    found = page.evaluate('axe.run()')
    assert len(found['passes']) > 10
    return [f'{fault["id"]}: {node["html"][:120]} {node["failureSummary"]}'
            for fault in found['violations'] if fault['impact'] in SERIOUS
            for node in fault['nodes']]


@pytest.fixture(params=WINDOWS)
def window(request, programs, open_page):
    return wait_for_picture(open_page(programs.address(), **WINDOWS[request.param]))


def test_nothing_overlaps(window):
    assert window.evaluate(LAYOUT) == []
    window.locator('.camera button.zones').click()
    window.locator('details.group summary').click()
    window.evaluate("document.querySelectorAll('.knob .key').forEach((key) => key.click())")
    assert window.evaluate(LAYOUT) == []


def test_the_test_of_the_layout_sees_an_overlap(page):
    page.evaluate("document.getElementById('pause').style.marginLeft = '-60px'")
    page.evaluate("document.getElementById('node').style.minWidth = '95vw'")
    assert any('overlaps' in fault for fault in page.evaluate(LAYOUT))


def test_no_serious_fault_of_accessibility(window):
    assert faults_of(window) == []
    window.locator('.camera button.zones').click()
    window.locator('button.add_exclude_zone').focus()
    window.keyboard.press('Enter')
    expect(window.locator('polygon.exclude_zones')).to_have_count(1)
    window.locator('details.group summary').click()
    window.locator('.knob .key').first.click()
    try:
        assert faults_of(window) == []
    finally:
        expect(window.locator('#undo')).to_be_enabled()
        window.locator('#undo').click()
        expect(window.locator('polygon.exclude_zones')).to_have_count(0)


def test_axe_sees_a_fault(page):
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert any('button-name' in fault for fault in faults_of(page))


def test_the_language_and_the_theme_are_switched_and_kept(page):
    expect(page.locator('html')).to_have_attribute('lang', 'en')
    expect(page.locator('html')).to_have_attribute('data-theme', 'dark')
    page.locator('#language').click()
    page.locator('#theme').click()
    for _ in range(2):
        expect(page.locator('html')).to_have_attribute('lang', 'zh-CN')
        expect(page.locator('html')).to_have_attribute('data-theme', 'light')
        expect(page.locator('#pause')).to_have_text('暂停')
        expect(page.locator('[data-parameter=score_threshold] .name')).to_have_text('置信度阈值')
        page.reload()


def test_both_languages_have_all_texts(page):
    english, chinese = page.evaluate("""async () => {
      const { LANGUAGES } = await import('./static/words.js')
      return Object.values(LANGUAGES).map(Object.keys)
    }""")
    assert set(english) == set(chinese)


def test_everything_is_reached_with_the_keyboard(page):
    names = set()

    def tab():
        page.keyboard.press('Tab')
        names.add(page.evaluate("""() => {
          const one = document.activeElement
          const knob = one.closest('[data-parameter]')
          return one.id || knob?.dataset.parameter || one.getAttribute('class') }"""))
        return {'pause', 'save', 'language', 'theme', 'zones', 'full_screen', 'score_threshold',
                'classes', 'track', 'max_age'} <= names
    wait_until(tab)
