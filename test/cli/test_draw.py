# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos info --picture` draws ONNX files and compiled models."""

import html
import json
import os
from pathlib import Path
import re
import stat
import sys
from xml.etree import ElementTree

from deploy.bin_writer import Output, bin_content
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
import pytest

DEMO = Path(__file__).parents[2] / 'models' / 'fcos_demo.onnx'
OUTPUTS = [Output('class_8', (1, 16, 16, 2), (0.5, 0.25))]
SVG = '{http://www.w3.org/2000/svg}'
LAYERS = [
    ['layer', 'ops', 'original output shape', 'aligned output shape', 'computing cost (no DDR)',
     'load/store cost', 'active period of time'],
    ['/_network/backbone/stem/stem.0/stem.0.0/Conv-conv', '2,000', '[1,256,256,16]',
     '[1,256,256,16]', '37 us (5.0% of model)', '<1 us', '9 ~ 176 us (167)'],
    ['/_network/Resize', '0', '[1,32,32,48]', '[1,32,32,64]', '5 us (0.6% of model)', '0',
     '396 ~ 401 us (5)']]
REPORT = {'BPU march': 'B25E', 'latency (us)': 728.4, 'DDR bytes per frame': 2621440,
          'input features': [['input name', 'input size'], ['image', '1x512x512x3']],
          'layer details': LAYERS}


def texts(path):
    return [node.text for node in ElementTree.parse(path).iter(f'{SVG}text')]


def boxes(path):
    """Return x, y, width and height of each stage."""
    found = [[float(node.get(key)) for key in ('x', 'y', 'width', 'height')]
             for node in ElementTree.parse(path).iter(f'{SVG}rect') if node.get('rx')]
    return np.array(found)


def write_deep(path, layers):
    """Write a network of many layers at five sizes."""
    nodes, source, side = [], 'image', 5
    weights = [numpy_helper.from_array(np.zeros((3, 3, 1, 1), np.float32), 'w')]
    for index in range(layers):
        stride = 2 if index % (layers // side) == 0 else 1
        name = f'/<layer & "{index}">/Conv'
        nodes.append(helper.make_node('Conv', [source, 'w'], [name], name=name,
                                      strides=[stride, stride]))
        source = name
    graph = helper.make_graph(
        nodes, 'deep',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, [1, 3, 512, 512])],
        [helper.make_tensor_value_info(source, TensorProto.FLOAT, None)], weights)
    onnx.save(helper.make_model(
        graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8), str(path))
    return path


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Return a function that installs the vendor's commands; they write a given report."""
    folder = tmp_path / 'commands'
    folder.mkdir()

    def install(report, code=0):
        (folder / 'report.json').write_text(json.dumps({'summary': report}))
        file = folder / 'hbdk-perf'
        file.write_text(f'#!{sys.executable}\nimport shutil, sys\n'
                        f'shutil.copy({str(folder / "report.json")!r}, sys.argv[2])\n'
                        f'print("some words")\nsys.exit({code})\n')
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv('PATH', f'{folder}{os.pathsep}{os.environ["PATH"]}')
    return install


@pytest.fixture
def compiled(tmp_path):
    path = tmp_path / 'demo.bin'
    path.write_bytes(bin_content(OUTPUTS, (128, 128)))
    return path


def test_the_picture_of_the_demo_network_has_a_box_for_each_stage(fcos, tmp_path):
    picture = tmp_path / 'demo.svg'
    result = fcos('info', DEMO, '--picture', picture)
    assert (result.code, result.err) == (0, '')
    shown = texts(picture)
    assert shown[0] == 'fcos_demo'
    assert '105 layers in 13 stages, 932 M MAC' in shown[1]
    assert '4. 64x64, stride 8' in shown
    assert '1 x 48 x 64 x 64' in shown
    assert '212 M MAC (23%)' in shown
    assert len(boxes(picture)) == 13


@pytest.mark.parametrize('source', ['demo', 'deep'])
def test_boxes_do_not_overlap_and_lie_within_the_picture(fcos, tmp_path, source):
    model = DEMO if source == 'demo' else write_deep(tmp_path / 'deep.onnx', 200)
    picture = tmp_path / 'a.svg'
    assert fcos('info', model, '--picture', picture).code == 0
    found = boxes(picture)
    assert len(set(map(tuple, found))) == len(found) >= 5
    for x, y, width, height in found:
        near = (abs(found[:, 0] - x) < width) & (abs(found[:, 1] - y) < height)
        assert near.sum() == 1
    root = ElementTree.parse(picture).getroot()
    assert (found[:, :2] + found[:, 2:]).max(0)[0] <= float(root.get('width'))
    assert (found[:, :2] + found[:, 2:]).max(0)[1] <= float(root.get('height'))


