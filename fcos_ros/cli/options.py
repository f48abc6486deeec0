# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What verbs take from the command line alike."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from fcos_ros.node.settings import Settings

MODEL_HELP = ('model file: a path, package://NAME/PATH below a share folder, or auto for that of '
              'the board, elsewhere the network of the demo')


def add_settings(parser: argparse.ArgumentParser, *names: str) -> None:
    """Offer settings of the node as options: same names, defaults, words and limits."""
    defaults = Settings()
    for name in names:
        option, default = Settings.options()[name], getattr(defaults, name)
        parser.add_argument(
            f'--{name.replace("_", "-")}', default=default, choices=option.choices or None,
            type=whole_number(*option.limits) if option.limits else str,
            help=f'{option.description} [{default}]')


def whole_number(least: float = 1, greatest: float = 1_000_000) -> Callable[[str], int]:
    """Make a type for argparse: whole numbers from `least` to `greatest`."""
    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= greatest:
            raise argparse.ArgumentTypeError(
                f'{text!r} is not a whole number from {least:g} to {greatest:g}')
        return int(text)
    return read

