# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The package can be installed: by colcon into a workspace, and by pip."""

from dataclasses import dataclass
import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
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
from fcos_ros.runtime.model_path import DEMO, find
print(find(DEMO))
"""

COLLECT_WITHOUT_ONNX = """
import sys
import pytest
sys.modules['onnx'] = None
sys.exit(pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider']))
"""


@dataclass(frozen=True)
class Workspace:
    """A colcon workspace that holds a copy of the checkout."""

    path: Path

    @property
    def installed(self) -> Path:
        return self.path / 'install' / 'fcos_ros'

    def run(self, *command: str) -> str:
        """Run a command as in a shell that has sourced the workspace; return what it prints."""
        script = '[ ! -f install/setup.bash ] || . install/setup.bash; exec "$@"'
        return _run('bash', '-c', script, 'bash', *command, cwd=self.path)


@pytest.fixture(scope='module')
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sources') / 'fcos_ros'
    ignored = (CHECKOUT / '.gitignore').read_text().replace('/', '').split()
    # Not asked of git, which may not be here: the sources may have come as an archive.
    shutil.copytree(CHECKOUT, folder, ignore=shutil.ignore_patterns('.git', *ignored))
    return folder


@pytest.fixture(scope='module')
def workspace(sources, tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp('workspace'))
    shutil.copytree(sources, workspace.path / 'src' / 'fcos_ros')
    workspace.run('colcon', 'build')
    return workspace


@pytest.fixture(scope='module')
def prefix(sources, tmp_path_factory):
    prefix = tmp_path_factory.mktemp('prefix')
    _run(sys.executable, '-m', 'pip', 'install', '-qq', '--no-deps', '--no-build-isolation',
         '--prefix', str(prefix), '.', cwd=sources)
    return prefix


def test_colcon_puts_the_commands_where_ros2_run_looks(workspace):
    for command in COMMANDS:
        assert os.access(workspace.installed / 'lib' / 'fcos_ros' / command, os.X_OK)


def test_the_commands_of_a_workspace_load(workspace):
    assert set(workspace.run('python3', '-c', LOAD_COMMANDS).split()) >= set(COMMANDS)


def test_a_workspace_runs_its_own_copy(workspace):
    file = workspace.run('python3', '-c', 'import fcos_ros; print(fcos_ros.__file__)')
    assert Path(file.strip()).is_relative_to(workspace.installed)


def test_the_share_files_of_a_workspace_are_found(workspace):
    share = Path(workspace.run('python3', '-c', FIND_SHARE).strip())
    assert share.is_relative_to(workspace.installed)
    assert _shared() <= {str(file.relative_to(share)) for file in share.rglob('*')}


def test_colcon_test_runs_our_tests(workspace):
    workspace.run('colcon', 'test', '--pytest-args', 'test/test_architecture.py',
                  'test/core/test_resize.py')
    result = workspace.run('colcon', 'test-result', '--verbose')
    assert 'Summary: 0 tests' not in result
    assert '0 errors, 0 failures' in result


def test_a_robot_that_has_the_packages_of_rosdep_only_can_run_tests(sources):
    collected = _run(sys.executable, '-c', COLLECT_WITHOUT_ONNX, cwd=sources)
    assert 'test/core/test_resize.py::' in collected
    assert 'test/backends/test_onnx.py::' not in collected


def test_pip_installs_the_commands_and_the_share_files(prefix):
    for command in COMMANDS:
        assert os.access(prefix / 'bin' / command, os.X_OK)
    share = prefix / 'share' / 'fcos_ros'
    assert _shared() <= {str(file.relative_to(share)) for file in share.rglob('*')}


def test_pip_installs_nothing_but_the_package(prefix):
    folders = {path.name for path in _site(prefix).iterdir() if path.suffix != '.dist-info'}
    assert folders == {'fcos_ros'}


def test_what_pip_installed_finds_its_model_without_a_sourced_ros(prefix, tmp_path):
    model = _run(sys.executable, '-c', FIND_MODEL, str(_site(prefix)), cwd=tmp_path)
    assert Path(model.strip()) == prefix / 'share' / 'fcos_ros' / 'models' / 'fcos_demo.onnx'


def _site(prefix: Path) -> Path:
    return next(prefix.glob('lib/python3.*/site-packages'))


def _shared() -> set[str]:
    return {'package.xml', *(
        str(path.relative_to(CHECKOUT)) for folder in ('config', 'launch', 'models')
        for path in (CHECKOUT / folder).iterdir() if path.is_file())}


def _run(*command: str, cwd: Path) -> str:
    # The commands of this environment first, as in a shell that has activated it.
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    done = subprocess.run(command, cwd=cwd, env={**os.environ, 'PATH': path}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout
