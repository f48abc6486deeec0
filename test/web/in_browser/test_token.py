# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A browser that reaches the server under an address of the network needs the token."""

from __future__ import annotations

from contextlib import contextmanager
import socket

from playwright.sync_api import expect
import pytest
from web.in_browser.conftest import wait_for_picture
from web.in_browser.stack import TOKEN


def own_address():
    """Return the address of this machine in its network; 127.0.0.1 without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(('192.0.2.1', 9))  # nothing is sent
        except OSError:
            return '127.0.0.1'
        return probe.getsockname()[0]


@contextmanager
def network_server(programs, name, public_view):
    """Run a server for all networks; return its address in the network."""
    if own_address().startswith('127.'):
        pytest.fail('this machine has no network, so that every browser is on this machine')
    programs.start(name, 'fcos_ros.web', FCOS_WEB_TOKEN=TOKEN, parameters={
        'web_host': '0.0.0.0', 'web_port': 0, 'web_public_view': public_view})
    port = programs.address(name).rstrip('/').rpartition(':')[2]
    yield f'http://{own_address()}:{port}/'
    programs.stop(name)


@pytest.fixture(scope='module')
def closed_server(programs):
    with network_server(programs, 'closed', 'false') as address:
        yield address


@pytest.fixture(scope='module')
def public_server(programs):
    with network_server(programs, 'public', 'true') as address:
        yield address


def test_a_wrong_token_is_refused(closed_server, open_page):
    page = open_page(f'{closed_server}?token=wrong')
    expect(page.locator('#login')).to_be_visible()
    expect(page.locator('#page')).to_be_hidden()
    expect(page.locator('#login_error')).not_to_be_empty()
    page.locator('#token').fill('wrong, too')
    page.locator('#login button').click()
    expect(page.locator('#login_error')).to_contain_text('token')
    assert page.locator('.camera').count() == 0
    page.locator('#token').fill(TOKEN)
    page.keyboard.press('Enter')
    wait_for_picture(page)
    expect(page.locator('#login')).to_be_hidden()
    assert '?' not in page.url


def test_the_token_in_the_address_is_kept_in_a_cookie_only(closed_server, open_page):
    page = open_page(f'{closed_server}?token={TOKEN}')
    wait_for_picture(page)
    assert TOKEN not in page.url
    assert page.evaluate('document.cookie') == ''
    page.reload()
    wait_for_picture(page)


def test_a_viewer_sees_everything_and_changes_nothing(public_server, open_page):
    page = open_page(public_server)
    expect(page.locator('.camera[data-stamp]')).to_be_visible()
    expect(page.locator('#latency .bar').first).to_be_visible()
    expect(page.locator('[data-parameter=score_threshold] input').first).to_be_disabled()
    expect(page.locator('.camera button.zones')).to_be_hidden()
    expect(page.locator('#undo')).to_be_hidden()
    page.locator('#unlock').click()
    page.locator('#token').fill(TOKEN)
    page.keyboard.press('Enter')
    wait_for_picture(page)
