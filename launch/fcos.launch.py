# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Start the detector; `ros2 launch fcos_ros fcos.launch.py --show-args` lists all arguments.

An empty argument keeps the value of the parameter file. Values for single cameras can be set only
in the parameter file.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
import sys
from typing import Any, List  # noqa: UP035

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    OpaqueFunction,
    SetEnvironmentVariable,
    SetLaunchConfiguration,
)
from launch.frontend.parse_substitution import parse_substitution
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch.utilities import perform_substitutions
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue

from fcos_ros.settings.fast_dds import fast_dds_environment
from fcos_ros.settings.launch_arguments import describe, unknown_arguments
from fcos_ros.settings.launch_plan import ARGUMENTS, PARAMETERS, SWITCHES, LaunchPlan
from fcos_ros.settings.parameter_file import read_text
from fcos_ros.settings.web_options import (
    LIBRARY,
    MISSING,
    OPTIONS as WEB_OPTIONS,
    PARAMETERS as WEB_PARAMETERS,
)

CONFIG = Path(__file__).parent.parent / 'config'

ROS_TYPES: dict[type, Any] = {tuple: List[str]}  # noqa: UP006
"""Types of settings that differ in launch_ros, which knows `List[str]` but not `list[str]`."""


def generate_launch_description() -> LaunchDescription:
    """Start the detector, rviz2 with `rviz:=true`, and the page with `web:=true`."""
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
        *(DeclareLaunchArgument(name, default_value='', description=describe(option))
          for name, option in PARAMETERS.items()),
        *(DeclareLaunchArgument(
            name, default_value=option.yaml_default, description=describe(option))
          for name, option in {**SWITCHES, **WEB_OPTIONS}.items()),
        OpaqueFunction(function=_start),
    ])


def _start(context: LaunchContext) -> list[Any]:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    plan = LaunchPlan.of(given, context.launch_configurations.get('ros_namespace'), CONFIG,
                         lambda file: _substituted(context, file))
    for warning in (*unknown_arguments(sys.argv, Path(__file__), ARGUMENTS), *plan.warnings):
        get_logger('fcos_ros').warning(warning)
    return [
        *_shm_profile(context, plan),
        # For launch files that include this one, such as demo.launch.py.
        SetLaunchConfiguration('camera_names', ','.join(plan.cameras)),
        _detector(plan),
        *_viewer(context, plan),
        *_page(plan),
    ]


def _substituted(context: LaunchContext, file: Path) -> str:
    """Return the text of a parameter file as the node gets it."""
    text = read_text(file)
    try:
        return perform_substitutions(context, parse_substitution(text))
    except Exception as error:
        raise ValueError(f'a substitution $(...) in {file} fails: {error}') from error


def _shm_profile(context: LaunchContext, plan: LaunchPlan) -> list[Any]:
    if not plan.switches['shm_profile']:
        return []
    variables = fast_dds_environment(context.environment, CONFIG / 'fastdds_images.xml')
    return [SetEnvironmentVariable(name, value) for name, value in variables.items()]


def _detector(plan: LaunchPlan) -> Node:
    return Node(
        package='fcos_ros', executable='fcos_node',
        name=LaunchConfiguration('name'), namespace=LaunchConfiguration('namespace'),
        parameters=[ParameterFile(plan.file, allow_substs=True), _typed(plan.parameters)],
        remappings=[('image', LaunchConfiguration('image'))],
        ros_arguments=['--log-level', plan.switches['log_level']],
        additional_env={} if plan.switches['keep_memory'] else {'FCOS_KEEP_MEMORY': '0'},
        respawn=plan.switches['respawn'], respawn_delay=2.0,
        output='screen', emulate_tty=True)


def _typed(values: Mapping[str, Any]) -> dict[str, ParameterValue]:
    """Return parameters in the types of their settings: launch_ros would guess from the text."""
    options = {**PARAMETERS, **WEB_PARAMETERS}
    kinds = {name: type(options[name].default) for name in values}
    return {name: ParameterValue(value, value_type=ROS_TYPES.get(kinds[name], kinds[name]))
            for name, value in values.items()}


def _page(plan: LaunchPlan) -> list[Node]:
    """Return the server of the page."""
    if not plan.switches['web']:
        return []
    if find_spec(LIBRARY) is None:
        get_logger('fcos_ros').warning(f'web:=true has no effect; the detector runs: {MISSING}')
        return []
    return [Node(
        package='fcos_ros', executable='fcos_web', name=[LaunchConfiguration('name'), '_web'],
        namespace=LaunchConfiguration('namespace'), parameters=[_typed(plan.web)],
        respawn=plan.switches['respawn'], respawn_delay=2.0,
        output='screen', emulate_tty=True)]


def _viewer(context: LaunchContext, plan: LaunchPlan) -> list[Any]:
    if not plan.switches['rviz']:
        return []
    try:
        get_package_prefix('rviz2')
    except PackageNotFoundError:
        get_logger('fcos_ros').warning(
            'rviz2 is not installed or not sourced, so rviz:=true has no effect; the detector '
            'runs. Install the package ros-$ROS_DISTRO-rviz2.')
        return []
    # Those of a launch file that includes this one come first, as for the detector.
    image, annotated = plan.shown_topics([
        *context.launch_configurations.get('ros_remaps', []),
        ('image', LaunchConfiguration('image').perform(context))])
    return [Node(
        package='rviz2', executable='rviz2', namespace=LaunchConfiguration('namespace'),
        arguments=['-d', str(CONFIG / 'fcos.rviz')],
        # The configuration has the topics of a node `fcos` without a namespace.
        remappings=[('/image', image), ('/fcos/annotated_image', annotated)],
        output='screen')]
