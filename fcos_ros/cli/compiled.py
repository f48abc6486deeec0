# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a compiled model by its file alone: no board, and no engine that runs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fcos_ros.backends import ModelError
from fcos_ros.backends.bin_file import read_bin_file
from fcos_ros.backends.bpu_tools import find_tool
from fcos_ros.backends.model_file import BOARDS_BY_MARCH
from fcos_ros.deploy.compiler_report import MEASURE, read_estimate

SUFFIX = '.bin'


@dataclass(frozen=True)
class CompiledInfo:
    """
    The facts of a compiled model.

    :ivar march: the BPU, as the compiler names it; likewise `board`, as users do.
    :ivar compiler: its version.
    :ivar cpu_nodes: operators that run on the CPU of the board.
    :ivar estimate: the compiler's estimate, in words; empty without the vendor's toolchain.
    """

    march: str
    board: str
    compiler: str
    cpu_nodes: tuple[str, ...]
    estimate: str

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield name and value of each fact."""
        yield 'compiled', f'for {self.board or self.march} ({self.march}) by {self.compiler}'
        if self.cpu_nodes:
            yield 'on the CPU', ', '.join(self.cpu_nodes)
        if self.estimate:
            yield 'estimate', self.estimate


def read_compiled_info(path: Path) -> CompiledInfo | None:
    """Return the facts of a compiled model; None if the file is of another form."""
    if path.suffix.lower() != SUFFIX:
        return None
    try:
        file = read_bin_file(path)
    except ModelError:
        return None
    compiler = f'hb_mapper {file.properties.get("BUILDER_VERSION", "")}'.strip()
    return CompiledInfo(file.march, BOARDS_BY_MARCH.get(file.march, ''), compiler, file.cpu_nodes,
                        _estimate(path))


def _estimate(path: Path) -> str:
    if find_tool(MEASURE) is None:
        return ''
    try:
        return str(read_estimate(path))
    except ModelError as error:
        return f'none: {error}'
