# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The package is installed by colcon into a workspace, and by pip."""

from __future__ import annotations

from dataclasses import dataclass
import os
from pathlib import Path
import shutil
import sys

from package.commands import run
import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ['fcos', 'fcos_demo', 'fcos_demo_camera', 'fcos_node']

LOAD_COMMANDS = """
from importlib.metadata import distribution
for command in distribution('fcos_ros').entry_points:
    command.load()
    print(command.name)
"""

FIND_SHARE = """
from ament_index_python.packages import get_package_share_directory
print(get_package_share_directory('fcos_ros'))
"""

FIND_MODEL = """
import os, sys
os.environ.pop('AMENT_PREFIX_PATH', None)
sys.path.insert(0, sys.argv[1])
from fcos_ros.runtime.model_path import DEMO_MODEL, find_model
print(find_model(DEMO_MODEL))
"""

COLLECT_WITHOUT_ONNX = """
import sys
import pytest
sys.modules['onnx'] = None
sys.exit(pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider']))
"""


@dataclass(frozen=True)
class Workspace:
    """A colcon workspace with a copy of the checkout."""

    path: Path

    @property
    def installed(self) -> Path:
        """The folder of the installed package."""
        return self.path / 'install' / 'fcos_ros'

    def run(self, *command: str) -> str:
        """Return the output of a command in a shell that has sourced the workspace."""
        script = '[ ! -f install/setup.bash ] || . install/setup.bash; exec "$@"'
        return run('bash', '-c', script, 'bash', *command, cwd=self.path)


@pytest.fixture(scope='module')
def workspace(sources, tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp('workspace'))
    shutil.copytree(sources, workspace.path / 'src' / 'fcos_ros')
    workspace.run('colcon', 'build')
    return workspace


def test_colcon_installs_the_commands_for_ros2_run(workspace):
    for command in COMMANDS:
        assert os.access(workspace.installed / 'lib' / 'fcos_ros' / command, os.X_OK)


def test_the_commands_of_a_workspace_can_be_loaded(workspace):
    assert set(workspace.run('python3', '-c', LOAD_COMMANDS).split()) >= set(COMMANDS)


def test_a_workspace_uses_its_own_copy_of_the_package(workspace):
    file = workspace.run('python3', '-c', 'import fcos_ros; print(fcos_ros.__file__)')
    assert Path(file.strip()).is_relative_to(workspace.installed)


def test_colcon_installs_the_share_files(workspace):
    share = Path(workspace.run('python3', '-c', FIND_SHARE).strip())
    assert share.is_relative_to(workspace.installed)
    assert _share_files() <= {str(file.relative_to(share)) for file in share.rglob('*')}


def test_colcon_test_runs_the_tests(workspace):
    workspace.run('colcon', 'test', '--pytest-args', 'test/test_architecture.py',
                  'test/core/test_resize.py')
    result = workspace.run('colcon', 'test-result', '--verbose')
    assert 'Summary: 0 tests' not in result
    assert '0 errors, 0 failures' in result


def test_tests_that_do_not_need_onnx_are_collected_without_it(sources):
    """No rosdep key installs onnx."""
    collected = run(sys.executable, '-c', COLLECT_WITHOUT_ONNX, cwd=sources)
    assert 'test/core/test_resize.py::' in collected
    assert 'test/backends/test_onnx.py::' not in collected


def test_pip_installs_the_commands_and_the_share_files(prefix):
    for command in COMMANDS:
        assert os.access(prefix / 'bin' / command, os.X_OK)
    share = prefix / 'share' / 'fcos_ros'
    assert _share_files() <= {str(file.relative_to(share)) for file in share.rglob('*')}


def test_pip_installs_only_the_package(site):
    folders = {path.name for path in site.iterdir() if path.suffix != '.dist-info'}
    assert folders == {'fcos_ros'}


def test_the_package_of_pip_finds_its_model_without_a_sourced_ros(prefix, site, tmp_path):
    model = run(sys.executable, '-c', FIND_MODEL, str(site), cwd=tmp_path)
    assert Path(model.strip()) == prefix / 'share' / 'fcos_ros' / 'models' / 'fcos_demo.onnx'


def _share_files() -> set[str]:
    return {'package.xml', *(
        str(path.relative_to(ROOT)) for folder in ('config', 'launch', 'models')
        for path in (ROOT / folder).iterdir() if path.is_file())}
