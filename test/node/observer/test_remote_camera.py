# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera on another host is recognised by the graph; only root can run this."""

from pathlib import Path

from node.test_hosts import hosts  # noqa: F401 - a fixture
from onnx_models import write_fcos

PROBE = """
from fcos_ros.inspection.report_history import ReportHistory
from fcos_ros.node.observer.graph import watch
from fcos_ros.node.observer.start import open_session
history = ReportHistory()
with open_session('probe', history.hear) as session:
    publishers = []
    while not publishers:
        graph = watch(session, history, 1.0).facts
        publishers = [publisher for detector in graph.detectors for camera in detector.cameras
                      for publisher in camera.publishers]
print(graph.by_network)
"""


START = """
import subprocess, sys
subprocess.Popen([sys.executable, '-m', 'fcos_ros.node', '--ros-args', '-p', 'model:={model}'])
"""
"""Starts a detector that shares the memory of its host with the probe."""


def test_a_camera_on_another_host_is_recognised(hosts, tmp_path):  # noqa: F811
    detector, camera = hosts
    model = write_fcos(tmp_path / 'squares.onnx', half_box=8.0)
    program = str(Path(__file__).parents[1] / 'camera_program.py')
    start = START.format(model=model)
    with camera.run(program, 'raw', 'image', 'reliable'), \
            detector.run('-c', f'{start}{PROBE}') as probe:
        assert probe.stdout.readline() == 'True\n'
