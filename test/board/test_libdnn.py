# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The backend `libdnn` on a simulated board that detects every mistake with memory.

On this board, CPU and BPU see each other's bytes only after a flush, freed memory cannot be read,
and everything in use is counted. Each test must release all that it has allocated.
"""

from __future__ import annotations

import ctypes
from dataclasses import replace
from pathlib import Path
import shutil
from threading import Thread
from time import monotonic, sleep

from cores import reservations
from manual_clock import ManualClock
from model_file import (
    NV12,
    NV12_SEPARATE,
    PUBLISHED,
    RGB,
    Answer,
    SceneObject,
    fcos,
    make_answer,
    write_model,
)
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
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import COCO
from fcos_ros.core.resize import Size
from fcos_ros.runtime.back_off import BackOff
from fcos_ros.runtime.detector import Detector, DetectorConfig
from fcos_ros.runtime.workers import LocalWorker, WorkerError, local, open_workers

SMALL = {
    'x5': fcos('small_x5', 'x5', 128, first_name=10, step=3),
    'x3': fcos('small_x3', 'x3', 128, first_name=10, step=3, dtype='float32', cores=2),
}
OBJECTS = (SceneObject(0, (10, 20, 60, 90)), SceneObject(16, (70, 30, 120, 100), 2.0))
BYTES = 128 * 128 * 3 // 2


class LibdnnSimulator:
    """The simulated C runtime in this process, and the environment variables for it."""

    def __init__(self, library, folder, environment):
        self.folder = folder
        self._simulator = ctypes.CDLL(str(library))
        self._environment = environment
        self.set(FCOS_LIBDNN=library, FCOS_SIM_DIR=folder)

    def set(self, **values):
        for name, value in values.items():
            self._environment.setenv(name, str(value))

    def count(self, kind):
        return self._simulator.fcos_sim_count(kind.encode())

    def in_use(self):
        return {kind: self.count(kind) for kind in ('models', 'memories', 'tasks')}

    def wait_until_running(self):
        """Wait until the BPU has begun an inference."""
        wait_until(lambda: self.count('running'))

    def end_hangs(self):
        """End the inferences that hang."""
        self._simulator.fcos_sim_go_on()
        wait_until(lambda: not self.count('running'))

    def write(self, model, *answers):
        model = model.answering(*answers) if answers else model
        return write_model(self.folder / f'{model.name}.bin', model), model

    def load(self, model, *answers, inference_timeout=TIMEOUT):
        path, model = self.write(model, *(answers or (make_answer(model, OBJECTS),)))
        return LibdnnBackend(path, inference_timeout=inference_timeout), model


NOT_IN_USE = {'models': 0, 'memories': 0, 'tasks': 0}


@pytest.fixture
def board_with_leftovers(library, tmp_path, monkeypatch):
    """Return a board whose resources may be in use at the end; each copy has its own state."""
    monkeypatch.delenv('FCOS_SIM_FAULT', raising=False)
    board = LibdnnSimulator(shutil.copy(library, tmp_path), tmp_path, monkeypatch)
    yield board
    assert board.count('violations') == 0


@pytest.fixture
def board(board_with_leftovers):
    """Return a board; assert that nothing is in use at the end."""
    yield board_with_leftovers
    assert board_with_leftovers.in_use() == NOT_IN_USE


def tensor(value=0, size=BYTES):
    return np.full(size, value, np.uint8)


def decoded(info, outputs):
    return make_decoder(info.head).decode(outputs, Criteria())


def assert_same(found, expected):
    for name in ('boxes', 'scores', 'class_ids'):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize(('structure', 'size'), [
    (abi.SysMem, 24), (abi.TensorShape, 36), (abi.QuantiShift, 16), (abi.QuantiScale, 32),
    (abi.TensorProperties, 176), (abi.Tensor, 272), (abi.InferCtrlParam, 32),
])
def test_structures_have_the_sizes_of_the_vendors_structures(structure, size):
    assert ctypes.sizeof(structure) == size


@pytest.mark.parametrize('name', PUBLISHED)
def test_the_published_models_return_their_recorded_outputs(board, name):
    model = PUBLISHED[name]
    side = model.canvas[0]
    backend, model = board.load(model, make_answer(model, [SceneObject(5, (100, 100, 300, 400))]))
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


def test_the_backend_is_chosen_by_its_name(board):
    path, _ = board.write(SMALL['x5'], make_answer(SMALL['x5'], OBJECTS))
    backend = load(path, 'libdnn')
    assert (backend.holds_gil, backend.concurrent) == (False, True)
    backend.close()


def test_a_frame_is_detected_without_more_memory(board):
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
def test_each_input_returns_its_own_outputs(board, board_name):
    model = SMALL[board_name]
    backend, model = board.load(model, *(
        Answer(make_answer(model, OBJECTS, noise=value).outputs, tensor(value))
        for value in range(3)))
    for value in (2, 0, 1, 1, 2):
        for output, recorded in zip(
                backend.infer(tensor(value)), model.answers[value].outputs):
            np.testing.assert_array_equal(output, recorded)
    backend.close()


def test_an_input_in_the_memory_of_the_bpu_is_not_copied(board):
    model = SMALL['x5']
    backend, model = board.load(
        model, make_answer(model, []), Answer(make_answer(model, OBJECTS).outputs, tensor(7)))
    tensor_of_bpu = backend.new_input()
    assert (tensor_of_bpu.shape, tensor_of_bpu.dtype) == (backend.info.input.shape, np.uint8)
    in_use = board.in_use()
    tensor_of_bpu[:] = 7
    assert len(decoded(backend.info, backend.infer(tensor_of_bpu))) == 2
    assert board.in_use() == in_use
    backend.close()
    del tensor_of_bpu


@pytest.mark.parametrize('board_name', SMALL)
@pytest.mark.parametrize('padding', [
    pytest.param(lambda shape: (*shape[:3], -shape[3] % 4 + shape[3]), id='to 16 bytes'),
    pytest.param(lambda shape: (*shape[:3], -shape[3] % 32 + shape[3]), id='to 128 bytes'),
    pytest.param(lambda shape: (1, *(side + 3 for side in shape[1:])), id='all sides'),
])
def test_padding_is_left_out_of_the_outputs(board, board_name, padding):
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
def test_the_simulator_detects_a_missing_flush(board, monkeypatch, direction):
    model = SMALL['x5']
    backend, model = board.load(
        model, make_answer(model, [], noise=1),
        Answer(make_answer(model, OBJECTS).outputs, tensor(7)))
    flush = libdnn._InferenceSlot._flush
    monkeypatch.setattr(libdnn._InferenceSlot, '_flush', lambda slot, tensors, way: (
        None if way == direction else flush(slot, tensors, way)))
    for output, recorded in zip(backend.infer(tensor(7)), model.answers[1].outputs):
        assert (output != recorded).any()
    backend.close()


def test_other_threads_run_during_an_inference(board):
    board.set(FCOS_SIM_FAULT='hang:1')
    backend, _ = board.load(SMALL['x5'])
    thread = Thread(target=backend.infer, args=(tensor(),))
    thread.start()
    board.wait_until_running()
    assert thread.is_alive()
    board.end_hangs()  # only this ends the inference
    thread.join()
    backend.close()


@pytest.mark.parametrize(('board_name', 'cores'), [('x5', 1), ('x3', 2)])
def test_inferences_take_turns_on_the_cores(board, board_name, cores):
    service = 0.3
    backend, _ = board.load(replace(SMALL[board_name], service_us=int(service * 1e6)))
    threads = [Thread(target=backend.infer, args=(tensor(),)) for _ in range(2)]
    start = monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reserved = reservations(board.folder)
    assert len(reserved) == cores
    assert max(reserved) >= start + 2 / cores * service
    backend.close()


def test_each_thread_gets_the_outputs_of_its_own_input(board):
    model = replace(SMALL['x3'], service_us=1000)
    answers = [make_answer(model, OBJECTS, noise=value).outputs for value in range(4)]
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
def test_the_next_inference_succeeds_after_a_failure_and_all_memory_is_released(board, fault):
    board.set(FCOS_SIM_FAULT=fault)
    backend, model = board.load(SMALL['x5'])
    with pytest.raises(InferenceError, match=r'hb\w+ returned -6000\d+ \([a-z]') as failure:
        backend.infer(tensor())
    assert not isinstance(failure.value, LateError), 'no inference is running'
    assert board.count('tasks') == 0
    if 'hbSysAllocCachedMem' in str(failure.value):
        assert board.count('memories') == 0
    del failure  # its traceback would keep the memory until after this test
    for output, recorded in zip(backend.infer(tensor()), model.answers[0].outputs):
        np.testing.assert_array_equal(output, recorded)
    backend.close()


@pytest.mark.parametrize('fault', ['wait', 'stray'])
def test_repeated_failures_release_all_memory_and_tasks(board, fault):
    board.set(FCOS_SIM_FAULT=fault)
    backend, _ = board.load(SMALL['x5'])
    for _ in range(40):  # more than the library allows at the same time
        with pytest.raises(InferenceError, match=r'-6000012 \(running failed\)'):
            backend.infer(tensor())
    backend.close()


def test_outputs_that_are_nan_give_no_detections(board):
    board.set(FCOS_SIM_FAULT='nan:1')
    backend, _ = board.load(SMALL['x3'])
    assert len(decoded(backend.info, backend.infer(tensor()))) == 0
    assert len(decoded(backend.info, backend.infer(tensor()))) == 2
    backend.close()


def test_the_memory_of_a_late_inference_is_not_used_again_before_it_finishes(board):
    board.set(FCOS_SIM_FAULT='hang:1')
    backend, _ = board.load(SMALL['x5'], inference_timeout=0.2)
    late = backend.new_input()
    start = monotonic()
    with pytest.raises(LateError, match='not done in time'):
        backend.infer(late)
    assert monotonic() - start >= 0.2
    backend.inference_timeout = TIMEOUT
    other = backend.new_input()
    assert not np.shares_memory(late, other)
    assert len(decoded(backend.info, backend.infer(other))) == 2
    assert len(decoded(backend.info, backend.infer(late))) == 2  # of a copy of it
    assert board.count('tasks') == 1
    board.end_hangs()
    memories = board.count('memories')
    last = backend.new_input()
    assert board.count('tasks') == 0
    del late
    assert board.count('memories') == memories  # one slot was added, and one released
    del other, last
    backend.close()


def test_a_second_inference_in_the_memory_of_a_late_one_is_refused(board):
    board.set(FCOS_SIM_FAULT='hang:1')
    backend, _ = board.load(SMALL['x5'], inference_timeout=HANG_TIMEOUT)
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
    board.end_hangs()
    del shared
    backend.close()


def test_no_inference_is_started_while_too_many_are_late(board, monkeypatch):
    monkeypatch.setattr(libdnn, 'MAX_LATE', 2)
    board.set(FCOS_SIM_FAULT='hang')
    backend, _ = board.load(SMALL['x5'], inference_timeout=0.05)
    for _ in range(2):
        with pytest.raises(LateError, match='not done in time'):
            backend.infer(tensor())
    used = board.in_use()
    for _ in range(3):
        with pytest.raises(LateError, match='has not finished 2 inferences'):
            backend.infer(tensor())
    assert board.in_use() == used
    board.end_hangs()
    backend.close()


def test_other_threads_infer_while_one_thread_waits(board):
    board.set(FCOS_SIM_FAULT='hang:1')
    backend, _ = board.load(SMALL['x5'])
    waiting = Thread(target=backend.infer, args=(tensor(),))
    waiting.start()
    board.wait_until_running()
    assert len(decoded(backend.info, backend.infer(tensor()))) == 2
    assert waiting.is_alive()
    board.end_hangs()
    waiting.join()
    backend.close()


@pytest.fixture
def clock(monkeypatch):
    """Return the clock by which workers pause after failures."""
    clock = ManualClock()
    monkeypatch.setattr(local, 'BackOff', lambda: BackOff(clock))
    return clock


def local_workers(backend, count):
    """Return workers that share a model."""
    config = DetectorConfig(backend.info.path, 'libdnn')
    return [LocalWorker(config, backend) for _ in range(count)]


def nv12_frame():
    return Frame.wrap(tensor(), Size(128, 128), 'nv12')


def test_a_late_inference_fails_only_its_own_frame(board, clock):
    board.set(FCOS_SIM_FAULT='hang:1')
    backend, _ = board.load(SMALL['x5'], inference_timeout=0.05)
    first, second = local_workers(backend, 2)
    with pytest.raises(LateError):
        first.detect(nv12_frame())
    backend.inference_timeout = TIMEOUT
    assert len(second.detect(nv12_frame()).detections) == 2
    assert len(first.detect(nv12_frame()).detections) == 2
    board.end_hangs()
    first.close()


def test_workers_have_the_inference_timeout_that_is_set(board):
    board.set(FCOS_SIM_FAULT='hang:1')
    path, _ = board.write(SMALL['x5'], make_answer(SMALL['x5'], OBJECTS))
    inference_timeout = 1.5 * libdnn.INFERENCE_TIMEOUT
    only, = open_workers(DetectorConfig(path, 'libdnn'), 1, inference_timeout)
    start = monotonic()
    with pytest.raises(LateError):
        only.detect(nv12_frame())
    assert monotonic() - start >= inference_timeout, 'the default is less'
    board.end_hangs()
    only.close()


def test_a_worker_pauses_after_repeated_late_inferences(board, clock):
    board.set(FCOS_SIM_FAULT='hang')
    backend, _ = board.load(SMALL['x5'], inference_timeout=0.05)
    hanging, = local_workers(backend, 1)
    for _ in range(2):
        with pytest.raises(LateError):
            hanging.detect(nv12_frame())
    tasks = board.count('tasks')
    for _ in range(50):
        with pytest.raises(WorkerError, match=r'2 times in a row.* again in 0\.5 s'):
            hanging.detect(nv12_frame())
    assert board.count('tasks') == tasks == 2
    clock.advance(0.5)
    with pytest.raises(LateError):
        hanging.detect(nv12_frame())
    board.end_hangs()
    hanging.close()


def test_the_memory_of_an_inference_that_never_finishes_is_not_released(board_with_leftovers):
    board = board_with_leftovers
    board.set(FCOS_SIM_FAULT='hang')
    backend, model = board.load(SMALL['x5'], inference_timeout=0.05)
    with pytest.raises(InferenceError):
        backend.infer(tensor())
    backend.close()
    assert board.in_use() == {'models': 1, 'memories': 1 + len(model.outputs), 'tasks': 0}
    board.end_hangs()


@pytest.mark.parametrize('wrong', [
    pytest.param(tensor()[:-1], id='too short'),
    pytest.param(tensor(0, BYTES + 1), id='too long'),
    pytest.param(tensor().reshape(192, 128), id='not flat'),
    pytest.param(tensor().astype(np.float32), id='float'),
    pytest.param(tensor().view(np.int8), id='signed'),
    pytest.param(tensor(0, 2 * BYTES)[::2], id='every other byte'),
    pytest.param(tensor()[::-1], id='reversed'),
    pytest.param(tensor().tobytes(), id='bytes'),
    pytest.param(None, id='None'),
])
def test_a_wrong_input_is_refused(board, wrong):
    backend, _ = board.load(SMALL['x5'])
    in_use = board.in_use()
    with pytest.raises(InferenceError, match=r'accepted: uint8\[24576\] without gaps'):
        backend.infer(wrong)
    assert board.in_use() == in_use, 'it is refused before any memory is allocated'
    assert len(decoded(backend.info, backend.infer(tensor()))) == 2
    backend.close()


def test_outputs_are_read_only(board):
    backend, _ = board.load(SMALL['x5'])
    with pytest.raises(ValueError, match='read-only'):
        backend.infer(tensor())[0][:] = 0
    backend.close()


def test_outputs_may_be_read_after_the_model_was_closed(board):
    backend, model = board.load(SMALL['x5'])
    outputs = list(backend.infer(tensor()))
    backend.close()
    assert board.in_use() == {'models': 0, 'memories': len(outputs), 'tasks': 0}
    part = outputs.pop()[0, :, 0]
    outputs.clear()
    assert board.count('memories') == 1
    np.testing.assert_array_equal(part, model.answers[0].outputs[-1][0, :, 0])
    del part


def test_a_closed_model_refuses_inferences_and_may_be_closed_again(board):
    backend, _ = board.load(SMALL['x5'])
    backend.infer(tensor())
    backend.close()
    backend.close()
    for use in (lambda: backend.infer(tensor()), backend.new_input):
        with pytest.raises(InferenceError, match='was closed; load it again'):
            use()


def test_close_waits_for_running_inferences(board):
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
    board.end_hangs()
    for thread in (inferring, closing):
        thread.join()
    assert len(found) == 2


@pytest.mark.parametrize('input_type', [NV12, NV12_SEPARATE])
@pytest.mark.parametrize('layout', ['NCHW', 'NHWC'])
def test_the_nv12_input_may_have_either_type_and_layout(board, input_type, layout):
    model = replace(SMALL['x5'], input_type=input_type, input_layout=layout)
    backend, model = board.load(
        model, make_answer(model, []), Answer(make_answer(model, OBJECTS).outputs, tensor(7)))
    assert (backend.info.input.size, backend.info.input.shape) == ((128, 128), (BYTES,))
    assert len(decoded(backend.info, backend.infer(tensor(7)))) == 2
    assert len(decoded(backend.info, backend.infer(tensor(8)))) == 0
    backend.close()


def test_the_first_of_several_packed_models_is_used(board):
    path, _ = board.write(SMALL['x5'], make_answer(SMALL['x5'], OBJECTS))
    content = path.read_bytes()
    # Zeros follow the header; there are fewer after a longer header.
    more = b'name another\n'
    path.write_bytes(content.replace(b'\nboard', b'\n' + more + b'board', 1)
                     .replace(b'\nend\n' + bytes(len(more)), b'\nend\n', 1))
    backend = LibdnnBackend(path)
    assert backend.info.name == 'small_x5'
    backend.close()


@pytest.mark.parametrize(('model', 'environment', 'complaint'), [
    pytest.param(SMALL['x3'], {'FCOS_SIM_BOARD': 'x5'},
                 r'-6000014 \(incompatible model\).*use the file for this board',
                 id='for another board'),
    pytest.param(SMALL['x5'], {'FCOS_SIM_FAULT': 'load'}, r'-6000002 \(invalid model\)',
                 id='refused'),
    pytest.param(replace(SMALL['x5'], input_type=RGB), {},
                 r'takes 0 RGB\[1, 3, 128, 128\]; accepted: .*NV12', id='not NV12'),
    pytest.param(replace(SMALL['x5'], outputs=SMALL['x5'].outputs[:6]), {}, 'given 6',
                 id='six outputs'),
    pytest.param(replace(SMALL['x5'], canvas=(127, 128)), {}, 'accepted: even sides',
                 id='odd canvas'),
])
def test_a_file_that_is_not_an_fcos_network_for_this_board_is_refused(
        board, model, environment, complaint):
    path, _ = board.write(model)
    board.set(**environment)
    with pytest.raises(ModelError, match=complaint) as refusal:
        LibdnnBackend(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(('facts', 'kind', 'shape'), [
    pytest.param({'input_type': RGB}, 'RGB', [1, 3, 128, 128], id='not NV12'),
    pytest.param({'canvas': (127, 128)}, 'NV12', [1, 3, 128, 127], id='odd canvas'),
    pytest.param({'outputs': SMALL['x5'].outputs[:14]}, 'uint8', [BYTES], id='missing output'),
])
def test_a_refused_model_is_described_with_its_tensors(board, facts, kind, shape):
    model = replace(SMALL['x5'], **facts)
    path, _ = board.write(model)
    with pytest.raises(UnfitModelError) as refusal:
        LibdnnBackend(path)
    (taken,), found = refusal.value.inputs, refusal.value.outputs
    assert (taken.dtype, list(taken.shape)) == (kind, shape)
    assert len(found) == len(model.outputs)
    for output, expected in zip(found, model.outputs):
        assert (output.name, output.dtype, output.shape) == (
            expected.name, 'int32', expected.shape)
        np.testing.assert_allclose(output.scale, expected.scale)


@pytest.mark.parametrize(('facts', 'complaint'), [
    pytest.param({'stride': (40, 20, 5, 1)}, 'does not fit', id='strides in items'),
    pytest.param({'stride': (160, 80, 16, 4)}, 'does not fit', id='strides beyond the memory'),
    pytest.param({'alignedByteSize': 36}, 'does not fit', id='too little memory'),
    pytest.param({'validShape': ()}, 'does not fit', id='no dimension'),
    pytest.param({'validShape': (1, 2, 5)}, 'does not fit', id='other dimensions'),
    pytest.param({'validShape': (1, 2, 0, 1)}, 'does not fit', id='side of 0'),
    pytest.param({'tensorType': 17}, r'is type 17; accepted: int8, ', id='64 bits'),
])
def test_an_output_with_an_impossible_description_is_refused(facts, complaint):
    described = {'tensorType': 14, 'alignedByteSize': 40, 'validShape': (1, 2, 5, 1),
                 'alignedShape': (1, 2, 5, 1), **facts}
    properties = abi.TensorProperties()
    for name, value in described.items():
        if name.endswith('Shape'):
            shape = getattr(properties, name)
            shape.dimensionSize[:len(value)], shape.numDimensions = value, len(value)
        elif name == 'stride':
            properties.stride[:4] = value
        else:
            setattr(properties, name, value)
    with pytest.raises(ModelError, match=rf'^model\.bin: output score .*{complaint}'):
        libdnn._OutputTensor.read(Path('model.bin'), 'score', properties)


def test_a_file_that_is_not_a_model_is_refused(board):
    path = board.folder / 'broken.bin'
    with pytest.raises(ModelError, match=r'broken\.bin is not a file'):
        load(path, 'libdnn')
    path.write_bytes(b'not a model')
    with pytest.raises(ModelError, match=r'libdnn cannot load .*broken\.bin'):
        LibdnnBackend(path)


def test_a_missing_library_is_reported_with_the_paths_that_were_tried(board, monkeypatch):
    monkeypatch.setattr(abi, 'LIBRARY_PATHS', ('no_libdnn.so', '/nowhere/libdnn.so'))
    monkeypatch.delenv('FCOS_LIBDNN')
    with pytest.raises(ModelError) as refusal:
        LibdnnBackend(board.folder / 'model.bin')
    for word in ('no_libdnn.so', '/nowhere/libdnn.so', 'FCOS_LIBDNN'):
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
