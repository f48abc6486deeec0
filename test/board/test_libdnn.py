# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The C runtime through ctypes, on a simulated board whose memory shows every mistake.

There CPU and BPU see each other's bytes only through a flush, freed memory cannot be read, and
all that is in use is counted: what a test takes it must give back.
"""

from __future__ import annotations

import ctypes
from dataclasses import replace
import shutil
from threading import Thread
from time import monotonic, sleep

from cores import bookings
from manual_clock import ManualClock
from model_file import PUBLISHED, RGB, Answer, Thing, fcos, paint, write_model
import numpy as np
import pytest
from waiting import HANG_TIMEOUT, TIMEOUT, functions_of, wait_until

from fcos_ros.backends import (
    InferenceError,
    LateError,
    ModelError,
    UnfitModelError,
    libdnn,
    libdnn_abi as abi,
    load,
)
from fcos_ros.backends.libdnn import LibdnnBackend
from fcos_ros.core.decode import Criteria, Decoder
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import COCO
from fcos_ros.core.resize import Size
from fcos_ros.runtime import worker
from fcos_ros.runtime.back_off import BackOff
from fcos_ros.runtime.detector import Detector
from fcos_ros.runtime.protocol import Recipe

SMALL = {
    'x5': fcos('small_x5', 'x5', 128, first_name=10, step=3),
    'x3': fcos('small_x3', 'x3', 128, first_name=10, step=3, dtype='float32', cores=2),
}
THINGS = (Thing(0, (10, 20, 60, 90)), Thing(16, (70, 30, 120, 100), 2.0))
BYTES = 128 * 128 * 3 // 2


class LibdnnSimulator:
    """The simulated C runtime in this process, and the environment in which it is found."""

    def __init__(self, library, folder, environment):
        self.folder = folder
        self._simulator = ctypes.CDLL(str(library))
        self._environment = environment
        self.set(FCOS_LIBDNN=library, FCOS_SIM_DIR=folder)

    def set(self, **values):
        for name, value in values.items():
            self._environment.setenv(name, str(value))

    def count(self, what):
        return self._simulator.fcos_sim_count(what.encode())

    def in_use(self):
        return {what: self.count(what) for what in ('models', 'memories', 'tasks')}

    def wait_until_running(self):
        """Wait until the BPU has begun an inference."""
        wait_until(lambda: self.count('running'))

    def go_on(self):
        """End the inferences that hang."""
        self._simulator.fcos_sim_go_on()
        wait_until(lambda: not self.count('running'))

    def write(self, model, *answers):
        model = model.answering(*answers) if answers else model
        return write_model(self.folder / f'{model.name}.bin', model), model

    def load(self, model, *answers, time_limit=TIMEOUT):
        path, model = self.write(model, *(answers or (paint(model, THINGS),)))
        return LibdnnBackend(path, time_limit=time_limit), model


NOTHING = {'models': 0, 'memories': 0, 'tasks': 0}


@pytest.fixture
def lasting_board(library, tmp_path, monkeypatch):
    """A board of its own for each test: a copy of the library has a state of its own."""
    monkeypatch.delenv('FCOS_SIM_FAULT', raising=False)
    board = LibdnnSimulator(shutil.copy(library, tmp_path), tmp_path, monkeypatch)
    yield board
    assert board.count('violations') == 0


@pytest.fixture
def board(lasting_board):
    """A board that must have everything back in the end."""
    yield lasting_board
    assert lasting_board.in_use() == NOTHING


def tensor(value=0, size=BYTES):
    return np.full(size, value, np.uint8)


def decoded(info, outputs):
    return Decoder(info.head)(outputs, Criteria())


def assert_same(found, expected):
    for name in ('boxes', 'scores', 'class_ids'):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize(('structure', 'size'), [
    (abi.Memory, 24), (abi.Shape, 36), (abi.Shift, 16), (abi.Scale, 32),
    (abi.Properties, 176), (abi.Tensor, 272), (abi.Control, 32),
])
def test_structures_are_as_large_as_the_vendors(structure, size):
    assert ctypes.sizeof(structure) == size


@pytest.mark.parametrize('name', PUBLISHED)
def test_the_published_models_give_their_outputs_to_the_bit(board, name):
    model = PUBLISHED[name]
    side = model.canvas[0]
    backend, model = board.load(model, paint(model, [Thing(5, (100, 100, 300, 400))]))
    assert backend.info.name == model.name
    assert backend.info.backend == 'libdnn'
    assert (backend.info.input.name, backend.info.input.size) == (model.input_name, model.canvas)
    assert backend.info.labels == COCO
    assert backend.info.head.box_unit == {'x5': 'stride', 'x3': 'pixel'}[model.board]
    outputs = backend.infer(tensor(0, side * side * 3 // 2))
    for output, recorded in zip(outputs, model.answers[0].outputs):
        assert output.dtype == recorded.dtype
        np.testing.assert_array_equal(output, recorded)
    found = decoded(backend.info, outputs)
    assert_same(found, decoded(backend.info, model.answers[0].outputs))
    assert found.class_ids.tolist() == [5]
    np.testing.assert_allclose(found.boxes, [[100, 100, 300, 400]], atol=0.01)
    del outputs
    backend.close()


def test_the_backend_is_found_by_its_name(board):
    path, _ = board.write(SMALL['x5'], paint(SMALL['x5'], THINGS))
    backend = load(path, 'libdnn')
    assert (backend.holds_gil, backend.concurrent) == (False, True)
    backend.close()


def test_a_frame_becomes_detections(board):
    backend, _ = board.load(SMALL['x5'])
    frame = Frame.wrap(bytes(256 * 256 * 3), Size(256, 256), 'bgr8')
    detector = Detector(backend)
    in_use = board.in_use()
    found = detector.detect(frame).detections
    assert board.in_use() == in_use
    np.testing.assert_allclose(sorted(found.boxes.tolist()), [
        [20, 40, 120, 180], [140, 60, 240, 200]], atol=0.1)
    del detector
    backend.close()


@pytest.mark.parametrize('board_name', SMALL)
def test_each_input_reaches_the_bpu_and_its_own_outputs_come_back(board, board_name):
    model = SMALL[board_name]
    backend, model = board.load(model, *(
        Answer(paint(model, THINGS, noise=value).outputs, tensor(value)) for value in range(3)))
    for value in (2, 0, 1, 1, 2):
        for output, recorded in zip(
                backend.infer(tensor(value)), model.answers[value].outputs):
            np.testing.assert_array_equal(output, recorded)
    backend.close()


def test_an_input_in_the_bpus_memory_needs_no_copy(board):
    model = SMALL['x5']
    backend, model = board.load(
        model, paint(model, []), Answer(paint(model, THINGS).outputs, tensor(7)))
    place = backend.new_input()
    assert (place.shape, place.dtype) == (backend.info.input.shape, np.uint8)
    in_use = board.in_use()
    place[:] = 7
    assert len(decoded(backend.info, backend.infer(place))) == 2
    assert board.in_use() == in_use
    backend.close()
    del place


@pytest.mark.parametrize('board_name', SMALL)
@pytest.mark.parametrize('padding', [
    pytest.param(lambda shape: (*shape[:3], -shape[3] % 4 + shape[3]), id='channels to 16 bytes'),
    pytest.param(lambda shape: (*shape[:3], -shape[3] % 32 + shape[3]), id='to 128 bytes'),
    pytest.param(lambda shape: (1, *(side + 3 for side in shape[1:])), id='all sides'),
])
def test_padding_is_read_around(board, board_name, padding):
    model = SMALL[board_name]
    model = replace(model, outputs=tuple(
        replace(output, aligned=padding(output.shape)) for output in model.outputs))
    backend, model = board.load(model)
    outputs = backend.infer(tensor())
    for output, recorded in zip(outputs, model.answers[0].outputs):
        np.testing.assert_array_equal(output, recorded)
    found = decoded(backend.info, outputs)
    assert len(found) == 2
    assert_same(found, decoded(backend.info, model.answers[0].outputs))
    del outputs, output
    backend.close()


@pytest.mark.parametrize('direction', [abi.CLEAN, abi.INVALIDATE])
def test_a_flush_left_out_would_be_noticed(board, monkeypatch, direction):
    """A test of the simulator: it is of use only if it is as unforgiving as a board."""
    model = SMALL['x5']
    backend, model = board.load(
        model, paint(model, [], noise=1), Answer(paint(model, THINGS).outputs, tensor(7)))
    flush = libdnn._Seat._flush
    monkeypatch.setattr(libdnn._Seat, '_flush', lambda seat, tensors, way: (
        None if way == direction else flush(seat, tensors, way)))
    for output, recorded in zip(backend.infer(tensor(7)), model.answers[1].outputs):
        assert (output != recorded).any()
    backend.close()


def test_python_goes_on_during_an_inference(board):
    board.set(FCOS_SIM_FAULT='hang:1')
    backend, _ = board.load(SMALL['x5'])
    thread = Thread(target=backend.infer, args=(tensor(),))
    thread.start()
    board.wait_until_running()
    assert thread.is_alive()
    board.go_on()  # nothing else would end the inference
    thread.join()
    backend.close()


@pytest.mark.parametrize(('board_name', 'in_turn'), [('x5', True), ('x3', False)])
def test_inferences_take_turns_on_the_cores_there_are(board, board_name, in_turn):
    service = 0.3
    backend, _ = board.load(replace(SMALL[board_name], service_us=int(service * 1e6)))
    threads = [Thread(target=backend.infer, args=(tensor(),)) for _ in range(2)]
    start = monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    booked = bookings(board.folder)
    assert len(booked) == (1 if in_turn else 2)
    assert max(booked) >= start + (2 if in_turn else 1) * service
    backend.close()


def test_threads_do_not_see_each_others_outputs(board):
    model = replace(SMALL['x3'], service_us=1000)
    answers = [paint(model, THINGS, noise=value).outputs for value in range(4)]
    backend, model = board.load(model, *(
        Answer(outputs, tensor(value)) for value, outputs in enumerate(answers)))
    wrong = []

    def work(value):
        for _ in range(20):
            outputs = backend.infer(tensor(value))
            sleep(0.001)
            wrong.extend(
                value for output, recorded in zip(outputs, answers[value])
                if (output != recorded).any())

    threads = [Thread(target=work, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    backend.close()


@pytest.mark.parametrize('fault', [
    'raise:1', 'late:1', 'stray:1', 'wait:1', 'flush:1', 'flush:2', 'flush:9',
    'alloc:1', 'alloc:2', 'alloc:16'])
def test_after_a_failure_the_next_frame_is_fine_and_nothing_is_lost(board, fault):
    board.set(FCOS_SIM_FAULT=fault)
    backend, model = board.load(SMALL['x5'])
    with pytest.raises(InferenceError, match=r'hb\w+ returned -6000\d+ \([a-z]') as failure:
        backend.infer(tensor())
    assert not isinstance(failure.value, LateError), 'nothing is under way'
    assert board.count('tasks') == 0
    if 'hbSysAllocCachedMem' in str(failure.value):
        assert board.count('memories') == 0
    del failure  # Its traceback would hold the memory beyond the end of this test.
    for output, recorded in zip(backend.infer(tensor()), model.answers[0].outputs):
        np.testing.assert_array_equal(output, recorded)
    backend.close()


@pytest.mark.parametrize('fault', ['wait', 'stray'])
def test_a_lasting_failure_loses_nothing_either(board, fault):
    board.set(FCOS_SIM_FAULT=fault)
    backend, _ = board.load(SMALL['x5'])
    for _ in range(40):  # More than the tasks that the library allows.
        with pytest.raises(InferenceError, match=r'-6000012 \(running failed\)'):
            backend.infer(tensor())
    backend.close()


def test_not_a_number_is_no_detection(board):
    board.set(FCOS_SIM_FAULT='nan:1')
    backend, _ = board.load(SMALL['x3'])
    assert len(decoded(backend.info, backend.infer(tensor()))) == 0
    assert len(decoded(backend.info, backend.infer(tensor()))) == 2
    backend.close()


def test_a_late_inference_keeps_its_memory_and_others_get_other(board):
    board.set(FCOS_SIM_FAULT='hang:1')
    backend, _ = board.load(SMALL['x5'], time_limit=0.2)
    late = backend.new_input()
    start = monotonic()
    with pytest.raises(LateError, match='not done in time'):
        backend.infer(late)
    assert monotonic() - start >= 0.2
    backend.time_limit = TIMEOUT
    other = backend.new_input()
    assert not np.shares_memory(late, other)
    assert len(decoded(backend.info, backend.infer(other))) == 2
    assert len(decoded(backend.info, backend.infer(late))) == 2  # a copy of it
    assert board.count('tasks') == 1
    board.go_on()
    memories = board.count('memories')
    last = backend.new_input()
    assert board.count('tasks') == 0
    del late
    assert board.count('memories') == memories  # one set came, one went
    del other, last
    backend.close()


def test_memory_in_which_the_bpu_is_late_gets_no_other_inference(board):
    board.set(FCOS_SIM_FAULT='hang:1')
    backend, _ = board.load(SMALL['x5'], time_limit=HANG_TIMEOUT)
    shared, errors = backend.new_input(), []

    def work(tensor):
        try:
            backend.infer(tensor)
        except LateError as error:
            errors.append(str(error))

    first, second = (Thread(target=work, args=(shared,)) for _ in range(2))
    first.start()
    board.wait_until_running()
    second.start()
    wait_until(lambda: 'infer' in functions_of(second))
    for thread in (first, second):
        thread.join()
    assert ['hbDNNWaitTaskDone' in error for error in sorted(errors)] == [True, False]
    assert board.count('tasks') == 1
    board.go_on()
    del shared
    backend.close()


def test_a_bpu_that_ends_no_inference_gets_no_more(board, monkeypatch):
    monkeypatch.setattr(libdnn, 'MOST_LATE', 2)
    board.set(FCOS_SIM_FAULT='hang')
    backend, _ = board.load(SMALL['x5'], time_limit=0.05)
    for _ in range(2):
        with pytest.raises(LateError, match='not done in time'):
            backend.infer(tensor())
    used = board.in_use()
    for _ in range(3):
        with pytest.raises(LateError, match='has not ended 2 inferences'):
            backend.infer(tensor())
    assert board.in_use() == used
    board.go_on()
    backend.close()


def test_while_one_thread_waits_others_infer(board):
    board.set(FCOS_SIM_FAULT='hang:1')
    backend, _ = board.load(SMALL['x5'])
    waiting = Thread(target=backend.infer, args=(tensor(),))
    waiting.start()
    board.wait_until_running()
    assert len(decoded(backend.info, backend.infer(tensor()))) == 2
    assert waiting.is_alive()
    board.go_on()
    waiting.join()
    backend.close()


@pytest.fixture
def clock(monkeypatch):
    """Return the clock by which workers wait before they try again."""
    clock = ManualClock()
    monkeypatch.setattr(worker, 'BackOff', lambda: BackOff(clock))
    return clock


def local_workers(backend, count):
    """Return workers that share a model."""
    recipe = Recipe(backend.info.path, 'libdnn')
    return [worker.LocalWorker(recipe, backend) for _ in range(count)]


def picture():
    return Frame.wrap(tensor(), Size(128, 128), 'nv12')


def test_a_late_frame_is_lost_alone_and_the_next_is_served(board, clock):
    board.set(FCOS_SIM_FAULT='hang:1')
    backend, _ = board.load(SMALL['x5'], time_limit=0.05)
    first, second = local_workers(backend, 2)
    with pytest.raises(LateError):
        first.detect(picture())
    backend.time_limit = TIMEOUT
    assert len(second.detect(picture()).detections) == 2
    assert len(first.detect(picture()).detections) == 2
    board.go_on()
    first.close()


def test_workers_have_the_deadline_that_is_set(board):
    board.set(FCOS_SIM_FAULT='hang:1')
    path, _ = board.write(SMALL['x5'], paint(SMALL['x5'], THINGS))
    deadline = 1.5 * libdnn.TIME_LIMIT
    (only,) = worker.open_workers(Recipe(path, 'libdnn'), 1, deadline)
    start = monotonic()
    with pytest.raises(LateError):
        only.detect(picture())
    assert monotonic() - start >= deadline, 'the default would be less'
    board.go_on()
    only.close()


def test_a_bpu_that_hangs_for_good_costs_a_wait_now_and_then_only(board, clock):
    board.set(FCOS_SIM_FAULT='hang')
    backend, _ = board.load(SMALL['x5'], time_limit=0.05)
    hanging, = local_workers(backend, 1)
    for _ in range(2):
        with pytest.raises(LateError):
            hanging.detect(picture())
    tasks = board.count('tasks')
    for _ in range(50):
        with pytest.raises(worker.WorkerError, match=r'2 times in a row.* again in 0\.5 s'):
            hanging.detect(picture())
    assert board.count('tasks') == tasks == 2
    clock.advance(0.5)
    with pytest.raises(LateError):
        hanging.detect(picture())
    board.go_on()
    hanging.close()


def test_memory_of_a_bpu_that_never_ends_is_left_to_it(lasting_board):
    board = lasting_board
    board.set(FCOS_SIM_FAULT='hang')
    backend, model = board.load(SMALL['x5'], time_limit=0.05)
    with pytest.raises(InferenceError):
        backend.infer(tensor())
    backend.close()
    assert board.in_use() == {'models': 1, 'memories': 1 + len(model.outputs), 'tasks': 0}
    board.go_on()


@pytest.mark.parametrize('wrong', [
    pytest.param(tensor()[:-1], id='too short'),
    pytest.param(tensor(0, BYTES + 1), id='too long'),
    pytest.param(tensor().reshape(192, 128), id='not flat'),
    pytest.param(tensor().astype(np.float32), id='float'),
    pytest.param(tensor().view(np.int8), id='signed'),
])
def test_another_input_is_refused(board, wrong):
    backend, _ = board.load(SMALL['x5'])
    with pytest.raises(InferenceError, match=r'the model takes uint8\[24576\]'):
        backend.infer(wrong)
    backend.close()


def test_bytes_that_are_not_contiguous_are_read_as_numpy_reads_them(board):
    model = SMALL['x5']
    spread = np.zeros(2 * BYTES, np.uint8)
    spread[::2] = 7
    backend, _ = board.load(
        model, paint(model, []), Answer(paint(model, THINGS).outputs, tensor(7)))
    assert len(decoded(backend.info, backend.infer(spread[::2]))) == 2
    backend.close()


def test_outputs_cannot_be_written_to(board):
    backend, _ = board.load(SMALL['x5'])
    with pytest.raises(ValueError, match='read-only'):
        backend.infer(tensor())[0][:] = 0
    backend.close()


def test_outputs_outlive_the_model(board):
    backend, model = board.load(SMALL['x5'])
    outputs = list(backend.infer(tensor()))
    backend.close()
    assert board.in_use() == {'models': 0, 'memories': len(outputs), 'tasks': 0}
    part = outputs.pop()[0, :, 0]
    outputs.clear()
    assert board.count('memories') == 1
    np.testing.assert_array_equal(part, model.answers[0].outputs[-1][0, :, 0])
    del part


def test_a_closed_model_says_so_and_may_be_closed_again(board):
    backend, _ = board.load(SMALL['x5'])
    backend.infer(tensor())
    backend.close()
    backend.close()
    for use in (lambda: backend.infer(tensor()), backend.new_input):
        with pytest.raises(InferenceError, match='was closed: load it again'):
            use()


def test_closing_waits_for_what_is_under_way(board):
    board.set(FCOS_SIM_FAULT='hang:1')
    backend, _ = board.load(SMALL['x5'])
    found = []
    inferring = Thread(target=lambda: found.extend(
        decoded(backend.info, backend.infer(tensor())).class_ids))
    inferring.start()
    board.wait_until_running()
    closing = Thread(target=backend.close)
    closing.start()
    wait_until(lambda: 'close' in functions_of(closing))
    assert board.count('models') == 1
    board.go_on()
    for thread in (inferring, closing):
        thread.join()
    assert len(found) == 2


def test_of_several_models_the_first_is_taken(board):
    path, _ = board.write(SMALL['x5'], paint(SMALL['x5'], THINGS))
    content = path.read_bytes()
    # The header is followed by zeros, of which a longer header leaves fewer.
    more = b'name another\n'
    path.write_bytes(content.replace(b'\nboard', b'\n' + more + b'board', 1)
                     .replace(b'\nend\n' + bytes(len(more)), b'\nend\n', 1))
    backend = LibdnnBackend(path)
    assert backend.info.name == 'small_x5'
    backend.close()


@pytest.mark.parametrize(('model', 'environment', 'complaint'), [
    pytest.param(SMALL['x3'], {'FCOS_SIM_BOARD': 'x5'}, r'-6000014 \(incompatible model\).*X3',
                 id='of the other board'),
    pytest.param(SMALL['x5'], {'FCOS_SIM_FAULT': 'load'}, r'-6000002 \(invalid model\)',
                 id='refused'),
    pytest.param(replace(SMALL['x5'], input_type=RGB), {}, 'input 0 is of type 4.*NV12',
                 id='not NV12'),
    pytest.param(replace(SMALL['x5'], outputs=SMALL['x5'].outputs[:6]), {}, 'found 6',
                 id='six outputs'),
    pytest.param(replace(SMALL['x5'], canvas=(127, 128)), {}, 'both sides must be even',
                 id='odd canvas'),
])
def test_a_file_that_is_no_fcos_for_this_board_is_refused(board, model, environment, complaint):
    path, _ = board.write(model)
    board.set(**environment)
    with pytest.raises(ModelError, match=complaint) as refusal:
        LibdnnBackend(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(('facts', 'kind', 'sides'), [
    pytest.param({'input_type': RGB}, 'RGB', [128, 128], id='not NV12'),
    pytest.param({'canvas': (127, 128)}, 'NV12', [128, 127], id='odd canvas'),
])
def test_a_refusal_tells_what_the_file_takes_and_gives(board, facts, kind, sides):
    model = replace(SMALL['x5'], **facts)
    path, _ = board.write(model)
    with pytest.raises(UnfitModelError) as refusal:
        LibdnnBackend(path)
    (taken,), given = refusal.value.inputs, refusal.value.outputs
    assert (taken.dtype, list(taken.shape)) == (kind, [1, 3, *sides])
    for output, expected in zip(given, model.outputs):
        assert (output.name, output.dtype, output.shape) == (
            expected.name, 'int32', expected.shape)
        np.testing.assert_allclose(output.scale, expected.scale)


@pytest.mark.parametrize(('facts', 'complaint'), [
    pytest.param({'stride': (40, 20, 5, 1)}, 'does not fit', id='strides in items'),
    pytest.param({'stride': (160, 80, 16, 4)}, 'does not fit', id='strides beyond the memory'),
    pytest.param({'alignedByteSize': 36}, 'does not fit', id='too little memory'),
    pytest.param({'validShape': ()}, 'does not fit', id='no dimension'),
    pytest.param({'validShape': (1, 2, 5)}, 'does not fit', id='other dimensions'),
    pytest.param({'validShape': (1, 2, 0, 1)}, 'does not fit', id='nothing in it'),
    pytest.param({'tensorType': 17}, r'of type 17; accepted: 8 \(int8\)', id='64 bits'),
])
def test_an_output_that_cannot_be_so_is_refused(facts, complaint):
    described = {'tensorType': 14, 'alignedByteSize': 40, 'validShape': (1, 2, 5, 1),
                 'alignedShape': (1, 2, 5, 1), **facts}
    properties = abi.Properties()
    for name, value in described.items():
        if name.endswith('Shape'):
            shape = getattr(properties, name)
            shape.dimensionSize[:len(value)], shape.numDimensions = value, len(value)
        elif name == 'stride':
            properties.stride[:4] = value
        else:
            setattr(properties, name, value)
    with pytest.raises(ValueError, match=complaint):
        libdnn._Layout.of_output('score', properties)


def test_what_is_no_model_is_refused(board):
    path = board.folder / 'broken.bin'
    with pytest.raises(ModelError, match=r'broken\.bin is not a file'):
        LibdnnBackend(path)
    path.write_bytes(b'this is no model')
    with pytest.raises(ModelError, match=r'broken\.bin cannot be loaded'):
        LibdnnBackend(path)


def test_without_the_library_all_places_are_told(board, monkeypatch):
    monkeypatch.setattr(abi, 'PLACES', ('libdnn_of_no_board.so', '/nowhere/libdnn.so'))
    monkeypatch.delenv('FCOS_LIBDNN')
    with pytest.raises(ModelError) as refusal:
        LibdnnBackend(board.folder / 'model.bin')
    for word in ('libdnn_of_no_board.so', '/nowhere/libdnn.so', 'FCOS_LIBDNN'):
        assert word in str(refusal.value)


def test_another_library_is_refused(board):
    board.set(FCOS_LIBDNN='libc.so.6')
    with pytest.raises(ModelError, match=r'libc\.so\.6 is not the libdnn.*hbDNNGetVersion'):
        LibdnnBackend(board.folder / 'model.bin')


@pytest.mark.parametrize('version', ['1.9.7_(3.14.5 HBRT)', '3.0.1', 'unknown'])
def test_a_libdnn_with_other_structures_is_refused(board, version):
    board.set(FCOS_SIM_VERSION=version)
    with pytest.raises(ModelError, match=r'accepted: from 1\.18 to below 2\.0'):
        LibdnnBackend(board.folder / 'model.bin')
