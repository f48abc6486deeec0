# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the launch files and the parameter file promise; read as text, `launch` is not needed."""

import ast
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from fcos_ros.node.settings import Settings

REPOSITORY = Path(__file__).parents[2]
LAUNCH_FILES = sorted((REPOSITORY / 'launch').glob('*.launch.py'))
PARAMETER_FILE = REPOSITORY / 'config' / 'fcos.yaml'


def declarations(path):
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return [call for call in calls
            if isinstance(call.func, ast.Name) and call.func.id == 'DeclareLaunchArgument']


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_every_launch_argument_is_described_and_has_a_default(path):
    for call in declarations(path):
        keywords = {keyword.arg for keyword in call.keywords}
        assert {'description', 'default_value'} <= keywords, ast.unparse(call)


def test_every_setting_of_the_node_is_a_launch_argument():
    """By construction: the arguments are made from the settings."""
    text = (REPOSITORY / 'launch' / 'fcos.launch.py').read_text()
    assert '*(_argument(name, option) for name, option in Settings.options().items())' in text
    assert 'type(option.default) for name, option in Settings.options().items()' in text


def test_the_demo_takes_the_model_that_knows_its_scenes_also_on_a_board():
    """It has to be declared before `fcos.launch.py` does, whose default would count."""
    text = (REPOSITORY / 'launch' / 'demo.launch.py').read_text()
    assert text.index("'model', default_value=DEMO") < text.index('IncludeLaunchDescription(\n')


def test_the_parameter_file_says_the_defaults_of_every_setting():
    parameters = yaml.safe_load(PARAMETER_FILE.read_text())['/**']['ros__parameters']
    defaults = {entry.name: list(entry.default) if isinstance(entry.default, tuple)
                else entry.default for entry in fields(Settings)}
    assert parameters == defaults
    assert {name: type(value) for name, value in parameters.items()} == {
        name: type(value) for name, value in defaults.items()}


def test_the_parameter_file_explains_every_setting():
    lines = PARAMETER_FILE.read_text().splitlines()
    for entry in fields(Settings):
        number = next(n for n, line in enumerate(lines) if line.startswith(f'    {entry.name}:'))
        assert lines[number - 1].startswith('    # '), entry.name


def test_rviz_asks_for_the_topics_with_the_reliability_that_the_node_and_any_camera_offer():
    config = yaml.safe_load((REPOSITORY / 'config' / 'fcos.rviz').read_text())
    topics = {display['Topic']['Value']: display['Topic']['Reliability Policy']
              for display in config['Visualization Manager']['Displays']}
    assert topics == {'/fcos/annotated_image': 'Reliable', '/image': 'Best Effort'}
