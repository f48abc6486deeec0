# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""No program of this package stores an identifier or connects to a server."""

import os
from pathlib import Path
import signal
import subprocess
import sys

from diagnostic_msgs.msg import DiagnosticArray
from onnx_models import write_fcos
from programs import require_clean_end, start_node
import pytest

COUNT_SOCKETS = """
import os, sys
from child_processes import children

def links(process):
    folder = f'/proc/{process}/fd'
    return [os.readlink(f'{folder}/{name}') for name in os.listdir(folder)
            if os.path.lexists(f'{folder}/{name}')]

def count_sockets():
    processes = [os.getpid(), *children()]
    return sum(link.startswith('socket:') for process in processes for link in links(process))
"""
"""Define a function that counts the sockets of a process and its children."""

LIBRARY = """
from fcos_ros import Detector
detector = Detector.load(sys.argv[1])
sys.exit(count_sockets())
"""

COMMAND = """
from fcos_ros.cli.main import main
assert main(['info', sys.argv[1]]) == 0
sys.exit(count_sockets())
"""

CHILD = """
from pathlib import Path
from fcos_ros.runtime.detector import DetectorConfig
from fcos_ros.runtime.workers import ProcessWorker
worker = ProcessWorker(DetectorConfig(Path(sys.argv[1])))
worker.wait_until_loaded()
sys.exit(count_sockets() - 2)  # the connection of the child with this process
"""


@pytest.fixture
def model(tmp_path):
    return write_fcos(tmp_path / 'model.onnx')


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / 'home'
    folder.mkdir()
    return folder


def environment(home):
    """Return the variables of a process; it may store files below `home`, except logs of ROS."""
    return {'HOME': str(home), 'XDG_CACHE_HOME': str(home), 'ROS_LOG_DIR': str(home.parent),
            'PYTHONPATH': str(Path(__file__).parent)}


def files(home):
    return [path for path in home.rglob('*') if path.is_file()]


@pytest.mark.parametrize('program', [LIBRARY, COMMAND, CHILD], ids=['library', 'fcos', 'child'])
def test_loading_a_model_stores_nothing_and_opens_no_connection(program, model, home):
    variables = {**os.environ, **environment(home)}
    variables.pop('ORT_DISABLE_TELEMETRY', None)
    done = subprocess.run([sys.executable, '-c', COUNT_SOCKETS + program, str(model)],
                          check=False, env=variables)
    assert (done.returncode, files(home)) == (0, [])


def test_the_node_stores_nothing_but_its_log(model, home, monkeypatch):
    monkeypatch.delenv('ORT_DISABLE_TELEMETRY', raising=False)
    node = start_node('-m', 'fcos_ros.node', parameters=(f'model:={model}',),
                      **environment(home))
    require_clean_end(node, signal.SIGINT, DiagnosticArray, '/diagnostics')
    assert files(home) == []
