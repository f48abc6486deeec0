# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The facts inside model files, and the causes why a file is no model or is refused."""

import gzip
import re
import zipfile

from hypothesis import given, strategies as st
import onnx
from onnx import helper
from onnx_exports import Export
from onnx_models import write_fcos
import pytest

from fcos_ros.backends import ModelError, load, model_file
from fcos_ros.backends.compiled import explain_refusal
from fcos_ros.backends.model_file import read_compiled_facts, read_onnx_facts
from fcos_ros.backends.onnx_errors import explain


def number(value):
    """Encode a number as protobuf does."""
    low, high = value & 0x7f, value >> 7
    return bytes([low | 0x80]) + number(high) if high else bytes([low])


def message(*fields):
    """Encode fields (number, value) as protobuf does; texts and messages are bytes."""
    return b''.join(
        number(index << 3) + number(value) if isinstance(value, int)
        else number(index << 3 | 2) + number(len(value)) + value for index, value in fields)


def compiled(options=(), names=(b'image', b'0', b'1')):
    """Return a file for the BPU with the fields that hb_mapper 1.24.3 writes."""
    first, *others = (message((1, name)) for name in names)
    network = message((4, first), *((5, other) for other in others))
    texts = message(*((1, message((1, key.encode()), (2, value.encode())))
                      for key, value in dict(options).items()))
    return message((1, 3), (5, network), (6, texts), (9, bytes(1000)))


@pytest.mark.parametrize(('content', 'complaint'), [
    pytest.param(b'<!DOCTYPE html>\n<html>', 'a web page', id='page'),
    pytest.param(b'\n\n  <html lang="en">', 'a web page', id='page after blank lines'),
    pytest.param(b'\xef\xbb\xbf<!doctype HTML>', 'a web page', id='page with byte order mark'),
    pytest.param(b'<?xml version="1.0"?><Error>AccessDenied', 'a web page', id='XML'),
    pytest.param(b'version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n',
                 'Git LFS pointer.*git lfs pull', id='Git LFS'),
    pytest.param(b'{"message": "Not Found"}', 'a text in JSON', id='JSON'),
    pytest.param(gzip.compress(b'model'), 'a packed archive; unpack', id='gzip'),
    pytest.param(b'\x80\x02}q\x00(X', 'pickled Python objects', id='old checkpoint'),
    pytest.param(b'', 'is empty', id='empty'),
])
@pytest.mark.parametrize('suffix', ['.onnx', '.bin', '.hbm'])
def test_other_files_saved_as_a_model_are_named(tmp_path, content, complaint, suffix):
    path = tmp_path / f'model{suffix}'
    path.write_bytes(content)
    with pytest.raises(ModelError, match=complaint) as refusal:
        load(path)
    assert str(path) in str(refusal.value)
    assert 'board' not in str(refusal.value)


def test_an_archive_or_a_checkpoint_of_pytorch_is_named(tmp_path):
    path = tmp_path / 'model.onnx'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/data.pkl', b'')
    with pytest.raises(ModelError, match=r'checkpoint of PyTorch.*export'):
        load(path)


def test_a_folder_and_a_path_that_no_file_can_have_are_refused(tmp_path):
    (tmp_path / 'model.onnx').mkdir()
    with pytest.raises(ModelError, match='is a folder'):
        load(tmp_path / 'model.onnx')
    with pytest.raises(ModelError, match=r'File name too long|not a file'):
        load(tmp_path / f'{"n" * 300}.onnx')


def test_the_head_of_an_onnx_file_is_read_as_the_package_onnx_reads_it(tmp_path):
    entries = {'labels': '["a"]', 'чашка': '', 'long': 'x' * 100_000}
    path = write_fcos(tmp_path / 'model.onnx', metadata=entries)
    facts = read_onnx_facts(path)
    model = onnx.load(str(path))
    assert (facts.ir_version, facts.opset) == (model.ir_version, model.opset_import[0].version)
    assert facts.metadata == entries
    assert facts.truncated == ''


def test_the_opset_is_that_of_the_standard_operators(tmp_path):
    model = onnx.load(str(write_fcos(tmp_path / 'model.onnx')))
    model.opset_import.append(helper.make_opsetid('com.other', 99))
    path = tmp_path / 'two.onnx'
    onnx.save(model, str(path))
    assert read_onnx_facts(path).opset == 13


@pytest.mark.parametrize('share', [0.3, 0.6, 0.99])
def test_a_truncated_onnx_file_is_named(tmp_path, share):
    path = write_fcos(tmp_path / 'model.onnx')
    content = path.read_bytes()
    path.write_bytes(content[:int(len(content) * share)])
    with pytest.raises(ModelError, match=r'is truncated: it has \d+ of at least \d+ bytes; copy'):
        load(path)


