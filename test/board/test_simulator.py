# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated board behaves as real boards do, including their faults."""

import ctypes
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
import os
from pathlib import Path
import pickle
import signal
import subprocess
import sys
from threading import Event, Thread
import time
import weakref

from board_environment import IMAGES
from cores import reservations
from model_file import PUBLISHED, RGB, fnv1a64, make_answer
import numpy as np
import pytest
from tiny_models import BYTES, CAR, SIZE, padded, tensor, tiny, with_output, write
from waiting import wait_until

GENERATIONS = {'A': ('x3_focal', 'x3'), 'B': ('x5', 'x5'), 'C': ('x3_jammy', 'x3')}
LATER = {name: GENERATIONS[name] for name in 'BC'}

every_generation = pytest.mark.parametrize(
    ('image', 'board'), GENERATIONS.values(), ids=GENERATIONS)
later_generations = pytest.mark.parametrize(('image', 'board'), LATER.values(), ids=LATER)


@pytest.fixture
def model(plug_in, tmp_path):
    """Return a function that loads a tiny model in the binding of a system image."""
    def model(image='x5', file=None):
        plug_in(image)
        binding = import_module('hobot_dnn.pyeasy_dnn')
        return binding.load(str(write(tmp_path, file or tiny(image[:2]))))[0]
    return model


def answer_index(file, outputs):
    """Return the index of the answer that these outputs are; None if there is none."""
    for index, answer in enumerate(file.answers):
        if all(np.array_equal(output.buffer, expected)
               for output, expected in zip(outputs, answer.outputs)):
            return index
    return None


# --- the description of a model

def test_outputs_of_integer_models_are_described_as_on_boards(model):
    outputs = [output.properties for output in model(file=PUBLISHED['b0']).outputs]
    assert [(p.tensor_type, p.dtype, p.layout, p.shape, p.scale_data.shape)
            for p in outputs[::5]] == [
        ('int32', 'int32', 'NHWC', (1, 64, 64, 80), (80,)),
        ('int32', 'int32', 'NHWC', (1, 64, 64, 4), (4,)),
        ('int32', 'int32', 'NCHW', (1, 64, 64, 1), (1,))]


@later_generations
def test_the_shape_of_an_input_is_that_of_the_image_and_not_of_its_bytes(model, image, board):
    image_input, = model(image).inputs
    properties = image_input.properties
    assert (properties.tensor_type, properties.dtype, properties.layout, properties.shape) == (
        'NV12', 'uint8', 'NCHW', (1, 3, SIZE, SIZE))


def test_generation_a_reports_separate_planes(model):
    assert model('x3_focal').inputs[0].properties.tensor_type == 'NV12_SEPARATE'


@later_generations
def test_float_outputs_have_no_scales(model, image, board):
    scale = model(image, tiny(board, dtype='float32')).outputs[0].properties.scale_data
    assert (scale.shape, scale.dtype) == ((0,), np.float32)


def test_generation_b_reports_shapes_in_memory_as_addresses(model):
    properties = model(file=padded(tiny())).outputs[10].properties
    assert isinstance(properties.alignedShape, int)
    assert properties.alignedShape != properties.alignedShape


def test_shapes_in_memory_are_not_initialised_beyond_their_rank(model):
    properties = model().outputs[0].properties
    for address in (properties.validShape, properties.alignedShape):
        *sides, rank = (ctypes.c_int32 * 9).from_address(address)
        assert (rank, tuple(sides[:4])) == (4, properties.shape)
        assert all(sides[4:])


