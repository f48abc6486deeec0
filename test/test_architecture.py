# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the arrows between the rooms of the house."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
import re
import sys
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent

BELOW = {
    'core': set(),
    'backends': {'core'},
    'runtime': {'core', 'backends'},
    'node': {'core', 'backends', 'runtime'},
    'cli': {'core', 'backends', 'runtime', 'node'},
    'demo': {'core', 'runtime', 'node'},
}
"""The rooms that each room may use, besides itself."""

ONLY = {('cli', 'node'): {'fcos_ros.node.settings'}}
"""The modules that a room may use of another, where that is not all of them."""

BORDER = {'node', 'cli', 'demo'}
"""The rooms that may speak ROS 2."""

CORE_LIBRARIES = {'numpy', 'cv2'}

LAZY = {'ai_msgs', 'ament_index_python', 'cv_bridge', 'foxglove_msgs', 'hbm_img_msgs',
        'hbm_runtime', 'hobot_dnn', 'hobot_dnn_rdkx5', 'onnxruntime'}
"""Modules that may be absent: each is imported inside a function, and in one file only."""

ROSDEP_KEYS = {'cv2': 'python3-opencv', 'numpy': 'python3-numpy', 'yaml': 'python3-yaml'}
"""What modules are called in package.xml, where that differs from their name."""

WITHOUT_KEY = {'fcos_ros', 'onnxruntime', 'hobot_dnn', 'hobot_dnn_rdkx5', 'hbm_runtime', 'ai_msgs'}
"""
Ourselves, and what no rosdep key installs.

There is one for onnxruntime, python3-onnxruntime-pip, but it would bring a numpy 2 that hides the
numpy of Humble, and Ubuntu 24.04 would refuse it.
"""

OPTIONAL = {'foxglove_msgs'}
"""What is used where it is, and nobody needs to install."""

NOT_INSTALLED = {'benchmarks', 'test', 'tools', 'training'}
"""Folders of the checkout that the product must do without."""


class Import(NamedTuple):
    """An import statement of a file of the package, of one module by its full name."""

    file: str
    line: int
    module: str
    lazy: bool

    @property
    def room(self) -> str:
        return _room(Path(self.file).with_suffix('').parts)

    @property
    def top(self) -> str:
        return self.module.split('.')[0]

    @property
    def ours(self) -> str | None:
        """The room that is imported, if it is one of ours."""
        return _room(self.module.split('.')) if self.top == 'fcos_ros' else None


def test_the_house_keeps_its_rules():
    assert violations(CHECKOUT) == []


def test_every_room_has_rules():
    rooms = {path.parent.name for path in (CHECKOUT / 'fcos_ros').glob('*/__init__.py')}
    assert rooms <= set(BELOW)


def test_package_xml_names_all_that_is_imported():
    files = [*CHECKOUT.glob('fcos_ros/**/*.py'), *CHECKOUT.glob('launch/*.py')]
    imported = {found.top for file in files for found in _imports(CHECKOUT, file)}
    needed = {ROSDEP_KEYS.get(name, name) for name in imported - WITHOUT_KEY - OPTIONAL}
    manifest = ElementTree.parse(CHECKOUT / 'package.xml').getroot()
    named = {node.text for node in manifest.findall('exec_depend')}
    assert needed - sys.stdlib_module_names <= named


def test_the_readme_tells_the_rules():
    readme = (CHECKOUT / 'README.md').read_text(encoding='utf-8')
    table = dict(re.findall(r'^\| `(\w+)/` \|.*\| (.*) \|$', readme, re.MULTILINE))
    assert {room: set(re.findall(r'`(\w+)`', used)) for room, used in table.items()} == BELOW


@pytest.mark.parametrize(('file', 'source', 'complaint'), [
    ('core/a.py', 'from fcos_ros.backends import base', 'core must not use backends'),
    ('core/a.py', 'import fcos_ros.runtime.pool', 'core must not use runtime'),
    ('core/a.py', 'from ..node import messages', 'core must not use node'),
    ('core/a.py', 'from fcos_ros import runtime', 'core must not use runtime'),
    ('backends/a.py', 'def f():\n    from fcos_ros.runtime import pool',
     'backends must not use runtime'),
    ('runtime/a.py', 'from fcos_ros.node import messages', 'runtime must not use node'),
    ('node/a.py', 'from fcos_ros.demo import camera', 'node must not use demo'),
    ('demo/a.py', 'from fcos_ros import backends', 'demo must not use backends'),
    ('cli/a.py', 'from fcos_ros.node.parameters import Parameters',
     'cli must not use fcos_ros.node.parameters'),
    ('cli/a.py', 'from fcos_ros import node', 'cli must not use fcos_ros.node'),
    ('core/a.py', 'import scipy.linalg', 'core must not use scipy'),
    ('runtime/a.py', 'import rclpy', 'runtime must not speak ROS 2: rclpy'),
    ('backends/a.py', 'def f():\n    from sensor_msgs.msg import Image',
     'backends must not speak ROS 2: sensor_msgs'),
    ('backends/a.py', 'import onnxruntime', 'onnxruntime must be imported inside a function'),
    ('backends/a.py', 'class A:\n    import hobot_dnn', 'hobot_dnn must be imported inside'),
    ('node/a.py', 'from training import scenes', 'training is not installed'),
    ('demo/a.py', 'def f():\n    import tools.setup', 'tools is not installed'),
])
def test_a_breach_is_found(tmp_path, file, source, complaint):
    _write(tmp_path, file, source)
    found = violations(tmp_path)
    assert len(found) == 1
    assert complaint in found[0]
    assert f'fcos_ros/{file}' in found[0]


