# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks that check their measurements fail if a result is wrong."""

from dataclasses import replace
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from waiting import TIMEOUT, wait_until

from fcos_ros.cli.machine import Machine

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


FAULT, BAR_MISSED = 1, 4


@pytest.mark.parametrize(('change', 'words', 'code'), [
    pytest.param({'rate': 23.0}, 'overload: rate of left relative to its share: 111.', BAR_MISSED,
                 id='share'),
    pytest.param({'rate': 0.0}, 'left relative to its share: 0.0%; accepted: at least 95.0% and',
                 BAR_MISSED, id='no images'),
    pytest.param({'ordered': False}, 'detections of left are out of order', FAULT, id='order'),
    pytest.param({'accounted': False}, 'the counts of left do not add up', FAULT, id='counts'),
    pytest.param({'accounted': False, 'rate': 0.0}, 'the counts of left do not add up', FAULT,
                 id='both'),
])
def test_each_error_of_a_camera_is_printed_and_decides_the_exit_code(
        measure_cameras, capsys, change, words, code):
    assert measure_cameras({**GOOD, 'left': {**GOOD['left'], **change}}) == code
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


@pytest.mark.parametrize('capacity', [3.0, 44.0, 320.0])
@pytest.mark.parametrize('flooded', [0.6, 1.0], ids=['slow under flood', 'steady'])
@pytest.mark.parametrize('luck', [1.0, 1.3], ids=['exact steps', 'lucky steps'])
def test_the_maximum_rate_is_the_highest_with_few_lost_images(
        load_benchmark, capacity, flooded, luck):
    rates = load_benchmark('rates')
    sent = []

    def measure(rate, seconds):
        sent.append(rate)
        limit = capacity * (flooded if rate == rates.FLOOD_RATE else 1.0)
        limit *= luck if seconds < 4.0 else 1.0
        camera = SimpleNamespace(
            detection_rate=min(rate, limit), lost_share=max(0.0, 1 - limit / rate))
        return SimpleNamespace(cameras=[camera])

    found = rates._maximum(measure, 4.0).cameras[0]
    assert found.lost_share < rates.MAX_LOSS
    assert 0.93 * capacity <= sent[-1] <= capacity / (1 - rates.MAX_LOSS)
    assert len(sent) <= 14


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
    assert load_benchmark('outages', **{**OUTAGE, **change}).main() == FAULT
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


def test_without_the_compiled_library_decoding_is_measured_with_numpy(
        decode, monkeypatch, capsys):
    monkeypatch.setattr(decode, 'load_library', lambda: None)
    monkeypatch.setattr(decode, 'SCENES_BYTES', 8_000_000)
    monkeypatch.setattr(decode, 'TABLES', {'half': [decode.Case('half')]})
    monkeypatch.setattr('sys.argv', ['decode.py', '--sizes', '512'])
    decode.main()
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith('| half |')]
    assert len(rows) == len(decode.DTYPES)
    assert all(row.endswith('| - | - |') for row in rows)
    assert 'with numpy:' in printed
    assert 'with C:' not in printed


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


def write_report(tmp_path, *runs):
    """Write a report of a machine with a name of its own; return the Markdown and the JSON."""
    report = import_module('common.report')
    path = report.write_report(tmp_path, replace(Machine.read(), cpu='slow core'), runs)
    return path.read_text(), json.loads((tmp_path / 'report.json').read_text())


def run_of(results, failure=''):
    path = Path(__file__).resolve().parent.parent / 'benchmarks' / 'nms.py'
    return import_module('common.report').Run(
        'nms', path, ('--fast',), 12.0, 1.5, failure, results)


