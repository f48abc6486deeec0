# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos bench --node` measures a running node from outside."""

import json
import os
import subprocess
import sys
import time

from node.graph import Graph, image_message
from node.repeating_camera import RepeatingCamera
from onnx_models import white_square
import pytest
from waiting import TIMEOUT

SCENE = white_square(128, 5, 3)
SECONDS = ('--seconds', '1')


@pytest.fixture
def graph(model):
    with Graph(model=str(model)) as running:
        yield running


def run(*arguments):
    return subprocess.run(
        [sys.executable, '-m', 'fcos_ros.cli', 'bench', *map(str, arguments)], text=True,
        capture_output=True, timeout=TIMEOUT, env=dict(os.environ), check=False)


def image_of(seconds):
    """Return an image whose stamp is some seconds before now."""
    return image_message(SCENE, stamp=divmod(time.time_ns() - round(1e9 * seconds), 10**9))


def test_a_running_node_is_measured(graph):
    with RepeatingCamera(graph, lambda _: image_of(0)):
        result = run('--node', '/fcos', *SECONDS, '--json')
    assert (result.returncode, result.stdout[:1]) == (0, '{'), result.stderr
    report = json.loads(result.stdout)
    camera, = report['cameras']
    counts = camera['counts']
    assert camera['topic'] == '/image'
    assert counts['published'] > 0
    assert sum(counts.values()) + camera['in_flight_change'] == camera['sent']
    assert camera['image_rate'] == pytest.approx(
        (camera['sent'] - counts['missed']) / report['seconds'])
    latency = camera['latency']
    assert 0 < latency['minimum'] <= latency['p50'] <= latency['p99'] <= latency['maximum']
    assert camera['jitter']['mean'] > 0
    assert report['cpu'] > 0
    assert list(camera['stages'])[-2:] in (['total', 'age'], ['age', 'total'])
    metrics = report['ros2_benchmark']['']
    assert metrics['BasicPerformanceMetrics.NUM_FRAMES_SENT'] == camera['sent']
    assert 0 < metrics['ResourceMetrics.MEAN_OVERALL_CPU_UTILIZATION'] <= 100


def test_old_stamps_are_a_long_latency(graph):
    with RepeatingCamera(graph, lambda _: image_of(5)):
        result = run('--node', 'fcos', *SECONDS, '--json')
    camera, = json.loads(result.stdout)['cameras']
    assert camera['latency']['minimum'] > 5000


def test_stamps_of_another_clock_are_named(graph):
    with RepeatingCamera(graph, lambda number: image_message(SCENE, stamp=(number, 0))):
        result = run('--node', 'fcos', *SECONDS)
    assert result.returncode == 0
    assert 'from the clock of this machine, so that its latency is unknown' in result.stderr
    row = result.stdout.splitlines()[1].split()
    assert (row[0], row[4:9]) == ('/image', ['-'] * 5)


def test_a_node_without_images_is_a_failure_with_the_reason(graph):
    graph.wait_until_connected()
    result = run('--node', 'fcos', *SECONDS, '--markdown')
    assert result.returncode == 1
    assert 'there were no detections of /image, with 0.0 images a second' in result.stderr
    assert '| /image' in result.stdout


def test_a_node_that_is_not_there_is_a_failure():
    result = run('--node', 'r7/fcos', '--timeout', '0.5')
    assert (result.returncode, result.stdout) == (1, '')
    assert '/r7/fcos has not reported for 0.5 s on /diagnostics in domain' in result.stderr


def test_either_a_node_or_a_model_is_measured(model):
    result = run(model, '--node', 'fcos')
    assert result.returncode == 2
    assert 'accepted: one of them' in result.stderr
