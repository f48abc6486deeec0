# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Start the detector; `ros2 launch fcos_ros fcos.launch.py --show-args` lists all arguments.

An empty argument keeps the value of the parameter file. Values for single cameras can be set only
in the parameter file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, List  # noqa: UP035

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue

from fcos_ros.settings.fast_dds import fast_dds_environment
from fcos_ros.settings.launch_arguments import find_parameter_file, parse_value
from fcos_ros.settings.schema import Option, Settings

CONFIG = Path(__file__).parent.parent / 'config'

USE_SIM_TIME = Option(False, 'Use the time of the topic /clock.')

ROS_TYPES: dict[type, Any] = {tuple: List[str]}  # noqa: UP006
"""Types of settings that differ in launch_ros, which knows `List[str]` but not `list[str]`."""


def generate_launch_description() -> LaunchDescription:
    """Start the detector, and rviz2 with `rviz:=true`."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'image', default_value='image',
            description='Image topic of the camera.'),
        DeclareLaunchArgument(
            'namespace', default_value='',
            description='Namespace of the node and of relative topics.'),
        DeclareLaunchArgument(
            'name', default_value='fcos',
            description='Name of the node, and prefix of its topics, such as fcos/detections.'),
        DeclareLaunchArgument(
            'params_file', default_value=str(CONFIG / 'fcos.yaml'),
            description='Parameter file: a path, or the name of a file in the config folder of '
            'the package, such as fcos_x3.yaml. Substitutions such as $(env HOME) are accepted.'),
        *(_argument(name, option) for name, option in Settings.options().items()),
        DeclareLaunchArgument(
            'use_sim_time', default_value='', choices=['', 'true', 'false'],
            description=USE_SIM_TIME.description),
        DeclareLaunchArgument(
            'log_level', default_value='info',
            choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='Minimum severity of log messages.'),
        DeclareLaunchArgument(
            'respawn', default_value='false', choices=['true', 'false'],
            description='Restart the node 2 s after its process has ended.'),
        DeclareLaunchArgument(
            'shm_profile', default_value='true', choices=['true', 'false'],
            description='Give Fast DDS shared memory for large images, in all processes that are '
            'started from here on. A profile in the environment has priority.'),
        DeclareLaunchArgument(
            'keep_memory', default_value='true', choices=['true', 'false'],
            description='Keep the memory of a large image, and reuse it for the next one.'),
        DeclareLaunchArgument(
            'rviz', default_value='false', choices=['true', 'false'],
            description='Open rviz2 with the annotated image and the image of the camera. With '
            'several cameras, choose their topics in rviz2, such as fcos/front/annotated_image.'),
        OpaqueFunction(function=_set_shm_profile),
        OpaqueFunction(function=_detector),
        OpaqueFunction(function=_viewer, condition=IfCondition(LaunchConfiguration('rviz'))),
    ])


def _argument(name: str, option: Option) -> DeclareLaunchArgument:
    choices = ('true', 'false') if isinstance(option.default, bool) else option.choices
    return DeclareLaunchArgument(
        name, default_value='', description=option.description,
        choices=['', *choices] if choices else None)


def _set_shm_profile(context: LaunchContext) -> list[Any]:
    if not _is_true(context, 'shm_profile'):
        return []
    variables = fast_dds_environment(context.environment, CONFIG / 'fastdds_images.xml')
    return [SetEnvironmentVariable(name, value) for name, value in variables.items()]


def _detector(context: LaunchContext) -> list[Node]:
    file = find_parameter_file(LaunchConfiguration('params_file').perform(context), CONFIG)
    return [Node(
        package='fcos_ros', executable='fcos_node',
        name=LaunchConfiguration('name'), namespace=LaunchConfiguration('namespace'),
        parameters=[ParameterFile(file, allow_substs=True), _overrides(context)],
        remappings=[('image', LaunchConfiguration('image'))],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        additional_env={} if _is_true(context, 'keep_memory') else {'FCOS_KEEP_MEMORY': '0'},
        respawn=LaunchConfiguration('respawn'), respawn_delay=2.0,
        output='screen', emulate_tty=True)]


def _overrides(context: LaunchContext) -> dict[str, ParameterValue]:
    """Return the given arguments in the types of their parameters: `0` becomes 0.0 for a float."""
    options = {**Settings.options(), 'use_sim_time': USE_SIM_TIME}
    given = {name: LaunchConfiguration(name).perform(context) for name in options}
    return {name: ParameterValue(parse_value(name, text, options[name]),
                                 value_type=_ros_type(options[name]))
            for name, text in given.items() if text}


def _ros_type(option: Option) -> Any:
    kind = type(option.default)
    return ROS_TYPES.get(kind, kind)


def _is_true(context: LaunchContext, name: str) -> bool:
    return LaunchConfiguration(name).perform(context) == 'true'


def _viewer(context: LaunchContext) -> list[Any]:
    try:
        get_package_prefix('rviz2')
    except PackageNotFoundError:
        return [LogInfo(msg=(
            'rviz2 is not installed or not sourced, so rviz:=true has no effect; the detector '
            'runs. Install the package ros-$ROS_DISTRO-rviz2.'))]
    return [Node(
        package='rviz2', executable='rviz2', namespace=LaunchConfiguration('namespace'),
        arguments=['-d', str(CONFIG / 'fcos.rviz')],
        # The configuration has the topics of a node `fcos` without a namespace.
        remappings=[('/image', LaunchConfiguration('image')),
                    ('/fcos/annotated_image', [LaunchConfiguration('name'), '/annotated_image'])],
        output='screen')]
