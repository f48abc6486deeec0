# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of each camera, made of the values of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fcos_ros.settings.schema import Settings

CameraSettings = Mapping[str, Settings]
"""The settings of each camera, by its name; '' is the only camera of a node."""


def camera_settings(cameras: Sequence[str], values: Mapping[str, Any]) -> CameraSettings:
    """
    Return the settings of each camera: its own values, else the common ones.

    :param cameras: names of the cameras.
    :param values: a value for each setting, by name. `front.max_age` is the `max_age` of the
        camera `front`; if it is missing or None, the common one is used.
    :raises ValueError: a value is not accepted.
    """
    options = Settings.options()
    common = common_settings(values)
    complaints = common.complaints()
    settings_of = {}
    for camera in cameras:
        own = {name: values[f'{camera}.{name}'] for name in options
               if values.get(f'{camera}.{name}') is not None}
        complaints += [f'{camera}.{name} {complaint}' for name, value in own.items()
                       if (complaint := options[name].complaint(value))]
        settings_of[camera] = replace(common, **own)
    refuse(complaints)
    return settings_of


def common_settings(values: Mapping[str, Any]) -> Settings:
    """Return the common settings of all cameras; `values` has one for each setting."""
    return Settings(**{name: values[name] for name in Settings.options()})


def given_settings(given: Mapping[str, Any]) -> CameraSettings:
    """
    Return the settings of each camera as the node has them when it starts.

    :param given: parameters by name, such as those of a parameter file. Missing ones have their
        default; unknown ones are ignored.
    :raises ValueError: a value is not accepted.
    """
    options = Settings.options()
    values: dict[str, Any] = {name: option.default for name, option in options.items()}
    for name, value in given.items():
        option = options.get(name) or options.get(name.partition('.')[2])
        converted = option.given(value) if option else None
        if converted is not None:
            values[name] = converted
    common = common_settings(values)
    refuse(common.complaints())
    return camera_settings(common.camera_names, values)


def refuse(complaints: Sequence[str]) -> None:
    """
    Do nothing without complaints.

    :raises ValueError: there are complaints.
    """
    if complaints:
        raise ValueError('; '.join(complaints))
