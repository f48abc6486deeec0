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
def benchmark(monkeypatch):
    """Return a function that imports a benchmark, which then measures what a test says."""
    def load(name, **measured):
        monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / 'benchmarks')
        module = import_module(name)
        bench = SimpleNamespace(
            libdnn='libdnn.so', model=lambda row: 'model', ask=lambda *words: measured)
        monkeypatch.setattr(module, 'Bench', lambda *_: bench)
        monkeypatch.setattr('sys.argv', [f'{name}.py'])
        return module
    return load


@pytest.fixture
def measure_cameras(benchmark, monkeypatch):
    """Return a function that runs `cameras.py` under its second load only."""
    def run(measured):
        cameras = benchmark('cameras', **measured)
        monkeypatch.setattr(cameras, 'LOADS', cameras.LOADS[1:])
        return cameras.main()
    return run


def test_shares_by_weight_in_order_and_accounted_for_are_a_success(measure_cameras, capsys):
    assert measure_cameras(GOOD) == 0
    assert '| front | 2 | 90.00 | 41.00 | 102.0% | 9.0 | yes | yes |' in capsys.readouterr().out


@pytest.mark.parametrize(('change', 'words'), [
    pytest.param({'rate': 23.0}, 'too much: left had', id='share'),
    pytest.param({'rate': 0.0}, 'too much: left had 0.0% of its share', id='nothing'),
    pytest.param({'ordered': False}, 'detections of left came out of order', id='order'),
    pytest.param({'accounted': False}, 'the account of left does not add up', id='account'),
])
def test_whatever_is_wrong_is_named_and_a_failure(measure_cameras, capsys, change, words):
    assert measure_cameras({**GOOD, 'left': {**GOOD['left'], **change}}) == 1
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(('total', 'sent', 'expected'), [
    pytest.param(100.0, (90, 90, 90, 90), (40, 20, 20, 20), id='too much of all'),
    pytest.param(310.0, (90, 90, 90, 90), (90, 220 / 3, 220 / 3, 220 / 3), id='time for one'),
    pytest.param(70.0, (90, 10, 90, 0), (40, 10, 20, 0), id='some send little'),
    pytest.param(120.0, (30, 30, 30, 30), (30, 30, 30, 30), id='time for all'),
    pytest.param(0.0, (0, 0, 0, 0), (0, 0, 0, 0), id='nothing came'),
])
def test_a_share_is_what_a_camera_sends_or_its_part_of_what_the_others_leave(
        benchmark, total, sent, expected):
    cameras = benchmark('cameras')
    weights = dict(zip(cameras.NAMES, (2.0, 1.0, 1.0, 1.0)))
    found = cameras.shares(total, dict(zip(cameras.NAMES, sent)), weights)
    assert [found[name] for name in cameras.NAMES] == pytest.approx(expected)


OUTAGE = {'outage': 1.25, 'start': 0.5, 'failed': 1, 'ordered': True, 'accounted': True}


def test_an_outage_of_any_length_is_a_success(benchmark, capsys):
    assert benchmark('outages', **OUTAGE).main() == 0
    line = '| the only worker is killed | 1.25 | 1.25 | 0.50 | 1/1/1 | yes | yes |'
    assert line in capsys.readouterr().out


@pytest.mark.parametrize(('change', 'words'), [
    ({'ordered': False}, 'the only worker is killed: detections came out of order'),
    ({'accounted': False}, 'the only worker is killed: the account of frames does not add up'),
], ids=['order', 'account'])
def test_an_outage_that_loses_order_or_frames_is_a_failure(benchmark, capsys, change, words):
    assert benchmark('outages', **{**OUTAGE, **change}).main() == 1
    assert words in capsys.readouterr().out
