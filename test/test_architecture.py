# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rooms of the package import only what `tools/rooms.py` allows."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
import sys
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from tools.docs import room_table
from tools.rooms import ROOMS, ROS_ROOMS, SEPARATE, room_of

ROOT = Path(__file__).resolve().parent.parent

BESIDE_ROOMS = 'fcos_ros'
"""Stands for the modules beside the rooms, such as `fcos_ros/__init__.py`."""

MAY_USE = {
    **{name: {name, *room.may_use} for name, room in ROOMS.items()},
    BESIDE_ROOMS: {'core', 'backends', 'runtime'},
}
"""The rooms that each room may import."""

CORE_LIBRARIES = {'numpy', 'cv2'}

LAZY = {'PIL', 'ai_msgs', 'ament_index_python', 'cv_bridge', 'distributed', 'foxglove_msgs',
        'hbm_img_msgs', 'hbm_runtime', 'hobot_dnn', 'hobot_dnn_rdkx5', 'horizon_tc_ui', 'mcap',
        'onnx', 'onnxruntime', 'rosbags'}
"""Modules that may be missing: each is imported inside a function, and in one file only."""

TORCH_FILES = {f'fcos_ros/deploy/{name}.py' for name in (
    'checkpoint', 'export', 'families', 'network', 'resnet_fcos', 'trained_network')}
"""Files that cannot be imported without torch: a network is a subclass of its class."""

FILES_OF = {'torch': TORCH_FILES, 'aiohttp': {'fcos_ros/web/http_server.py'}}
"""
Files that cannot be imported without a module that may be missing, by its name.

Other files import them inside functions only.
"""

ROSDEP_KEYS = {'aiohttp': 'python3-aiohttp', 'cv2': 'python3-opencv', 'numpy': 'python3-numpy',
               'yaml': 'python3-yaml'}
"""The names of modules in package.xml, where they differ."""

WITHOUT_KEY = {'fcos_ros', 'onnx', 'onnxruntime', 'hobot_dnn', 'hobot_dnn_rdkx5', 'horizon_tc_ui',
               'hbm_runtime', 'ai_msgs', 'torch'}
"""
This package, and modules that no rosdep key installs.

The key python3-onnxruntime-pip is not used: it brings a numpy 2 that hides the numpy of Humble,
and Ubuntu 24.04 refuses it.
"""

OPTIONAL = {'PIL', 'distributed', 'foxglove_msgs', 'mcap', 'onnx', 'rosbags'}
"""Modules that are used if they are installed."""

NOT_INSTALLED = {'benchmarks', 'test', 'tools', 'training'}
"""Folders of the checkout that are not part of the package."""


class Import(NamedTuple):
    """
    An import statement in a file of the package.

    :ivar module: the full name of the imported module.
    :ivar lazy: whether the statement is inside a function.
    """

    file: str
    line: int
    module: str
    lazy: bool

    @property
    def importer(self) -> tuple[str, ...]:
        """The parts of the importing module's name."""
        return Path(self.file).with_suffix('').parts

    @property
    def imported(self) -> tuple[str, ...]:
        """The parts of the imported module's name."""
        return tuple(self.module.split('.'))

    @property
    def room(self) -> str:
        """The room of the importing module, or `BESIDE_ROOMS`."""
        return room_of(self.importer[1:]) if len(self.importer) > 2 else BESIDE_ROOMS


def test_the_package_follows_the_rules():
    assert violations(ROOT) == []


def test_every_room_is_listed_in_tools_rooms():
    packages = {path.parent.name for path in (ROOT / 'fcos_ros').glob('*/__init__.py')}
    assert packages == {name for name in ROOMS if '/' not in name}
    assert all((ROOT / 'fcos_ros' / name / '__init__.py').exists() for name in ROOMS)


def test_a_room_may_only_import_rooms_below_it():
    """There are therefore no circular imports between rooms."""
    order = list(ROOMS)
    for name, room in ROOMS.items():
        assert room.may_use <= set(order[order.index(name) + 1:]), name


def test_the_document_of_the_architecture_has_the_table_of_the_rooms():
    text = (ROOT / 'docs' / 'architecture.md').read_text(encoding='utf-8')
    assert room_table() in text, 'run `make docs`'


def test_package_xml_has_every_imported_module():
    files = [*ROOT.glob('fcos_ros/**/*.py'), *ROOT.glob('launch/*.py')]
    imported = {found.imported[0] for file in files for found in _imports(ROOT, file)}
    needed = {ROSDEP_KEYS.get(name, name) for name in imported - WITHOUT_KEY - OPTIONAL}
    manifest = ElementTree.parse(ROOT / 'package.xml').getroot()
    declared = {node.text for node in manifest.findall('exec_depend')}
    assert needed - sys.stdlib_module_names <= declared


