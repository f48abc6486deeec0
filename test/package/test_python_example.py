# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The example in the README runs in an environment without ROS 2."""

from __future__ import annotations

from importlib.util import find_spec
import json
from pathlib import Path
import re
import shutil
import sys

from package.commands import run
import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / 'README.md').read_text(encoding='utf-8')
LIBRARIES = {'numpy': 'numpy', 'opencv-python-headless': 'cv2', 'onnxruntime': 'onnxruntime',
             'PyYAML': 'yaml'}
"""The libraries in the command of the README, and their modules."""


@pytest.fixture(scope='module')
def python(site, tmp_path_factory):
    """Return the Python of an environment with the package and its libraries, and nothing else."""
    folder = tmp_path_factory.mktemp('environment')
    run(sys.executable, '-m', 'venv', '--without-pip', str(folder / 'venv'), cwd=folder)
    libraries = folder / 'libraries'
    libraries.mkdir()
    for module in LIBRARIES.values():
        package = Path(find_spec(module).submodule_search_locations[0])
        (libraries / module).symlink_to(package)
        for shared in package.parent.glob('*.libs'):  # the shared libraries of pip packages
            link = libraries / shared.name
            if not link.exists():
                link.symlink_to(shared)
    packages = next((folder / 'venv').glob('lib/python3.*/site-packages'))
    (packages / 'visible.pth').write_text(f'{libraries}\n{site}\n')
    return folder / 'venv' / 'bin' / 'python'


def run_without_ros(python: Path, *arguments: str, cwd: Path) -> str:
    """Return the output of a Python program that does not see the packages of this one."""
    return run(str(python), *arguments, cwd=cwd, PYTHONPATH='', AMENT_PREFIX_PATH='')


def test_the_command_in_the_readme_installs_the_package_and_its_libraries():
    command = re.search(r'^python3 -m pip install (\. .*)$', README, re.MULTILINE)
    assert command[1].split() == ['.', *LIBRARIES]


def test_the_environment_has_the_package_but_no_ros(python, site, tmp_path):
    program = ('from importlib.util import find_spec\n'
               'import fcos_ros\n'
               'print(fcos_ros.__file__)\n'
               'print([name for name in ("rclpy", "sensor_msgs", "ament_index_python")\n'
               '       if find_spec(name)])')
    file, found = run_without_ros(python, '-c', program, cwd=tmp_path).splitlines()
    assert Path(file) == site / 'fcos_ros' / '__init__.py'
    assert found == '[]'


def test_the_example_detects_objects_in_the_image_of_the_demo(python, tmp_path):
    example, = re.findall(r'^```python\n(.*?)^```$', README, re.MULTILINE | re.DOTALL)
    (tmp_path / 'example.py').write_text(example, encoding='utf-8')
    (tmp_path / 'docs').mkdir()
    shutil.copy(ROOT / 'docs' / 'demo.png', tmp_path / 'docs')
    output = run_without_ros(python, 'example.py', cwd=tmp_path)
    lines = re.findall(r'^(\w+) (0\.\d+) \[([\d. ]+)\]$', output, re.MULTILINE)
    assert len(lines) == len(output.splitlines()) >= 3, output
    classes = json.loads((ROOT / 'models' / 'fcos_demo.json').read_text())['ap_by_class']
    for name, score, box in lines:
        assert name in classes
        x1, y1, x2, y2 = map(float, box.split())
        assert 0.25 < float(score) <= 1
        assert 0 <= x1 < x2
        assert 0 <= y1 < y2
