# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the documents say of parameters is what the node has."""

from pathlib import Path
import re
import sys

import pytest
import yaml

from fcos_ros.backends.base import ModelError
from fcos_ros.backends.onnx import OnnxBackend
from fcos_ros.node.settings import Settings, parameter_table

ROOT = Path(__file__).resolve().parent.parent


def test_the_readme_holds_the_table_of_parameters():
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    assert parameter_table() in readme, f'the table should be:\n{parameter_table()}'


def test_the_parameter_file_holds_every_parameter_with_its_default():
    text = (ROOT / 'config' / 'fcos.yaml').read_text(encoding='utf-8')
    written = yaml.safe_load(text)['/**']['ros__parameters']
    defaults = {name: list(value) if isinstance(value, tuple) else value
                for name, value in vars(Settings()).items()}
    assert written == defaults


@pytest.mark.parametrize('file', sorted((ROOT / 'config').glob('fcos_*.yaml')),
                         ids=lambda file: file.stem)
def test_the_file_of_a_published_model_names_a_place_where_it_may_be(file):
    written = yaml.safe_load(file.read_text(encoding='utf-8'))['/**']['ros__parameters']
    settings = Settings(**written)
    assert settings.complaints() == []
    assert settings.model.startswith('/opt/hobot/model/')
    command = f'ros2 launch fcos_ros fcos.launch.py params_file:={file.name}\n'
    assert command in file.read_text(encoding='utf-8')


@pytest.mark.parametrize('file', sorted((ROOT / 'config').glob('*.yaml')),
                         ids=lambda file: file.name)
def test_ros2_launch_finds_nothing_to_substitute_in_a_parameter_file(file):
    """It would look in comments, too, and fail on the commands in them."""
    assert '$(' not in file.read_text(encoding='utf-8')


def test_the_readme_and_the_node_install_onnxruntime_in_the_same_way(monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ModelError) as caught:
        OnnxBackend(ROOT / 'models' / 'fcos_demo.onnx')
    command = re.search(r'python3 -m pip install [\w -]*onnxruntime', str(caught.value))
    assert command[0] in (ROOT / 'README.md').read_text(encoding='utf-8')
