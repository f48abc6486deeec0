# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line of the node: its help, and its parameter files."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
import sys
import textwrap

from fcos_ros.settings.parameter_file import parameters_for, read_text
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


def parameter_files(arguments: Sequence[str]) -> tuple[Path, ...]:
    """Return the parameter files of users, without the copies of `ros2 launch`."""
    words = [word for word, is_ros in _words(arguments) if is_ros]
    files = [Path(file) for option, file in pairwise(words) if option == PARAMETER_FILE]
    return tuple(file.absolute() for file in files if not file.name.startswith(TEMPORARY))


def notices(node: str, files: Iterable[Path]) -> Iterator[str]:
    """Yield a notice for each parameter file without effect on a node; see `FileParameters`."""
    for file in files:
        # A mistake in a file is reported by ROS 2, or by the node when it uses the value.
        with suppress(ValueError):
            notice = parameters_for(node, read_text(file), file).notice(node, file)
            if notice:
                yield notice


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
