# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a model's file is, from what the user wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fcos_ros.backends.base import ModelError
from fcos_ros.runtime.board import this_board

SCHEME = 'package://'

CHECKOUT = Path(__file__).resolve().parents[2]
"""Where this package was found: a checkout, or the folder that it is installed in."""

DEMO = 'package://fcos_ros/models/fcos_demo.onnx'
"""What `auto` means where there is no board."""


def find(model: str, root: Path = Path('/')) -> Path:
    """
    Find a model file.

    :param model: `auto` for the model that the board's image brings, or the network of the demo
        on any other machine; `package://NAME/PATH` below a ROS package's share folder; an absolute
        path; or a path relative to the working folder or else to this package's share folder.
    :param root: of the file system, to which the known places of a board belong.
    :raises ModelError: with every place that was tried.
    """
    if not model:
        raise ModelError('no model is named: give auto, a path or package://NAME/PATH')
    tried = []
    for path in _candidates(model, root):
        if path.is_file():
            return path
        tried.append(str(path))
    advice = '' if model.endswith('.onnx') else _advice(root)
    raise ModelError(f'model {model!r} was not found; tried: {", ".join(tried)}{advice}')


def _candidates(model: str, root: Path) -> Iterator[Path]:
    if model == 'auto':
        board = this_board(root)
        if board is not None:
            yield from (root / place.lstrip('/') for place in board.models)
            return
        model = DEMO
    path = Path(model).expanduser()
    if model.startswith(SCHEME):
        package, _, rest = model[len(SCHEME):].partition('/')
        yield _share(package) / rest
    elif path.is_absolute():
        yield path
    else:
        # The package is asked for only then: a file that is here needs no ROS 2.
        yield Path.cwd() / path
        yield _share('fcos_ros') / path


def _advice(root: Path) -> str:
    """Say where a board's models are to be had."""
    board = this_board(root)
    return f"; D-Robotics' rdk_model_zoo ({board.zoo}) offers them" if board else ''


def _share(package: str) -> Path:
    """Find the share folder of a ROS package; our own may also lie where our code is."""
    try:
        from ament_index_python.packages import get_package_share_directory
        return Path(get_package_share_directory(package))
    except (ImportError, LookupError, OSError) as error:
        ours = _own_share() if package == 'fcos_ros' else None
        if ours:
            return ours
        raise ModelError(f'the ROS package {package!r} is not installed or not sourced: {error}; '
                         'source its setup.bash, or give the path of the model') from error


def _own_share() -> Path | None:
    """Find the checkout, or the share folder of the prefix that pip installed us into."""
    places = (CHECKOUT, *(parent / 'share' / 'fcos_ros' for parent in CHECKOUT.parents))
    return next((place for place in places if (place / 'package.xml').is_file()), None)
