# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Options of the command line that several verbs share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import math

from fcos_ros.backends import ModelError
from fcos_ros.core.resize import Size
from fcos_ros.settings.criteria import to_input_size
from fcos_ros.settings.schema import Settings

MODEL_HELP = ('Model file: a path, or package://NAME/PATH below the share folder of a ROS '
              'package. auto uses the model of the board; on any other machine, the demo network.')


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


def whole_number(minimum: float = 1, maximum: float = 1_000_000) -> Callable[[str], int]:
    """Return a type for argparse that accepts whole numbers within limits."""
    def parse(text: str) -> int:
        if not text.isdecimal() or not minimum <= int(text) <= maximum:
            raise argparse.ArgumentTypeError(
                f'{text!r} is not accepted; accepted: a whole number from {minimum:g} to '
                f'{maximum:g}')
        return int(text)
    return parse
