# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rights that all kinds of requests have, to view the page and to change parameters."""

from hypothesis import given, strategies as st
from manual_clock import ManualClock
import pytest

from fcos_ros.web.access import MAX_SESSIONS, Access, Gate, TooManyAttempts, Visitor, choose_token

TOKEN = 'a-token-of-this-test'
ROBOT = '192.168.1.5:8088'
"""The header `Host` of a browser that opens the page by its address."""


def visitor(**facts):
    return Visitor(**{'address': '192.168.1.77', 'host': ROBOT, **facts})


def local(**facts):
    return visitor(**{'address': '127.0.0.1', 'host': 'localhost:8088', **facts})


def gate(public_view=False, clock=None):
    return Gate(TOKEN, public_view, ['Robot', 'robot.local', ''], *([clock] if clock else []))


@pytest.mark.parametrize('host', [
    'localhost', 'localhost:8088', 'LOCALHOST:8088', '127.0.0.1', '127.0.0.1:80', '[::1]:8088',
    '192.168.1.5', '[fe80::1]:8088', 'robot', 'robot:8088', 'ROBOT.local', 'robot.local.:8088'])
def test_addresses_and_names_of_the_machine_are_accepted_hosts(host):
    assert gate().accepts_host(host)


@pytest.mark.parametrize('host', [
    '', 'evil.example', 'evil.example:8088', 'localhost.evil.example', '127.0.0.1.evil.example',
    'evil.example@127.0.0.1', '127.0.0.1@evil.example', '127.0.0.1/evil.example', 'localhost:x',
    '127.0.0.1:8088:8088', '[::1', '2130706433', '0x7f000001', 'robot evil.example',
    'localhost\\evil.example', 'localhost#', 'localhost?x'])
def test_other_names_are_refused_as_they_may_be_rebound(host):
    assert not gate().accepts_host(host)


@given(st.text(max_size=40))
def test_any_other_host_is_answered_without_an_error(host):
    gate().accepts_host(host)
    assert visitor(host=host, origin=host).has_own_origin in (True, False)


@pytest.mark.parametrize('origin', ['http://192.168.1.5:8088', 'https://192.168.1.5:8088'])
def test_the_origin_of_the_page_itself_is_accepted(origin):
    assert visitor(origin=origin).has_own_origin


@pytest.mark.parametrize('origin', [
    '', 'null', 'http://evil.example', 'http://192.168.1.5', 'http://192.168.1.5:8089',
    'http://192.168.1.5:8088.evil.example', 'http://192.168.1.5:8088@evil.example',
    'ftp://192.168.1.5:8088', 'file://', '192.168.1.5:8088', 'http://[', 'http://localhost:8088'])
def test_other_origins_are_refused(origin):
    assert not visitor(origin=origin).has_own_origin


@pytest.mark.parametrize(('facts', 'is_local'), [
    ({}, True),
    ({'host': '127.0.0.1:8088'}, True),
    ({'address': '::1', 'host': '[::1]:8088'}, True),
    ({'address': '::ffff:127.0.0.1'}, True),
    # A proxy on this machine passes on requests of others.
    ({'forwarded': True}, False),
    ({'host': 'robot.local:8088'}, False),
    ({'host': ROBOT}, False),
    # Another machine may state any host.
    ({'address': '192.168.1.77'}, False),
    ({'address': '::ffff:192.168.1.77'}, False),
    ({'address': ''}, False),
    ({'host': ''}, False),
    ({'host': 'evil.example@localhost:8088'}, False),
])
def test_only_requests_from_and_for_this_machine_need_no_token(facts, is_local):
    expected = Access.CONTROL if is_local else Access.NONE
    assert gate().access(local(**facts)) == expected


@pytest.mark.parametrize(('public_view', 'expected'), [(False, Access.NONE), (True, Access.VIEW)])
def test_other_machines_without_the_token_may_view_only_if_it_is_public(public_view, expected):
    assert gate(public_view).access(visitor()) == expected


def test_the_token_gives_control_until_the_visitor_logs_out():
    opened = gate()
    session = opened.log_in(visitor(), TOKEN)
    assert TOKEN not in session
    assert opened.access(visitor(session=session)) == Access.CONTROL
    assert opened.access(visitor(address='192.168.1.78')) == Access.NONE
    opened.log_out(visitor(session=session))
    assert opened.access(visitor(session=session)) == Access.NONE


@pytest.mark.parametrize('token', ['', 'wrong', TOKEN[:-1], f'{TOKEN} ', TOKEN.upper(), 'ü\ud800'])
def test_a_wrong_token_gives_no_session(token):
    assert gate().log_in(visitor(), token) is None


def test_the_token_itself_is_no_session():
    assert gate().access(visitor(session=TOKEN)) == Access.NONE


def test_wrong_tokens_are_limited_for_each_address_and_not_for_others():
    clock = ManualClock()
    opened = gate(clock=clock)
    for _ in range(10):
        opened.log_in(visitor(), 'wrong')
    with pytest.raises(TooManyAttempts, match='wait a minute'):
        opened.log_in(visitor(), TOKEN)
    assert opened.log_in(visitor(address='192.168.1.78'), TOKEN)
    clock.advance(60)
    assert opened.log_in(visitor(), TOKEN)


def test_the_oldest_session_is_forgotten_when_there_are_too_many():
    opened = gate()
    sessions = [opened.log_in(visitor(address=f'10.0.0.{n}'), TOKEN)
                for n in range(MAX_SESSIONS + 1)]
    assert opened.access(visitor(session=sessions[0])) == Access.NONE
    assert opened.access(visitor(session=sessions[1])) == Access.CONTROL


def test_a_random_token_is_long_and_new_each_time():
    assert len(choose_token('')) >= 32
    assert choose_token('') != choose_token('')


@pytest.mark.parametrize('given', ['short', 'x' * 15, 'with a space in it', 'ümlaut-ümlaut-ümlaut',
                                   'a-token-of-this-test\n'])
def test_a_token_that_is_too_simple_is_refused(given):
    with pytest.raises(ValueError, match='accepted: 16 or more visible ASCII characters'):
        choose_token(given)
