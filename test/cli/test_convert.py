# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
`fcos convert` makes three files or none, and says why.

A script stands in for the vendor's compiler here. `make test-bpu` tests with the real one.
"""

from functools import partial
import json
import os
from pathlib import Path
import re
import resource
import signal
import subprocess
import sys

from child_processes import is_alive
import cv2
from deploy.bin_writer import Output, bin_content
from deploy.compiler_models import LABELS, PARTS, STRIDES, write_compiler_model
import numpy as np
from onnx import helper
import pytest
from waiting import TIMEOUT, wait_until
import yaml

ROOT = Path(__file__).parents[2]

COMPILER = '''#!{python}
"""Log the call; of makertbin, write the results that the test has prepared."""
import json, shutil, sys
from pathlib import Path
here = Path(__file__).parent
with (here / 'calls').open('a') as calls:
    calls.write(' '.join(sys.argv[1:]) + '\\n')
if sys.argv[1] == 'makertbin':
    shutil.copy('compile.yaml', here)
    shutil.copytree('calibration_f32', here / 'calibration')
    shutil.copytree(here / 'results', 'compiled')
print('{message}')
sys.exit({code} if sys.argv[1] == '{step}' else 0)
'''

OUTPUTS = [Output(f'{part}_{stride}', (1, 128 // stride, 128 // stride, channels),
                  (0.5,) * channels)
           for part, channels in PARTS.items() for stride in STRIDES]

QUANT_INFO = {
    '/stem/Conv': {'type': 'Conv', 'thresholds': [[2.5]], 'outputs': ['a'],
                   'cosine_similarity': 0.9995},
    '/box_8/Transpose': {'type': 'Transpose', 'thresholds': [], 'outputs': ['box_8'],
                         'cosine_similarity': 0.998}}
SUMMARY = {'summary': {'BPU march': 'B25E', 'latency (us)': 728.4,
                       'DDR bytes per frame': 2620064}}
PROPERTIES = {'MARCH': 'bayes-e', 'INPUT_SPACE_AND_RANGE': 'regular;',
              'BUILDER_VERSION': '1.24.3', 'HBDK_VERSION': '3.49.15'}


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """Install the stand-in, with the results that it is to write."""
    folder = tmp_path / 'tools'
    results = folder / 'results'

    def install(content=None, code=0, step='', message='', quant_info=QUANT_INFO):
        results.mkdir(parents=True)
        command = folder / 'hb_mapper'
        command.write_text(COMPILER.format(
            python=sys.executable, code=code, step=step, message=message))
        command.chmod(0o755)
        if content is None:
            content = bin_content(OUTPUTS, (128, 128), properties=PROPERTIES)
        if content:
            (results / 'model.bin').write_bytes(content)
        (results / 'model_calibrated_model.onnx').write_bytes(b'calibrated')
        (results / 'model_quant_info.json').write_text(json.dumps(quant_info))
        (results / 'model_subgraph_0.json').write_text(json.dumps(SUMMARY))
        monkeypatch.setenv('FCOS_BPU_TOOLS', str(folder))
        return folder
    return install


@pytest.fixture
def pictures(tmp_path):
    """Write a folder of 24 pictures."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for seed in range(24):
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        cv2.imwrite(str(folder / f'{seed:02}.png'), cv2.resize(coarse, (80, 60)))
    return folder


@pytest.fixture
def model(tmp_path):
    return write_compiler_model(tmp_path / 'toys.onnx')


