# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos bench` measures each frame once with every engine; stdout holds only the report."""

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
from start_gate import StartGate
from waiting import TIMEOUT, wait_until

from fcos_ros.cli import bench
from fcos_ros.runtime.boards import BOARDS

ROOT = Path(__file__).parents[2]
BOARD = ROOT / 'test' / 'board'

MAIN = ('from fcos_ros.cli import __main__, measure; measure.WORKER_TIMEOUT = 3600.0; '
        '__main__.main()')
"""The command `fcos` with a timeout of workers that no test reaches."""


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return write_fcos(tmp_path_factory.mktemp('model') / 'squares.onnx', half_box=8.0)


def assert_throughput_is_consistent(throughput, frames):
    assert throughput['frames'] == frames
    assert throughput['fps'] == pytest.approx(frames / throughput['seconds'])
    latency = throughput['latency']
    assert 0 < latency['p50'] <= latency['p95'] <= latency['p99']


def assert_measurement_is_consistent(measured, workers, frames):
    """Assert what holds for every measurement on every machine."""
    assert measured['workers'] == workers
    pipeline = measured['pipeline']
    for throughput in (measured['inference'], pipeline['whole']):
        assert_throughput_is_consistent(throughput, frames)
        # No worker has two frames at a time; sums are rounded.
        busy = frames * throughput['latency']['mean'] / 1000
        assert busy <= workers * throughput['seconds'] * (1 + 1e-9)
    stages = sum(pipeline[stage]['mean'] for stage in ('preprocess', 'infer', 'decode'))
    assert stages <= pipeline['whole']['latency']['mean']


@pytest.mark.parametrize('encoding', ['nv12', 'bgr8', 'rgb8', 'mono8'])
def test_each_number_of_workers_is_measured_with_all_frames(fcos, model, encoding):
    result = fcos('bench', model, '--workers', 1, 3, '--frames', 7, '--size', '320x240',
                  '--encoding', encoding, '--json')
    assert result.code == 0
    report = json.loads(result.out)
    assert report['failures'] == []
    first, second = report['measurements']
    assert (first['model'], first['path']) == ('squares', str(model))
    assert_measurement_is_consistent(first, 1, 7)
    assert_measurement_is_consistent(second, 3, 7)


@pytest.mark.parametrize(('board', 'workers'), zip(
    [*BOARDS, None], ([1, 2], [1, 2, 3], [1, 2], [1, 2], [1, 2, 3, 4, 5], [1, 2])))
def test_the_default_numbers_of_workers_are_those_that_the_vendor_published(
        monkeypatch, board, workers):
    monkeypatch.setattr(bench, 'this_board', lambda: board)
    parser = ArgumentParser()
    bench.add_options(parser)
    assert parser.parse_args([]).workers == workers


def test_there_may_be_fewer_frames_than_workers(fcos, model):
    result = fcos('bench', model, '--workers', 4, '--frames', 2, '--size', '64x64', '--json')
    assert_measurement_is_consistent(json.loads(result.out)['measurements'][0], 4, 2)


def test_the_network_gets_the_given_image(fcos, model, tmp_path):
    path = tmp_path / 'image.png'
    for image, expected in ((np.zeros((128, 128, 3), np.uint8), 0), (white_square(128, 5, 3), 1)):
        cv2.imwrite(str(path), image)
        result = fcos('bench', model, '--workers', 1, '--frames', 4, '--size', '128x128',
                      '--encoding', 'bgr8', '--image', path, '--json')
        assert json.loads(result.out)['measurements'][0]['pipeline']['detections'] == expected


def test_the_conditions_of_the_run_are_reported(fcos, model):
    result = fcos('bench', model, '--workers', 1, '--frames', 1, '--size', '64x48', '--fit',
                  'stretch', '--json')
    conditions = json.loads(result.out)['conditions']
    assert (conditions['frames'], conditions['size']) == (1, [64, 48])
    assert (conditions['encoding'], conditions['image']) == ('nv12', '')
    assert (conditions['fit'], conditions['threads']) == ('stretch', 1)
    assert conditions['machine']['libraries']['numpy'] == np.__version__
    assert 1 <= conditions['machine']['cores'] <= conditions['machine']['all_cores']


