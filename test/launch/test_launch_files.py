# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The launch files declare every argument, and the parameter files hold valid values.

The launch files are loaded with stand-ins for `launch` and `launch_ros`, which pip cannot install;
`test_ros2_launch.py` runs them with the real ones where they are installed.
"""

from dataclasses import dataclass, fields
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
import sys
from types import SimpleNamespace
from typing import Any, List, NamedTuple  # noqa: UP035
from unittest.mock import MagicMock

import pytest
import yaml

from fcos_ros.demo.camera_options import OPTIONS
from fcos_ros.settings.launch_plan import ARGUMENTS, PARAMETERS
from fcos_ros.settings.schema import Settings

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
PARAMETER_FILE = ROOT / 'config' / 'fcos.yaml'
REPLACED = ('launch', 'launch.actions', 'launch.frontend', 'launch.frontend.parse_substitution',
            'launch.launch_description_sources', 'launch.logging', 'launch.substitutions',
            'launch.utilities', 'launch_ros', 'launch_ros.actions',
            'launch_ros.parameter_descriptions')


@dataclass
class Argument:
    """A stand-in for `DeclareLaunchArgument`."""

    name: str
    default_value: str | None = None
    description: str = ''


class TypedValue(NamedTuple):
    """A stand-in for `ParameterValue`."""

    value: Any
    value_type: Any


def load(path, monkeypatch):
    """Load a launch file; its description is then the list of its actions."""
    for module in REPLACED:
        monkeypatch.setitem(sys.modules, module, MagicMock())
    monkeypatch.setattr(sys.modules['launch'], 'LaunchDescription', list)
    monkeypatch.setattr(sys.modules['launch.actions'], 'DeclareLaunchArgument', Argument)
    monkeypatch.setattr(sys.modules['launch.actions'], 'IncludeLaunchDescription',
                        lambda source: SimpleNamespace(included=source))
    monkeypatch.setattr(sys.modules['launch_ros.parameter_descriptions'], 'ParameterValue',
                        TypedValue)
    spec = spec_from_file_location(path.name.partition('.')[0], path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def declared(module):
    return {action.name: action for action in module.generate_launch_description()
            if isinstance(action, Argument)}


@pytest.fixture
def fcos_launch(monkeypatch):
    return load(ROOT / 'launch' / 'fcos.launch.py', monkeypatch)


@pytest.fixture
def demo_launch(monkeypatch):
    return load(ROOT / 'launch' / 'demo.launch.py', monkeypatch)


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_every_launch_argument_has_a_description_and_a_default(path, monkeypatch):
    arguments = declared(load(path, monkeypatch))
    assert arguments
    for argument in arguments.values():
        assert argument.description, argument
        assert argument.default_value is not None, argument


def test_fcos_launch_declares_every_argument_of_its_plan(fcos_launch):
    assert tuple(declared(fcos_launch)) == ARGUMENTS


@pytest.mark.parametrize(('name', 'option'), PARAMETERS.items(), ids=PARAMETERS)
def test_every_parameter_is_an_argument_that_is_empty_by_default(name, option, fcos_launch):
    argument = declared(fcos_launch)[name]
    assert argument.default_value == ''
    assert argument.description.startswith(option.description)
    assert argument.description.endswith(f'{option.accepted}.' if option.accepted else '.')


@pytest.mark.parametrize(('name', 'value', 'kind'), [
    ('max_age', 0.0, float), ('workers', 2, int), ('track', True, bool), ('class_id', 'name', str),
    ('use_sim_time', True, bool), ('model', '5', str), ('classes', ['0'], List[str]),  # noqa: UP006
])
def test_an_argument_becomes_a_parameter_of_its_type(name, value, kind, fcos_launch):
    assert fcos_launch._typed({name: value}) == {name: TypedValue(value, kind)}


@pytest.mark.parametrize(('switch', 'library', 'starts'), [
    (True, 'yaml', True), (True, 'no_such_library', False), (False, 'yaml', False)])
def test_the_page_is_served_if_it_is_asked_for_and_its_library_is_there(
        switch, library, starts, fcos_launch, monkeypatch):
    monkeypatch.setattr(fcos_launch, 'LIBRARY', library)
    plan = SimpleNamespace(switches={'web': switch, 'respawn': False}, web={'web_host': '::'})
    assert len(fcos_launch._page(plan)) == starts
    said = fcos_launch.get_logger('fcos_ros').warning.call_args
    assert bool(said) == (switch and not starts)
    if said:
        assert 'apt install python3-aiohttp' in said.args[0]
    elif starts:
        parameters = fcos_launch.Node.call_args.kwargs['parameters']
        assert parameters == [{'web_host': TypedValue('::', str)}]


def test_the_demo_uses_the_demo_network_also_on_a_board(demo_launch):
    """The first of two declarations of an argument sets its default."""
    actions = demo_launch.generate_launch_description()
    model = next(place for place, action in enumerate(actions)
                 if getattr(action, 'name', '') == 'model')
    include = next(place for place, action in enumerate(actions) if hasattr(action, 'included'))
    assert actions[model].default_value == 'package://fcos_ros/models/fcos_demo.onnx'
    assert model < include


def test_every_parameter_of_the_demo_camera_is_a_launch_argument(demo_launch):
    arguments = declared(demo_launch)
    assert {name: arguments[name].default_value for name in OPTIONS} == {
        name: option.yaml_default for name, option in OPTIONS.items()}
    assert not set(OPTIONS) & set(ARGUMENTS)


def test_the_parameter_file_has_the_default_of_every_setting():
    parameters = yaml.safe_load(PARAMETER_FILE.read_text())['/**']['ros__parameters']
    defaults = {entry.name: list(entry.default) if isinstance(entry.default, tuple)
                else entry.default for entry in fields(Settings)}
    assert parameters == defaults
    assert {name: type(value) for name, value in parameters.items()} == {
        name: type(value) for name, value in defaults.items()}


def test_the_parameter_file_describes_every_setting():
    lines = PARAMETER_FILE.read_text().splitlines()
    for entry in fields(Settings):
        number = next(n for n, line in enumerate(lines) if line.startswith(f'    {entry.name}:'))
        assert lines[number - 1].startswith('    # '), entry.name


@pytest.mark.parametrize('file', sorted((ROOT / 'config').glob('fcos_*.yaml')),
                         ids=lambda file: file.stem)
def test_the_file_of_a_published_model_has_valid_settings_and_its_command(file):
    text = file.read_text(encoding='utf-8')
    settings = Settings(**yaml.safe_load(text)['/**']['ros__parameters'])
    assert settings.complaints() == []
    assert settings.model.startswith('/opt/hobot/model/')
    assert f'ros2 launch fcos_ros fcos.launch.py params_file:={file.name}\n' in text


@pytest.mark.parametrize('file', sorted((ROOT / 'config').glob('*.yaml')),
                         ids=lambda file: file.name)
def test_a_parameter_file_has_no_substitutions(file):
    """`ros2 launch` also substitutes in comments, and fails on commands in them."""
    assert '$(' not in file.read_text(encoding='utf-8')


def test_rviz_subscribes_with_the_reliability_of_the_node_and_of_any_camera():
    config = yaml.safe_load((ROOT / 'config' / 'fcos.rviz').read_text())
    topics = {display['Topic']['Value']: display['Topic']['Reliability Policy']
              for display in config['Visualization Manager']['Displays']}
    assert topics == {'/fcos/annotated_image': 'Reliable', '/image': 'Best Effort'}