def results_of(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_model_its_sidecar_and_a_receipt_are_written(fcos, tmp_path, compiler, pictures, model):
    tools = compiler()
    out = tmp_path / 'out'
    out.mkdir()
    result = fcos('convert', model, '--target', 'x5', '--calibration', pictures, '--images', '20',
                  '--output', out / 'toys_x5.bin')
    assert result.code == 0, result.err
    assert 'warning' not in result.out + result.err
    assert results_of(out) == ['toys_x5.bin', 'toys_x5.calibrated.onnx', 'toys_x5.receipt.json',
                               'toys_x5.yaml']
    assert (out / 'toys_x5.calibrated.onnx').read_bytes() == b'calibrated'
    assert 'estimate: 0.73 ms, 1373 inferences a second' in result.out
    assert (out / 'toys_x5.bin').read_bytes() == (tools / 'results/model.bin').read_bytes()

    sidecar = yaml.safe_load((out / 'toys_x5.yaml').read_text())
    assert sidecar['labels'] == LABELS
    assert (sidecar['box_activation'], sidecar['nv12_range']) == ('exp', 'full')
    assert sidecar['score_threshold'] == 0.25
    assert not {'mean', 'std', 'pixels'} & set(sidecar)
    assert sidecar['provenance']['hb_mapper'] == '1.24.3'

    receipt = json.loads((out / 'toys_x5.receipt.json').read_text())
    assert receipt['outputs'] == {'box_8': 0.998}
    assert receipt['result']['board'] == 'RDK X5'
    assert len(receipt['calibration']['pictures']) == 20
    assert receipt['result']['sha256'] == sidecar['provenance']['bin_sha256']


def test_the_compiler_gets_its_configuration_and_the_pictures(
        fcos, tmp_path, compiler, pictures, model):
    tools = compiler()
    code = fcos('convert', model, '--target', 'x5', '--calibration', pictures, '--images', '20',
                '--output', tmp_path / 'toys.bin', '--nv12-range', 'limited', '--int16',
                '--calibration-type', 'kl', '--optimize', '2').code
    # The stand-in's file says that it reads the full range.
    assert code == 2
    calls = (tools / 'calls').read_text().splitlines()
    assert [call.split()[0] for call in calls] == ['checker', 'makertbin']
    config = yaml.safe_load((tools / 'compile.yaml').read_text())
    assert config['model_parameters']['march'] == 'bayes-e'
    assert config['input_parameters']['mean_value'] == '1 2 3'
    assert config['input_parameters']['scale_value'] == '0.25 0.2 0.166666667'
    assert config['input_parameters']['input_space_and_range'] == 'bt601_video'
    assert config['calibration_parameters'] == {
        'cal_data_dir': 'calibration_f32', 'cal_data_type': 'float32', 'calibration_type': 'kl',
        'optimization': 'set_all_nodes_int16'}
    assert config['compiler_parameters']['optimize_level'] == 'O2'
    files = sorted((tools / 'calibration').iterdir())
    assert len(files) == 20
    assert {file.stat().st_size for file in files} == {3 * 128 * 128 * 4}


@pytest.mark.parametrize(('options', 'message'), [
    ({'content': b''}, 'wrote 0 .bin files; expected 1'),
    ({'content': b'nothing'}, 'is not a .bin file of hb_mapper'),
    ({'content': bin_content(OUTPUTS, (128, 128), properties={**PROPERTIES, 'MARCH': 'bayes'})},
     'the file is for bayes, not for bayes-e'),
    ({'content': bin_content(OUTPUTS, (64, 128), properties=PROPERTIES)}, 'its input is NV12'),
    ({'content': bin_content(OUTPUTS[:-1], (128, 128), properties=PROPERTIES)},
     'it has 14 outputs, the network 15'),
    ({'content': bin_content([Output(output.name, output.shape) for output in OUTPUTS],
                             (128, 128), properties=PROPERTIES)}, 'class_8 is int32 without a'),
    ({'code': 3, 'step': 'checker', 'message': 'ERROR no such operator'},
     'ended with 3: ERROR no such operator'),
    ({'code': 1, 'step': 'makertbin'}, 'makertbin .*ended with 1'),
])
def test_a_failure_is_said_and_leaves_no_file(
        fcos, tmp_path, compiler, pictures, model, options, message):
    compiler(**options)
    out = tmp_path / 'out'
    out.mkdir()
    result = fcos('convert', model, '--target', 'x5', '--calibration', pictures,
                  '--output', out / 'toys.bin')
    assert (result.code, results_of(out)) == (2, [])
    assert re.search(message, result.err)


def test_the_results_are_also_given_as_json(fcos, tmp_path, compiler, pictures, model):
    tools = compiler()
    (tools / 'results' / 'model_calibrated_model.onnx').unlink()
    stale = tmp_path / 'toys.calibrated.onnx'
    stale.write_bytes(b'of an earlier model')
    result = fcos('convert', model, '--target', 'x5', '--calibration', pictures, '--images', '5',
                  '--output', tmp_path / 'toys.bin', '--json')
    assert result.code == 0
    facts = json.loads(result.out)
    assert facts['model'] == str(tmp_path / 'toys.bin')
    assert facts['calibrated_network'] is None
    assert not stale.exists()
    assert facts['estimate']['latency_us'] == 728.4
    assert facts['findings'] == [
        'there are 5 pictures for the calibration; at least 20 are advised']


def sigmoid(graph):
    node = next(node for node in graph.graph.node if 'box_8' in node.output)
    node.output[0] = 'box_8_linear'
    graph.graph.node.append(helper.make_node('Sigmoid', ['box_8_linear'], ['box_8'], 'Sigmoid'))


def third_class(graph):
    next(entry for entry in graph.metadata_props if entry.key == 'labels').value = '["a","b","c"]'


@pytest.mark.parametrize(('change', 'message'), [
    (sigmoid, 'box_8 (Sigmoid) do not end in a convolution'),
    (third_class, 'labels has 3 names, the network 2 classes'),
])
def test_a_network_that_does_not_suit_is_refused_before_the_compiler(
        fcos, tmp_path, compiler, pictures, change, message):
    tools = compiler()
    model = write_compiler_model(tmp_path / 'toys.onnx', change)
    result = fcos('convert', model, '--target', 'x5', '--calibration', pictures,
                  '--output', tmp_path / 'toys.bin', '--job-folder', tmp_path / 'job')
    assert result.code == 2
    assert message in result.err
    assert not (tools / 'calls').exists()
    assert not (tmp_path / 'job').exists()
    assert not (tmp_path / 'toys.bin').exists()


def test_layers_that_lose_much_are_named(fcos, tmp_path, compiler, pictures, model):
    bad = {**QUANT_INFO, '/stem/Conv': {**QUANT_INFO['/stem/Conv'], 'cosine_similarity': 0.81}}
    compiler(quant_info=bad)
    result = fcos('convert', model, '--target', 'x5', '--calibration', pictures,
                  '--output', tmp_path / 'toys.bin')
    assert result.code == 0
    assert 'warning: 8 bits change 1 layers visibly, most of all /stem/Conv (cosine 0.810)' in (
        result.out)


def test_without_the_compiler_its_input_is_left_ready(
        fcos, tmp_path, monkeypatch, pictures, model):
    monkeypatch.setenv('FCOS_BPU_TOOLS', str(tmp_path))
    monkeypatch.setenv('PATH', '')
    result = fcos('convert', model, '--target', 'x3', '--calibration', pictures,
                  '--output', tmp_path / 'toys_x3.bin')
    assert result.code == 1
    job = tmp_path / 'toys_x3.job'
    assert results_of(job) == ['calibration_f32', 'compile.yaml', 'toys.onnx']
    assert 'warning: there are' not in result.err
    for line in (f'cd {job}', 'hb_mapper checker --model-type onnx --model toys.onnx --march '
                 'bernoulli2', 'hb_mapper makertbin --model-type onnx --config compile.yaml'):
        assert line in result.err


@pytest.mark.parametrize(('calibration', 'message'), [
    ('missing', 'accepted: a folder of pictures, a video, a bag, or scenes'),
    ('empty', 'there are no pictures to calibrate with'),
    ('broken', 'broken.jpg ('),
])
def test_pictures_that_cannot_be_used_are_named(
        fcos, tmp_path, compiler, model, calibration, message):
    compiler()
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / 'broken.jpg').write_bytes(b'\xff\xd8nothing')
    result = fcos('convert', model, '--target', 'x5', '--calibration', tmp_path / calibration,
                  '--output', tmp_path / 'toys.bin')
    assert result.code == 2
    assert message in result.err
    assert not (tmp_path / 'toys.bin').exists()