@pytest.mark.parametrize(('file', 'source', 'violation'), [
    ('core/a.py', 'from fcos_ros.backends import base', 'core must not import backends'),
    ('core/a.py', 'import fcos_ros.runtime.pool', 'core must not import runtime'),
    ('core/a.py', 'from ..node import messages', 'core must not import node'),
    ('core/a.py', 'from fcos_ros import runtime', 'core must not import runtime'),
    ('core/a.py', 'from .. import runtime', 'core must not import runtime'),
    ('backends/a.py', 'def f():\n    from fcos_ros.runtime import pool',
     'backends must not import runtime'),
    ('runtime/a.py', 'from fcos_ros.settings import schema', 'runtime must not import settings'),
    ('settings/a.py', 'from fcos_ros.runtime import pool', 'settings must not import runtime'),
    ('evaluation/a.py', 'from fcos_ros import runtime', 'evaluation must not import runtime'),
    ('node/a.py', 'from fcos_ros.demo import camera', 'node must not import demo'),
    ('demo/a.py', 'from fcos_ros import backends', 'demo must not import backends'),
    ('cli/a.py', 'from fcos_ros.node.parameters import Parameters', 'cli must not import node'),
    ('cli/a.py', 'from fcos_ros.node import qos', 'cli must not import node'),
    ('node/a.py', 'from fcos_ros.node import observer', 'node must not import node/observer'),
    ('inspection/a.py', 'from fcos_ros.node.observer.start import RosError',
     'inspection must not import node/observer'),
    ('core/a.py', 'import fcos_ros', 'core must not import fcos_ros'),
    ('node/a.py', 'from fcos_ros import Detector', 'node must not import Detector'),
    ('unlisted/a.py', 'from fcos_ros.core import nms', 'unlisted must not import core'),
    ('__init__.py', 'from fcos_ros.settings.schema import Settings',
     'fcos_ros must not import settings'),
    ('other.py', 'from fcos_ros.node import messages', 'fcos_ros must not import node'),
    ('node/input/a.py', 'from fcos_ros.node.output import messages',
     'node/input must not import node/output'),
    ('node/output/a.py', 'from ..input.stamps import REMEDIES',
     'node/output must not import node/input'),
    ('node/output/a.py', 'from fcos_ros.node import input',
     'node/output must not import node/input'),
    ('core/a.py', 'import scipy.linalg', 'core must not import scipy'),
    ('runtime/a.py', 'import rclpy', 'runtime must not import ROS 2: rclpy'),
    ('cli/a.py', 'from rclpy.node import Node', 'cli must not import ROS 2: rclpy'),
    ('inspection/a.py', 'from rclpy.node import Node', 'inspection must not import ROS 2: rclpy'),
    ('settings/a.py', 'from launch import LaunchDescription',
     'settings must not import ROS 2: launch'),
    ('__init__.py', 'import rclpy', 'fcos_ros must not import ROS 2: rclpy'),
    ('backends/a.py', 'def f():\n    from sensor_msgs.msg import Image',
     'backends must not import ROS 2: sensor_msgs'),
    ('backends/a.py', 'import onnxruntime', 'onnxruntime must be imported inside a function'),
    ('backends/a.py', 'class A:\n    import hobot_dnn', 'hobot_dnn must be imported inside'),
    ('deploy/a.py', 'def f():\n    import torch', 'torch must be imported in'),
    ('deploy/a.py', 'from fcos_ros.deploy.checkpoint import Checkpoint',
     'checkpoint needs torch, so it must be imported inside a function'),
    ('deploy/a.py', 'from fcos_ros.deploy import network',
     'network needs torch, so it must be imported inside a function'),
    ('node/a.py', 'from training import network', 'training is not installed'),
    ('demo/a.py', 'def f():\n    import tools.setup', 'tools is not installed'),
])
def test_a_violation_is_reported_with_its_file(tmp_path, file, source, violation):
    _write(tmp_path, file, source)
    found = violations(tmp_path)
    assert len(found) == 1
    assert violation in found[0]
    assert f'fcos_ros/{file}:' in found[0]


@pytest.mark.parametrize(('file', 'source'), [
    ('core/a.py', 'import math\nimport numpy as np\nimport cv2\nfrom fcos_ros.core import b'),
    ('core/a.py', 'from . import b\nfrom .b import c'),
    ('backends/a.py', 'from fcos_ros.core.head import Head\ndef f():\n    import onnxruntime'),
    ('runtime/a.py', 'from fcos_ros.backends.base import Backend\nfrom fcos_ros.core import nms'),
    ('settings/a.py', 'import yaml\nfrom fcos_ros.backends import BACKENDS'),
    ('evaluation/a.py', 'from fcos_ros.core.detections import Detections'),
    ('node/a.py', 'import rclpy\nfrom vision_msgs.msg import Detection2D'),
    ('node/a.py', 'from fcos_ros.node.input import images\nfrom fcos_ros.node.output import text'),
    ('node/input/a.py', 'from fcos_ros.node.qos import latest_qos\nfrom . import images'),
    ('demo/a.py', 'from fcos_ros.node.output.messages import to_image\nimport rclpy'),
    ('cli/a.py', 'from fcos_ros.settings.schema import Settings\nimport fcos_ros.runtime.pool'),
    ('cli/a.py', 'from fcos_ros.node.observer.start import RosError'),
    ('node/observer/a.py', 'from fcos_ros.node.qos import latest_qos\nimport rclpy'),
    ('deploy/a.py', 'def f():\n    from fcos_ros.deploy.checkpoint import Checkpoint'),
    ('deploy/network.py', 'import torch'),
    ('deploy/checkpoint.py', 'from fcos_ros.deploy.network import Fcos'),
    ('__init__.py', 'from fcos_ros.core.frame import Frame\nfrom fcos_ros.backends import load\n'
     'from fcos_ros.runtime.detector import Detector'),
])
def test_allowed_imports_are_not_reported(tmp_path, file, source):
    _write(tmp_path, file, source)
    assert violations(tmp_path) == []


