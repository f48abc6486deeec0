# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Find and check a parameter file before a node is started with it.

The node gets a copy of the file without its name, and ROS 2 ends it for the first mistake. Here a
mistake is reported with the user's file and the line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any

from fcos_ros.settings.parameter_yaml import Mistake, Value, read_sections
from fcos_ros.settings.schema import Option, Settings


@dataclass(frozen=True)
class FileParameters:
    """
    The part of a parameter file that is for one node.

    :ivar keys: all names of nodes in the file.
    :ivar matches: whether one of them is the node.
    :ivar values: the parameters of the node, by name.
    """

    keys: tuple[str, ...]
    matches: bool
    values: Mapping[str, Any]

    def notice(self, node: str, path: Path) -> str:
        """Return a notice if the file has no effect on the node; else ''."""
        if self.matches:
            return ''
        keys = ', '.join(dict.fromkeys(self.keys)) or 'missing'
        return f'nothing in {path} is for {node}: its keys are {keys}; accepted: /** or {node}'


def find_parameter_file(given: str, config: Path) -> Path:
    """
    Return the path of a parameter file.

    :param given: a path, or the name of a file in the folder `config`; `.yaml` may be left out. A
        file that exists relative to the working folder has priority.
    :raises ValueError: there is no such file.
    """
    for path in (path for name in (given, f'{given}.yaml') for path in _places(name, config)):
        if _holds(Path.is_file, path):
            return path
    folder, _ = _places(given, config)
    if _holds(Path.is_dir, folder):
        raise ValueError(f'params_file is {given!r}, a folder; accepted: a file; its YAML files: '
                         f'{_yaml_files(folder)}')
    raise ValueError(f'params_file is {given!r}, which is no file; accepted: a path, or a file in '
                     f'{config}: {_yaml_files(config)}')


def read_text(path: Path) -> str:
    """
    Read a parameter file.

    :raises ValueError: it cannot be read.
    """
    try:
        return path.read_text(encoding='utf-8-sig')
    except OSError as error:
        raise ValueError(f'{path} cannot be read: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not a text in UTF-8 (byte {error.start}); save it so') \
            from error


def parameters_for(node: str, text: str, path: Path) -> FileParameters:
    """
    Return the parameters for a node in the text of a parameter file.

    :param node: full name of the node, such as `/r1/fcos`.
    :param path: of the file, for errors.
    :raises ValueError: ROS 2 or the node would refuse the file; the message has file and line.
    """
    try:
        sections = read_sections(text)
        own = [section.values for section in sections if _matches(section.key, node)]
        merged = {name: value for values in own for name, value in values.items()}
        _check(merged)
    except Mistake as mistake:
        raise ValueError(f'{path}, line {mistake.line}: {mistake}') from None
    return FileParameters(tuple(section.key for section in sections), bool(own),
                          {name: value for name, (value, _) in merged.items()})


def model_beside(model: object, path: Path) -> Path | None:
    """Return the model beside a parameter file; None if the working folder has it, or neither."""
    beside = path.absolute().parent / str(model)
    is_needed = isinstance(model, str) and model and not _holds(Path.is_file, Path(model))
    return beside if is_needed and _holds(Path.is_file, beside) else None


def _places(name: str, config: Path) -> tuple[Path, Path]:
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # there is no such user
        path = Path(name)
    return path, config / name


def _yaml_files(folder: Path) -> str:
    return ', '.join(sorted(path.name for path in folder.glob('*.yaml'))) or 'none'


def _holds(condition: Callable[[Path], bool], path: Path) -> bool:
    try:
        return condition(path)
    except OSError:  # such as a name that is too long
        return False


def _matches(key: str, node: str) -> bool:
    """Return whether ROS 2 uses a key for a node: `*` is one name, `**` any number of names."""
    return bool(re.fullmatch(f'/{key.lstrip("/")}'.replace('/*', r'(/\w+)'), node))


def _check(values: Mapping[str, Value]) -> None:
    """Raise `Mistake` for a value that the node would refuse."""
    for name, (value, line) in values.items():
        option = _option(name)
        given = option.given(value) if option else None
        complaint = option.complaint(given) if option and given is not None else None
        if complaint:
            raise Mistake(line, f'{name} {complaint}')


def _option(name: str) -> Option | None:
    """Return the option of a parameter, also of one camera; None for others."""
    options = Settings.options()
    # qos_overrides./image.subscription.reliability has more dots.
    of_camera = options.get(name.partition('.')[2])
    return options.get(name) or (of_camera if of_camera and of_camera.camera else None)