@pytest.mark.parametrize(('file', 'source'), [
    ('core/a.py', 'import math\nimport numpy as np\nimport cv2\nfrom fcos_ros.core import b'),
    ('core/a.py', 'from . import b\nfrom .b import c'),
    ('backends/a.py', 'from fcos_ros.core.head import Head\ndef f():\n    import onnxruntime'),
    ('runtime/a.py', 'from fcos_ros.backends.base import Backend\nfrom fcos_ros.core import nms'),
    ('node/a.py', 'import rclpy\nfrom vision_msgs.msg import Detection2D'),
    ('demo/a.py', 'from fcos_ros.node.messages import image\nimport rclpy'),
    ('cli/a.py', 'from fcos_ros.node.settings import Settings\nimport fcos_ros.runtime.pool'),
])
def test_what_is_allowed_is_not_found(tmp_path, file, source):
    _write(tmp_path, file, source)
    assert violations(tmp_path) == []


def test_an_optional_module_in_two_files_is_found_in_both(tmp_path):
    _write(tmp_path, 'backends/a.py', 'def f():\n    import onnxruntime')
    _write(tmp_path, 'node/b.py', 'def f():\n    import onnxruntime.capi')
    assert len(violations(tmp_path)) == 2


def violations(root: Path) -> list[str]:
    """List the breaches in `root/fcos_ros`, one sentence each."""
    imports = [found for file in sorted((root / 'fcos_ros').rglob('*.py'))
               for found in _imports(root, file)]
    return [f'{found.file}:{found.line}: {complaint}'
            for found in imports for complaint in _complaints(found, imports)]


def _complaints(found: Import, imports: list[Import]) -> Iterator[str]:
    if found.ours and found.ours not in {found.room, *BELOW.get(found.room, ())}:
        yield f'{found.room} must not use {found.ours}'
    elif found.module not in ONLY.get((found.room, found.ours), {found.module}):
        yield f'{found.room} must not use {found.module}'
    if found.top in NOT_INSTALLED:
        yield f'{found.top} is not installed with the package'
    elif found.top in LAZY:
        yield from _lazy_complaints(found, imports)
    elif _speaks_ros(found.top):
        if found.room not in BORDER:
            yield f'{found.room} must not speak ROS 2: {found.top}'
    elif found.room == 'core' and not found.ours and not _known_to_core(found.top):
        yield f'core must not use {found.top}'


def _lazy_complaints(found: Import, imports: list[Import]) -> Iterator[str]:
    if not found.lazy:
        yield f'{found.top} must be imported inside a function'
    files = {other.file for other in imports if other.top == found.top}
    if len(files) > 1:
        yield f'{found.top} must be imported in one file only, not in {sorted(files)}'


def _speaks_ros(module: str) -> bool:
    return module.endswith(('_msgs', '_interfaces')) or module.startswith(('rclpy', 'launch'))


def _known_to_core(module: str) -> bool:
    return module in CORE_LIBRARIES or module in sys.stdlib_module_names


def _imports(root: Path, file: Path) -> Iterator[Import]:
    tree = ast.parse(file.read_text(), str(file))
    inside = {id(node) for function in ast.walk(tree)
              if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
              for node in ast.walk(function)}
    name = file.relative_to(root)
    for node in ast.walk(tree):
        for module in _modules(node, name.parent.parts):
            yield Import(str(name), node.lineno, module, id(node) in inside)


def _modules(node: ast.AST, package: tuple[str, ...]) -> list[str]:
    """Return the full names of the modules that a statement of a package imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = package[:len(package) - node.level + 1] if node.level else ()
    module = '.'.join([*base, *([node.module] if node.module else [])])
    # `from fcos_ros import runtime` names the room last.
    return [f'{module}.{alias.name}' for alias in node.names] if module == 'fcos_ros' else [module]


def _room(parts) -> str:
    """Return the room of a module of ours; modules beside the rooms are called by their name."""
    return parts[1] if len(parts) > 1 else 'fcos_ros'


def _write(root: Path, file: str, source: str) -> None:
    path = root / 'fcos_ros' / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
