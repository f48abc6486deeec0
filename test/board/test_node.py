# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The whole node on a simulated board on which everything goes wrong: it stays up and says what.

The camera goes on all the while, so the tests see what a robot would: how long no detections come.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
import ctypes
from dataclasses import replace
from itertools import count, pairwise
import os
from pathlib import Path
import signal
from threading import Event, Thread
from time import monotonic

from board.conftest import IMAGES
from board.libdnn.build import build, compiler
from child_processes import children
from model_file import Answer
from node.graph import Graph, image_message, stop_soon, wait_for
import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from tiny_models import SIZE, tensor, tiny, write
from vision_msgs.msg import Detection2DArray

from fcos_ros.runtime.protocol import Recipe
from fcos_ros.runtime.worker import ProcessWorker

CHECKOUT = Path(__file__).resolve().parents[2]
CAR, DOG, MONSTER = tensor(1), tensor(2), tensor(3)
DEADLINE = 2.0
"""Seconds for one frame: only what hangs needs them, however busy the machine is."""
LONG = 20.0
"""Seconds for one frame where nothing hangs."""
MARGIN = 0.75
"""Seconds without a result for which a busy machine may be to blame."""

MODELS = {'x5': 'x5', 'x3_jammy': 'x3', 'x3_focal': 'x3'}
"""The board of each image."""


class Board:
    """A simulated board, for this process and for its children."""

    def __init__(self, folder, environment):
        self._folder = folder
        self._environment = environment
        environment.setenv('FCOS_SIM_DIR', str(folder / 'cores'))
        environment.delenv('FCOS_SIM_FAULT', raising=False)

    def plug_in(self, image):
        """Make the modules of a board's image findable for child processes."""
        paths = [str(IMAGES / image), str(CHECKOUT), os.environ.get('PYTHONPATH', '')]
        self._environment.setenv('PYTHONPATH', os.pathsep.join(paths))

    def break_down(self, fault):
        """Have models that are loaded from now on fail."""
        self._environment.setenv('FCOS_SIM_FAULT', fault)

    def heal(self):
        """Have models that are loaded from now on work."""
        self._environment.delenv('FCOS_SIM_FAULT')

    def write(self, model):
        return str(write(self._folder, model))

    def use_libdnn(self, library):
        self._environment.setenv('FCOS_LIBDNN', str(library))


@pytest.fixture
def board(tmp_path, monkeypatch):
    return Board(tmp_path, monkeypatch)


@pytest.fixture(scope='module')
def library(tmp_path_factory):
    if compiler() is None:
        pytest.skip('there is no C compiler `cc`')
    return build(tmp_path_factory.mktemp('libdnn'))


