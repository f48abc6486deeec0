# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The model and the settings of a run, as the node reads them from the same parameter file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fcos_ros.backends.metadata_files import find_beside
from fcos_ros.offline.frames import OfflineError
from fcos_ros.runtime.detector import DetectorConfig
from fcos_ros.runtime.model_path import find_model, find_shared_file
from fcos_ros.settings.cameras import CameraSettings, given_settings
from fcos_ros.settings.criteria import to_input_size
from fcos_ros.settings.parameter_file import find_parameter_file, parameters_for, read_text
from fcos_ros.settings.schema import Settings, near_name

NODE = '/fcos'
"""The name of the node whose parameters are read from a parameter file."""

COMMON = ''
"""The key of the settings for cameras that are not named."""

OTHER_PARAMETERS = ('use_sim_time', 'qos_overrides')
"""Parameters of any node, which have no effect here."""


@dataclass(frozen=True)
class DetectionPlan:
    """
    How frames are detected: the model, the settings of each camera, and the number of workers.

    :ivar settings: by camera; `COMMON` has those of cameras that are not named.
    :ivar workers: 0 for as many as keep the machine busy that runs the plan.
    :ivar notices: a sentence for each parameter without effect.
    """

    config: DetectorConfig
    settings: CameraSettings
    workers: int
    notices: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any], folders: Sequence[Path] = (),
           notices: tuple[str, ...] = ()) -> DetectionPlan:
        """
        Make a plan of parameters, as the node starts with them.

        :param given: parameters by name; missing ones have their default.
        :param folders: where the model may lie, besides the working folder.
        :raises OfflineError: a value is not accepted.
        :raises ModelError: the model is not found.
        """
        try:
            by_camera = {COMMON: _common(given), **given_settings(given)}
            settings = by_camera[COMMON]
            input_size = to_input_size(settings.input_size)
        except ValueError as error:
            raise OfflineError(str(error)) from None
        config = DetectorConfig(find_model(settings.model, folders=folders), settings.backend,
                                settings.threads, settings.fit, input_size,
                                collects_warnings=True)
        return cls(config, by_camera, settings.workers, notices)

    @classmethod
    def read(cls, params: str | None, overrides: Mapping[str, Any]) -> DetectionPlan:
        """
        Make a plan of a parameter file and of parameters that have priority over it.

        :param params: a path, or the name of a file of this package; None for no file.
        :raises OfflineError: the file or a value is not accepted.
        :raises ModelError: the model is not found.
        """
        if params is None:
            return cls.of(overrides)
        try:
            path = find_parameter_file(params, find_shared_file('package://fcos_ros/config'))
            found = parameters_for(NODE, read_text(path), path)
        except ValueError as error:
            raise OfflineError(str(error)) from None
        if not found.matches:
            raise OfflineError(found.notice(NODE, path))
        return cls.of({**found.values, **overrides}, (path.absolute().parent,),
                      tuple(_unknown(found.values, path)))

    @property
    def cameras(self) -> tuple[str, ...]:
        """The names of the cameras that the settings name."""
        return tuple(name for name in self.settings if name != COMMON)

    @property
    def files(self) -> tuple[Path, ...]:
        """The model, and the file with its metadata beside it."""
        beside = find_beside(self.config.path)
        return (self.config.path, beside) if beside else (self.config.path,)

    def settings_of(self, camera: str) -> Settings:
        """Return the settings of a camera, or the common ones."""
        return self.settings.get(camera) or self.settings[COMMON]


def _common(given: Mapping[str, Any]) -> Settings:
    """Return the settings of all cameras without those of single cameras."""
    return given_settings({**given, 'cameras': ('',)})['']


def _unknown(names: Mapping[str, Any], path: Path) -> Iterator[str]:
    options = Settings.options()
    for name in names:
        first, _, last = name.partition('.')
        if name not in options and last not in options and first not in OTHER_PARAMETERS:
            yield (f'{path} has the unknown parameter {name}, its value is ignored'
                   f'{near_name(name, options)}')
