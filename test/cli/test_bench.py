# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos bench`: every frame is measured once, whatever engine, and nothing else is on stdout."""

from argparse import ArgumentParser
import json
import os
from pathlib import Path
import signal
import subprocess
import sys

from child_processes import children, is_alive
import cv2
import numpy as np
from onnx_models import white_square, write_fcos
import pytest
from waiting import TIMEOUT, wait_until

from fcos_ros.cli import bench
from fcos_ros.runtime.board import BOARDS

ROOT = Path(__file__).parents[2]
BOARD = ROOT / 'test' / 'board'


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return write_fcos(tmp_path_factory.mktemp('model') / 'squares.onnx', half_box=8.0)


def assert_sums_up(rate, frames):
    assert rate['frames'] == frames
    assert rate['fps'] == pytest.approx(frames / rate['seconds'])
    latency = rate['latency']
    assert 0 < latency['p50'] <= latency['p95'] <= latency['p99']


def assert_adds_up(measured, workers, frames):
    """Assert what holds for every measurement on every machine."""
    assert measured['workers'] == workers
    pipeline = measured['pipeline']
    for rate in (measured['inference'], pipeline['whole']):
        assert_sums_up(rate, frames)
        # No worker has two frames at a time.
        busy = frames * rate['latency']['mean'] / 1000
        assert busy <= workers * rate['seconds']
    stages = sum(pipeline[stage]['mean'] for stage in ('preprocess', 'infer', 'decode'))
    assert stages <= pipeline['whole']['latency']['mean']


@pytest.mark.parametrize('encoding', ['nv12', 'bgr8', 'rgb8', 'mono8'])
def test_each_number_of_workers_is_measured_with_all_frames(fcos, model, encoding):
    said = fcos('bench', model, '--workers', 1, 3, '--frames', 7, '--size', '320x240',
                '--encoding', encoding, '--json')
    assert said.code == 0
    report = json.loads(said.out)
    assert report['failures'] == []
    first, second = report['measured']
    assert (first['model'], first['path']) == ('squares', str(model))
    assert_adds_up(first, 1, 7)
    assert_adds_up(second, 3, 7)


@pytest.mark.parametrize(('board', 'workers'), zip([*BOARDS, None], ([1, 2], [1, 2, 3], [1, 2])))
def test_a_board_is_measured_with_as_many_workers_as_published(monkeypatch, board, workers):
    monkeypatch.setattr(bench, 'this_board', lambda: board)
    parser = ArgumentParser()
    bench.add_options(parser)
    assert parser.parse_args([]).workers == workers


def test_more_workers_than_frames_do_no_harm(fcos, model):
    said = fcos('bench', model, '--workers', 4, '--frames', 2, '--size', '64x64', '--json')
    assert_adds_up(json.loads(said.out)['measured'][0], 4, 2)


def test_the_picture_given_is_what_the_network_sees(fcos, model, tmp_path):
    path = tmp_path / 'picture.png'
    for image, expected in ((np.zeros((128, 128, 3), np.uint8), 0), (white_square(128, 5, 3), 1)):
        cv2.imwrite(str(path), image)
        said = fcos('bench', model, '--workers', 1, '--frames', 4, '--size', '128x128',
                    '--encoding', 'bgr8', '--image', path, '--json')
        assert json.loads(said.out)['measured'][0]['pipeline']['detections'] == expected


def test_the_setup_is_noted(fcos, model):
    said = fcos('bench', model, '--workers', 1, '--frames', 1, '--size', '64x48', '--fit',
                'stretch', '--json')
    setup = json.loads(said.out)['setup']
    assert (setup['count'], setup['size'], setup['encoding']) == (1, [64, 48], 'nv12')
    assert (setup['fit'], setup['threads']) == ('stretch', 1)
    assert setup['machine']['libraries']['numpy'] == np.__version__
    assert 1 <= setup['machine']['cores'] <= setup['machine']['all_cores']


def test_markdown_has_a_row_for_each_model_and_number_of_workers(fcos, model):
    said = fcos('bench', model, model, '--workers', 1, 2, '--frames', 2, '--size', '64x64',
                '--markdown')
    table = said.out.split('\n\n')[0].splitlines()
    cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in table]
    assert len({len(line) for line in table}) == 1
    assert [row[:2] for row in cells] == [
        ['model', 'workers'], ['-' * 7, '-' * 7], *[['squares', '1'], ['squares', '2']] * 2]
    assert all(len(row) == len(cells[0]) for row in cells)


def test_the_terminal_gets_the_same_without_bars(fcos, model):
    said = fcos('bench', model, '--workers', 1, '--frames', 2, '--size', '64x64')
    assert 'squares' in said.out
    assert 'libraries' in said.out
    assert '|' not in said.out