def test_the_report_has_machine_load_command_and_tables(tables, tmp_path):
    print_two_tables(tables)
    text, data = write_report(tmp_path, run_of(tables.read_results(tmp_path / 'results')))
    assert 'slow core' in text
    assert '`python benchmarks/nms.py --fast`' in text
    assert text.endswith(f'{PRINTED}\n')
    assert 'waterfall' not in text
    entry = data['benchmarks']['nms']
    assert (data['machine']['cpu'], entry['load'], entry['seconds']) == ('slow core', 1.5, 12.0)
    assert entry['results'][0]['rows'] == [['512', 1.2345, 0.5], ['896', None, 2]]


def test_the_report_draws_the_stages_and_has_the_names_of_ros2_benchmark(tables, tmp_path):
    stages = {stage: {'p50': 0.01, 'p95': 0.02, 'p99': 0.03} for stage in ('infer', 'decode')}
    metrics = {'BasicPerformanceMetrics.MEAN_FRAME_RATE': 30.0}
    tables.keep(title='a board', stages=stages, ros2_benchmark=metrics)
    text, data = write_report(tmp_path, run_of(tables.read_results(tmp_path / 'results')))
    assert data['ros2_benchmark'] == {'a board': metrics}
    assert '](waterfall.svg)' in text
    picture = ElementTree.parse(tmp_path / 'waterfall.svg').getroot()
    titles = [title.text for title in picture.iter('{http://www.w3.org/2000/svg}title')]
    assert titles == ['infer: 10, p95 20, p99 30', 'decode: 10, p95 30, p99 40']


def test_a_failure_is_in_the_report_with_the_rows_before_it(tables, tmp_path):
    tables.Table({'name': ''}).add('before')
    text, _ = write_report(
        tmp_path, run_of(tables.read_results(tmp_path / 'results'), 'failed with exit code 1'))
    assert '**The benchmark failed with exit code 1.**' in text
    assert '| before |' in text


