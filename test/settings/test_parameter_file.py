# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A parameter file is found, and its mistakes are reported with file and line."""

from array import array
from contextlib import suppress
from math import inf
from pathlib import Path

from hypothesis import given, strategies as st
import pytest
import rclpy
from rclpy.node import Node
import yaml

from fcos_ros.settings.parameter_file import (
    find_parameter_file,
    model_beside,
    parameters_for,
    read_text,
)
from fcos_ros.settings.schema import Settings

CONFIG = Path(__file__).resolve().parents[2] / 'config'
NODE = '/r1/det'
OWN = {'use_sim_time', 'start_type_description_service'}
"""Parameters that rclpy declares for every node."""
HEAD = '/**:\n  ros__parameters:\n'


def values_of(*lines):
    """Return the parameters of the node in a file with these lines below `ros__parameters`."""
    text = HEAD + ''.join(f'    {line}\n' for line in lines)
    return parameters_for(NODE, text, Path('my.yaml')).values


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder, which is also the home folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HOME', str(tmp_path))
    return tmp_path


@pytest.fixture
def ros(folder):
    """Return a function that returns the parameters that ROS 2 reads from a text for the node."""
    context = rclpy.Context()
    rclpy.init(context=context)

    def read(text):
        file = folder / 'ros.yaml'
        file.write_text(text, encoding='utf-8')
        node = Node('det', namespace='/r1', context=context, use_global_arguments=False,
                    cli_args=['--ros-args', '--params-file', str(file)],
                    allow_undeclared_parameters=True,
                    automatically_declare_parameters_from_overrides=True)
        values = {name: node.get_parameter(name).value
                  for name in node.list_parameters([], 0).names if name not in OWN}
        node.destroy_node()
        return {name: tuple(value) if isinstance(value, (list, array)) else value
                for name, value in values.items()}

    yield read
    rclpy.try_shutdown(context=context)


@pytest.mark.parametrize('file', sorted(CONFIG.glob('*.yaml')), ids=lambda file: file.name)
def test_a_file_of_the_package_is_found_by_its_name_with_and_without_the_suffix(file):
    assert find_parameter_file(file.name, CONFIG) == file
    assert find_parameter_file(file.stem, CONFIG) == file


def test_a_file_of_the_user_has_priority_and_may_be_in_the_home_folder(folder):
    own = folder / 'fcos.yaml'
    own.touch()
    for given_path in ('fcos.yaml', 'fcos', '~/fcos.yaml', '~/fcos', str(own)):
        assert find_parameter_file(given_path, CONFIG).samefile(own)


@pytest.mark.parametrize('name', [
    'nowhere.yaml', '/nowhere/fcos.yaml', '~nobody_here/a.yaml', 'x' * 300, '', '\0'])
def test_a_missing_file_is_refused_with_the_files_of_the_package(name):
    with pytest.raises(ValueError, match=r'^params_file is .*; accepted: ') as caught:
        find_parameter_file(name, CONFIG)
    if name:
        assert 'fcos.yaml, fcos_efficientnetb0.yaml, ' in str(caught.value)


def test_a_folder_is_refused_with_its_files(folder):
    (folder / 'own').mkdir()
    with pytest.raises(ValueError, match=r"'own', a folder; .*; its YAML files: none$"):
        find_parameter_file('own', CONFIG)
    (folder / 'own' / 'a.yaml').touch()
    with pytest.raises(ValueError, match=r"'~/own', a folder; .*; its YAML files: a\.yaml$"):
        find_parameter_file('~/own', CONFIG)


def test_a_file_that_cannot_be_read_is_refused_with_its_name(folder):
    file = folder / 'latin.yaml'
    file.write_bytes('model: /home/jürgen/a.onnx'.encode('latin-1'))
    with pytest.raises(ValueError, match=r'latin\.yaml is not a text in UTF-8 \(byte 14\)'):
        read_text(file)
    with pytest.raises(ValueError, match='cannot be read: Is a directory'):
        read_text(folder)
    file.write_text('a: 1', encoding='utf-8-sig')
    assert read_text(file) == 'a: 1'