def test_the_page_lists_each_layer_of_a_deep_network(fcos, tmp_path):
    page = tmp_path / 'deep.html'
    assert fcos('info', write_deep(tmp_path / 'deep.onnx', 200), '--picture', page).code == 0
    text = page.read_text(encoding='utf-8')
    rows = [html.unescape(name) for name in re.findall('<tr><td>(.*?)</td>', text)]
    assert rows == [f'/<layer & "{index}">/Conv' for index in range(200)]
    assert text.count('<details>') == 5


def test_a_compiled_model_is_drawn_with_the_times_of_its_layers(
        fcos, tmp_path, compiled, commands):
    commands(REPORT)
    picture = tmp_path / 'demo.svg'
    result = fcos('info', compiled, '--picture', picture)
    assert (result.code, result.err) == (0, '')
    shown = texts(picture)
    assert shown[1].endswith('estimate of the compiler for B25E: 728 µs, 2.5 MiB to and from the '
                             'memory')
    assert '37 + 0 µs (88%)' in shown
    assert '1. 256x256, stride 2' in shown
    assert len(boxes(picture)) == 2


def test_the_onnx_file_gives_a_compiled_model_its_connections(fcos, tmp_path, compiled, commands):
    commands(REPORT)
    page = tmp_path / 'demo.html'
    result = fcos('info', compiled, '--picture', page, '--network', DEMO)
    assert (result.code, result.err) == (0, '')
    text = page.read_text(encoding='utf-8')
    assert text.count('<details>') == 13
    assert '<td>37 µs</td><td>0.5 µs</td>' in text


@pytest.mark.parametrize(('report', 'code', 'complaint'), [
    pytest.param({**REPORT, 'layer details': []}, 0, '`debug: true`', id='not for debugging'),
    pytest.param({**REPORT, 'layer details': [['x'], ['y']]}, 0, 'unknown form', id='other table'),
    pytest.param({**REPORT, 'layer details': [LAYERS[0], ['a', 'b', 'c', 'd', 'e', 'f']]}, 0,
                 'unknown form', id='other values'),
    pytest.param(REPORT, 3, 'hbdk-perf failed with code 3: some words', id='command fails'),
])
def test_a_compiled_model_that_cannot_be_drawn_is_refused(
        fcos, tmp_path, compiled, commands, report, code, complaint):
    commands(report, code)
    picture = tmp_path / 'demo.svg'
    result = fcos('info', compiled, '--picture', picture)
    assert (result.code, result.out) == (2, '')
    assert complaint in result.err
    assert not picture.exists()


def test_missing_commands_are_named(fcos, tmp_path, compiled, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    result = fcos('info', compiled, '--picture', tmp_path / 'demo.svg')
    assert result.code == 2
    assert 'needs the command hbdk-perf' in result.err
    assert 'make bpu-tools' in result.err


def test_the_onnx_file_of_another_network_is_refused(fcos, tmp_path, compiled, commands):
    commands(REPORT)
    other = write_deep(tmp_path / 'deep.onnx', 10)
    result = fcos('info', compiled, '--picture', tmp_path / 'a.svg', '--network', other)
    assert result.code == 2
    assert '0 of the 2 compiled layers' in result.err


@pytest.mark.parametrize(('picture', 'complaint'), [
    ('a.png', 'accepted: a name that ends in .svg or .html'),
    ('missing/a.svg', 'cannot be written'),
])
def test_a_picture_that_cannot_be_written_is_refused(fcos, tmp_path, picture, complaint):
    result = fcos('info', DEMO, '--picture', tmp_path / picture)
    assert result.code == 2
    assert complaint in result.err
    assert list(tmp_path.iterdir()) == []


def test_the_package_onnx_is_named_if_it_is_missing(fcos, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnx', None)
    result = fcos('info', DEMO, '--picture', tmp_path / 'a.svg')
    assert result.code == 2
    assert 'pip install --no-deps onnx' in result.err
