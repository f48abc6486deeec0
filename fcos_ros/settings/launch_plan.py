# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The arguments of `fcos.launch.py`, and the plan that it makes of them.

Everything is checked before the first process starts: an error in a launch file would leave the
processes that run behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fcos_ros.settings.launch_arguments import full_name, parse_value, resolve_topic
from fcos_ros.settings.parameter_file import (
    FileParameters,
    find_parameter_file,
    model_beside,
    parameters_for,
)
from fcos_ros.settings.schema import Option, Settings
from fcos_ros.settings.web_options import OPTIONS as WEB_OPTIONS

IMAGE = 'image'
"""The image topic of a single camera, before remapping."""

PARAMETERS: Mapping[str, Option] = {
    **Settings.options(),
    'use_sim_time': Option(False, 'Use the time of the topic /clock.'),
}
"""The arguments that are parameters of the node; an empty one keeps the value of the file."""

SWITCHES: Mapping[str, Option] = {
    'log_level': Option('info', 'Minimum severity of log messages.',
                        choices=('debug', 'info', 'warn', 'error', 'fatal')),
    'respawn': Option(False, 'Restart the node 2 s after its process has ended.'),
    'shm_profile': Option(
        True, 'Give Fast DDS shared memory for large images, in all processes that are started '
        'from here on. A profile in the environment has priority.'),
    'keep_memory': Option(
        True, 'Keep the memory of a large image, and reuse it for the next one.'),
    'web': Option(False, 'Show pictures, detections and figures in a browser, and change '
                  'parameters there. The address is printed; see docs/page.md.'),
    'rviz': Option(False, 'Open rviz2 with the annotated image and the image of the camera; with '
                   'several cameras, of the first.'),
}
"""The other arguments that have a type."""

ARGUMENTS = (IMAGE, 'namespace', 'name', 'params_file', *PARAMETERS, *SWITCHES, *WEB_OPTIONS)
"""The names of all arguments."""


@dataclass(frozen=True)
class LaunchPlan:
    """
    The node of `fcos.launch.py`, its parameters, and everything that is started with it.

    :ivar node: full name of the node.
    :ivar file: the parameter file.
    :ivar parameters: those that have priority over the file.
    :ivar switches: the value of each of `SWITCHES`.
    :ivar web: the parameters of the page's server.
    :ivar cameras: names of the cameras; ('',) for a single camera without a name.
    :ivar warnings: a sentence for each argument or file without effect.
    """

    node: str
    file: Path
    parameters: Mapping[str, Any]
    switches: Mapping[str, Any]
    web: Mapping[str, Any]
    cameras: tuple[str, ...]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, given: Mapping[str, str], pushed_namespace: str | None, config: Path,
           read: Callable[[Path], str]) -> LaunchPlan:
        """
        Check all arguments.

        :param given: the texts of the arguments.
        :param pushed_namespace: the namespace of the launch file that includes this one.
        :param config: the folder with the parameter files of the package.
        :param read: returns the text of a parameter file.
        :raises ValueError: an argument or a value in the file is not accepted.
        """
        switches, web = (
            {name: parse_value(name, given[name], option) for name, option in options.items()}
            for options in (SWITCHES, WEB_OPTIONS))
        parameters = {name: parse_value(name, given[name], option)
                      for name, option in PARAMETERS.items() if given[name]}
        node = full_name(pushed_namespace, given['namespace'], given['name'])
        file = find_parameter_file(given['params_file'], config)
        found = parameters_for(node, read(file), file)
        model = model_beside(found.values.get('model'), file)
        if model is not None:
            parameters.setdefault('model', str(model))
        names = parameters.get('cameras', found.values.get('cameras', ()))
        cameras = Settings(cameras=names).camera_names
        warnings = tuple(_warnings(node, file, found, cameras, given[IMAGE]))
        web['detector'] = node
        if 'use_sim_time' in parameters:
            web['use_sim_time'] = parameters['use_sim_time']
        return cls(node, file, parameters, switches, web, cameras, warnings)

    def shown_topics(self, remappings: Iterable[tuple[str, str]]) -> tuple[str, str]:
        """Return the full names of the image and of the annotated image of the first camera."""
        pairs, camera = list(remappings), self.cameras[0]
        image, annotated = (f'{camera}/{topic}' if camera else topic
                            for topic in (IMAGE, 'annotated_image'))
        return (resolve_topic(image, self.node, pairs),
                resolve_topic(f'~/{annotated}', self.node, pairs))


def _warnings(node: str, file: Path, found: FileParameters, cameras: tuple[str, ...], image: str,
              ) -> Iterator[str]:
    if not found.matches:
        yield found.notice(node, file)
    if cameras != ('',) and image != IMAGE:
        topics = ', '.join(f'{camera}/{IMAGE}' for camera in cameras)
        yield (f'the launch argument {IMAGE}:={image} has no effect with several cameras; remap '
               f'their topics: {topics}')
