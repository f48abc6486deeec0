# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read the facts that a model file holds about itself, without an inference engine.

Engines name few causes when they refuse a file, and some crash. A file that cannot be a model is
therefore refused here first, with the cause.

Both kinds of files are messages of protobuf. The fields of ONNX are those of `onnx.proto`. Files
for the BPU of RDK X3 and X5 were compiled with hb_mapper 1.24.3 and examined: the fields used here
have the same numbers for both boards. Other files, such as `.hbm`, have no such facts, and nothing
is concluded from that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path

from fcos_ros.backends.errors import ModelError
from fcos_ros.backends.protobuf import Truncated, Value, content_of, fields

BOARDS_BY_MARCH: Mapping[str, str] = {
    'bernoulli2': 'RDK X3', 'bayes': 'RDK Ultra', 'bayes-e': 'RDK X5', 'nash-e': 'RDK S100',
    'nash-m': 'RDK S100P', 'nash-p': 'RDK S600'}
"""The boards by the march of their BPU, as the compiler calls its architecture."""

NV12_RANGE_BY_SPACE: Mapping[str, str] = {'regular': 'full', 'bt601_video': 'limited'}
"""The range of NV12 by the compiler's key `input_space_and_range`."""

_OTHER_FILES: tuple[tuple[tuple[bytes, ...], str], ...] = (
    ((b'version https://git-lfs',), 'a Git LFS pointer, which stands for the model in a '
     'repository; fetch the model: git lfs pull'),
    ((b'<!doctype html', b'<html', b'<head', b'<?xml'), 'a web page, not a model; open the '
     'address in a browser and use the link of the file itself (on GitHub: "raw")'),
    ((b'{', b'['), 'a text in JSON, as servers send when they refuse a download; look into it, '
     'and download the model again'),
    ((b'pk\x03\x04',), 'a zip archive or a checkpoint of PyTorch; unpack the archive, or export '
     'the network to ONNX'),
    ((b'\x1f\x8b', b'7z\xbc\xaf', b'\xfd7zxz', b'bzh', b'rar!', b'\x28\xb5\x2f\xfd'),
     'a packed archive; unpack it'),
    ((b'\x80\x02', b'\x80\x03', b'\x80\x04'), 'pickled Python objects, such as a checkpoint of '
     'PyTorch; export the network to ONNX'),
)
"""First bytes of files that are saved as a model by mistake, in small letters, and the remedy."""

_LONGEST_START = 64
"""Bytes at the start of a file that are compared."""


@dataclass(frozen=True)
class OnnxFacts:
    """
    The head of an ONNX file.

    :ivar ir_version: version of the format; 0 if it is not stated. Likewise `opset`, of the
        standard operators.
    :ivar metadata: texts by their key.
    :ivar truncated: how many bytes are missing, in words; empty if the file is complete.
    """

    ir_version: int = 0
    opset: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    truncated: str = ''


@dataclass(frozen=True)
class CompiledFacts:
    """
    Facts that a compiled model holds; empty for a file of an unknown format.

    :ivar march: the BPU that it is compiled for.
    :ivar names: the names of its inputs and outputs.
    :ivar options: the options of the compiler, by the names that it stores.
    :ivar truncated: how many bytes are missing, in words; empty if the file is complete.
    """

    march: str = ''
    names: tuple[bytes, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    truncated: str = ''

    @property
    def metadata(self) -> dict[str, str]:
        """The facts as metadata; see `metadata.KEYS`."""
        space = self.options.get('INPUT_SPACE_AND_RANGE', '').rstrip(';')
        nv12_range = NV12_RANGE_BY_SPACE.get(space)
        return {'nv12_range': nv12_range} if nv12_range else {}


def require_model_file(path: Path) -> None:
    """
    Check that a path is a readable file that may be a model.

    :raises ModelError: it is something else. The message names it and the remedy.
    """
    try:
        if path.is_dir():
            raise ModelError(f'{path} is a folder; give the path of a model file')
        if not path.is_file():
            raise ModelError(f'{path} is not a file; give the path of a model file')
        with path.open('rb') as file:
            start = file.read(_LONGEST_START)
    except OSError as error:
        raise ModelError(f'{path} cannot be read: {error.strerror}; give another path, or the '
                         f'user of this program the right to read it') from error
    if not start:
        raise ModelError(f'{path} is empty; copy or download the model again')
    text = start.removeprefix(b'\xef\xbb\xbf').lstrip().lower()
    for beginnings, found in _OTHER_FILES:
        if text.startswith(beginnings):
            raise ModelError(f'{path} is {found}')


def read_onnx_facts(path: Path) -> OnnxFacts:
    """Read the head of an ONNX file; what it does not have is 0 or empty."""
    top, truncated = _top_fields(path)
    ir_version, opset = 0, 0
    metadata: dict[str, str] = {}
    with suppress(TypeError, ValueError):
        for number, value in top:
            if number == 1 and isinstance(value, int):
                ir_version = value
            elif number == 8:  # a set of operators
                operators = dict(fields(value))
                version = operators.get(2)
                if not operators.get(1) and isinstance(version, int):  # the standard domain
                    opset = version
            elif number == 14:  # an entry of the metadata
                metadata.update([_text_entry(value)])
    return OnnxFacts(ir_version, opset, metadata, truncated)


def read_compiled_facts(path: Path) -> CompiledFacts:
    """Read the facts of a compiled model."""
    top, truncated = _top_fields(path)
    names: list[bytes] = []
    options: dict[str, str] = {}
    try:
        for number, value in top:
            if number == 5:  # the network
                names += _tensor_names(value)
            elif number == 6:  # a map of texts
                options.update(_texts(value))
    except (TypeError, ValueError):
        return CompiledFacts()
    return CompiledFacts(options.get('MARCH', ''), tuple(names), options, truncated)


def _top_fields(path: Path) -> tuple[list[tuple[int, Value]], str]:
    """
    Return the fields of a file, none if it does not begin with a version number.

    :returns: the fields, and how many bytes are missing, in words.
    """
    try:
        with path.open('rb') as file:
            content = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
    except (OSError, ValueError):  # removed meanwhile, or empty
        return [], ''
    found: list[tuple[int, Value]] = []
    try:
        for number, value in fields(content):
            if not found and (number != 1 or not isinstance(value, int)):
                break
            found.append((number, value))
    except Truncated as error:
        return (found, str(error)) if found else ([], '')
    except ValueError:
        return [], ''
    return found, ''


_NONE = memoryview(b'')


def _tensor_names(network: Value) -> Iterator[bytes]:
    """Yield the names (1) of the inputs (4) and outputs (5)."""
    for number, part in fields(network):
        if number in (4, 5):
            yield content_of(dict(fields(part)).get(1, _NONE))


def _texts(texts: Value) -> Iterator[tuple[str, str]]:
    """Yield key and value of each entry (1) of a map."""
    for number, part in fields(texts):
        if number == 1:
            yield _text_entry(part)


def _text_entry(entry: Value) -> tuple[str, str]:
    """Return the fields 1 and 2 of a message as key and value."""
    found = dict(fields(entry))
    key, value = (content_of(found.get(number, _NONE)) for number in (1, 2))
    return key.decode(errors='replace'), value.decode(errors='replace')
