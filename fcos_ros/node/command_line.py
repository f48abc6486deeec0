# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line of the node: its help, and the folders of its parameter files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
import sys
import textwrap

from fcos_ros.settings.schema import Settings

ROS_ARGUMENTS = '--ros-args'
"""ROS 2 reads the arguments from here to the next `--`."""

PARAMETER_FILE = '--params-file'

TEMPORARY = 'launch_params_'
"""`ros2 launch` copies parameter files to temporary files whose names begin so."""


def answer_help(arguments: Sequence[str]) -> None:
    """
    Print the help and exit if it is asked for; warn of arguments that have no effect.

    :param arguments: the name of the program first.
    """
    parser = argparse.ArgumentParser(
        prog='fcos_node', formatter_class=argparse.RawDescriptionHelpFormatter,
        usage='fcos_node [--help] [--ros-args [-p NAME:=VALUE] [--params-file FILE] '
              '[-r __node:=NAME] [-r __ns:=/NAMESPACE] [-r image:=TOPIC] [--log-level LEVEL]]',
        description='Publish the objects in the images of a camera, found by an FCOS network.',
        epilog='parameters:\n' + '\n'.join(_parameters()))
    _, ignored = parser.parse_known_args([word for word, is_ros in _words(arguments[1:])
                                          if not is_ros])
    if ignored:
        print(f'fcos_node: arguments without effect: {" ".join(ignored)}; parameters are given as '
              f'fcos_node {ROS_ARGUMENTS} -p NAME:=VALUE', file=sys.stderr)


def parameter_folders(arguments: Sequence[str]) -> tuple[Path, ...]:
    """Return the folders of the parameter files of users, without those of `ros2 launch`."""
    words = [word for word, is_ros in _words(arguments) if is_ros]
    files = [Path(file) for option, file in pairwise(words) if option == PARAMETER_FILE]
    return tuple(dict.fromkeys(
        file.absolute().parent for file in files if not file.name.startswith(TEMPORARY)))


def _words(arguments: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield each argument, and whether ROS 2 reads it."""
    is_ros = False
    for word in arguments:
        if word == ROS_ARGUMENTS:
            is_ros = True
        elif is_ros and word == '--':
            is_ros = False
        else:
            yield word, is_ros


def _parameters() -> Iterator[str]:
    for name, option in Settings.options().items():
        accepted = f' Accepted: {option.accepted}.' if option.accepted else ''
        yield f'  {name}'
        yield textwrap.fill(f'{option.description}{accepted} [{option.yaml_default}]', 96,
                            initial_indent='      ', subsequent_indent='      ')