@pytest.mark.parametrize('file', sorted(CONFIG.glob('*.yaml')), ids=lambda file: file.name)
def test_the_files_of_the_package_are_for_every_node(file):
    found = parameters_for(NODE, read_text(file), file)
    assert (found.matches, found.keys) == (True, ('/**',))
    assert found.values.keys() <= Settings.options().keys()


@pytest.mark.parametrize(('text', 'keys', 'values'), [
    ('/r1/det:\n  ros__parameters:\n    workers: 2', ('/r1/det',), {'workers': 2}),
    ('r1/det:\n  ros__parameters:\n    workers: 2', ('r1/det',), {'workers': 2}),
    ('r1:\n  det:\n    ros__parameters:\n      workers: 2', ('r1/det',), {'workers': 2}),
    ('/r1/*:\n  ros__parameters:\n    workers: 2', ('/r1/*',), {'workers': 2}),
    ('/*/det:\n  ros__parameters:\n    workers: 2', ('/*/det',), {'workers': 2}),
    ('/**/det:\n  ros__parameters:\n    workers: 2', ('/**/det',), {'workers': 2}),
    ('/**:\n  ros__parameters:\n    workers: 2\n    fit: stretch\n'
     '/r1/det:\n  ros__parameters:\n    workers: 3', ('/**', '/r1/det'),
     {'workers': 3, 'fit': 'stretch'}),
    ('/other:\n  ros__parameters:\n    workers: 99\n/**:\n  ros__parameters:\n    fit: stretch',
     ('/other', '/**'), {'fit': 'stretch'}),
])
def test_the_parameters_of_all_keys_that_match_the_node_are_merged_as_ros_does(
        ros, text, keys, values):
    found = parameters_for(NODE, text, Path('my.yaml'))
    assert (found.matches, found.keys, found.values) == (True, keys, values)
    assert ros(text) == values


@pytest.mark.parametrize('key', [
    'det', 'fcos', '/det', '/r1', '/r1/det/x', '/*', 'r2/det'])
def test_a_key_that_ros_does_not_match_with_the_node_is_reported(ros, key):
    text = f'{key}:\n  ros__parameters:\n    workers: 2'
    found = parameters_for(NODE, text, Path('my.yaml'))
    assert (found.matches, found.keys, found.values) == (False, (key,), {})
    assert ros(text) == {}


def test_an_empty_file_is_for_no_node():
    for text in ('', '# only a comment\n'):
        found = parameters_for(NODE, text, Path('my.yaml'))
        assert (found.matches, found.keys) == (False, ())


@pytest.mark.parametrize(('lines', 'line', 'complaint'), [
    (['track: true', 'workers: 99'], 4, 'workers is 99; accepted: 0 to 32'),
    (['workers: 8.9'], 3, 'workers is 8.9; accepted: a whole number'),
    (['min_size: .nan'], 3, 'min_size is nan; accepted: 0.0 to'),
    (['fit: tile'], 3, "fit is 'tile'; accepted: letterbox, stretch"),
    (['front:', '  fit: tile', '  weight: 0'], 5, 'front.weight is 0.0; accepted: 0.01 to 100.0'),
    (['cameras: [front, front]'], 3, r"cameras is \['front', 'front'\]; accepted: different"),
    (['max_detections: []'], 3, r'max_detections is \[\]; accepted: a whole number'),
    (['workers:', 'track: true'], 3, 'workers has no value; write one, or remove the line'),
    (['classes: [person, 2]'], 3, r'classes is \[person, 2\], which mixes texts and numbers; .*'
     'put quotes'),
    (['classes:', '- person', '- no'], 4, r'classes is \[person, no\], which mixes'),
    (['own: [[1], 2]'], 3, 'own has a list in a list'),
    (['a: &x 1', 'b: *x'], 4, r'ROS 2 does not accept the alias \*x'),
    (['workers: 2', ' bad: ['], 4, 'this is not YAML: '),
    (['\tworkers: 2'], 3, 'this is not YAML: found character .*that cannot start any token'),
    (['? [a]', ': 1'], 3, 'there is no map here'),
    ([f'a: {"[" * 100_000}'], 1, 'this is not YAML: it is nested too deeply'),
])
def test_a_mistake_is_reported_with_file_and_line(lines, line, complaint):
    with pytest.raises(ValueError, match=f'^my.yaml, line {line}: {complaint}'):
        values_of(*lines)


