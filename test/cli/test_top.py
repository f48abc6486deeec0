# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos top` on a real terminal shows real nodes, also when they leave and come back."""

import json
import os
import signal
import subprocess
import sys

from node.graph import Graph, image_message
from onnx_models import white_square, write_fcos
import pytest
from terminal import Terminal
from waiting import TIMEOUT, wait_until

SCENE = white_square(128, 5, 3)
FAST = ('top', '--period', '0.1')


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return str(write_fcos(tmp_path_factory.mktemp('model') / 'squares.onnx', half_box=8.0))


@pytest.fixture(scope='module')
def graph(model):
    """Run a node that has processed one image."""
    with Graph(model=model) as running:
        running.wait_until_connected().detect(image_message(SCENE))
        running.wait_for_counts(published=1, in_flight=0)
        yield running


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, '-m', 'fcos_ros.cli', 'top', *map(str, arguments)], text=True,
        capture_output=True, timeout=TIMEOUT, env={**os.environ, **environment}, check=False)


def test_the_screen_shows_the_node_and_q_restores_the_terminal(graph):
    with Terminal(*FAST) as terminal:
        screen = wait_until(lambda: 'published 1 (100.0%)' in terminal.screen and terminal.screen)
        for words in ('/fcos  active', 'squares 128x128, onnx, workers 1 of 1', '/image Image',
                      'infer', 'total', 'memory', 'q: end'):
            assert words in screen
        assert '█' in screen
        assert terminal.attributes != terminal.before
        terminal.press('q')
        assert terminal.wait() == 0
        assert terminal.attributes == terminal.before
        assert '\x1b[?1049l' in terminal.text


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_restores_the_terminal(graph, number, code):
    with Terminal(*FAST) as terminal:
        wait_until(lambda: terminal.screen)
        terminal.send(number)
        assert terminal.wait() == code
        assert terminal.attributes == terminal.before
        assert '\x1b[?1049l' in terminal.text
        assert 'Traceback' not in terminal.text


def test_the_picture_follows_the_size_of_the_terminal(graph):
    with Terminal(*FAST, columns=40, rows=8) as terminal:
        screen = wait_until(lambda: '/fcos' in terminal.screen and terminal.screen)
        lines = screen.splitlines()
        assert len(lines) <= 8
        assert max(map(len, lines)) <= 40
        assert 'more lines' in screen
        terminal.resize(100, 60)
        wait_until(lambda: '█' in terminal.screen)


def test_a_terminal_without_colours_and_utf8_gets_plain_text(graph):
    with Terminal(*FAST, NO_COLOR='1', PYTHONUTF8='0', PYTHONIOENCODING='ascii') as terminal:
        screen = wait_until(lambda: 'published 1' in terminal.screen and terminal.screen)
        assert screen.isascii()
        assert '#' in screen
        assert '\x1b[1m' not in terminal.text


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(graph):
    with Terminal(*FAST, TERM='dumb') as terminal:
        wait_until(lambda: terminal.text.count('/fcos  active') > 1)
        assert '\x1b' not in terminal.text


def test_a_node_that_leaves_and_comes_back_is_followed(model):
    with Terminal(*FAST) as terminal:
        wait_until(lambda: 'no detector reports' in terminal.screen)
        with Graph(model=model, namespace='r1'):
            wait_until(lambda: '/r1/fcos  active' in terminal.screen)
        wait_until(lambda: 'no report for' in terminal.screen)
        with Graph(model=model, namespace='r1'), Graph(model=model, namespace='r2'):
            wait_until(lambda: 'no report for' not in terminal.screen
                       and '/r1/fcos  active' in terminal.screen
                       and '/r2/fcos  active' in terminal.screen)


def test_once_prints_one_picture(graph):
    result = run('--once')
    assert (result.returncode, result.stderr) == (0, '')
    assert result.stdout.count('/fcos  active') == 1
    assert 'published 1 (100.0%)' in result.stdout
    assert '\x1b' not in result.stdout


def test_json_has_all_values(graph):
    result = run('--once', '--json')
    node, = json.loads(result.stdout)['nodes']
    assert (node['name'], node['process']['state']) == ('/fcos', 'active')
    camera, = node['cameras']
    assert camera['counts']['published'] == 1
    assert set(camera['stages']['infer']) == {'p50', 'p95', 'p99'}
    assert node['seconds_since_report'] >= 0


def test_json_without_an_end_is_one_object_in_each_line(graph):
    with subprocess.Popen([sys.executable, '-m', 'fcos_ros.cli', *FAST, '--json'], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        lines = iter(process.stdout.readline, '')
        seen = [json.loads(next(lines)) for _ in range(2)]
        while not seen[-1]['nodes']:
            seen.append(json.loads(next(lines)))
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 130


def test_a_detector_that_is_not_there_is_an_answer_with_exit_code_1(graph):
    result = run('--once', '--timeout', '0.5', '--node', 'r7/fcos')
    assert result.returncode == 1
    assert '/r7/fcos has not reported on /diagnostics in domain' in result.stderr
    assert 'fcos doctor' in result.stderr


def test_only_the_named_node_is_shown(graph, model):
    with Graph(model=model, namespace='r3') as other:
        wait_until(lambda: other.reports)
        result = run('--once', '--node', '/r3/fcos')
    assert '/r3/fcos  active' in result.stdout
    assert '\n/fcos ' not in f'\n{result.stdout}'


def test_without_ros_the_command_says_what_to_source(tmp_path):
    (tmp_path / 'rclpy.py').write_text('raise ImportError("no rclpy here")')
    result = run('--once', PYTHONPATH=str(tmp_path))
    assert result.returncode == 2
    assert 'ROS 2 cannot be imported (no rclpy here)' in result.stderr
    assert 'source /opt/ros/' in result.stderr


@pytest.mark.parametrize('arguments', [('--period', '0'), ('--period', 'x'), ('--timeout', 'nan')])
def test_wrong_times_are_refused(fcos, arguments):
    result = fcos('top', *arguments)
    assert result.code == 2
    assert 'accepted: seconds from 0.1 to 3600' in result.err


@pytest.mark.parametrize('arguments', [('--once',), ('--once', '--json'), ('--period', '0.1')])
def test_a_full_disk_ends_it_with_a_message(graph, arguments):
    with open('/dev/full', 'w') as full:
        result = subprocess.run(
            [sys.executable, '-m', 'fcos_ros.cli', 'top', *arguments], stdout=full, text=True,
            stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
    assert result.returncode == 2
    assert 'No space left on device' in result.stderr
    assert 'Traceback' not in result.stderr


def test_a_reader_that_ends_first_ends_it(graph):
    with subprocess.Popen([sys.executable, '-m', 'fcos_ros.cli', *FAST, '--json'], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(TIMEOUT) == 128 + signal.SIGPIPE
        assert process.stderr.read() == ''