def image(pixels, number=1):
    return image_message(pixels.reshape(SIZE * 3 // 2, SIZE), 'nv12', stamp=(number, 0))


def classes(array):
    return [detection.results[0].hypothesis.class_id for detection in array.detections]


class Camera(AbstractContextManager):
    """Shows a car 50 times a second while the block lasts, and notes when it is seen."""

    def __init__(self, graph):
        self._graph = graph
        self._over = Event()
        self._thread = Thread(target=self._run)
        self.seen = []
        graph.listen(Detection2DArray, 'fcos/detections', self)

    def __enter__(self):
        self._graph.ready()
        self._thread.start()
        self.watch()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def append(self, array):
        assert classes(array) == ['2']
        self.seen.append(monotonic())

    def watch(self, more=1):
        """Wait until the car is seen again."""
        known = len(self.seen)
        wait_for(lambda: len(self.seen) >= known + more)

    def outage(self):
        """Tell the longest time that it was not seen."""
        self.watch()
        return max(later - earlier for earlier, later in pairwise(self.seen))

    def _run(self):
        for number in count(10):
            self._graph.camera.publish(image(CAR, number))
            if self._over.wait(0.02):
                return


@pytest.fixture(scope='module')
def start(tmp_path_factory):
    """Tell how many seconds a child needs to start here."""
    with pytest.MonkeyPatch.context() as environment:
        board = Board(tmp_path_factory.mktemp('start'), environment)
        board.plug_in('x5')
        begin = monotonic()
        worker = ProcessWorker(Recipe(Path(board.write(tiny()))), LONG)
        worker.wait()
        worker.close()
        return monotonic() - begin


def require_words(graph, *words):
    """Wait until the diagnostics say what happened."""
    graph.status('frames', lambda status: all(word in status.message for word in words))


def require_account(graph):
    """Wait until no frame is unaccounted for, and return the account."""
    values = graph.counts(in_flight=0)
    parts = [int(values[key]) for key in ('published', 'superseded', 'failed')]
    assert sum(parts) == int(values['received'])
    return values


def fault(image, backend, kind, *words, patience=0.0):
    return pytest.param(image, backend, kind, words, patience, id=f'{backend} {image} {kind}')


@pytest.mark.parametrize(('image_name', 'backend', 'kind', 'words', 'patience'), [
    fault('x5', 'hobot_dnn', 'raise', 'forward execution failed'),
    fault('x5', 'hobot_dnn', 'none', 'forward returned None'),
    fault('x5', 'hobot_dnn', 'hang', f'did not answer in {DEADLINE:g} s', patience=DEADLINE),
    fault('x5', 'hobot_dnn', 'crash', 'the worker died: SIGSEGV'),
    fault('x3_jammy', 'hobot_dnn', 'raise', 'forward returned None'),
    fault('x3_focal', 'hobot_dnn', 'raise', 'Run model failed!'),
    fault('x5', 'hbm_runtime', 'raise', 'hbm_runtime failed', 'raise fault'),
    fault('x5', 'hbm_runtime', 'hang', f'did not answer in {DEADLINE:g} s', patience=DEADLINE),
])
def test_a_fault_costs_a_frame_and_the_only_child_is_back_once_a_new_one_has_started(
        board, start, image_name, backend, kind, words, patience):
    board.plug_in(image_name)
    board.break_down(f'{kind}:9')
    model = board.write(tiny(MODELS[image_name]))
    with Graph(model=model, backend=backend, workers=1, deadline=DEADLINE) as graph:
        board.heal()
        with Camera(graph) as camera:
            require_words(graph, '1 frames failed', *words)
            assert camera.outage() < start + patience + MARGIN
        assert require_account(graph)['failed'] == '1'


@pytest.mark.parametrize(('kind', 'words', 'patience'), [
    pytest.param('raise:9', 'running failed', 0.0, id='raise'),
    pytest.param('hang:9', 'not done in time', DEADLINE, id='hang'),
])
def test_without_children_a_fault_costs_a_frame_too(board, library, kind, words, patience):
    board.use_libdnn(library)
    board.break_down(kind)
    with Graph(model=board.write(tiny()), backend='libdnn', workers=2,
               deadline=DEADLINE) as graph:
        with Camera(graph) as camera:
            require_words(graph, '1 frames failed', words)
            ctypes.CDLL(str(library)).fcos_sim_go_on()
            assert camera.outage() < patience + MARGIN
        assert require_account(graph)['failed'] == '1'


@pytest.mark.parametrize(('workers', 'killed', 'starts'), [(1, 1, 1), (2, 1, 0), (3, 3, 3)])
def test_killed_children_are_replaced_while_those_that_live_go_on(
        board, start, workers, killed, starts):
    """Without a result passes no more than the time of `starts` one after the other."""
    board.plug_in('x5')
    before = children()
    with Graph(model=board.write(tiny()), workers=workers, deadline=LONG) as graph:
        known = children() - before
        assert len(known) == workers
        victims = set(sorted(known)[:killed])
        with Camera(graph) as camera:
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            require_words(graph, 'frames failed', 'the worker died: SIGKILL')
            graph.counts(failed=killed)
            assert camera.outage() < starts * start + MARGIN
        assert require_account(graph)['failed'] == str(killed)
        assert len(children() - before - victims) == workers
    wait_for(lambda: children() == before)


@pytest.mark.parametrize('kind', ['load', 'other board'])
def test_a_model_that_cannot_be_loaded_leaves_the_node_up_until_it_can(board, kind):
    board.plug_in('x5')
    right = board.write(tiny())
    wrong = board.write(replace(tiny('x3'), name='other'))
    if kind == 'load':
        board.break_down('load')
    with Graph(model=right if kind == 'load' else wrong, autostart=True) as graph:
        status = graph.status('frames', lambda status: status.level == b'\x02')
        for word in ('unconfigured', '.bin', 'take the file made for this one'):
            assert word in status.message
        if kind == 'load':
            board.heal()
        assert graph.set(model=right) == ''
        graph.transit('configure', 'activate')
        assert classes(graph.ready().detect(image(CAR))) == ['2']
        graph.status('frames', lambda status: status.level == b'\x00')


def test_a_worker_that_hangs_while_the_node_is_halted_is_not_driven_twice(board, monkeypatch):
    stop_soon(monkeypatch)
    board.plug_in('x5')
    board.break_down('hang:2')
    before = children()
    with Graph(model=board.write(tiny()), workers=1, deadline=LONG) as graph:
        board.heal()
        graph.ready().camera.publish(image(CAR))
        graph.counts(received=1)
        graph.camera.publish(image(CAR, 2))
        graph.counts(received=2, in_flight=2)
        graph.transit('deactivate')
        graph.counts(failed=1, in_flight=1)
        assert graph.transit('activate') == TransitionCallbackReturn.FAILURE
        require_words(graph, 'inactive', 'still on a frame from before')
        graph.transit('cleanup')
        graph.counts(failed=2, in_flight=0)
        graph.transit('configure', 'activate')
        assert classes(graph.ready().detect(image(CAR, 3))) == ['2']
        assert require_account(graph)['failed'] == '2'
        assert len(children() - before) == 1


def monstrous(value):
    """Make a model whose outputs for one image are all that value, or all the extreme one."""
    def model(board):
        right = tiny(board)
        outputs = [np.full(output.shape, value(np.dtype(output.dtype)), output.dtype)
                   for output in right.outputs]
        return replace(right, answers=(*right.answers, Answer(outputs, MONSTER)))
    return model


def extreme(side):
    return lambda dtype: (getattr(np.iinfo(dtype), side) if dtype.kind == 'i'
                          else getattr(np.finfo(dtype), side))


VALUES = {
    'least': monstrous(extreme('min')),
    'greatest': monstrous(extreme('max')),
    'NaN': monstrous(lambda dtype: np.nan if dtype.kind == 'f' else np.iinfo(dtype).min),
    'infinity': monstrous(lambda dtype: np.inf if dtype.kind == 'f' else np.iinfo(dtype).max),
}


@pytest.mark.parametrize(('image_name', 'value'), [
    ('x5', 'least'), ('x5', 'greatest'),
    ('x3_jammy', 'NaN'), ('x3_jammy', 'infinity'),
])
def test_monstrous_outputs_make_no_monstrous_boxes(board, image_name, value):
    board.plug_in(image_name)
    model = board.write(VALUES[value](MODELS[image_name]))
    with Graph(model=model, workers=1, deadline=LONG) as graph:
        for detection in graph.ready().detect(image(MONSTER)).detections:
            box = detection.bbox
            middle = box.center.position
            for centre, side in ((middle.x, box.size_x), (middle.y, box.size_y)):
                assert 0 <= centre - side / 2 <= centre + side / 2 <= SIZE
            assert 0.5 <= detection.results[0].hypothesis.score <= 1
        assert classes(graph.detect(image(CAR, 2))) == ['2']
        assert require_account(graph)['failed'] == '0'


def test_a_board_that_fails_again_and_again_loses_no_account_and_no_order(board):
    board.plug_in('x5')
    board.break_down('raise:5')
    with Graph(model=board.write(tiny()), workers=2, deadline=LONG) as graph:
        with Camera(graph) as camera:
            camera.watch(more=15)
        stamps = [array.header.stamp.sec for array in graph.arrays]
        assert stamps == sorted(set(stamps))
        assert int(require_account(graph)['failed']) >= 2
