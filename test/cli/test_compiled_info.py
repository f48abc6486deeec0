# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos info` describes a compiled file on a PC, also without a board and without an engine."""

import json
import sys

from deploy.bin_writer import Output, bin_content
import pytest

PROPERTIES = {'MARCH': 'bernoulli2', 'BUILDER_VERSION': '1.24.3'}
SUMMARY = {'summary': {'BPU march': 'B253', 'latency (us)': 4074.0,
                       'DDR bytes per frame': 3260544}}


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Write a compiled file; none of the vendor's commands is installed."""
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.delenv('FCOS_BPU_TOOLS', raising=False)
    path = tmp_path / 'toys.bin'
    path.write_bytes(bin_content(
        [Output('class_8', (1, 16, 16, 2), (0.5, 0.25))], (128, 64), properties=PROPERTIES,
        cpu_nodes=['scores/Softmax']))
    return path


def test_the_file_is_described_without_an_engine(fcos, model):
    result = fcos('info', model)
    assert result.code == 1
    rows = dict(line.split(maxsplit=1) for line in result.out.splitlines() if ' ' in line)
    assert rows['compiled'] == 'for RDK X3 (bernoulli2) by hb_mapper 1.24.3'
    assert rows['input'] == 'image NV12 [1, 64, 128, 3]'
    assert rows['class_8'].split()[0] == 'int32'
    assert '0.25 to 0.5' in rows['class_8']
    assert 'scores/Softmax' in result.out
    assert 'estimate' not in rows
    assert 'needs hobot_dnn' in result.out


def test_json_has_the_same_facts(fcos, model):
    facts = json.loads(fcos('info', model, '--json').out)
    assert facts['compiled'] == {
        'march': 'bernoulli2', 'board': 'RDK X3', 'compiler': 'hb_mapper 1.24.3',
        'cpu_nodes': ['scores/Softmax'], 'estimate': ''}
    assert facts['outputs'][0]['scale'] == [0.5, 0.25]


@pytest.mark.parametrize(('report', 'estimate'), [
    (SUMMARY, '4.07 ms, 245 inferences a second, 3.3 MB to and from the memory (estimate of the '
              'compiler, not measured)'),
    ({'summary': {}}, 'none: the report of hbdk-perf on '),
])
def test_the_compiler_s_estimate_is_shown_if_its_command_is_installed(
        fcos, tmp_path, model, report, estimate):
    (tmp_path / 'report.json').write_text(json.dumps(report))
    command = tmp_path / 'hbdk-perf'
    command.write_text(f'#!{sys.executable}\nimport shutil, sys\n'
                       f'shutil.copy({str(tmp_path / "report.json")!r}, sys.argv[2])\n')
    command.chmod(0o755)
    shown = json.loads(fcos('info', model, '--json').out)['compiled']['estimate']
    assert shown.startswith(estimate)
