# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos doctor` prints findings for people and for programs, and ends with their exit code."""

import json
import os
import signal
import subprocess
import sys

from node.graph import Graph
from onnx_models import write_fcos
import pytest
from waiting import TIMEOUT, wait_until

from fcos_ros.cli import doctor
from fcos_ros.inspection.doctor import Examination
from fcos_ros.inspection.finding import Finding, Severity

SEEN = {'graph': 'ROS domain 0', 'model': '/m.onnx', 'board': 'none', 'machine': 'pc'}
FINDINGS = (Finding(Severity.ERROR, 'graph', 'nothing \x1b[2J comes', 'ros2 topic hz /image'),
            Finding(Severity.WARNING, 'model', 'a long text ' * 30, 'fcos info MODEL'),
            Finding(Severity.NOTE, 'model', 'perhaps', 'ros2 param set /fcos a 1'))


def show(fcos, monkeypatch, findings, *arguments):
    monkeypatch.setattr(doctor, 'inspect', lambda look, model: Examination(findings, SEEN))
    return fcos('doctor', *arguments)


def test_findings_are_printed_with_their_commands(fcos, monkeypatch):
    result = show(fcos, monkeypatch, FINDINGS)
    assert result.code == 1
    assert 'error    graph: nothing \\x1b[2J comes' in result.out
    assert '\x1b' not in result.out
    assert '\n         $ ros2 topic hz /image\n' in result.out
    assert result.out.endswith('found: 1 error, 1 warning, 1 note\n')
    assert max(map(len, result.out.splitlines())) <= 80


@pytest.mark.parametrize('findings', [(), FINDINGS[2:]], ids=['nothing', 'a note'])
def test_notes_do_not_change_the_exit_code(fcos, monkeypatch, findings):
    result = show(fcos, monkeypatch, findings)
    assert result.code == 0
    assert ('found: 1 note' if findings else 'found: nothing wrong') in result.out


def test_json_has_every_finding(fcos, monkeypatch):
    result = show(fcos, monkeypatch, FINDINGS, '--json')
    assert result.code == 1
    report = json.loads(result.out)
    assert report['healthy'] is False
    assert report['looked_at'] == SEEN
    assert [finding['severity'] for finding in report['findings']] == ['error', 'warning', 'note']
    assert report['findings'][0]['cure'] == 'ros2 topic hz /image'


@pytest.mark.parametrize('seconds', ['0', '1', 'x', 'nan'])
def test_a_wrong_time_is_refused(fcos, seconds):
    result = fcos('doctor', '--seconds', seconds)
    assert result.code == 2
    assert 'accepted: seconds from 2 to 3600' in result.err


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, '-m', 'fcos_ros.cli', 'doctor', *arguments], text=True,
        capture_output=True, timeout=TIMEOUT, env={**os.environ, **environment}, check=False)


def test_a_real_node_without_a_camera_is_diagnosed(tmp_path):
    model = write_fcos(tmp_path / 'squares.onnx', metadata={'labels': '["a", "b", "c"]'})
    with Graph(model=str(model), camera_qos=None) as graph:
        wait_until(lambda: graph.reports)

        def diagnose():
            """Return the report once the busy machine has let the graph be discovered."""
            result = run('--seconds', '3', '--json', '--node', 'fcos')
            assert result.returncode == 1
            report = json.loads(result.stdout)
            return report if report['looked_at']['model'] == str(model) else None
        report = wait_until(diagnose)
    assert any('there is no publisher on /image' in finding['text']
               and 'ros2 topic hz /image' in finding['cure'] for finding in report['findings'])


def test_without_ros_the_graph_is_not_looked_at(tmp_path):
    (tmp_path / 'rclpy.py').write_text('raise ImportError("no rclpy here")')
    report = json.loads(run('--json', PYTHONPATH=str(tmp_path)).stdout)
    assert 'no rclpy here' in report['looked_at']['graph']
    note = next(finding for finding in report['findings'] if finding['area'] == 'graph')
    assert (note['severity'], note['cure']) == ('note', 'source /opt/ros/DISTRO/setup.bash')


@pytest.mark.parametrize('domain', ['233', '-1', 'x', '1.5'])
def test_a_domain_that_does_not_exist_is_an_error(fcos, monkeypatch, domain):
    monkeypatch.setenv('ROS_DOMAIN_ID', domain)
    report = json.loads(fcos('doctor', '--json', '--seconds', '2').out)
    errors = [finding for finding in report['findings'] if finding['severity'] == 'error']
    assert [(f'ROS_DOMAIN_ID is {domain}; accepted: a whole number from 0 to 232' in error['text'],
             error['cure']) for error in errors] == [(True, 'export ROS_DOMAIN_ID=0')]
    result = fcos('top', '--once')
    assert result.code == 2
    assert f'ROS_DOMAIN_ID is {domain}' in result.err


def test_ctrl_c_ends_it():
    with subprocess.Popen(
            [sys.executable, '-m', 'fcos_ros.cli', 'doctor', '--seconds', '3600'], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr.readline() == 'watching the ROS graph\n'
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 130
        assert 'Traceback' not in process.stderr.read()


def test_a_full_disk_ends_it_with_a_message():
    with open('/dev/full', 'w') as full:
        result = subprocess.run(
            [sys.executable, '-m', 'fcos_ros.cli', 'doctor', '--seconds', '2'], stdout=full,
            text=True, stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
    assert result.returncode == 2
    assert 'No space left on device' in result.stderr
