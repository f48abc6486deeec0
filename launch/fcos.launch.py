# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The detector: `ros2 launch fcos_ros fcos.launch.py --show-args` lists every knob.

An argument left empty keeps what the parameter file says. Several cameras are set up in such a
file, as are the parameters that one of them has for itself.
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

from fcos_ros.node.fast_dds import surroundings
from fcos_ros.node.launch_arguments import parameter_file, value
from fcos_ros.node.settings import Option, Settings

CONFIG = Path(__file__).parent.parent / 'config'

ROS_TYPES: dict[type, Any] = {tuple: List[str]}  # noqa: UP006
"""Types that ROS 2 calls otherwise; its launch library knows `List[str]`, not `list[str]`."""


def generate_launch_description() -> LaunchDescription:
    """Start the detector, and rviz2 where asked for."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'image', default_value='image',
            description='Topic of the camera.'),
        DeclareLaunchArgument(
            'namespace', default_value='',
            description='Namespace of the node and of relative topics.'),
        DeclareLaunchArgument(
            'name', default_value='fcos',
            description='Name of the node; the outputs are below it, such as fcos/detections.'),
        DeclareLaunchArgument(
            'params_file', default_value=str(CONFIG / 'fcos.yaml'),
            description='Parameter file: a path, or the name of one in the config folder of the '
            'package, such as fcos_x3.yaml; substitutions such as $(env HOME) are allowed.'),
        *(_argument(name, option) for name, option in Settings.options().items()),
        DeclareLaunchArgument(
            'use_sim_time', default_value='', choices=['', 'true', 'false'],
            description='Take the time from /clock.'),
        DeclareLaunchArgument(
            'log_level', default_value='info',
            choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='Least severity that is logged.'),
        DeclareLaunchArgument(
            'respawn', default_value='false', choices=['true', 'false'],
            description='Start the node again, after two seconds, whenever its process ends.'),
        DeclareLaunchArgument(
            'shm_profile', default_value='true', choices=['true', 'false'],
            description='Give Fast DDS shared memory for large images, in all that is started '
            'from here on, unless the environment names a profile already.'),
        DeclareLaunchArgument(
            'keep_memory', default_value='true', choices=['true', 'false'],
            description='Let the node use the memory of one large image for the next.'),
        DeclareLaunchArgument(
            'rviz', default_value='false', choices=['true', 'false'],
            description='Open rviz2 with the annotated and the camera image. Several cameras have '
            'topics of their own, such as fcos/front/annotated_image: choose them there.'),
        OpaqueFunction(function=_transport),
        OpaqueFunction(function=_detector),
        OpaqueFunction(function=_viewer, condition=IfCondition(LaunchConfiguration('rviz'))),
    ])


def _argument(name: str, option: Option) -> DeclareLaunchArgument:
    choices = ('true', 'false') if isinstance(option.default, bool) else option.choices
    return DeclareLaunchArgument(
        name, default_value='', description=option.description,
        choices=['', *choices] if choices else None)


def _transport(context: LaunchContext) -> list[Any]:
    if not _is_true(context, 'shm_profile'):
        return []
    wanted = surroundings(context.environment, CONFIG / 'fastdds_images.xml')
    return [SetEnvironmentVariable(name, value) for name, value in wanted.items()]


def _detector(context: LaunchContext) -> list[Node]:
    file = parameter_file(LaunchConfiguration('params_file').perform(context), CONFIG)
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
    """Take the arguments that were given; their types make `0` a float where one is meant."""
    kinds = {name: type(option.default) for name, option in Settings.options().items()}
    kinds['use_sim_time'] = bool
    given = {name: LaunchConfiguration(name).perform(context) for name in kinds}
    return {name: ParameterValue(value(name, text, kinds[name]),
                                 value_type=ROS_TYPES.get(kinds[name], kinds[name]))
            for name, text in given.items() if text}


def _is_true(context: LaunchContext, name: str) -> bool:
    return LaunchConfiguration(name).perform(context) == 'true'


def _viewer(context: LaunchContext) -> list[Any]:
    try:
        get_package_prefix('rviz2')
    except PackageNotFoundError:
        return [LogInfo(msg=(
            'rviz2 is not installed or not sourced, so rviz:=true opens nothing; the detector '
            'runs all the same. Install the package ros-$ROS_DISTRO-rviz2.'))]
    return [Node(
        package='rviz2', executable='rviz2', namespace=LaunchConfiguration('namespace'),
        arguments=['-d', str(CONFIG / 'fcos.rviz')],
        # The configuration names the topics of a node `fcos` without a namespace.
        remappings=[('/image', LaunchConfiguration('image')),
                    ('/fcos/annotated_image', [LaunchConfiguration('name'), '/annotated_image'])],
        output='screen')]