def test_progress_is_a_line_for_each_step_where_there_is_no_terminal(fcos, model):
    said = fcos('bench', model, '--workers', 1, 2, '--frames', 2, '--size', '64x64')
    assert said.err.splitlines() == [
        'squares, 1 worker: inference', 'squares, 1 worker: whole pipeline',
        'squares, 2 workers: inference', 'squares, 2 workers: whole pipeline']


def test_progress_is_a_bar_on_a_terminal(fcos, model, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    said = fcos('bench', model, '--workers', 1, '--frames', 2, '--size', '64x64')
    assert '[..' in said.err
    assert said.err.endswith('\r\x1b[K')
    assert '[..' not in said.out


def test_a_model_that_cannot_be_measured_stops_no_other(fcos, model, tmp_path):
    broken = write_fcos(tmp_path / 'broken.onnx', outputs=3)
    said = fcos('bench', broken, model, '--workers', 1, '--frames', 2, '--size', '64x64',
                '--json')
    assert said.code == 1
    assert 'broken.onnx was not measured' in said.err
    report = json.loads(said.out)
    assert [row['model'] for row in report['measured']] == ['squares']
    assert len(report['failures']) == 1


def test_without_a_single_measurement_nothing_is_on_stdout(fcos, tmp_path):
    said = fcos('bench', write_fcos(tmp_path / 'broken.onnx', outputs=3), '--json')
    assert (said.code, said.out) == (1, '')


@pytest.mark.parametrize(('arguments', 'complaint'), [
    (('--size', '63x64'), 'both sides must be even'),
    (('--image', 'no_such_picture.png'), 'No such file'),
    (('--image', __file__), 'not an image'),
])
def test_frames_that_cannot_be_end_with_2_and_one_line(fcos, model, arguments, complaint):
    said = fcos('bench', model, *arguments)
    assert (said.code, said.out, said.err.count('\n')) == (2, '', 1)
    assert complaint in said.err


@pytest.fixture
def board(tmp_path):
    """Return a function that starts `fcos` as a process on a simulated RDK X5."""
    folders = (ROOT, BOARD / 'simulator' / 'images' / 'x5')
    environment = {**os.environ, 'FCOS_SIM_DIR': str(tmp_path / 'cores'),
                   'PYTHONPATH': os.pathsep.join(map(str, folders))}

    def start(*arguments, fault=''):
        return subprocess.Popen(
            [sys.executable, '-m', 'fcos_ros.cli.main', *map(str, arguments)],
            env={**environment, **({'FCOS_SIM_FAULT': fault} if fault else {})},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return start


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BOARD))
    import tiny_models
    return tiny_models.write(tmp_path, tiny_models.tiny(service_us=2000))


def test_workers_of_an_engine_that_holds_the_gil_are_processes_that_share_the_bpu(board, compiled):
    command = board('bench', compiled, '--workers', 2, '--frames', 8, '--size', '64x64', '--json')
    out, err = command.communicate()
    assert command.returncode == 0, err
    measured, = json.loads(out)['measured']
    assert_adds_up(measured, 2, 8)
    # One core, 2 ms each: no machine is faster than that.
    assert measured['inference']['fps'] < 8 / (8 - 2) * 500
    assert measured['pipeline']['detections'] == 1


@pytest.mark.parametrize(('fault', 'complaint'), [
    ('load', 'cannot load'), ('raise:3', 'failed'), ('crash:3', 'died')])
def test_an_engine_that_fails_is_named_and_ends_with_1(board, compiled, fault, complaint):
    command = board('bench', compiled, '--workers', 2, '--frames', 8, '--size', '64x64',
                    fault=fault)
    out, err = command.communicate()
    assert (command.returncode, out) == (1, '')
    assert 'was not measured' in err
    assert complaint in err
    assert 'Traceback' not in err


def test_workers_that_hang_with_the_gil_do_not_outlive_the_command(board, compiled, tmp_path):
    command = board('bench', compiled, '--workers', 2, '--frames', 8, fault='hang')
    wait_until(lambda: len(list(tmp_path.glob('cores/hang-*'))) == 2)
    workers = children(command.pid)
    assert len(workers) == 2
    command.kill()
    command.communicate()
    wait_until(lambda: not any(map(is_alive, workers)))


@pytest.mark.parametrize('kind', ['threads', 'processes'])
@pytest.mark.parametrize('step', ['inference', 'whole pipeline'])
def test_an_interrupt_ends_it_in_order(board, model, compiled, kind, step):
    path = {'threads': model, 'processes': compiled}[kind]
    frames = 1_000_000 if step == 'inference' else 1000
    # As often as it takes to be still at work when the interrupt comes.
    command = board('bench', *100 * [path], '--workers', 2, '--frames', frames, '--size', '64x64')
    while step not in command.stderr.readline():
        assert command.poll() is None
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=TIMEOUT)
    assert (command.returncode, out) == (130, ''), err
    assert 'Interrupted.' in err.splitlines()
