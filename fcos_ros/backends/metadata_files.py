# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read and write the metadata of a model: inside the file, and in a YAML file beside it.

`model.bin.yaml` is for `model.bin` only; `model.yaml` is for all files of that name, whatever
their suffix. Both may end in `.yml` instead. The first of them that exists is read, and has
priority over the metadata inside the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
import json
import math
from pathlib import Path

import yaml

from fcos_ros.backends.atomic import replace_file
from fcos_ros.backends.errors import ModelError
from fcos_ros.backends.metadata import (
    MAX_LENGTH,
    Metadata,
    read_text,
    split_onnx_entries,
)
from fcos_ros.backends.model_file import read_compiled_facts, read_onnx_facts
from fcos_ros.backends.onnx_package import require_onnx

ONNX_SUFFIX = '.onnx'


def read_metadata(model: Path) -> Metadata:
    """
    Read the metadata inside and beside a model; the latter has priority.

    :raises ModelError: a file cannot be read, or a key or a value is not accepted.
    """
    inside, ignored = entries_inside(model)
    return combine(model, inside, entries_beside(model), ignored)


def combine(
    model: Path, inside: Mapping[str, object], beside: Mapping[str, object],
    ignored: tuple[str, ...] = (),
) -> Metadata:
    """
    Return the metadata that entries inside and beside a model state.

    :param ignored: keys inside the model that are not ours.
    :raises ModelError: a key or a value is not accepted.
    """
    own = Metadata.parse(inside, str(model), model.parent)
    place = find_beside(model) or model.with_suffix('.yaml')
    other = Metadata.parse(beside, str(place), model.parent)
    return replace(own.overridden(other), ignored=ignored)


def entries_inside(model: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """
    Read the entries inside a model; a compiled one only states the range of its NV12 input.

    :returns: our entries, and the keys of other programs.
    """
    if model.suffix.lower() != ONNX_SUFFIX:
        return read_compiled_facts(model).metadata, ()
    return split_onnx_entries(read_onnx_facts(model).metadata)


def entries_beside(model: Path) -> dict[str, object]:
    """
    Read the entries beside a model; none if there is no such file.

    :raises ModelError: the file cannot be read.
    """
    path = find_beside(model)
    if path is None:
        return {}
    advice = 'accepted: YAML, such as the line "box_unit: stride"'
    try:
        if not path.is_file() or path.stat().st_size > MAX_LENGTH:
            raise ModelError(f'{path} is no text file of up to {MAX_LENGTH} bytes')
        entries = read_text(path.read_text(encoding='utf-8-sig'))
    except OSError as error:
        raise ModelError(f'{path} cannot be read: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise ModelError(f'{path} is not in UTF-8; save it in that encoding') from error
    except ModelError:
        raise
    except ValueError as error:
        raise ModelError(f'{path} cannot be read: {error}; {advice}') from error
    if not isinstance(entries, Mapping):
        raise ModelError(f'{path} holds no keys; {advice}')
    return dict(entries)


def find_beside(model: Path) -> Path | None:
    """Return the path of the file beside a model; None if there is none."""
    return next((path for path in _places(model) if path.exists()), None)


def write_beside(model: Path, metadata: Metadata) -> Path:
    """
    Write metadata beside a model, instead of all that stands there.

    :returns: the path of the file: the present one, or a new one for the name without suffix.
    :raises ModelError: the file cannot be written; a present one is as before.
    """
    path = find_beside(model) or model.with_suffix('.yaml')
    _replace(path, to_yaml(metadata).encode('utf-8'))
    return path


def to_yaml(metadata: Metadata) -> str:
    """Return metadata as the text of a file beside a model, one line for each key."""
    return ''.join(_yaml_line(key, value) for key, value in metadata.entries().items())


def write_inside(model: Path, metadata: Metadata) -> Path:
    """
    Write metadata into an ONNX file, instead of our entries there.

    Entries of other programs stay; see `split_onnx_entries`.

    :returns: the path of the file.
    :raises OnnxMissingError: the package onnx is not installed.
    :raises ModelError: the file cannot be read or written; it is as before.
    """
    onnx = require_onnx()
    try:
        network = onnx.load(str(model), load_external_data=False)
    except Exception as error:
        raise ModelError(f'{model} cannot be read by the package onnx: {error}') from error
    present = {entry.key: entry.value for entry in network.metadata_props}
    own, _ = split_onnx_entries(present)
    kept = {key: value for key, value in present.items() if key not in own}
    stated = {key: value if isinstance(value, str) else json.dumps(value)
              for key, value in metadata.entries().items()}
    onnx.helper.set_model_props(network, {**kept, **stated})
    _replace(model, network.SerializeToString())
    return model


def _yaml_line(key: str, value: object) -> str:
    # A flow style of None writes lists and maps in one line.
    style = None if isinstance(value, (list, dict)) else False
    return str(yaml.safe_dump({key: value}, allow_unicode=True, default_flow_style=style,
                              width=math.inf))


def _places(model: Path) -> tuple[Path, ...]:
    return tuple(model.with_name(name + suffix) for name in (model.name, model.stem)
                 for suffix in ('.yaml', '.yml'))


def _replace(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content)
    except OSError as error:
        raise ModelError(f'{path} cannot be written: {error.strerror}') from error
