# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Write the generated parts of the documentation: `make docs`.

A generated part of a document stands between `<!-- generated: NAME -->` and `<!-- end -->`.
`config/fcos.yaml` and `docs/architecture.svg` are generated as a whole. `--check` writes nothing
and fails when a part is out of date.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
import re
import sys
import textwrap

from fcos_ros.backends.metadata import KEYS
from fcos_ros.core.encodings import ALIASES, ENCODINGS
from fcos_ros.node.input.stamps import REMEDIES
from fcos_ros.runtime.boards import BOARDS
from fcos_ros.settings.schema import Option, Settings
from fcos_ros.settings.web_options import PARAMETERS as WEB_PARAMETERS
from tools.picture import architecture
from tools.rooms import ROOMS

ROOT = Path(__file__).resolve().parent.parent

COMMAND = 'make docs'


def main(arguments: Sequence[str] | None = None) -> int:
    """Write all generated parts; with `--check`, return 1 when one is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--check', action='store_true', help='write nothing')
    options = parser.parse_args(arguments)
    stale = [path for path, text in generate() if _read(path) != text]
    if options.check:
        for path in stale:
            print(f'{path.relative_to(ROOT)} is out of date: run `{COMMAND}`', file=sys.stderr)
        return 1 if stale else 0
    for path, text in generate():
        path.write_text(text, encoding='utf-8')
    return 0


def generate() -> Iterator[tuple[Path, str]]:
    """Yield path and new text of each file with a generated part."""
    yield ROOT / 'config' / 'fcos.yaml', parameter_file()
    yield ROOT / 'docs' / 'architecture.svg', architecture()
    for path in sorted((ROOT / 'docs').glob('*.md')):
        yield path, _PART.sub(_filled, _read(path))


def parameter_table() -> str:
    """Return all settings as a Markdown table."""
    rows = [(f'`{name}`', f'`{option.yaml_default}`', _accepted(option), _changes(option),
             option.description) for name, option in Settings.options().items()]
    return _table(('parameter', 'default', 'accepted', 'changes', 'meaning'), rows)


def parameter_file() -> str:
    """Return a parameter file with the default of each setting."""
    parts = [_HEADER]
    for name, option in Settings.options().items():
        lines = _comment(option.description)
        if option.accepted:
            lines += _comment(f'Accepted: {option.accepted}.')
        parts.append('\n'.join([*lines, f'    {name}: {option.yaml_default}']))
    return '\n\n'.join([*parts, _FOOTER]) + '\n'


def room_table() -> str:
    """Return the rooms of the package as a Markdown table."""
    rows = [(f'`{name}/`', room.task,
             ', '.join(f'`{other}`' for other in ROOMS if other in room.may_use) or 'none')
            for name, room in ROOMS.items()]
    return _table(('room', 'task', 'may import'), rows)


def encoding_table() -> str:
    """Return the encodings of images as a Markdown table."""
    rows = [(f'`{name}`', ', '.join(f'`{other}`' for other, alias in ALIASES.items()
                                    if alias.encoding == name)) for name in ENCODINGS]
    return _table(('encoding', 'other names; those with 16 in them have 16 bits'), rows)


def board_table() -> str:
    """Return the known boards as a Markdown table."""
    rows = [(board.name, ', '.join(f'`{mark}`' for mark in board.marks), board.march,
             str(board.cores), str(board.workers)) for board in BOARDS]
    return _table(('board', 'recognised by', 'BPU', 'cores', 'workers'), rows)


def stamp_table() -> str:
    """Return the problems with stamps as a Markdown table."""
    rows = [(kind, remedy) for kind, remedy in REMEDIES.items()]
    return _table(('in the diagnostics', 'cause and remedy'), rows)


def metadata_table() -> str:
    """Return the keys of the metadata of models as a Markdown table."""
    rows = [(f'`{name}`', key.accepted, key.default, key.meaning) for name, key in KEYS.items()]
    return _table(('key', 'value', 'default', 'meaning'), rows)


def web_table() -> str:
    """Return the parameters of the page's server as a Markdown table."""
    rows = [(f'`{name}`', f'`{option.yaml_default}`', _accepted(option), option.description)
            for name, option in WEB_PARAMETERS.items()]
    return _table(('parameter', 'default', 'accepted', 'meaning'), rows)


_PARTS: Mapping[str, Callable[[], str]] = {
    'parameters': parameter_table, 'rooms': room_table, 'encodings': encoding_table,
    'web': web_table, 'stamps': stamp_table, 'boards': board_table, 'metadata': metadata_table,
}
"""The generated parts of documents by their names."""

_PART = re.compile(r'(<!-- generated: (\w+) -->\n).*?(<!-- end -->)', re.DOTALL)

_HEADER = """\
# Parameters of the detector with their defaults. `ros2 param describe /fcos NAME` shows the same.
# Copy this file, change what you need, and launch with params_file:=/path/to/your.yaml
# This file is generated from fcos_ros/settings/schema.py by `make docs`.

/**:
  ros__parameters:"""

_FOOTER = """\
    # Two cameras. One has a larger share and reports one class only:
    # cameras: [front, rear]
    # front:
    #   weight: 2.0
    #   classes: [person]"""


def _filled(part: re.Match[str]) -> str:
    return f'{part[1]}{_PARTS[part[2]]()}\n{part[3]}'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f'| {" | ".join(row)} |' for row in (head, *rows)]
    return '\n'.join([lines[0], '|' + '---|' * len(head), *lines[1:]])


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 99, initial_indent='    # ', subsequent_indent='    # ',
                         break_long_words=False, break_on_hyphens=False)


def _accepted(option: Option) -> str:
    if option.limits is not None:
        return f'{option.limits[0]} to {option.limits[1]}'
    return ', '.join(f'`{choice}`' for choice in option.choices)


def _changes(option: Option) -> str:
    words = {'live': option.live, 'camera': option.camera, 'at start': option.read_only}
    return ', '.join(word for word, holds in words.items() if holds)


def _read(path: Path) -> str:
    return path.read_text(encoding='utf-8') if path.exists() else ''


if __name__ == '__main__':
    sys.exit(main())
