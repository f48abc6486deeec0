# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The node on a simulated board with faults: it stays active and reports the reason.

The camera publishes all the time. `benchmarks/outages.py` measures how long detections stop.
"""

from __future__ import annotations

import ctypes
from dataclasses import replace
import os
import signal

from board.board_environment import BoardEnvironment
from child_processes import children
from model_file import Answer, make_answer
from node.graph import COUNT_NAMES, Graph, do_not_wait_for_workers, image_message
from node.repeating_camera import RepeatingCamera
import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from start_gate import StartGate
from tiny_models import DOG, SIZE, tensor, tiny
from waiting import HANG_TIMEOUT, TIMEOUT, wait_until

from fcos_ros.runtime.workers import process

CAR, EXTREME = tensor(1), tensor(3)
NO_ANSWER = f'did not answer in {HANG_TIMEOUT:g} s'

MODELS = {'x5': 'x5', 'x3_jammy': 'x3', 'x3_focal': 'x3'}
"""The board of each system image."""


@pytest.fixture
def board(tmp_path, monkeypatch):
    return BoardEnvironment(tmp_path, monkeypatch)


def image(pixels, number=1):
    return image_message(pixels.reshape(SIZE * 3 // 2, SIZE), 'nv12', stamp=(number, 0))


def image_of_car(number):
    return image(CAR, number)


def classes(array):
    return [detection.results[0].hypothesis.class_id for detection in array.detections]


def count_failed(graph):
    """
    Return the number of failed frames.

    Also assert that every frame is counted, and that all detections are right and in order.
    """
    counts = graph.new_counts(in_flight=0)
    assert sum(counts[name] for name in COUNT_NAMES) == counts['received']
    stamps = [array.header.stamp.sec for array in graph.arrays]
    assert stamps == sorted(set(stamps))
    assert all(classes(array) == ['2'] for array in graph.arrays)
    return counts['failed']


def fault(image_name, backend, kind, *words):
    return pytest.param(image_name, backend, kind, words, id=f'{backend} {image_name} {kind}')


@pytest.mark.parametrize(('image_name', 'backend', 'kind', 'words'), [
    fault('x5', 'hobot_dnn', 'raise', 'forward execution failed'),
    fault('x5', 'hobot_dnn', 'none', 'forward returned None'),
    fault('x5', 'hobot_dnn', 'hang', NO_ANSWER),
    fault('x5', 'hobot_dnn', 'crash', 'the worker died: SIGSEGV'),
    fault('x3_jammy', 'hobot_dnn', 'raise', 'forward returned None'),
    fault('x3_focal', 'hobot_dnn', 'raise', 'Run model failed!'),
    fault('x5', 'hbm_runtime', 'raise', 'hbm_runtime failed', 'raise fault'),
    fault('x5', 'hbm_runtime', 'hang', NO_ANSWER),
])
def test_a_fault_fails_one_frame_and_the_only_child_is_replaced(
        board, image_name, backend, kind, words):
    board.use_image(image_name)
    board.set_fault(f'{kind}:9')
    model = board.write(tiny(MODELS[image_name]))
    with Graph(model=model, backend=backend, workers=1, inference_timeout=HANG_TIMEOUT) as graph:
        board.clear_fault()
        with RepeatingCamera(graph, image_of_car) as camera:
            graph.wait_for_report('1 frames failed', *words)
            camera.wait_for_next()
        assert count_failed(graph) == 1


@pytest.mark.parametrize(('kind', 'words'), [
    pytest.param('raise:9', 'running failed', id='raise'),
    pytest.param('hang:9', 'not done in time', id='hang'),
])
def test_a_fault_of_an_engine_in_this_process_fails_one_frame(board, library, kind, words):
    board.use_libdnn(library)
    board.set_fault(kind)
    with Graph(model=board.write(tiny()), backend='libdnn', workers=2,
               inference_timeout=HANG_TIMEOUT) as graph:
        with RepeatingCamera(graph, image_of_car) as camera:
            graph.wait_for_report('1 frames failed', words)
            ctypes.CDLL(str(library)).fcos_sim_go_on()
            camera.wait_for_next()
        assert count_failed(graph) == 1


@pytest.mark.parametrize(('workers', 'killed'), [(1, 1), (2, 1), (3, 3)])
def test_killed_children_are_replaced(board, workers, killed):
    board.use_image('x5')
    before = children()
    with Graph(model=board.write(tiny()), workers=workers, inference_timeout=TIMEOUT) as graph:
        victims = set(sorted(children() - before)[:killed])
        with RepeatingCamera(graph, image_of_car) as camera:
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            graph.wait_for_report('frames failed', 'the worker died: SIGKILL')
            graph.wait_for_counts(failed=killed)
            camera.wait_for_next()
        assert count_failed(graph) == killed
        assert len(children() - before - victims) == workers
    wait_until(lambda: children() == before)


def test_while_one_child_is_replaced_the_other_continues(board, tmp_path, monkeypatch):
    board.use_image('x5')
    before = children()
    with Graph(model=board.write(tiny()), workers=2, inference_timeout=TIMEOUT) as graph:
        first, second = children() - before
        (tmp_path / 'gate').mkdir()
        gate = StartGate(tmp_path / 'gate', monkeypatch)
        with RepeatingCamera(graph, image_of_car) as camera:
            os.kill(first, signal.SIGKILL)
            wait_until(gate.held)
            camera.wait_for_next(10)
            gate.open()
            wait_until(lambda: not gate.held())
            gate.close()
            os.kill(second, signal.SIGKILL)
            wait_until(gate.held)
            camera.wait_for_next(10)  # from the child that replaced the first one
            gate.open()
        assert count_failed(graph) == 2


@pytest.mark.parametrize('kind', ['load', 'other board'])
def test_a_model_that_cannot_be_loaded_leaves_the_node_unconfigured_until_it_can(board, kind):
    board.use_image('x5')
    right = board.write(tiny())
    wrong = board.write(replace(tiny('x3'), name='other'))
    if kind == 'load':
        board.set_fault('load')
    with Graph(model=right if kind == 'load' else wrong, autostart=True) as graph:
        status = graph.wait_for_status('frames', lambda status: status.level == b'\x02')
        for word in ('unconfigured', '.bin', 'use the file for this board'):
            assert word in status.message
        if kind == 'load':
            board.clear_fault()
        assert graph.set(model=right) == ''
        graph.transit('configure', 'activate')
        assert classes(graph.wait_until_connected().detect(image(CAR))) == ['2']
        graph.wait_for_status('frames', lambda status: status.level == b'\x00')


def test_the_node_cannot_be_activated_while_a_worker_hangs_on_an_earlier_frame(
        board, monkeypatch):
    do_not_wait_for_workers(monkeypatch)
    monkeypatch.setattr(process, 'EXIT_TIMEOUT', 0.0)
    board.use_image('x5')
    board.set_fault('hang:2')
    before = children()
    with Graph(model=board.write(tiny()), workers=1, inference_timeout=TIMEOUT) as graph:
        board.clear_fault()
        graph.wait_until_connected().camera.publish(image(CAR))
        graph.wait_for_counts(received=1)
        graph.camera.publish(image(CAR, 2))
        graph.wait_for_counts(received=2, in_flight=2)
        graph.transit('deactivate')
        graph.wait_for_counts(failed=1, in_flight=1)
        assert graph.transit('activate') == TransitionCallbackReturn.FAILURE
        graph.wait_for_report('inactive', 'still works on a frame from before')
        graph.transit('cleanup')
        graph.wait_for_counts(failed=2, in_flight=0)
        graph.transit('configure', 'activate')
        assert classes(graph.wait_until_connected().detect(image(CAR, 3))) == ['2']
        assert count_failed(graph) == 2
        assert len(children() - before) == 1


def tiny_with_dog():
    """Return a model that detects a dog where the model `tiny` detects a car."""
    model = tiny(answers=False)
    return model.answering(Answer(make_answer(model, [DOG], noise=1).outputs, CAR))


def test_a_child_does_not_use_a_model_file_that_was_replaced(board):
    board.use_image('x5')
    before = children()
    with Graph(model=board.write(tiny()), workers=2, inference_timeout=TIMEOUT) as graph:
        with RepeatingCamera(graph, image_of_car) as camera:
            camera.wait_for_next()
            board.write(tiny_with_dog())
            os.kill(min(children() - before), signal.SIGKILL)
            status = graph.wait_for_status('model', lambda status: status.level == b'\x01')
            assert '1 of 2 workers do not run' in status.message
            assert 'is another file than the one that was loaded' in status.message
            camera.wait_for_next(10)
            board.write(tiny())
            graph.wait_for_status('model', lambda status: status.level == b'\x00')
        assert count_failed(graph) == 1
        board.write(tiny_with_dog())
        graph.transit('deactivate', 'cleanup', 'configure', 'activate')
        assert classes(graph.wait_until_connected().detect(image(CAR, 10 ** 6))) == ['16']


def with_constant_outputs(model, value):
    """Return a model whose outputs for the image EXTREME are all `value(dtype)`."""
    outputs = [np.full(output.shape, value(np.dtype(output.dtype)), output.dtype)
               for output in model.outputs]
    return replace(model, answers=(*model.answers, Answer(outputs, EXTREME)))


def limit(side):
    return lambda dtype: (getattr(np.iinfo(dtype), side) if dtype.kind == 'i'
                          else getattr(np.finfo(dtype), side))


VALUES = {
    'minimum': limit('min'),
    'maximum': limit('max'),
    'NaN': lambda dtype: np.nan if dtype.kind == 'f' else np.iinfo(dtype).min,
    'infinity': lambda dtype: np.inf if dtype.kind == 'f' else np.iinfo(dtype).max,
}


@pytest.mark.parametrize(('image_name', 'value'), [
    ('x5', 'minimum'), ('x5', 'maximum'),
    ('x3_jammy', 'NaN'), ('x3_jammy', 'infinity'),
])
def test_boxes_stay_inside_the_image_for_extreme_outputs(board, image_name, value):
    board.use_image(image_name)
    model = board.write(with_constant_outputs(tiny(MODELS[image_name]), VALUES[value]))
    with Graph(model=model, workers=1, inference_timeout=TIMEOUT) as graph:
        for detection in graph.wait_until_connected().detect(image(EXTREME)).detections:
            box = detection.bbox
            middle = box.center.position
            for centre, side in ((middle.x, box.size_x), (middle.y, box.size_y)):
                assert 0 <= centre - side / 2 <= centre + side / 2 <= SIZE
            assert 0.5 <= detection.results[0].hypothesis.score <= 1
        assert classes(graph.detect(image(CAR, 2))) == ['2']
        assert graph.new_counts(in_flight=0)['failed'] == 0


def test_every_frame_is_counted_and_in_order_on_a_board_that_fails_repeatedly(board):
    board.use_image('x5')
    board.set_fault('raise:5')
    with Graph(model=board.write(tiny()), workers=2, inference_timeout=TIMEOUT) as graph:
        with RepeatingCamera(graph, image_of_car) as camera:
            camera.wait_for_next(15)
        assert count_failed(graph) >= 2
