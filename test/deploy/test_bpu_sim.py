# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
`.bin` files run in a simulator that is called as a command; its failures are reported.

A script stands in for the vendor's command here: it writes what `hbdk-sim` writes, in the same
form. `make test-bpu` tests with the real one.
"""

import os
import sys

from bin_writer import Output, bin_content
import numpy as np
import pytest

from fcos_ros.backends import InferenceError, ModelError, bpu_sim, load

STRIDES = (8, 16, 32, 64, 128)
SIZE = (128, 128)
OUTPUTS = [Output(f'{part}_{stride}', (1, 128 // stride, 128 // stride, channels),
                  tuple((np.arange(channels) + 1) / 8))
           for part, channels in (('class', 2), ('box', 4), ('centerness', 1))
           for stride in STRIDES]

SIMULATOR = '''#!{python}
"""Write the sum of the input plus the number of the element, for each output."""
import json, sys
from pathlib import Path
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
image = Path(options['--input-binary']).read_bytes()
shapes = json.loads(Path(options['--hbm']).read_text())
assert options['--model-name'] == 'subgraph_0'
height, width = map(int, options['--yuv-size'].split('x'))
assert len(image) == height * width * 3 // 2 and options['--yuv-stride'] == str(width)
for index, shape in enumerate(shapes):
    count = shape[0] * shape[1] * shape[2] * shape[3]
    values = ' '.join(str(sum(image) % 1000 - 500 + element) for element in range(count))
    name = f'hbdk_output{{index}}_feature_x_elem_int.txt'
    Path(options['--output'], name).write_text('#operator: CONV\\n#shift = 0\\n' + values)
{more}
'''


@pytest.fixture
def simulator(tmp_path, monkeypatch):
    """Install the stand-in; its argument is more code at its end."""
    def install(more: str = '') -> None:
        folder = tmp_path / 'tools'
        folder.mkdir(exist_ok=True)
        command = folder / 'hbdk-sim'
        command.write_text(SIMULATOR.format(python=sys.executable, more=more))
        command.chmod(0o755)
        monkeypatch.setenv('FCOS_BPU_TOOLS', str(folder))
    return install


def write_model(tmp_path, outputs=OUTPUTS, **options):
    path = tmp_path / 'model.bin'
    program = str([list(output.shape) for output in outputs]).encode()
    path.write_bytes(bin_content(outputs, SIZE, program=program, **options))
    return path


def test_the_integers_of_the_program_are_handed_out(tmp_path, simulator):
    simulator()
    model = load(write_model(tmp_path), 'bpu_sim')
    assert model.info.backend == 'bpu_sim'
    assert model.info.head.num_classes == 2
    tensor = model.new_input()
    tensor.fill(1)
    outputs = model.infer(tensor)
    first = tensor.size % 1000 - 500
    for output, values in zip(OUTPUTS, outputs):
        assert values.dtype == np.int32
        expected = first + np.arange(np.prod(output.shape)).reshape(output.shape)
        np.testing.assert_array_equal(values, expected)
    model.close()


def test_a_multiplication_on_the_cpu_is_done_here(tmp_path, simulator):
    simulator()
    outputs = [Output(output.name, output.shape, output.scale, dequantized=True)
               for output in OUTPUTS]
    floats = load(write_model(tmp_path, outputs), 'bpu_sim')
    tensor = floats.new_input()
    tensor.fill(1)
    results = floats.infer(tensor)
    floats.close()
    integers = load(write_model(tmp_path), 'bpu_sim')
    for spec, expected, result in zip(integers.info.outputs, integers.infer(tensor), results):
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, expected * spec.scale)
    integers.close()


@pytest.mark.parametrize(('more', 'message'), [
    ('print("no memory"); sys.exit(3)', 'hbdk-sim ended with 3: no memory'),
    ('Path(options["--output"], "hbdk_output0_feature_x_elem_int.txt").unlink()',
     'wrote 0 files for output 0'),
    ('Path(options["--output"], "hbdk_output0_feature_x_elem_int.txt").write_text("1 2 3")',
     r'wrote 3 elements for class_8 \[1, 16, 16, 2\]'),
    ('Path(options["--output"], "hbdk_output0_feature_x_elem_int.txt").write_text("x")',
     'cannot be read'),
])
def test_a_failure_of_the_simulator_fails_the_inference(tmp_path, simulator, more, message):
    simulator()
    model = load(write_model(tmp_path), 'bpu_sim')
    simulator(more)
    with pytest.raises(InferenceError, match=message):
        model.infer(model.new_input())
    model.close()


def test_a_simulator_that_hangs_is_ended(tmp_path, simulator, monkeypatch):
    simulator()
    model = load(write_model(tmp_path), 'bpu_sim')
    simulator('__import__("time").sleep(600)')
    monkeypatch.setattr(bpu_sim, 'TIMEOUT', 2)
    with pytest.raises(InferenceError, match='did not end within 2 s'):
        model.infer(model.new_input())
    model.close()


def test_closing_leaves_no_files(tmp_path, simulator, monkeypatch):
    simulator()
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    before = set(tmp_path.iterdir())
    path = write_model(tmp_path)
    model = load(path, 'bpu_sim')
    model.infer(model.new_input())
    model.close()
    assert set(tmp_path.iterdir()) == {*before, path}


def test_without_the_simulator_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setenv('FCOS_BPU_TOOLS', str(tmp_path))
    monkeypatch.setenv('PATH', os.path.dirname(sys.executable))
    with pytest.raises(ModelError, match=(
            r'bpu_sim needs the command hbdk-sim, which was not found; .*make bpu-tools')):
        load(write_model(tmp_path), 'bpu_sim')


@pytest.mark.parametrize(('options', 'message'), [
    ({'cpu_nodes': ['scores/Softmax']}, 'runs 1 operators on the CPU .*scores/Softmax'),
    ({'input_kind': 10}, 'takes image RGB'),
])
def test_a_file_that_cannot_be_simulated_is_refused(tmp_path, simulator, options, message):
    simulator()
    with pytest.raises(ModelError, match=message):
        load(write_model(tmp_path, **options), 'bpu_sim')


