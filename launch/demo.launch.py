# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Start a synthetic camera and the detector; no hardware is needed.

The arguments of `fcos.launch.py` are also accepted, such as
`ros2 launch fcos_ros demo.launch.py rviz:=true`. Each camera of `cameras:=[front, rear]` is
synthetic.
"""

from __future__ import annotations

from pathlib import Path
import sys
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from fcos_ros.demo.camera_options import MAX_SEED, OPTIONS
from fcos_ros.runtime.model_path import demo_model
from fcos_ros.settings.launch_arguments import describe, parse_value, unknown_arguments
from fcos_ros.settings.launch_plan import ARGUMENTS


def generate_launch_description() -> LaunchDescription:
    """Start the cameras and everything that `fcos.launch.py` starts."""
    return LaunchDescription([
        *(DeclareLaunchArgument(
            name, default_value=option.yaml_default, description=describe(option))
          for name, option in OPTIONS.items()),
        DeclareLaunchArgument(
            'model', default_value=demo_model(),
            description='Model file; by default the demo network, also on a board.'),
        # Wrong values are refused before the detector starts, which would run on.
        OpaqueFunction(function=_check),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(Path(__file__).with_name('fcos.launch.py')))),
        OpaqueFunction(function=_cameras),
    ])


def _check(context: LaunchContext) -> None:
    _parameters(context)
    for warning in unknown_arguments(sys.argv, Path(__file__), (*ARGUMENTS, *OPTIONS)):
        get_logger('fcos_ros').warning(warning)


def _cameras(context: LaunchContext) -> list[Node]:
    """Return a camera for each name that the detector has."""
    names = LaunchConfiguration('camera_names', default='').perform(context).split(',')
    return [_camera(_parameters(context), number, name) for number, name in enumerate(names)]


def _camera(parameters: dict[str, Any], number: int, name: str) -> Node:
    scenes = {'seed': (parameters['seed'] + number) % (MAX_SEED + 1)}
    topics = {topic: f'{name}/{topic}' for topic in ('image', 'ground_truth')}
    return Node(
        package='fcos_ros', executable='fcos_demo_camera',
        name=f'demo_camera_{name}' if name else 'demo_camera',
        namespace=LaunchConfiguration('namespace'),
        parameters=[{**parameters, **scenes}],
        remappings=topics.items() if name else [('image', LaunchConfiguration('image'))],
        output='screen', emulate_tty=True)


def _parameters(context: LaunchContext) -> dict[str, Any]:
    return {name: parse_value(name, LaunchConfiguration(name).perform(context), option)
            for name, option in OPTIONS.items()}
