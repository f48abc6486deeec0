# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Start a synthetic camera and the detector; no hardware is needed.

The arguments of `fcos.launch.py` are also accepted, such as
`ros2 launch fcos_ros demo.launch.py rviz:=true`.
"""

from __future__ import annotations

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from fcos_ros.runtime.model_path import DEMO_MODEL

CAMERA_PARAMETERS = {'encoding': str, 'width': int, 'height': int, 'rate': float, 'seed': int,
                     'scenes': int}
"""Type of each parameter of the camera; each is a launch argument."""


def generate_launch_description() -> LaunchDescription:
    """Start the camera and everything that `fcos.launch.py` starts."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'encoding', default_value='bgr8', choices=['bgr8', 'nv12'],
            description='Pixel format of the camera.'),
        DeclareLaunchArgument(
            'width', default_value='640', description='Width of the images in pixels, even.'),
        DeclareLaunchArgument(
            'height', default_value='480', description='Height of the images in pixels, even.'),
        DeclareLaunchArgument(
            'rate', default_value='12.0', description='Frame rate in Hz.'),
        DeclareLaunchArgument(
            'seed', default_value='505', description='Seed of the rendered scenes.'),
        DeclareLaunchArgument(
            'scenes', default_value='60',
            description='Number of different images, rendered at the start and repeated forever.'),
        DeclareLaunchArgument(
            'model', default_value=DEMO_MODEL,
            description='Model file; by default the demo network, also on a board.'),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(Path(__file__).with_name('fcos.launch.py')))),
        Node(
            package='fcos_ros', executable='fcos_demo_camera', name='demo_camera',
            namespace=LaunchConfiguration('namespace'),
            parameters=[{name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                         for name, kind in CAMERA_PARAMETERS.items()}],
            remappings=[('image', LaunchConfiguration('image'))],
            output='screen', emulate_tty=True),
    ])