@pytest.mark.parametrize(('text', 'line', 'complaint'), [
    ('/**:\n  workers: 2', 2, 'workers is not below ros__parameters; accepted: the name of a '),
    ('workers: 2', 1, 'workers is not below ros__parameters'),
    ('- a', 1, 'there is no map here; accepted: the name of a node'),
    ('/**:\n  ros__parameters: 5', 2, 'there is no map here; accepted: the name of a parameter'),
    ('/r1/det-2:\n  ros__parameters:\n    workers: 2', 1, "the name of a node is '/r1/det-2'; "
     'accepted: letters, digits and _ between slashes'),
    ('a: b: c', 1, 'this is not YAML: '), ('\x01', 1, 'this is not YAML: '),
    ('a: 1\n---\nb: 1', 2, 'this is not YAML: but found another document'),
])
def test_a_file_without_ros_parameters_is_reported_with_the_line(text, line, complaint):
    with pytest.raises(ValueError, match=f'^my.yaml, line {line}: {complaint}'):
        parameters_for(NODE, text, Path('my.yaml'))


@pytest.mark.parametrize(('line', 'value'), [
    ('max_age: 1e1', 10.0), ('workers: 0x10', 16), ('min_size: 1', 1), ('unknown: -1', -1),
    ("model: '5'", '5'), ('model: !!str 5', '5'), ('track: on', True), ('track: FALSE', False),
    ('classes: [0, 2]', (0, 2)), ("classes: [person, '2']", ('person', '2')),
    ('unknown: [1, 2]', (1, 2)), ('unknown: [1.5, .5]', (1.5, 0.5)),
    ('unknown: [yes, no]', (True, False)), ('reliability: null', 'null'), ('model: ""', ''),
    ('unknown: 12_000', '12_000'), ('unknown: .inf', inf), ('unknown: -.INF', -inf),
    ('unknown: 1.2.3', '1.2.3'), ('unknown: 2026-11-26', '2026-11-26'),
])
def test_values_are_read_as_ros_reads_them(ros, line, value):
    (found,) = values_of(line).values()
    assert (found, type(found)) == (value, type(value))
    assert ros(f'{HEAD}    {line}') == {line.partition(':')[0]: value}


def test_parameters_of_ros_itself_are_not_checked():
    # A file of `ros2 param dump` has this one.
    lines = ('qos_overrides:', '  /image:', '    subscription:', "      reliability: ''")
    assert values_of(*lines) == {'qos_overrides./image.subscription.reliability': ''}


def test_entries_that_are_maps_are_left_out_as_ros_gives_them_other_names(ros):
    line = 'class_thresholds: [person: 0.3]'
    assert values_of(line) == {'class_thresholds': ()}
    assert ros(f'{HEAD}    {line}') == {'class_thresholds.person': (0.3,)}


@given(st.text())
def test_any_text_is_read_or_refused(text):
    with suppress(ValueError):
        parameters_for(NODE, text, Path('my.yaml'))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_yaml_is_read_or_refused(tree):
    for content in (tree, {'/**': {'ros__parameters': tree}}):
        with suppress(ValueError):
            parameters_for(NODE, yaml.safe_dump(content), Path('my.yaml'))


def test_a_relative_model_is_found_beside_the_file(folder):
    (folder / 'own').mkdir()
    file = folder / 'own' / 'my.yaml'
    beside = folder / 'own' / 'a.onnx'
    beside.touch()
    assert model_beside('a.onnx', file) == beside
    assert model_beside('a.onnx', Path('own/my.yaml')) == beside
    for model in ('auto', 'b.onnx', '', None, 5, str(beside), 'package://fcos_ros/a.onnx'):
        assert model_beside(model, file) is None
    (folder / 'a.onnx').touch()
    assert model_beside('a.onnx', file) is None, 'the working folder has priority'
