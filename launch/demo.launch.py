# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A synthetic camera and the detector, without any hardware.

Takes the arguments of `fcos.launch.py`, too: `ros2 launch fcos_ros demo.launch.py rviz:=true`.
"""

from __future__ import annotations

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from fcos_ros.runtime.model_path import DEMO

CAMERA = {'encoding': str, 'width': int, 'height': int, 'rate': float, 'seed': int, 'scenes': int}
"""Parameters of the camera, all launch arguments."""


def generate_launch_description() -> LaunchDescription:
    """Start the camera, and all that `fcos.launch.py` starts."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'encoding', default_value='bgr8', choices=['bgr8', 'nv12'],
            description='Pixel format of the camera.'),
        DeclareLaunchArgument(
            'width', default_value='640', description='Width of the image in pixels, even.'),
        DeclareLaunchArgument(
            'height', default_value='480', description='Height of the image in pixels, even.'),
        DeclareLaunchArgument(
            'rate', default_value='12.0', description='Images a second.'),
        DeclareLaunchArgument(
            'seed', default_value='505', description='Another seed shows other worlds.'),
        DeclareLaunchArgument(
            'scenes', default_value='60',
            description='Different images, rendered at the start and shown over and over.'),
        DeclareLaunchArgument(
            'model', default_value=DEMO,
            description='Model file; by default the one that knows the toys, also on a board.'),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(Path(__file__).with_name('fcos.launch.py')))),
        Node(
            package='fcos_ros', executable='fcos_demo_camera', name='demo_camera',
            namespace=LaunchConfiguration('namespace'),
            parameters=[{name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                         for name, kind in CAMERA.items()}],
            remappings=[('image', LaunchConfiguration('image'))],
            output='screen', emulate_tty=True),
    ])
