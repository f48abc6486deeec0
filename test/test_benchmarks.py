# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks that check their measurements fail if a result is wrong."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

GOOD = {name: {'received': 90.0, 'rate': rate, 'age': '9.0', 'ordered': True, 'accounted': True}
        for name, rate in {'front': 41.0, 'rear': 20.0, 'left': 20.0, 'right': 19.5}.items()}


@pytest.fixture
def load_benchmark(monkeypatch):
    """Return a function that imports a benchmark whose processes return given measurements."""
    def load(name, **measured):
        monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / 'benchmarks')
        module = import_module(name)
        board = SimpleNamespace(
            libdnn='libdnn.so', write=lambda model: 'model.bin', run=lambda *arguments: measured)
        monkeypatch.setattr(module, 'SimulatedBoard', lambda *_: board)
        monkeypatch.setattr('sys.argv', [f'{name}.py'])
        return module
    return load


@pytest.fixture
def tables(monkeypatch, tmp_path):
    """Import the tables of the benchmarks; they are recorded in a file."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / 'benchmarks')
    module = import_module('common.tables')
    monkeypatch.setenv(module.RESULTS, str(tmp_path / 'results'))
    return module


@pytest.fixture
def decode(monkeypatch):
    """Import the benchmark `decode.py`."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / 'benchmarks')
    return import_module('decode')


@pytest.fixture
def measure_cameras(load_benchmark, monkeypatch):
    """Return a function that runs `cameras.py` with its second load."""
    def run(measured):
        cameras = load_benchmark('cameras', **measured)
        monkeypatch.setattr(cameras, 'LOADS', cameras.LOADS[1:])
        return cameras.main()
    return run


def test_cameras_that_get_their_shares_are_a_success(measure_cameras, capsys):
    assert measure_cameras(GOOD) == 0
    assert '| front | 2 | 90.00 | 41.00 | 102.0% | 9.0 | yes | yes |' in capsys.readouterr().out


@pytest.mark.parametrize(('change', 'words'), [
    pytest.param({'rate': 23.0}, 'overload: left got', id='share'),
    pytest.param({'rate': 0.0}, 'overload: left got 0.0% of its share', id='no images'),
    pytest.param({'ordered': False}, 'detections of left are out of order', id='order'),
    pytest.param({'accounted': False}, 'the counts of left do not add up', id='counts'),
])
def test_each_error_of_a_camera_is_printed_and_is_a_failure(
        measure_cameras, capsys, change, words):
    assert measure_cameras({**GOOD, 'left': {**GOOD['left'], **change}}) == 1
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(('total', 'sent', 'expected'), [
    pytest.param(100.0, (90, 90, 90, 90), (40, 20, 20, 20), id='overload'),
    pytest.param(310.0, (90, 90, 90, 90), (90, 220 / 3, 220 / 3, 220 / 3),
                 id='enough for the first camera'),
    pytest.param(70.0, (90, 10, 90, 0), (40, 10, 20, 0), id='some cameras send little'),
    pytest.param(120.0, (30, 30, 30, 30), (30, 30, 30, 30), id='light load'),
    pytest.param(0.0, (0, 0, 0, 0), (0, 0, 0, 0), id='no images'),
])
def test_cameras_share_by_weight_what_others_do_not_send(load_benchmark, total, sent, expected):
    cameras = load_benchmark('cameras')
    weights = dict(zip(cameras.NAMES, (2.0, 1.0, 1.0, 1.0)))
    found = cameras.shares(total, dict(zip(cameras.NAMES, sent)), weights)
    assert [found[name] for name in cameras.NAMES] == pytest.approx(expected)


OUTAGE = {'outage': 1.25, 'start': 0.5, 'failed': 1, 'ordered': True, 'accounted': True}


def test_an_outage_of_any_length_is_a_success(load_benchmark, capsys):
    assert load_benchmark('outages', **OUTAGE).main() == 0
    line = '| the only worker is killed | 1.25 | 1.25 | 0.50 | 1/1/1 | yes | yes |'
    assert line in capsys.readouterr().out


@pytest.mark.parametrize(('change', 'words'), [
    ({'ordered': False}, 'the only worker is killed: detections are out of order'),
    ({'accounted': False}, 'the only worker is killed: the counts of frames do not add up'),
], ids=['order', 'counts'])
def test_an_outage_that_loses_the_order_or_frames_is_a_failure(
        load_benchmark, capsys, change, words):
    assert load_benchmark('outages', **{**OUTAGE, **change}).main() == 1
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(('name', 'share'), [('few', 0.02), ('half', 0.5), ('nearly all', 0.98)])
@pytest.mark.parametrize('dtype', ['int32', 'float32'])
def test_the_scenes_for_decoding_have_the_named_share_of_cells_past_the_gate(
        decode, name, share, dtype):
    specs, outputs = decode.synthetic_outputs(
        512, 1, dtype, np.random.default_rng(0), decode.NOISE[name])
    centerness = np.concatenate([
        (output * (1 if spec.scale is None else spec.scale)).reshape(-1)
        for spec, output in zip(specs[10:], outputs[10:])])
    probabilities = 1 / (1 + np.exp(-centerness))
    assert (probabilities > 0.25).mean() == pytest.approx(share, abs=0.02)


def test_decoders_that_find_different_objects_are_no_success(decode, monkeypatch):
    monkeypatch.setattr(decode, 'SCENES_BYTES', 4_000_000)
    times = decode.measured(256, decode.Case('half'), 'int32')
    assert min(times) > 0
    complete = decode.Baseline.decode
    monkeypatch.setattr(decode.Baseline, 'decode', lambda *arguments: complete(*arguments)[1:])
    with pytest.raises(AssertionError):
        decode.measured(256, decode.Case('half'), 'int32')


def print_two_tables(tables):
    times = tables.Table({'size': '', 'time, ms': '.2f', 'share': '.0%'})
    times.add('512', 1.2345, 0.5)
    times.add('896', None, 2)
    tables.note('The machine was busy.')
    tables.Table({'name': ''}).add('last')


PRINTED = """\
| size | time, ms | share |
| --- | ---: | ---: |
| 512 | 1.23 | 50% |
| 896 | - | 200% |

The machine was busy.

| name |
| --- |
| last |"""


def test_recorded_tables_are_those_that_were_printed_with_unrounded_numbers(
        tables, tmp_path, capsys):
    print_two_tables(tables)
    assert capsys.readouterr().out.rstrip() == PRINTED
    results = tables.read_results(tmp_path / 'results')
    assert tables.to_markdown(results) == PRINTED
    assert results[0].rows == [['512', 1.2345, 0.5], ['896', None, 2]]


def test_a_benchmark_that_was_aborted_leaves_its_complete_rows(tables, tmp_path):
    print_two_tables(tables)
    path = tmp_path / 'results'
    lines = path.read_text().splitlines()
    path.write_text('\n'.join([*lines[:2], lines[2][:-3]]))
    assert [result.rows for result in tables.read_results(path)] == [[['512', 1.2345, 0.5]]]


def test_a_row_needs_a_cell_for_each_column(tables):
    with pytest.raises(ValueError, match='the row has 1 cells; accepted: 2'):
        tables.Table({'one': '', 'two': 'd'}).add('lonely')


def test_without_a_file_nothing_is_recorded(tables, tmp_path, monkeypatch):
    monkeypatch.delenv(tables.RESULTS)
    print_two_tables(tables)
    assert not (tmp_path / 'results').exists()