@pytest.fixture
def all_benchmarks(tables):
    """Load the script that runs all benchmarks."""
    path = Path(tables.__file__).parents[1] / '__main__.py'
    spec = spec_from_file_location('all_benchmarks', path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_benchmark_has_a_plan_and_no_plan_is_left_over(all_benchmarks):
    scripts = {path.stem for path in all_benchmarks.FOLDER.glob('[a-z]*.py')}
    assert set(all_benchmarks.PLANS) == scripts


def test_all_plans_together_fit_into_the_time(all_benchmarks):
    planned = sum(plan.seconds for plan in all_benchmarks.PLANS.values())
    assert planned <= 60 * all_benchmarks.MINUTES


@pytest.fixture
def run_all(all_benchmarks, tmp_path, monkeypatch, capfd):
    """Return a function that runs some scripts as benchmarks; it returns the data."""
    module = all_benchmarks
    monkeypatch.setenv('PYTHONPATH', str(module.FOLDER))
    monkeypatch.setattr(module, 'FOLDER', tmp_path)

    def run(*options, **scripts):
        for name, text in scripts.items():
            (tmp_path / f'{name}.py').write_text(f'"""Measure {name}."""\n{text}')
        out = tmp_path / 'bench'
        monkeypatch.setattr('sys.argv', ['benchmarks', '--out', str(out), *options])
        code = module.main()
        assert capfd.readouterr().out.splitlines()[-1] == str(out / 'report.md')
        found = json.loads((out / 'report.json').read_text())['benchmarks']
        assert (out / 'report.md').read_text().count('\n## ') == len(found)
        return code, found
    return run


ROW = 'from common.tables import Table; Table({"name": ""}).add("row")\n'


def test_all_benchmarks_are_run_and_the_report_is_the_last_line(run_all):
    code, found = run_all(slow=ROW, quick=ROW)
    assert (code, list(found)) == (0, ['quick', 'slow'])
    assert [run['failure'] for run in found.values()] == ['', '']
    assert found['quick']['results'][0]['rows'] == [['row']]


def test_a_benchmark_that_fails_does_not_end_the_others(run_all):
    code, found = run_all('--only', 'bad', 'good', bad=f'{ROW}raise SystemExit(3)', good=ROW)
    assert code == 1
    assert (found['bad']['failure'], found['good']['failure']) == ('failed with exit code 3', '')
    assert found['bad']['results'][0]['rows'] == [['row']]


def test_a_benchmark_that_uses_its_share_is_cut_off_and_leaves_time_for_the_others(run_all):
    begin = time.monotonic()
    endless = f'{ROW}import time; time.sleep(1e6)'
    code, found = run_all('--minutes', '0.2', first=endless, second=ROW)
    assert time.monotonic() - begin >= 6.0
    assert code == 0
    assert {name: (run['failure'], run['cut_off'], len(run['results']))
            for name, run in found.items()} == {'first': ('', True, 1), 'second': ('', False, 1)}


def test_a_benchmark_that_is_cut_off_without_a_result_has_failed(run_all):
    code, found = run_all('--minutes', '0.02', endless='import time; time.sleep(1e6)')
    assert (code, found['endless']['failure']) == (1, 'no result in 1 s')


BAR = """\
from common.checks import Checks
checks = Checks()
checks.bar('rate', 0.4, '.0%', least=0.9)
checks.require({}, 'a frame is lost')
raise SystemExit(checks.exit_code())
"""


@pytest.mark.parametrize(('holds', 'expected'), [(True, 0), (False, 1)])
def test_a_missed_bar_is_in_the_report_and_only_a_fault_is_a_failure(run_all, holds, expected):
    code, found = run_all(measured=BAR.format(holds))
    assert code == expected
    assert bool(found['measured']['failure']) is not holds
    assert found['measured']['missed_bars'] == ['rate: 40%; accepted: at least 90%']


def test_a_missed_bar_is_listed_before_the_tables_with_figure_and_bar(tables, tmp_path):
    tables.note_missed_bar('rate: 40%; accepted: at least 90%')
    text, _ = write_report(tmp_path, run_of(tables.read_results(tmp_path / 'results')))
    assert text.index('- nms: rate: 40%; accepted: at least 90%') < text.index('## nms')
    assert ' bar missed ' in text


@pytest.mark.parametrize('figure', [0.89, float('nan'), 1.11])
def test_a_figure_outside_its_bar_is_named(tables, capsys, figure):
    checks = import_module('common.checks').Checks()
    checks.bar('in', 0.9, '.2f', least=0.9, most=1.1)
    checks.bar('out', figure, '.2f', least=0.9, most=1.1)
    assert checks.exit_code() == BAR_MISSED
    printed = capsys.readouterr().out.strip()
    assert printed == (
        f'BAR MISSED: out: {figure:.2f}; accepted: at least 0.90 and at most 1.10')


INTERRUPTED = """\
import sys, time
sys.path.insert(0, {benchmarks!r})
from pathlib import Path
from common.simulated_board import MODELS, SimulatedBoard, running
role, *arguments = sys.argv[1:]
if role == 'node':
    time.sleep(1e6)
elif role == 'graph':
    with running(__file__, 'node') as node:
        Path(arguments[1]).write_text(str(node.pid) + '.')
        time.sleep(1e6)
else:
    SimulatedBoard(Path(role), 0.0).run(__file__, MODELS['b0'], 'graph', arguments[0])
"""


def test_an_interrupted_benchmark_leaves_no_process(tables, tmp_path):
    script, pid, board = (tmp_path / name for name in ('interrupted.py', 'pid', 'board'))
    board.mkdir()
    script.write_text(INTERRUPTED.format(benchmarks=str(Path(tables.__file__).parents[1])))
    process = subprocess.Popen([sys.executable, str(script), str(board), str(pid)],
                               start_new_session=True, stderr=subprocess.PIPE)
    wait_until(lambda: process.poll() is not None
               or (pid.exists() and pid.read_text().endswith('.')))
    os.killpg(process.pid, signal.SIGINT)
    assert b'KeyboardInterrupt' in process.communicate(timeout=TIMEOUT)[1]
    assert not Path('/proc', pid.read_text()[:-1]).exists()
