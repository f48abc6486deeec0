# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command that mends each problem that a detector reports."""

from __future__ import annotations

from dataclasses import dataclass
import re

LAUNCH = 'ros2 launch fcos_ros fcos.launch.py'
PROFILE = ('export FASTDDS_DEFAULT_PROFILES_FILE=$(ros2 pkg prefix --share fcos_ros)/config/'
           'fastdds_images.xml   # before the camera; FASTRTPS_... up to ROS 2 Jazzy')
PUBLISHERS = 'ros2 topic info --verbose {topic}   # end all publishers but one'


@dataclass(frozen=True)
class Context:
    """
    The names that commands contain.

    :ivar node: full name of the detector.
    :ivar camera: name of the camera; empty for the only one of a node, or for none.
    :ivar topic: full name of its topic; `image` is the relative name.
    :ivar other: the likeliest other topic with images; empty if there is none.
    :ivar model: path of the model.
    """

    node: str
    camera: str = ''
    topic: str = '/image'
    image: str = 'image'
    other: str = ''
    model: str = 'MODEL'

    @property
    def remap(self) -> str:
        """The command that receives another topic, or starts a camera if there is none."""
        if not self.other:
            return (f'ros2 topic hz {self.topic}   # after starting the driver of the camera, '
                    'such as: ros2 run usb_cam usb_cam_node_exe')
        if self.camera:
            return f'ros2 run fcos_ros fcos_node --ros-args -r {self.image}:={self.other}'
        return f'{LAUNCH} image:={self.other}'

    def set(self, parameter: str, value: object) -> str:
        """Return the command that sets a parameter, of the camera if it has a name."""
        prefix = f'{self.camera}.' if self.camera else ''
        return f'ros2 param set {self.node} {prefix}{parameter} {value}'


CURES = (
    # Publishers, types and QoS
    (r'there is no publisher on', '{remap}'),
    (r'which is no image', '{remap}'),
    (r'the parameter transport is', f'{LAUNCH} transport:=auto'),
    (r'remove the parameter (qos_overrides\S+),', 'sed -i "/{found}/d" PARAMETERS.yaml'),
    (r'this node requests reliable', f'{LAUNCH} reliability:=auto'),
    (r'is received there', PUBLISHERS),
    (r'install the package (\w+)', 'sudo apt install ros-$ROS_DISTRO-{package}'),
    # Images that do not arrive
    (r'shared memory of Fast DDS belongs to', 'ps -eo user,pid,cmd | grep -e cam -e fcos   # run '
     'both as the same user'),
    (r'is published best effort', PROFILE),
    (r'no image on', 'ros2 topic hz {topic}   # restart the driver of the camera'),
    (r'were not taken', 'ros2 topic bw {topic}   # lower rate or resolution of the camera'),
    # Stamps
    (r'stamp is zero', 'ros2 topic echo --field header.stamp {topic}   # let the driver set it'),
    (r'stamp is before 1970', 'timedatectl   # set the clock of the camera'),
    (r'stamp is in the future', 'sudo timedatectl set-ntp true   # on both computers'),
    (r'stamp is older than a day', f'{LAUNCH} use_sim_time:=true   # for a recording; or '
     'mipi_frame_ts_type:=realtime for mipi_cam'),
    (r'no time on /clock', 'ros2 param set {node} use_sim_time false'),
    (r'older than max_age', '{max_age}'),
    (r'stamps jump|older than the one before|back and forth', PUBLISHERS),
    # Frames that fail
    (r'memory of the BPU', f'{LAUNCH} workers:=1'),
    (r'did not answer in', f'{LAUNCH} inference_timeout:=5.0'),
    (r'the worker died', f'{LAUNCH} backend:=libdnn'),
    (r'workers do not run', 'ros2 lifecycle set {node} deactivate   # then cleanup, configure, '
     'activate'),
    (r'none is finished', 'fcos bench {model}'),
    (r'encoding', 'ros2 topic echo --once --field encoding {topic}   # set it in the driver'),
    (r'frames failed since', 'ros2 topic echo --once --no-arr {topic}   # repair the driver'),
    # Models
    (r'needs onnxruntime', 'python3 -m pip install --no-deps onnxruntime'),
    (r'numpy here is 2', "python3 -m pip install 'numpy<2'"),
    (r'was not found|no such file|is no file|does not exist', f'{LAUNCH} model:=/path/to/model'),
    (r'is not an FCOS|contradicts|has the key|pixels|labels', 'fcos info {model}'),
    # The node
    (r'more nodes have the name', f'{LAUNCH} namespace:=NAME   # or end one of them'),
    (r'^inactive', 'ros2 lifecycle set {node} activate'),
    (r'unconfigured|no model is loaded', 'ros2 lifecycle set {node} configure'),
)
"""Patterns of problems and their commands; the first that fits decides."""

UNKNOWN = 'ros2 topic echo --once /diagnostics'
"""The command for any other problem: its text has the remedy."""


def cure(message: str, context: Context) -> str:
    """Return the command that mends a reported problem."""
    for pattern, command in CURES:
        match = re.search(pattern, message, re.IGNORECASE)
        if match:
            found = match[1] if match.re.groups else ''
            return command.format(
                remap=context.remap, node=context.node, topic=context.topic, model=context.model,
                max_age=context.set('max_age', 0.0), found=found,
                package=found.replace('_', '-'))
    return UNKNOWN
