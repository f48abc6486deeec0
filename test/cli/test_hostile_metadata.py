# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metadata that no program of ours wrote is refused in a few lines, or shown harmlessly."""

from onnx_models import write_fcos
import pytest

NESTED = '[' * 100_000
MAX_OUTPUT = 5000
"""Characters of two screens: the message, and the outputs of the model."""


@pytest.mark.parametrize(('key', 'text', 'complaint'), [
    ('strides', '[Infinity, 16, 32, 64, 128]', 'has strides: '),
    ('strides', '[NaN, 16, 32, 64, 128]', 'has strides: '),
    ('strides', '[1e400, 16, 32, 64, 128]', 'has strides: '),
    ('strides', f'[{"9" * 5000}, 16, 32, 64, 128]', 'has strides: '),
    ('strides', NESTED, 'its brackets are nested too deeply'),
    ('labels', NESTED, 'its brackets are nested too deeply'),
    ('names', NESTED, 'its brackets are nested too deeply'),
    ('mean', '[Infinity, 0, 0]', 'has mean: '),
    ('labels', '["\\u001b[31mred", "b", "c"]', 'a name without control characters'),
    ('labels', '["\\ud800", "b", "c"]', 'a name without control characters'),
    ('box_unit', '\x1b[2Jstride', 'has box_unit: '),
    # A fraction is used as it is: the first level has 16 cells, and 128 / 8.9 are 15.
    ('strides', '[8.9, 16, 32, 64, 128]', 'stride 8.9: [1, 15, 15, channels]'),
])
def test_metadata_that_cannot_be_used_is_refused_in_a_few_lines(
        fcos, tmp_path, key, text, complaint):
    result = fcos('info', write_fcos(tmp_path / 'model.onnx', metadata={key: text}))
    output = result.out + result.err
    assert result.code == 1
    assert complaint in output
    assert len(output) < MAX_OUTPUT
    assert '\x1b' not in output