def test_a_lazy_module_in_two_files_is_reported_for_both(tmp_path):
    _write(tmp_path, 'backends/a.py', 'def f():\n    import onnxruntime')
    _write(tmp_path, 'node/b.py', 'def f():\n    import onnxruntime.capi')
    found = violations(tmp_path)
    assert len(found) == 2
    assert all('onnxruntime must be imported in one file only' in violation for violation in found)


def violations(root: Path) -> list[str]:
    """Return the violations in `root/fcos_ros`, one sentence each."""
    imports = [found for file in sorted((root / 'fcos_ros').rglob('*.py'))
               for found in _imports(root, file)]
    return [f'{found.file}:{found.line}: {violation}'
            for found in imports for violation in _violations(found, imports)]


def _violations(found: Import, imports: list[Import]) -> Iterator[str]:
    room, top = found.room, found.imported[0]
    if top == 'fcos_ros':
        yield from _room_violations(found)
        yield from _file_violations(found)
    elif top in NOT_INSTALLED:
        yield f'{top} is not installed with the package'
    elif top in LAZY:
        yield from _lazy_violations(found, imports)
    elif found.file not in FILES_OF.get(top, {found.file}):
        yield f'{top} must be imported in {sorted(FILES_OF[top])} only'
    elif _is_ros(top):
        if room not in ROS_ROOMS:
            yield f'{room} must not import ROS 2: {top}'
    elif room == 'core' and top not in CORE_LIBRARIES | sys.stdlib_module_names:
        yield f'core must not import {top}'


def _room_violations(found: Import) -> Iterator[str]:
    room = found.room
    imported = room_of(found.imported[1:]) if len(found.imported) > 1 else 'fcos_ros'
    if imported not in MAY_USE.get(room, {room}):
        yield f'{room} must not import {imported}'
    for pair in SEPARATE:
        for one, other in (pair, pair[::-1]):
            if _is_in(found.importer, one) and _is_in(found.imported, other):
                yield f'{one} must not import {other}'


def _file_violations(found: Import) -> Iterator[str]:
    file = f'{"/".join(found.imported[:3])}.py'
    for module, files in FILES_OF.items():
        if file in files and found.file not in files and not found.lazy:
            yield f'{found.imported[2]} needs {module}, so it must be imported inside a function'


def _lazy_violations(found: Import, imports: list[Import]) -> Iterator[str]:
    name = found.imported[0]
    if not found.lazy:
        yield f'{name} must be imported inside a function'
    files = {other.file for other in imports if other.imported[0] == name}
    if len(files) > 1:
        yield f'{name} must be imported in one file only, not in {sorted(files)}'


def _is_ros(module: str) -> bool:
    return module.endswith(('_msgs', '_interfaces')) or module.startswith(('rclpy', 'launch'))


def _is_in(module: Sequence[str], part: str) -> bool:
    """Return whether a module belongs to a part of a room, such as `node/input`."""
    folders = ('fcos_ros', *part.split('/'))
    return tuple(module[:len(folders)]) == folders


def _imports(root: Path, file: Path) -> Iterator[Import]:
    tree = ast.parse(file.read_text(encoding='utf-8'), str(file))
    inside = {id(node) for function in ast.walk(tree)
              if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
              for node in ast.walk(function)}
    name = file.relative_to(root)
    for node in ast.walk(tree):
        for module in _modules(node, name.parent.parts):
            yield Import(str(name), node.lineno, module, id(node) in inside)


def _modules(node: ast.AST, package: tuple[str, ...]) -> list[str]:
    """Return the full names of the modules that a statement in a package imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = package[:len(package) - node.level + 1] if node.level else ()
    module = '.'.join([*base, *([node.module] if node.module else [])])
    # The imported names may be modules, as in `from fcos_ros import runtime`.
    return [f'{module}.{alias.name}' for alias in node.names]


def _write(root: Path, file: str, source: str) -> None:
    path = root / 'fcos_ros' / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding='utf-8')
