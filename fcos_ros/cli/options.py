# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Options of the command line that several verbs share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
import math
from typing import Any

from fcos_ros.backends import ModelError
from fcos_ros.core.resize import Size
from fcos_ros.settings.criteria import to_input_size
from fcos_ros.settings.launch_arguments import read_value
from fcos_ros.settings.schema import Option, Settings, near_name

MODEL_HELP = ('Model file: a path, or package://NAME/PATH below the share folder of a ROS '
              'package. auto uses the model of the board; on any other machine, the demo network.')


FLAGS = {'model': '--model', 'score_threshold': '--conf', 'nms_threshold': '--iou',
         'classes': '--classes', 'max_detections': '--max-det', 'workers': '--workers',
         'backend': '--backend'}
"""The options of parameters of a detector; the first ones are called as in other programs."""


def add_settings(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add settings of the node as options, with the same default, description and limits."""
    defaults = Settings()
    for name in names:
        option, default = Settings.options()[name], getattr(defaults, name)
        parser.add_argument(
            f'--{name.replace("_", "-")}', default=default, choices=option.choices or None,
            metavar='N' if option.limits else None,
            type=whole_number(*option.limits) if option.limits else str,
            help=f'{option.description} [{default}]')


def add_parameters(parser: argparse.ArgumentParser, flags: Mapping[str, str]) -> None:
    """
    Add the parameter file, options for some of its parameters, and `-p` for any of them.

    :param flags: the option of a parameter, by its name, such as `--conf`.
    """
    parser.add_argument('--params', metavar='FILE',
                        help='parameter file of the node: a path, or the name of a file of this '
                             'package, such as fcos_efficientnetb0')
    for name, flag in flags.items():
        option = Settings.options()[name]
        parser.add_argument(flag, dest=name, type=_reader(option), metavar='VALUE',
                            help=f'{option.description.replace("%", "%%")} [as in the parameter '
                                 f'file, else {option.yaml_default}]')
    parser.add_argument('-p', dest='parameters', metavar='NAME:=VALUE', action='append',
                        type=_assignment, default=[],
                        help='another parameter of the node; may be repeated')


def given_parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters that the user has given on the command line, by name."""
    own = {name: value for name in Settings.options()
           if (value := getattr(options, name, None)) is not None}
    return {**dict(options.parameters), **own}


def _reader(option: Option) -> Callable[[str], Any]:
    """Return a type for argparse that reads the value of a setting."""
    def read(text: str) -> Any:
        try:
            value = option.given(read_value(text, option))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f'is {text!r}; accepted: {error}') from None
        complaint = option.complaint(value)
        if complaint:
            raise argparse.ArgumentTypeError(complaint)
        return value
    return read


def _assignment(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition(':=')
    options = Settings.options()
    if not separator or name not in options:
        raise argparse.ArgumentTypeError(f'is {text!r}; accepted: NAME:=VALUE with the name of a '
                                         f'parameter{near_name(name, options)}')
    return name, _reader(options[name])(value)


def chosen_input_size(options: argparse.Namespace) -> Size | None:
    """
    Return the size of the input that the user chooses; None for the model's own.

    :raises ModelError: the text is no size.
    """
    try:
        return to_input_size(options.input_size)
    except ValueError as error:
        raise ModelError(str(error)) from None


def seconds(minimum: float, maximum: float) -> Callable[[str], float]:
    """Return a type for argparse that accepts seconds within limits."""
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(
                f'{text!r} is not accepted; accepted: seconds from {minimum:g} to {maximum:g}')
        return value
    return parse


def node_name(text: str) -> str:
    """Return the full name of a node; empty for an empty name."""
    name = text.strip('/')
    return f'/{name}' if name else ''


def whole_number(minimum: float = 1, maximum: float = 1_000_000) -> Callable[[str], int]:
    """Return a type for argparse that accepts whole numbers within limits."""
    def parse(text: str) -> int:
        if not text.isdecimal() or not minimum <= int(text) <= maximum:
            raise argparse.ArgumentTypeError(
                f'{text!r} is not accepted; accepted: a whole number from {minimum:g} to '
                f'{maximum:g}')
        return int(text)
    return parse
