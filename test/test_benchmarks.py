# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks that judge what they measure fail when it is wrong."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

GOOD = {name: {'received': 90.0, 'rate': rate, 'age': '9.0', 'ordered': True, 'accounted': True}
        for name, rate in {'front': 41.0, 'rear': 20.0, 'left': 20.0, 'right': 19.5}.items()}


@pytest.fixture
def cameras(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / 'benchmarks')
    return import_module('cameras')


@pytest.fixture
def measure(cameras, monkeypatch):
    """Run the benchmark as if this had been measured under its second load."""
    def run(found):
        monkeypatch.setattr(cameras, 'LOADS', cameras.LOADS[1:])
        bench = SimpleNamespace(model=lambda row: 'model', ask=lambda *words: found)
        monkeypatch.setattr(cameras, 'Bench', lambda *_: bench)
        monkeypatch.setattr('sys.argv', ['cameras.py'])
        return cameras.main()
    return run


def test_shares_by_weight_in_order_and_accounted_for_are_a_success(measure, capsys):
    assert measure(GOOD) == 0
    assert '| front | 2 | 90.00 | 41.00 | 102.0% | 9.0 | yes | yes |' in capsys.readouterr().out


@pytest.mark.parametrize(('change', 'words'), [
    pytest.param({'rate': 23.0}, 'too much: left had', id='share'),
    pytest.param({'rate': 0.0}, 'too much: left had 0.0% of its share', id='nothing'),
    pytest.param({'ordered': False}, 'detections of left came out of order', id='order'),
    pytest.param({'accounted': False}, 'the account of left does not add up', id='account'),
])
def test_whatever_is_wrong_is_named_and_a_failure(measure, capsys, change, words):
    assert measure({**GOOD, 'left': {**GOOD['left'], **change}}) == 1
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(('total', 'sent', 'expected'), [
    pytest.param(100.0, (90, 90, 90, 90), (40, 20, 20, 20), id='too much of all'),
    pytest.param(310.0, (90, 90, 90, 90), (90, 220 / 3, 220 / 3, 220 / 3), id='time for one'),
    pytest.param(70.0, (90, 10, 90, 0), (40, 10, 20, 0), id='some send little'),
    pytest.param(120.0, (30, 30, 30, 30), (30, 30, 30, 30), id='time for all'),
    pytest.param(0.0, (0, 0, 0, 0), (0, 0, 0, 0), id='nothing came'),
])
def test_a_share_is_what_a_camera_sends_or_its_part_of_what_the_others_leave(
        cameras, total, sent, expected):
    weights = dict(zip(cameras.NAMES, (2.0, 1.0, 1.0, 1.0)))
    found = cameras.shares(total, dict(zip(cameras.NAMES, sent)), weights)
    assert [found[name] for name in cameras.NAMES] == pytest.approx(expected)
