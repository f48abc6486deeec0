# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write metadata into or beside a model, after a check with the model itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fcos_ros.backends import EngineMissingError, ModelError
from fcos_ros.backends.metadata import KEYS, Metadata
from fcos_ros.backends.metadata_files import (
    ONNX_SUFFIX,
    combine,
    entries_beside,
    entries_inside,
    find_beside,
    write_beside,
    write_inside,
)
from fcos_ros.backends.onnx_package import OnnxMissingError

Check = Callable[[Metadata], str]
"""Load the model with metadata, and return why it cannot be used; empty if it can."""


def write_metadata(path: Path, changes: Sequence[str], beside: bool, check: Check) -> list[str]:
    """
    Change the metadata of a model.

    It is written into an ONNX file, unless there is a file beside it; for other models, beside.

    :param changes: KEY=VALUE for each key; an empty value removes the key.
    :param beside: whether to write beside the model in any case.
    :returns: what was done, one sentence each.
    :raises ModelError: a change is not accepted, or the model cannot be used with it; then nothing
        is written.
    """
    wanted = dict(map(_split, changes))
    beside = beside or path.suffix.lower() != ONNX_SUFFIX or find_beside(path) is not None
    inside, around = entries_inside(path)[0], entries_beside(path)
    try:
        return _change(path, wanted, inside, around, beside, check)
    except OnnxMissingError as error:
        done = _change(path, wanted, inside, around, True, check)
        return [f'the metadata stands beside the model: {error}', *done]


def _change(
    path: Path, wanted: Mapping[str, str], inside: Mapping[str, object],
    around: Mapping[str, object], beside: bool, check: Check,
) -> list[str]:
    here, elsewhere = (around, inside) if beside else (inside, around)
    _require_removable(path, [key for key, value in wanted.items() if not value], here, elsewhere)
    changed = _merged(here, wanted)
    everything = combine(path, inside, changed) if beside else combine(path, changed, around)
    notes = _checked(path, everything, check)
    own = Metadata.parse(changed, str(path), path.parent)
    place = (write_beside if beside else write_inside)(path, own)
    return [*notes, f'wrote {place}: {", ".join(own.sources) or "no keys"}']


def _checked(path: Path, metadata: Metadata, check: Check) -> list[str]:
    """
    Check metadata with the model, if its engine is on this machine.

    :returns: notes for the user.
    :raises ModelError: the model cannot be used with the metadata.
    """
    try:
        problem = check(metadata)
    except EngineMissingError:
        return [f'the metadata was not compared with {path}, as its engine is not on this machine']
    if problem:
        raise ModelError(f'nothing was written: {problem}')
    return []


def _require_removable(
    path: Path, keys: Sequence[str], here: Mapping[str, object], elsewhere: Mapping[str, object],
) -> None:
    """
    Check that keys to remove stand in the file that is changed.

    :raises ModelError: a key stands inside a model that is not changed, or nowhere.
    """
    for key in keys:
        if key in elsewhere and key not in here:
            raise ModelError(f'{key} cannot be removed: it stands inside {path}, which is not '
                             'changed; state another value')
        if key not in here:
            raise ModelError(f'{key} cannot be removed: it is not stated; stated: '
                             f'{", ".join(here) or "nothing"}')


def _merged(entries: Mapping[str, object], wanted: Mapping[str, str]) -> dict[str, object]:
    return {key: value for key, value in {**entries, **wanted}.items()
            if key not in wanted or wanted[key]}


def _split(change: str) -> tuple[str, str]:
    key, equals, value = change.partition('=')
    if not equals or not key:
        raise ModelError(f'{change!r} is no change of the metadata; accepted: KEY=VALUE, such as '
                         f'box_unit=stride, with one of the keys {", ".join(KEYS)}; an empty '
                         'value removes the key')
    return key.strip(), value.strip()