@pytest.mark.parametrize(('export', 'complaint'), [
    pytest.param(Export(opset=99), r'has opset 99, .* install onnxruntime newer than 1\.32',
                 id='opset'),
    pytest.param(Export(ir_version=99), r'has IR version 99, .* install onnxruntime newer than',
                 id='IR'),
])
def test_a_file_that_no_known_onnxruntime_reads_is_explained(tmp_path, export, complaint):
    path = export.write(tmp_path / 'model.onnx')
    with pytest.raises(ModelError, match=complaint):
        load(path)


@pytest.mark.parametrize(('export', 'message', 'version'), [
    pytest.param(Export(opset=22), 'ONNX Runtime only *guarantees* support for models stamped '
                 'with official released onnx opset versions.', '1.21', id='opset 22'),
    pytest.param(Export(opset=24), 'ONNX Runtime only *guarantees* support for models', '1.24',
                 id='opset 24'),
    pytest.param(Export(ir_version=10), 'Unsupported model IR version: 10, max supported IR '
                 'version: 9', '1.18', id='IR 10'),
    pytest.param(Export(ir_version=12), 'max supported IR version: 9', '1.24', id='IR 12'),
])
def test_the_version_of_onnxruntime_that_reads_a_file_is_named(
        tmp_path, export, message, version):
    path = export.write(tmp_path / 'model.onnx')
    assert f'install onnxruntime {version} or newer' in explain(path, message, '1.15.1')


def test_weights_that_are_missing_are_named(tmp_path):
    path = write_fcos(tmp_path / 'model.onnx')
    onnx.save(onnx.load(str(path)), str(path), save_as_external_data=True, location='w.data',
              size_threshold=0)
    (tmp_path / 'w.data').unlink()
    with pytest.raises(ModelError, match=r'weights are in another file, .*w\.data.*copy that'):
        load(path)


def test_an_unknown_operator_is_named(tmp_path):
    graph = helper.make_graph(
        [helper.make_node('Magic', ['image'], ['class_8'], domain='com.other')], 'magic',
        [helper.make_tensor_value_info('image', onnx.TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info('class_8', onnx.TensorProto.FLOAT, None)])
    path = tmp_path / 'model.onnx'
    path.write_bytes(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid('', 13), helper.make_opsetid('com.other', 1),
    ]).SerializeToString())
    with pytest.raises(ModelError, match=r'needs the operator Magic of com\.other'):
        load(path)


@pytest.mark.parametrize(('options', 'complaint'), [
    pytest.param({'MARCH': 'bernoulli2'}, r'for the BPU bernoulli2 \(RDK X3\)', id='X3'),
    pytest.param({'MARCH': 'bayes-e'}, r'for the BPU bayes-e \(RDK X5\)', id='X5'),
    pytest.param({'MARCH': 'next'}, r'for the BPU next \(another board\)', id='unknown'),
    pytest.param({}, 'damaged, or compiled for another kind of board', id='nothing stated'),
])
def test_a_refused_file_for_a_bpu_is_explained_by_its_facts(tmp_path, options, complaint):
    path = tmp_path / 'model.bin'
    path.write_bytes(compiled(options))
    assert re.search(complaint, explain_refusal(path))


def test_a_truncated_file_for_a_bpu_is_explained(tmp_path):
    path = tmp_path / 'model.bin'
    content = compiled({'MARCH': 'bayes-e'})
    path.write_bytes(content[:-100])
    assert f'has {len(content) - 100} of at least {len(content)} bytes' in explain_refusal(path)


@pytest.mark.parametrize(('space', 'nv12_range'), [
    ('regular', 'full'), ('regular;', 'full'), ('bt601_video', 'limited'), ('other', None)])
def test_a_file_for_a_bpu_states_the_range_of_its_nv12_input(tmp_path, space, nv12_range):
    path = tmp_path / 'model.bin'
    path.write_bytes(compiled({'INPUT_SPACE_AND_RANGE': space}))
    facts = read_compiled_facts(path)
    assert facts.metadata.get('nv12_range') == nv12_range
    assert facts.names == (b'image', b'0', b'1')


@given(content=st.binary() | st.builds(
    lambda fields: message(*fields), st.lists(st.tuples(
        st.integers(1, 20), st.binary(max_size=40) | st.integers(0, 1 << 64)), max_size=8)))
def test_any_bytes_are_read(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / 'any.bin'
    path.write_bytes(content)
    for read in (read_onnx_facts, read_compiled_facts):
        assert read(path) is not None
    assert isinstance(explain_refusal(path), str)


def test_a_file_is_read_without_its_weights(tmp_path, monkeypatch):
    """Models have up to some hundred megabytes; only the heads of fields are read."""
    path = tmp_path / 'model.onnx'
    size = 1 << 28
    with path.open('wb') as file:
        head = message((1, 8)) + number(7 << 3 | 2) + number(size)
        file.write(head)
        file.truncate(len(head) + size)
    taken = []
    monkeypatch.setattr(model_file, 'content_of', lambda value: taken.append(len(value)) or b'')
    assert read_onnx_facts(path).ir_version == 8
    assert sum(taken) == 0
