# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the file of a model from the value of the parameter `model`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import os
from pathlib import Path

from fcos_ros.backends import ModelError
from fcos_ros.core.text import MAX_QUOTE, shorten
from fcos_ros.runtime.boards import Board, this_board

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds `fcos_ros`: a checkout, or a folder of installed packages."""

SCHEME = 'package://'

DEMO_MODEL = 'package://fcos_ros/models/fcos_demo.onnx'
"""The model of `auto` on a machine that is not a board."""

COMPILED_DEMO_MODELS = {
    'bayes-e': 'package://fcos_ros/models/fcos_demo_x5.bin',
    'bernoulli2': 'package://fcos_ros/models/fcos_demo_x3.bin'}
"""The demo network compiled for a board, by the march of its BPU."""


MAX_LISTED = 8
"""Maximum number of paths that an error lists one by one."""


def find_model(model: str, root: Path = Path('/'), folders: Sequence[Path] = ()) -> Path:
    """
    Return the path of a model file.

    :param model: `auto` for the model of the board's image, or the demo network on any other
        machine; `package://NAME/PATH` below the share folder of a ROS package; an absolute path;
        or a path relative to the working folder, else to `folders`, else to this package's share
        folder. A published network is also found by its other names and in other folders of the
        board.
    :param root: root of the file system of the board.
    :param folders: the folders of the parameter files.
    :raises ModelError: the file is not found; the message lists every path that was tried.
    """
    if not model:
        raise ModelError("model is ''; accepted: auto, a path or package://NAME/PATH")
    board = this_board(root)
    tried: dict[Path, str] = {}
    for path in _candidates(model, board, root, folders):
        try:
            if path.is_file():
                return path
            tried[path] = ''
        except OSError as error:  # such as a name that is too long
            tried[path] = f' ({error.strerror})'
    shown = shorten(repr(model), MAX_QUOTE)
    raise ModelError(f'model {shown} was not found{_list(tried)}{_advice(model, board)}')


def demo_model(root: Path = Path('/')) -> str:
    """Return the demo network for this machine: compiled for the BPU of a board, else ONNX."""
    board = this_board(root)
    return DEMO_MODEL if board is None else COMPILED_DEMO_MODELS.get(board.march, DEMO_MODEL)


def demo_notice(model: str, root: Path = Path('/')) -> str:
    """Return a notice if `model` stands for the demo network without naming it; else ''."""
    if model != 'auto' or this_board(root) is not None:
        return ''
    return ('model is auto and this machine is no known board, so the demo network runs on the '
            'CPU; it finds only the cubes, balls and cones of the demo; set model to the path of '
            'your model')


def find_shared_file(address: str) -> Path:
    """
    Return the path of `package://NAME/PATH`.

    :raises ModelError: the package is not found.
    """
    package, _, rest = address[len(SCHEME):].partition('/')
    return _share(package) / rest


def _candidates(
    model: str, board: Board | None, root: Path, folders: Sequence[Path],
) -> Iterator[Path]:
    if model == 'auto':
        if board is not None:
            yield from (_on_board(place, root) for place in board.models)
            return
        model = DEMO_MODEL
    # In contrast to Path.expanduser, this one keeps the name of an unknown user.
    path = Path(os.path.expanduser(model))
    if model.startswith(SCHEME):
        yield find_shared_file(model)
        return
    if path.is_absolute():
        yield path
    else:
        # The share folder comes last: a file in the other folders is found without ROS 2.
        yield from (folder / path for folder in (_working_folder(), *folders))
        yield _share('fcos_ros') / path
    if board is not None:
        yield from (_on_board(place, root) for place in board.same_network(path.name))


def _on_board(place: str, root: Path) -> Path:
    """Return a path of `Board`, which may begin with the home folder."""
    if place.startswith('~'):
        return Path(os.path.expanduser(place))
    return root / place.lstrip('/')


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except OSError:  # the folder was removed
        return Path()


def _list(tried: Mapping[Path, str]) -> str:
    """Return the paths that were tried, with errors; many names in many folders are two lists."""
    if not tried:
        return ''
    if len(tried) <= MAX_LISTED:
        paths = (f'{shorten(str(path))}{error}' for path, error in tried.items())
        return f'; tried: {", ".join(paths)}'
    names, folders = (dict.fromkeys(parts) for parts in zip(
        *((path.name, str(path.parent)) for path in tried)))
    return f'; tried: {", ".join(names)} in {", ".join(folders)}'


def _advice(model: str, board: Board | None) -> str:
    """Return a hint where to get models for this board; empty on any other machine."""
    if board is None or model.endswith('.onnx'):
        return ''
    if board.zoo:
        return f"; D-Robotics' rdk_model_zoo ({board.zoo}) offers them"
    return (f'; no FCOS network is published for {board.name}: compile one for its BPU '
            f'({board.march}) and set model to its path; {DEMO_MODEL} is the demo network, which '
            'runs on the CPU')


def _share(package: str) -> Path:
    """Return the share folder of a ROS package; that of this package needs no ROS 2."""
    try:
        from ament_index_python.packages import get_package_share_directory
        return Path(get_package_share_directory(package))
    except (ImportError, LookupError, OSError, ValueError) as error:
        own = own_share() if package == 'fcos_ros' else None
        if own:
            return own
        raise ModelError(f'the ROS package {package!r} is not installed or not sourced: {error}; '
                         'source its setup.bash, or give the path of the model') from error


def own_share() -> Path | None:
    """Return the checkout, or the share folder of a pip installation; None if there is none."""
    places = (PACKAGE_ROOT,
              *(parent / 'share' / 'fcos_ros' for parent in PACKAGE_ROOT.parents))
    return next((place for place in places if (place / 'package.xml').is_file()), None)
