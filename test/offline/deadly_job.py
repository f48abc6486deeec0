# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs for tests of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import os
from pathlib import Path

from fcos_ros.offline.jobs import Advance, Detectors, JobReport


@dataclass(frozen=True)
class FileJob:
    """
    Write a file.

    :ivar deadly: whether the job kills its process, as a crash in native code does.
    """

    name: str
    output: Path
    deadly: bool = False
    frames: int = 1

    def inputs(self) -> Sequence[Path]:
        """Return no files."""
        return ()

    def run(self, detectors: Detectors, advance: Advance) -> JobReport:
        """Write the file, or end the process."""
        if self.deadly:
            os._exit(1)
        self.output.write_text(self.name)
        return JobReport((self.output,), {'length': len(self.name)})