def test_markdown_has_a_row_for_each_model_and_number_of_workers(fcos, model):
    result = fcos('bench', model, model, '--workers', 1, 2, '--frames', 2, '--size', '64x64',
                  '--markdown')
    table = result.out.split('\n\n')[0].splitlines()
    cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in table]
    assert len({len(line) for line in table}) == 1
    assert [row[:2] for row in cells] == [
        ['model', 'workers'], ['-' * 7, '-' * 7], *[['squares', '1'], ['squares', '2']] * 2]
    assert all(len(row) == len(cells[0]) for row in cells)


def test_the_terminal_gets_tables_without_vertical_bars(fcos, model):
    result = fcos('bench', model, '--workers', 1, '--frames', 2, '--size', '64x64')
    assert 'squares' in result.out
    assert 'libraries' in result.out
    assert '|' not in result.out


def test_progress_is_a_line_for_each_step_without_a_terminal(fcos, model):
    result = fcos('bench', model, '--workers', 1, 2, '--frames', 2, '--size', '64x64')
    assert result.err.splitlines() == [
        'squares, 1 worker: inference', 'squares, 1 worker: whole pipeline',
        'squares, 2 workers: inference', 'squares, 2 workers: whole pipeline']


def test_progress_is_a_bar_on_a_terminal(fcos, model, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    result = fcos('bench', model, '--workers', 1, '--frames', 2, '--size', '64x64')
    assert '[..' in result.err
    assert result.err.endswith('\r\x1b[K')
    assert '[..' not in result.out


def test_the_other_models_are_measured_after_one_that_fails(fcos, model, tmp_path):
    broken = write_fcos(tmp_path / 'broken.onnx', outputs=3)
    result = fcos('bench', broken, model, '--workers', 1, '--frames', 2, '--size', '64x64',
                  '--json')
    assert result.code == 1
    assert 'broken.onnx was not measured' in result.err
    report = json.loads(result.out)
    assert [row['model'] for row in report['measurements']] == ['squares']
    assert len(report['failures']) == 1


def test_without_a_measurement_stdout_is_empty(fcos, tmp_path):
    result = fcos('bench', write_fcos(tmp_path / 'broken.onnx', outputs=3), '--json')
    assert (result.code, result.out) == (1, '')


@pytest.mark.parametrize(('arguments', 'complaint'), [
    (('--size', '63x64'), '63x64; accepted: even widths'),
    (('--image', 'no_such_image.png'), 'No such file'),
    (('--image', __file__), 'is not an image file'),
])
def test_frames_that_cannot_be_made_exit_with_2_and_one_line(fcos, model, arguments, complaint):
    result = fcos('bench', model, *arguments)
    assert (result.code, result.out, result.err.count('\n')) == (2, '', 1)
    assert complaint in result.err


@pytest.fixture
def start_on_board(tmp_path):
    """Return a function that starts `fcos` as a process on a simulated RDK X5."""
    folders = (ROOT, BOARD / 'simulator' / 'images' / 'x5')

    def start(*arguments, fault=''):
        paths = [*map(str, folders), os.environ.get('PYTHONPATH', '')]
        environment = {**os.environ, 'FCOS_SIM_DIR': str(tmp_path / 'cores'),
                       'PYTHONPATH': os.pathsep.join(paths)}
        if fault:
            environment['FCOS_SIM_FAULT'] = fault
        return subprocess.Popen(
            [sys.executable, '-c', MAIN, *map(str, arguments)], env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return start


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """Return the path of a compiled model for the simulated board."""
    monkeypatch.syspath_prepend(str(BOARD))
    import tiny_models
    return tiny_models.write(tmp_path, tiny_models.tiny(service_us=2000))


def test_child_processes_of_an_engine_that_holds_the_gil_share_the_bpu(start_on_board, compiled):
    command = start_on_board(
        'bench', compiled, '--workers', 2, '--frames', 8, '--size', '64x64', '--json')
    out, err = command.communicate()
    assert command.returncode == 0, err
    measured, = json.loads(out)['measurements']
    assert_measurement_is_consistent(measured, 2, 8)
    # Each inference takes 2 ms on the only core, on any machine.
    assert measured['inference']['fps'] < 8 / (8 - 2) * 500
    assert measured['pipeline']['detections'] == 1


@pytest.mark.parametrize(('fault', 'complaint'), [
    ('load', 'cannot load'), ('raise:3', 'failed'), ('raise:8', 'failed'), ('crash:3', 'died'),
    ('crash:8', 'died: SIGSEGV')])
def test_the_failure_of_an_engine_is_reported_and_exits_with_1(
        start_on_board, compiled, fault, complaint):
    # Inference 1 is that of loading, 2 to 6 are those of the warm-up.
    command = start_on_board(
        'bench', compiled, '--workers', 2, '--frames', 8, '--size', '64x64', fault=fault)
    out, err = command.communicate()
    assert (command.returncode, out) == (1, '')
    assert 'was not measured' in err
    assert complaint in err
    assert 'Traceback' not in err


def test_children_that_hang_do_not_outlive_the_command(start_on_board, compiled, tmp_path):
    command = start_on_board('bench', compiled, '--workers', 2, '--frames', 8, fault='hang')
    wait_until(lambda: len(list(tmp_path.glob('cores/hang-*'))) == 2)
    workers = children(command.pid)
    assert len(workers) == 2
    command.kill()
    command.communicate()
    wait_until(lambda: not any(map(is_alive, workers)))


def require_interrupt(command):
    """Interrupt a command, and assert that it ends in order and without a report."""
    command.send_signal(signal.SIGINT)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=TIMEOUT)
    assert (command.returncode, out) == (130, ''), err
    assert 'Interrupted.' in err.splitlines()
    assert 'Traceback' not in err


def wait_for_step(command, step):
    while step not in command.stderr.readline():
        assert command.poll() is None


@pytest.mark.parametrize('kind', ['threads', 'processes'])
@pytest.mark.parametrize('step', ['inference', 'whole pipeline'])
def test_an_interrupt_ends_the_command_in_order(start_on_board, model, compiled, kind, step):
    path = {'threads': model, 'processes': compiled}[kind]
    frames = 1_000_000 if step == 'inference' else 1000
    # The model is named so often that the command still works when the interrupt comes.
    command = start_on_board(
        'bench', *100 * [path], '--workers', 2, '--frames', frames, '--size', '64x64')
    wait_for_step(command, step)
    require_interrupt(command)


def test_an_interrupt_while_inferences_hang_ends_the_command_and_its_children(
        start_on_board, compiled, tmp_path):
    command = start_on_board(
        'bench', compiled, '--workers', 2, '--frames', 8, '--size', '64x64', fault='hang:8')
    wait_until(lambda: len(list(tmp_path.glob('cores/hang-*'))) == 2)
    workers = children(command.pid)
    assert len(workers) == 2
    require_interrupt(command)
    assert not any(map(is_alive, workers))


def test_an_interrupt_while_children_start_ends_the_command_and_its_children(
        start_on_board, compiled, tmp_path, monkeypatch):
    (tmp_path / 'gate').mkdir()
    gate = StartGate(tmp_path / 'gate', monkeypatch)
    gate.open()
    command = start_on_board(
        'bench', *100 * [compiled], '--workers', 2, '--frames', 8, '--size', '64x64')
    wait_for_step(command, 'inference')
    gate.close()
    # The command now waits for a child of this step or of a later one.
    wait_until(lambda: gate.held() and len(children(command.pid)) == 2)
    workers = children(command.pid)
    require_interrupt(command)
    assert not any(map(is_alive, workers))
