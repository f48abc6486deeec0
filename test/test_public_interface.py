# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The public interface of the package needs neither ROS 2 nor an inference engine to import."""

import inspect
import subprocess
import sys

import pytest

import fcos_ros

PUBLIC = ['Criteria', 'Detections', 'Detector', 'Frame', 'FrameError', 'InferenceError',
          'Labels', 'ModelError', 'Result', 'Size', 'StageTimes']

ROS_AND_ENGINES = ['ament_index_python', 'cv_bridge', 'hbm_runtime', 'hobot_dnn', 'launch',
                   'onnxruntime', 'rclpy', 'sensor_msgs', 'vision_msgs']

PRINT_MODULES = """
import sys
before = set(sys.modules)
{statement}
print(*{{name.partition('.')[0] for name in set(sys.modules) - before}})
"""


def test_the_public_names_are_these():
    assert fcos_ros.__all__ == PUBLIC


@pytest.mark.parametrize('name', PUBLIC)
def test_every_public_name_can_be_imported_and_has_a_docstring(name):
    namespace = {}
    exec(f'from fcos_ros import {name}', namespace)
    assert inspect.isclass(namespace[name])
    assert namespace[name].__module__.startswith('fcos_ros.')
    assert inspect.getdoc(namespace[name])


def test_a_star_import_imports_the_public_names_only():
    namespace = {}
    exec('from fcos_ros import *', namespace)
    assert set(namespace) - {'__builtins__'} == set(PUBLIC)


def imported_by(statement):
    """Return the modules and packages that a statement imports in a new process."""
    done = subprocess.run([sys.executable, '-c', PRINT_MODULES.format(statement=statement)],
                          check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_importing_the_public_names_imports_neither_ros_nor_an_engine():
    imported = imported_by('from fcos_ros import *')
    assert imported >= {'fcos_ros', 'numpy', 'cv2'}
    assert imported.isdisjoint(ROS_AND_ENGINES)


def test_importing_the_package_imports_no_other_module_of_it():
    """The programs handle signals before they import numpy and OpenCV."""
    imported = imported_by('import fcos_ros')
    assert 'fcos_ros' in imported
    assert imported.isdisjoint({'numpy', 'cv2', *ROS_AND_ENGINES})


def test_the_public_names_are_listed_and_other_names_are_refused():
    assert set(dir(fcos_ros)) >= set(PUBLIC)
    with pytest.raises(AttributeError, match="has no attribute 'Detecter'"):
        fcos_ros.Detecter  # noqa: B018
