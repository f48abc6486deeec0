# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the file of a model from the value of the parameter `model`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fcos_ros.backends import ModelError
from fcos_ros.runtime.boards import this_board

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds `fcos_ros`: a checkout, or a folder of installed packages."""

SCHEME = 'package://'

DEMO_MODEL = 'package://fcos_ros/models/fcos_demo.onnx'
"""The model of `auto` on a machine that is not a board."""


def find_model(model: str, root: Path = Path('/')) -> Path:
    """
    Return the path of a model file.

    :param model: `auto` for the model of the board's image, or the demo network on any other
        machine; `package://NAME/PATH` below the share folder of a ROS package; an absolute path;
        or a path relative to the working folder or else to this package's share folder.
    :param root: root of the file system of the board.
    :raises ModelError: the file is not found; the message lists every path that was tried.
    """
    if not model:
        raise ModelError("model is ''; accepted: auto, a path or package://NAME/PATH")
    tried = []
    for path in _candidates(model, root):
        if path.is_file():
            return path
        tried.append(str(path))
    advice = '' if model.endswith('.onnx') else _advice(root)
    raise ModelError(f'model {model!r} was not found; tried: {", ".join(tried)}{advice}')


def find_shared_file(address: str) -> Path:
    """
    Return the path of `package://NAME/PATH`.

    :raises ModelError: the package is not found.
    """
    package, _, rest = address[len(SCHEME):].partition('/')
    return _share(package) / rest


def _candidates(model: str, root: Path) -> Iterator[Path]:
    if model == 'auto':
        board = this_board(root)
        if board is not None:
            yield from (root / place.lstrip('/') for place in board.models)
            return
        model = DEMO_MODEL
    path = Path(model).expanduser()
    if model.startswith(SCHEME):
        yield find_shared_file(model)
    elif path.is_absolute():
        yield path
    else:
        # The share folder comes last: a file in the working folder is found without ROS 2.
        yield Path.cwd() / path
        yield _share('fcos_ros') / path


def _advice(root: Path) -> str:
    """Return a hint where to get models for this board; empty on any other machine."""
    board = this_board(root)
    return f"; D-Robotics' rdk_model_zoo ({board.zoo}) offers them" if board else ''


def _share(package: str) -> Path:
    """Return the share folder of a ROS package; that of this package needs no ROS 2."""
    try:
        from ament_index_python.packages import get_package_share_directory
        return Path(get_package_share_directory(package))
    except (ImportError, LookupError, OSError) as error:
        own = _own_share() if package == 'fcos_ros' else None
        if own:
            return own
        raise ModelError(f'the ROS package {package!r} is not installed or not sourced: {error}; '
                         'source its setup.bash, or give the path of the model') from error


def _own_share() -> Path | None:
    """Return the checkout, or the share folder of a pip installation; None if there is none."""
    places = (PACKAGE_ROOT,
              *(parent / 'share' / 'fcos_ros' for parent in PACKAGE_ROOT.parents))
    return next((place for place in places if (place / 'package.xml').is_file()), None)
