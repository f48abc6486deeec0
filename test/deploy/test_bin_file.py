# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compiled files are read without the vendor's tools; any other file is refused."""

from bin_writer import PROPERTIES, Output, bin_content
from hypothesis import given, strategies
import numpy as np
import pytest

from fcos_ros.backends import ModelError, TensorInfo
from fcos_ros.backends.bin_file import read_bin_file

CLASSES = Output('class_8', (1, 8, 8, 2), (0.5, 0.25))
BOXES = Output('box_8', (1, 8, 8, 4), (0.125,) * 4)
CENTERNESS = Output('centerness_8', (1, 8, 8, 1), (0.0625,))
CONTENT = bin_content([CLASSES, BOXES, CENTERNESS], size=(64, 48))


def read(tmp_path, content):
    path = tmp_path / 'model.bin'
    path.write_bytes(content)
    return read_bin_file(path)


def test_the_file_says_what_it_is(tmp_path):
    file = read(tmp_path, CONTENT)
    assert (file.name, file.march, file.nv12_range) == ('network', 'bayes-e', 'full')
    assert file.input == TensorInfo('image', 'NV12', (1, 48, 64, 3))
    assert [output.tensor for output in file.outputs] == [
        TensorInfo('class_8', 'int32', (1, 8, 8, 2), (0.5, 0.25)),
        TensorInfo('box_8', 'int32', (1, 8, 8, 4), (0.125,) * 4),
        TensorInfo('centerness_8', 'int32', (1, 8, 8, 1), (0.0625,))]
    assert [output.source for output in file.outputs] == [0, 1, 2]
    assert all(output.factors is None for output in file.outputs)
    assert (file.program, file.program_name, file.cpu_nodes) == (b'program', 'subgraph_0', ())
    assert file.properties == {**PROPERTIES, 'INPUT_SPACE_AND_RANGE': 'regular'}


def test_a_multiplication_on_the_cpu_is_part_of_the_output(tmp_path):
    dequantized = Output('class_8', (1, 8, 8, 2), (0.5, 0.25), dequantized=True)
    output, boxes = read(tmp_path, bin_content([dequantized, BOXES])).outputs
    assert output.tensor == TensorInfo('class_8', 'float32', (1, 8, 8, 2))
    np.testing.assert_array_equal(output.factors, [0.5, 0.25])
    assert (output.source, boxes.source, boxes.factors) == (0, 1, None)


def test_the_range_of_the_input_is_what_the_compiler_was_told(tmp_path):
    limited = {**PROPERTIES, 'INPUT_SPACE_AND_RANGE': 'bt601_video;'}
    assert read(tmp_path, bin_content([CLASSES], properties=limited)).nv12_range == 'limited'
    assert read(tmp_path, bin_content([CLASSES], properties={})).nv12_range is None


def test_other_operators_on_the_cpu_are_named(tmp_path):
    file = read(tmp_path, bin_content([CLASSES], cpu_nodes=['scores/Softmax']))
    assert file.cpu_nodes == ('scores/Softmax',)


@pytest.mark.parametrize(('content', 'reason'), [
    pytest.param(b'', '0 inputs and 0 programs', id='empty'),
    pytest.param(b'<html>', 'there is no kind 4', id='web page'),
    pytest.param(CONTENT[:-3], 'it has .* of at least', id='truncated'),
    pytest.param(bin_content([CLASSES], programs=2), '2 programs', id='two programs'),
    pytest.param(bin_content([Output('class_8', (1, 8, 8, 2), (1.0,) * 3)]),
                 'class_8 .* has 3 factors along its axis 3', id='a scale too many'),
])
def test_any_other_file_is_refused_with_the_reason(tmp_path, content, reason):
    with pytest.raises(ModelError, match=f'model.bin is not a .bin file of hb_mapper .*{reason}'):
        read(tmp_path, content)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ModelError, match='cannot be read: No such file'):
        read_bin_file(tmp_path / 'missing.bin')


@given(data=strategies.data())
def test_a_damaged_file_is_read_or_refused(data, tmp_path_factory):
    content = bytearray(CONTENT)
    for _ in range(data.draw(strategies.integers(1, 4))):
        position = data.draw(strategies.integers(0, len(content) - 1))
        content[position] = data.draw(strategies.integers(0, 255))
    content = content[:data.draw(strategies.integers(0, len(content)))]
    try:
        file = read(tmp_path_factory.mktemp('damaged'), bytes(content))
    except ModelError:
        return
    assert file.program is not None
