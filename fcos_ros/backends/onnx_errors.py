# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Explain why onnxruntime refuses a file, with the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import re

from fcos_ros.backends.model_file import read_onnx_facts

FIRST_VERSIONS: Mapping[str, tuple[tuple[int, str], ...]] = {
    'IR version': ((9, '1.15'), (10, '1.18'), (11, '1.23'), (13, '1.24'), (14, '1.32')),
    'opset': ((19, '1.15'), (20, '1.17'), (21, '1.18'), (22, '1.21'), (23, '1.23'), (25, '1.24'),
              (26, '1.25'), (28, '1.32'))}
"""
The newest format (IR) and operators (opset) with the first version of onnxruntime that reads them.

Measured with a file of IR version 99 and one of opset 99, which each version refuses with the
number that it reads, from 1.15.1 to 1.32.0.
"""

INSTALL_COMMAND = ('python3 -m pip install --no-deps onnxruntime (on Ubuntu 24.04 with '
                   '--break-system-packages)')
"""Without dependencies: Humble needs numpy 1, and pip would install a numpy 2 that hides it."""

_TOO_NEW = {'IR version': 'max supported IR version', 'opset': r'guarantees\*? support'}
"""The words of onnxruntime's message if the IR version or the opset is too new."""

_REASONS: tuple[tuple[str, str], ...] = (
    (r'(?:External data path.*?"|GetFileLength for )([^"\n]*?)(?:"| failed)',
     'its weights are in another file, {0}, which is missing; copy that file, too, into the same '
     'folder and under the same name'),
    (r'(\S+?):(\S+?)\(-?\d+\) is not a registered function', 'it needs the operator {1} of '
     '{0}, which onnxruntime does not have; export the network for onnxruntime'),
    (r'Could not find an implementation for (\S+?)\(', 'onnxruntime has no implementation of '
     'the operator {0} for these types; export the network in float32'),
    (r'bad_alloc|[Ff]ailed to allocate memory', 'there is not enough memory for it; use a smaller '
     'model, or end other programs'),
)
"""Patterns of onnxruntime's messages, and the reasons with their remedies."""


def explain(path: Path, message: str, version: str) -> str:
    """
    Return why a file is refused, and the remedy.

    :param message: onnxruntime's.
    :param version: onnxruntime's.
    """
    facts = read_onnx_facts(path)
    if facts.truncated:
        return (f'{path} is truncated: {facts.truncated}; copy or download it again, and check '
                'that the disk is not full')
    for kind, value in (('IR version', facts.ir_version), ('opset', facts.opset)):
        if re.search(_TOO_NEW[kind], message):
            return (f'{path} has {kind} {value}, which onnxruntime {version} does not read; '
                    f'install onnxruntime {_version_for(kind, value)}: {INSTALL_COMMAND}; or '
                    'export the network with an older opset')
    for pattern, reason in _REASONS:
        found = re.search(pattern, message, re.DOTALL)
        if found:
            return f'{path} cannot be loaded: {reason.format(*found.groups())}'
    if not facts.ir_version or 'INVALID_PROTOBUF' in message or 'No graph' in message:
        return f'{path} cannot be read as ONNX: it is another kind of file, or damaged; {message}'
    return f'{path} cannot be read as ONNX: {message}'


def _version_for(kind: str, value: int) -> str:
    """Return the first version that reads a value, in words."""
    table = FIRST_VERSIONS[kind]
    known = next((version for newest, version in table if value <= newest), '')
    return f'{known} or newer' if known else f'newer than {table[-1][1]}'