@later_generations
@pytest.mark.parametrize('length', [63, 64, 72])
def test_names_of_up_to_72_bytes_are_returned(model, image, board, length):
    name = 'é' * (length // 2) + 'n' * (length % 2)
    assert model(image, with_output(tiny(board), 3, name=name)).outputs[3].name == name


@later_generations
@pytest.mark.parametrize(('length', 'name'), [(127, 'm' * 127), (128, ''), (200, '')])
def test_the_name_of_a_model_is_empty_if_it_is_too_long(model, image, board, length, name):
    assert model(image, replace(tiny(board), name='m' * length)).name == name


READ_OUTPUTS = """
import sys
from hobot_dnn import pyeasy_dnn
loaded = pyeasy_dnn.load(sys.argv[1])[0]
print('loaded', flush=True)
getattr(loaded, sys.argv[2])
"""


@later_generations
@pytest.mark.parametrize('side', ['inputs', 'outputs'])
@pytest.mark.parametrize('name', ['n' * 73, 'é' * 37, 'n' * 300], ids=len)
def test_longer_names_end_the_process_before_any_can_be_read(
        plug_in, tmp_path, image, board, side, name):
    file = tiny(board, answers=False)
    file = (replace(file, input_name=name) if side == 'inputs'
            else with_output(file, 3, name=name))
    done = subprocess.run(
        [sys.executable, '-c', READ_OUTPUTS, str(write(tmp_path, file)), side],
        env={**os.environ, 'PYTHONPATH': str(IMAGES / image)}, capture_output=True, text=True,
        check=False)
    assert (done.stdout, done.returncode) == ('loaded\n', -signal.SIGSEGV)


@every_generation
def test_a_name_that_is_not_utf_8_raises_a_unicode_decode_error(model, image, board):
    loaded = model(image, with_output(tiny(board), 3, name='caf\udce9'))
    with pytest.raises(UnicodeDecodeError):
        _ = loaded.outputs[3].name


@pytest.mark.parametrize('image', ['x3_focal', 'x3_jammy'])
def test_the_other_generations_do_not_report_shapes_in_memory(model, image):
    properties = model(image).outputs[0].properties
    assert not hasattr(properties, 'alignedShape')
    assert not hasattr(properties, 'validShape')


def test_writing_to_the_scales_changes_the_model(model):
    loaded = model()
    loaded.outputs[0].properties.scale_data[:] = 7
    assert set(loaded.outputs[0].properties.scale_data) == {7}


@every_generation
def test_each_access_makes_new_tensors(model, image, board):
    loaded = model(image)
    assert loaded.outputs[0] is not loaded.outputs[0]
    assert isinstance(loaded.outputs, tuple if image == 'x3_focal' else list)
    assert isinstance(loaded.forward(tensor(1)), tuple if image == 'x3_focal' else list)
    assert callable(loaded) == (image == 'x3_focal')


@later_generations
def test_scales_have_no_base_and_only_an_empty_table_owns_its_data(model, image, board):
    scaled = model(image, tiny(board, dtype='int32')).outputs[0].properties.scale_data
    assert (scaled.base, scaled.flags.owndata, scaled.flags.writeable) == (None, False, True)
    empty = model(image, tiny(board, dtype='float32')).outputs[0].properties.scale_data
    assert (empty.base, empty.flags.owndata) == (None, True)


@every_generation
def test_objects_of_the_binding_have_no_other_attributes_and_cannot_be_referred_to_weakly(
        model, image, board):
    loaded = model(image)
    for thing in (loaded, loaded.outputs[0], loaded.outputs[0].properties):
        with pytest.raises(AttributeError):
            thing.note = 'mine'
        with pytest.raises(TypeError):
            weakref.ref(thing)


@later_generations
def test_the_types_of_the_later_generations_cannot_be_extended_or_pickled(model, image, board):
    loaded = model(image)
    for thing in (loaded, loaded.outputs[0], loaded.outputs[0].properties):
        kind = type(thing)
        assert isinstance(kind(), kind)
        with pytest.raises(TypeError, match='not an acceptable base type'):
            type('Own', (kind,), {})
        with pytest.raises(TypeError, match='cannot pickle'):
            pickle.dumps(thing)


@every_generation
def test_attributes_of_a_model_cannot_be_set(model, image, board):
    with pytest.raises(AttributeError):
        model(image).name = 'other'


# --- inputs of `forward`

@every_generation
def test_each_input_has_its_own_answer(model, image, board):
    file = tiny(board)
    loaded = model(image, file)
    assert [answer_index(file, loaded.forward(tensor(seed))) for seed in (1, 2, 3)] == [0, 1, 0]


@later_generations
@pytest.mark.parametrize('length', [-1, +1, 2 * BYTES])
def test_an_input_of_a_wrong_size_is_accepted(model, image, board, length):
    loaded = model(image)
    from simulator.generation_b import OVERRUNS
    before = len(OVERRUNS)
    assert len(loaded.forward(np.zeros(BYTES + length, np.uint8))) == 15
    assert OVERRUNS[before:] == ([length] if length > 0 else [])


@later_generations
def test_a_short_input_leaves_the_rest_of_the_previous_one(model, image, board):
    file = tiny(board)
    loaded = model(image, file)
    loaded.forward(tensor(2))
    assert answer_index(file, loaded.forward(tensor(2)[:100])) == 1


def test_as_many_bytes_are_read_as_the_input_has_elements(model):
    file = tiny()
    loaded = model(file=file)
    hidden = np.append(tensor(2), np.zeros(3 * BYTES, np.uint8)).view(np.float32)
    assert answer_index(file, loaded.forward(hidden)) == 1


def test_the_strides_of_an_input_are_ignored(model):
    file = tiny()
    loaded = model(file=file)
    two = np.append(tensor(2), tensor(3))
    for given in (two[::2], [two[::2]]):
        loaded.forward(tensor(1))
        assert answer_index(file, loaded.forward(given)) == 1


@pytest.mark.parametrize('strange', [b'bytes', bytearray(4), None, 5, 'text', {}, []],
                         ids=lambda strange: type(strange).__name__)
def test_an_object_that_is_not_an_array_runs_on_the_previous_input(model, strange, capsys):
    file = tiny()
    loaded = model(file=file)
    loaded.forward(tensor(2))
    assert answer_index(file, loaded.forward(strange)) == 1
    assert ('NOT a container' in capsys.readouterr().out) == (strange != [])


@pytest.mark.parametrize(('strange', 'cause'), [
    pytest.param(np.empty(0, np.uint8), RuntimeError, id='empty'),
    pytest.param([np.empty(0, np.uint8)], RuntimeError, id='list of an empty one'),
    pytest.param([b'bytes'], TypeError, id='list of bytes'),
    pytest.param([tensor(1), tensor(1)], RuntimeError, id='two arrays'),
])
def test_a_refused_input_raises_a_system_error_with_a_cause(model, strange, cause):
    with pytest.raises(SystemError, match='returned a result with an exception set') as caught:
        model().forward(strange)
    assert isinstance(caught.value.__cause__, cause)


def test_an_array_in_a_list_is_read_correctly_only_if_it_is_uint8(model):
    file = tiny()
    loaded = model(file=file)
    assert answer_index(file, loaded.forward([tensor(2)])) == 1
    assert answer_index(file, loaded.forward([tensor(2).astype(np.int16)])) == 0


def test_rgb_pixels_are_changed_in_place_even_if_they_are_read_only(model):
    loaded = model(file=replace(tiny(answers=False), input_type=RGB))
    pixels = np.resize(np.arange(256, dtype=np.uint8), SIZE * SIZE * 3)
    expected = np.maximum(pixels, 128) - 128
    pixels.setflags(write=False)
    loaded.forward(pixels)
    np.testing.assert_array_equal(pixels, expected)


@every_generation
def test_the_number_of_a_core_is_passed_on(model, image, board):
    loaded = model(image)
    assert len(loaded.forward(tensor(1), core_id=1)) == 15
    if image == 'x3_jammy':
        assert loaded.forward(tensor(1), core_id=9) is None
    else:
        with pytest.raises((RuntimeError, SystemError)):
            loaded.forward(tensor(1), core_id=9)


@pytest.mark.parametrize('strange', [np.zeros(BYTES, np.int8), np.zeros(BYTES, np.float32),
                                     b'bytes', None], ids=['int8', 'float', 'bytes', 'None'])
def test_generation_c_refuses_an_input_that_is_not_uint8(model, strange):
    with pytest.raises(SystemError) as caught:
        model('x3_jammy').forward(strange)
    assert isinstance(caught.value.__cause__, TypeError)


@pytest.mark.parametrize('strange', [tensor(1)[1:], np.zeros(BYTES, np.float32), None, []],
                         ids=['short', 'float', 'None', 'empty list'])
def test_generation_a_compares_the_size_and_raises_a_runtime_error(model, strange):
    with pytest.raises(RuntimeError, match=r'Run model failed!'):
        model('x3_focal').forward(strange)


def test_generation_a_ignores_unknown_arguments(model):
    loaded = model('x3_focal')
    assert len(loaded(tensor(1), core_id=1, dsp_id=0, priority=0, unknown=1)) == 15
    with pytest.raises(IndexError):
        loaded.forward()


@later_generations
def test_the_later_generations_refuse_unknown_arguments(model, image, board):
    loaded = model(image)
    assert len(loaded.forward(arg=tensor(1), core_id=1, priority=255)) == 15
    with pytest.raises(SystemError) as caught:
        loaded.forward(tensor(1), dsp_id=0)
    assert isinstance(caught.value.__cause__, TypeError)


# --- results of `forward`

def test_the_outputs_of_a_model_are_new_after_a_failed_wait(model, monkeypatch):
    monkeypatch.setenv('FCOS_SIM_FAULT', 'raise:2')
    file = tiny()
    loaded = model(file=file)
    loaded.forward(tensor(1))
    with pytest.raises(SystemError):
        loaded.forward(tensor(2))
    assert answer_index(file, loaded.outputs) == 1


@later_generations
def test_tensors_are_views_of_the_last_inference_and_buffers_are_copies(model, image, board):
    file = tiny(board)
    loaded = model(image, file)
    first = loaded.forward(tensor(1))
    kept = first[0].buffer
    loaded.forward(tensor(2))
    assert answer_index(file, first) == 1
    assert answer_index(file, loaded.outputs) == 1
    np.testing.assert_array_equal(kept, file.answers[0].outputs[0])
    assert not np.shares_memory(first[0].buffer, first[0].buffer)


def test_results_of_generation_a_own_their_memory(model):
    file = tiny('x3')
    loaded = model('x3_focal', file)
    first = loaded.forward(tensor(1))
    loaded.forward(tensor(2))
    assert answer_index(file, first) == 0


def test_padding_is_not_removed_and_shifts_the_values(model):
    file = padded(tiny())
    buffer = model(file=file).forward(tensor(1))[10].buffer
    assert buffer.shape == (1, 16, 16, 1)
    np.testing.assert_array_equal(buffer.reshape(-1)[::4],
                                  file.answers[0].outputs[10].reshape(-1)[:64])
    assert set(buffer.reshape(-1)[1:4]) == {99}


def test_generation_a_removes_padding(model):
    file = padded(tiny('x3'))
    assert answer_index(file, model('x3_focal', file).forward(tensor(2))) == 1


def test_unsigned_bytes_are_returned_as_signed_ones(model):
    file = tiny(answers=False, dtype='int8')
    file = replace(file, outputs=tuple(replace(o, dtype='uint8') for o in file.outputs))
    output = model(file=file).forward(tensor(1))[0]
    assert (output.properties.dtype, output.buffer.dtype) == ('uint8', np.int8)


# --- `load`

@later_generations
@pytest.mark.parametrize(('given', 'cause'), [
    ('nowhere.bin', RuntimeError), (Path('nowhere.bin'), TypeError), (('a', 'b'), TypeError),
    (b'a', TypeError), (None, TypeError), ([1], TypeError)], ids=repr)
def test_a_file_that_does_not_load_raises_a_system_error_with_a_cause(
        plug_in, image, board, given, cause):
    plug_in(image)
    binding = import_module('hobot_dnn.pyeasy_dnn')
    with pytest.raises(SystemError) as caught:
        binding.load(given)
    assert isinstance(caught.value.__cause__, cause)


@every_generation
def test_load_returns_one_model_for_each_path(plug_in, tmp_path, image, board):
    plug_in(image)
    binding = import_module('hobot_dnn.pyeasy_dnn')
    path = str(write(tmp_path, tiny(board)))
    first, second = binding.load([path, path])
    assert binding.load([]) == []
    assert first is not second


@pytest.mark.parametrize(('fault', 'cause'), [
    ('load', 'hbDNNInitializeFromFiles failed'), ('memory', 'prepare_model_tensor failed')])
@later_generations
def test_a_refused_file_and_exhausted_memory_have_different_causes(
        model, monkeypatch, image, board, fault, cause):
    monkeypatch.setenv('FCOS_SIM_FAULT', fault)
    with pytest.raises(SystemError) as caught:
        model(image)
    assert str(caught.value.__cause__) == cause


@every_generation
def test_a_missing_board_library_is_an_import_error(plug_in, monkeypatch, image, board):
    monkeypatch.setenv('FCOS_SIM_FAULT', 'library')
    plug_in(image)
    with pytest.raises(ImportError, match=r'libhbspdev\.so: cannot open shared object file'):
        import_module('hobot_dnn.pyeasy_dnn')


def test_load_of_generation_a_raises_a_runtime_error(plug_in):
    plug_in('x3_focal')
    binding = import_module('hobot_dnn.pyeasy_dnn')
    with pytest.raises(RuntimeError, match=r'Load model failed!'):
        binding.load('nowhere.bin')
    with pytest.raises(TypeError):
        binding.load(Path('nowhere.bin'))


# --- `hbm_runtime`

@pytest.fixture
def runtime(plug_in, tmp_path):
    """Return a tiny model in the `hbm_runtime` of X5."""
    plug_in('x5')
    return import_module('hbm_runtime').HB_HBMRuntime(str(write(tmp_path, tiny())))


def test_results_are_grouped_by_model_and_output(runtime):
    for arg in (tensor(2), {'0': tensor(2)}, {'tiny': {'0': tensor(2)}}):
        results = runtime.run(arg)
        assert list(results) == runtime.model_names == ['tiny']
        assert sorted(results['tiny']) == sorted(runtime.output_names['tiny'])
        assert list(results['tiny']) != runtime.output_names['tiny'], 'go by name'
        np.testing.assert_array_equal(results['tiny']['100'], tiny().answers[1].outputs[0])


def test_only_the_dtype_of_an_nv12_tensor_is_checked(runtime):
    assert len(runtime.run(np.zeros(7, np.uint8))['tiny']) == 15
    with pytest.raises(RuntimeError, match='expected uint8'):
        runtime.run(np.zeros(BYTES, np.int8))


def test_arguments_of_later_builds_are_refused(runtime):
    assert runtime.run(tensor(1), model_name='tiny')
    with pytest.raises(RuntimeError, match='unknown arguments'):
        runtime.run(tensor(1), priority=0)


def test_padded_outputs_are_views_with_gaps(plug_in, tmp_path):
    plug_in('x5')
    runtime = import_module('hbm_runtime').HB_HBMRuntime(str(write(tmp_path, padded(tiny()))))
    assert not runtime.run(tensor(1))['tiny']['102'].flags.c_contiguous


# --- time

SLOW_MS = 200


@every_generation
def test_no_other_thread_runs_during_an_inference(model, image, board):
    slow = replace(tiny(board, answers=False), service_us=SLOW_MS * 1000, cpu_us=SLOW_MS * 1000)
    loaded = model(image, slow)
    assert longest_pause(lambda: loaded.forward(tensor(1))) >= 2 * SLOW_MS / 1000


def test_no_other_thread_runs_during_a_run_of_hbm_runtime(plug_in, tmp_path):
    plug_in('x5')
    slow = replace(tiny(answers=False), service_us=SLOW_MS * 1000)
    runtime = import_module('hbm_runtime').HB_HBMRuntime(str(write(tmp_path, slow)))
    assert longest_pause(lambda: runtime.run(tensor(1))) >= SLOW_MS / 1000


def longest_pause(work):
    """Return the longest time in seconds for which another thread did not run."""
    ticks, over = [], Event()

    def tick():
        while not over.wait(0.001):
            ticks.append(time.monotonic())

    def wait_for_tick():
        known = len(ticks)
        wait_until(lambda: len(ticks) > known)

    thread = Thread(target=tick)
    thread.start()
    wait_for_tick()
    work()
    wait_for_tick()
    over.set()
    thread.join()
    return max(later - earlier for earlier, later in pairwise(ticks))


INFER_ON_CUE = """
import sys, time
import numpy as np
from hobot_dnn import pyeasy_dnn
model = pyeasy_dnn.load(sys.argv[1])[0]
image = np.zeros(int(sys.argv[2]), np.uint8)
print('ready', flush=True)
sys.stdin.readline()
start = time.monotonic()
model.forward(image)
print(start, time.monotonic())
"""


@pytest.mark.parametrize(('image', 'cores', 'workers', 'turns'), [
    ('x5', 1, 2, 2), ('x3_jammy', 2, 2, 1), ('x3_jammy', 2, 3, 2)],
    ids=['two on one core', 'two on two cores', 'three on two cores'])
def test_processes_take_turns_on_the_cores(plug_in, tmp_path, image, cores, workers, turns):
    service = 0.5
    path = write(tmp_path, replace(tiny(image[:2], answers=False), cores=cores,
                                   service_us=int(service * 1e6)))
    starts, ends = zip(*infer_at_once(image, path, workers))
    reserved = reservations(tmp_path / 'cores')
    assert len(reserved) == cores
    assert max(ends) >= max(reserved) >= min(starts) + turns * service


def infer_at_once(image, path, workers):
    """Infer in several processes at the same time; return start and end of each, in seconds."""
    children = [start_inference(image, path) for _ in range(workers)]
    for child in children:
        assert child.stdout.readline() == 'ready\n'
    for child in children:
        child.stdin.write('\n')
        child.stdin.flush()
    return [tuple(map(float, child.communicate()[0].split())) for child in children]


def start_inference(image, path, fault=''):
    """Start a process that runs one inference when it reads a line."""
    environment = {**os.environ, 'PYTHONPATH': str(IMAGES / image), 'FCOS_SIM_FAULT': fault}
    return subprocess.Popen([sys.executable, '-c', INFER_ON_CUE, str(path), str(BYTES)], text=True,
                            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


# --- faults

def test_a_crash_ends_the_process(plug_in, tmp_path):
    process = start_inference('x5', write(tmp_path, tiny(answers=False)), 'crash')
    process.communicate('\n')
    assert process.returncode == -signal.SIGSEGV


def test_an_inference_that_hangs_ends_only_with_its_process(plug_in, tmp_path):
    process = start_inference('x5', write(tmp_path, tiny(answers=False)), 'hang')
    process.stdin.write('\n')
    process.stdin.flush()
    wait_until((tmp_path / 'cores' / f'hang-{process.pid}').exists)
    assert process.poll() is None
    process.kill()
    assert process.communicate()[0] == 'ready\n', 'the inference did not end'


def test_a_fault_with_a_number_fails_only_that_inference(model, monkeypatch):
    monkeypatch.setenv('FCOS_SIM_FAULT', 'raise:2')
    loaded = model()
    assert len(loaded.forward(tensor(1))) == 15
    with pytest.raises(SystemError):
        loaded.forward(tensor(1))
    assert len(loaded.forward(tensor(1))) == 15


# --- the model file

def test_the_hash_of_inputs_is_fnv_1a():
    assert fnv1a64(b'') == 0xcbf29ce484222325
    assert fnv1a64(b'a') == 0xaf63dc4c8601ec8c
    assert fnv1a64(b'foobar') == 0x85944171f73967e8


def test_quantised_answers_differ_by_at_most_half_a_step():
    model = tiny(answers=False)
    exact = make_answer(model, [CAR])
    file = model.answering(exact)
    for output, integers, values in zip(file.outputs, file.answers[0].outputs, exact.outputs):
        assert integers.dtype == np.int32
        error = np.abs(integers * output.scale.astype(np.float64) - values)
        assert (error <= output.scale * 0.500001).all()