@pytest.mark.parametrize('calibration', ['broken', 'empty'])
def test_an_incomplete_job_is_removed(fcos, tmp_path, monkeypatch, model, calibration):
    monkeypatch.setenv('FCOS_BPU_TOOLS', str(tmp_path))
    monkeypatch.setenv('PATH', '')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / 'broken.jpg').write_bytes(b'\xff\xd8nothing')
    result = fcos('convert', model, '--target', 'x3', '--calibration', tmp_path / calibration,
                  '--output', tmp_path / 'toys.bin')
    assert result.code == 2
    assert not (tmp_path / 'toys.job').exists()


def test_the_folder_of_an_earlier_job_stays(fcos, tmp_path, compiler, pictures, model):
    compiler()
    (tmp_path / 'job').mkdir()
    (tmp_path / 'job' / 'notes').write_text('mine')
    result = fcos('convert', model, '--target', 'x5', '--calibration', pictures,
                  '--output', tmp_path / 'toys.bin', '--job-folder', tmp_path / 'job')
    assert result.code == 2
    assert f'{tmp_path / "job"} exists; accepted: a new folder' in result.err
    assert results_of(tmp_path / 'job') == ['notes']


@pytest.mark.parametrize('folder', ['missing', '/proc'])
def test_a_folder_that_cannot_be_written_is_said(
        fcos, tmp_path, compiler, pictures, model, folder):
    compiler()
    result = fcos('convert', model, '--target', 'x5', '--calibration', pictures,
                  '--output', tmp_path / folder / 'toys.bin')
    assert result.code == 2
    assert 'nothing was written' in result.err


def start(model, pictures, output, tools, **options):
    """Start the command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, '-m', 'fcos_ros.cli', 'convert', model, '--target', 'x5',
         '--calibration', pictures, '--output', output],
        env={**os.environ, 'FCOS_BPU_TOOLS': str(tools), 'TMPDIR': str(output.parent)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, **options)


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, compiler, pictures, model):
    """A file of the calibration is larger than files may be."""
    tools, out = compiler(), tmp_path / 'out'
    out.mkdir()
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (100_000, 100_000))
    process = start(model, pictures, out / 'toys.bin', tools, preexec_fn=limit)
    _, error = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 2, error
    assert 'nothing was written: [Errno 27] File too large' in error
    assert results_of(out) == []


SLEEPING = """#!{python}
import os, subprocess, sys
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])
with open('{folder}/children.part', 'w') as file:
    file.write(str(os.getpid()) + ' ' + str(child.pid))
os.rename('{folder}/children.part', '{folder}/children')
child.wait()
"""


def test_an_interrupt_ends_the_compiler_and_leaves_nothing(tmp_path, compiler, pictures, model):
    tools, out = compiler(), tmp_path / 'out'
    out.mkdir()
    (tools / 'hb_mapper').write_text(SLEEPING.format(python=sys.executable, folder=tools))
    process = start(model, pictures, out / 'toys.bin', tools)
    wait_until((tools / 'children').exists)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, error
    assert 'Traceback' not in error
    assert results_of(out) == []
    for child in map(int, (tools / 'children').read_text().split()):
        wait_until(lambda child=child: not is_alive(child))
