# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The detector for one camera: `ros2 launch fcos_ros fcos.launch.py --show-args` lists every knob.

An argument left empty keeps what the parameter file says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, List  # noqa: UP035

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue

CONFIG = Path(__file__).parent.parent / 'config'

OVERRIDES = {
    'model': str, 'backend': str, 'workers': int, 'deadline': float, 'threads': int, 'fit': str,
    'score_threshold': float, 'nms_threshold': float, 'max_detections': int,
    'classes': List[str], 'autostart': bool, 'use_sim_time': bool}  # noqa: UP006
"""
Parameters that are launch arguments, too; the types make `0` a float where one is meant.

The launch library of ROS 2 knows `List[str]`, not `list[str]`.
"""

KINDS = {
    str: ('any text', str), int: ('a whole number', int), float: ('a number', float),
    bool: ('true or false', lambda text: {'true': True, 'false': False}[text]),
    List[str]: ('names with commas between',  # noqa: UP006
                lambda text: [name.strip() for name in text.strip('[]').split(',')])}
"""How users call the types, and how what they write becomes one."""


def generate_launch_description() -> LaunchDescription:
    """Start the detector, and rviz2 where asked for."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'image', default_value='image',
            description='Topic of the camera (sensor_msgs/Image).'),
        DeclareLaunchArgument(
            'namespace', default_value='',
            description='Namespace of the node and of relative topics.'),
        DeclareLaunchArgument(
            'name', default_value='fcos',
            description='Name of the node; the outputs are below it, such as fcos/detections.'),
        DeclareLaunchArgument(
            'params_file', default_value=str(CONFIG / 'fcos.yaml'),
            description='Parameter file; substitutions such as $(env HOME) are allowed.'),
        DeclareLaunchArgument(
            'model', default_value='',
            description='Model file: a path, or package://NAME/PATH below a share folder; auto '
                        'takes that of the board, elsewhere the network of the demo.'),
        DeclareLaunchArgument(
            'backend', default_value='',
            description='Inference engine, such as onnx; auto goes by the model file.'),
        DeclareLaunchArgument(
            'workers', default_value='',
            description='Frames worked on at a time; 0 takes as many as the board needs.'),
        DeclareLaunchArgument(
            'deadline', default_value='',
            description='Seconds a worker process may spend on one frame before it is replaced.'),
        DeclareLaunchArgument(
            'threads', default_value='',
            description='CPU threads of one inference.'),
        DeclareLaunchArgument(
            'fit', default_value='', choices=['', 'letterbox', 'stretch'],
            description='How an image is laid on the model canvas: aspect kept, or filled.'),
        DeclareLaunchArgument(
            'score_threshold', default_value='',
            description='Least score of a detection, 0 to 1; 0 takes that of the model.'),
        DeclareLaunchArgument(
            'nms_threshold', default_value='',
            description='IoU above which the lesser of two boxes of a class goes, 0 to 1; '
                        '0 takes that of the model.'),
        DeclareLaunchArgument(
            'max_detections', default_value='',
            description='Most detections of one image.'),
        DeclareLaunchArgument(
            'classes', default_value='',
            description='Classes to report, by name or index, such as person,car.'),
        DeclareLaunchArgument(
            'autostart', default_value='', choices=['', 'true', 'false'],
            description='Configure and activate the node as soon as it starts; with false, use '
                        'ros2 lifecycle set.'),
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
            'rviz', default_value='false', choices=['true', 'false'],
            description='Open rviz2 with the annotated and the camera image.'),
        OpaqueFunction(function=_detector),
        OpaqueFunction(function=_viewer, condition=IfCondition(LaunchConfiguration('rviz'))),
    ])


def _detector(context: LaunchContext) -> list[Node]:
    return [Node(
        package='fcos_ros', executable='fcos_node',
        name=LaunchConfiguration('name'), namespace=LaunchConfiguration('namespace'),
        parameters=[ParameterFile(LaunchConfiguration('params_file'), allow_substs=True),
                    _overrides(context)],
        remappings=[('image', LaunchConfiguration('image'))],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        respawn=LaunchConfiguration('respawn'), respawn_delay=2.0,
        output='screen', emulate_tty=True)]


def _overrides(context: LaunchContext) -> dict[str, ParameterValue]:
    given = {name: LaunchConfiguration(name).perform(context) for name in OVERRIDES}
    return {name: _value(name, text) for name, text in given.items() if text}


def _value(name: str, text: str) -> ParameterValue:
    words, parse = KINDS[OVERRIDES[name]]
    try:
        return ParameterValue(parse(text), value_type=OVERRIDES[name])
    except ValueError:
        raise ValueError(f'the launch argument {name}:={text} should be {words}') from None


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
