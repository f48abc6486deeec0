# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The counts of the frames of a job, for its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MAX_LISTED = 20
"""Failed frames that a summary lists."""


@dataclass
class FrameTally:
    """
    Counts the frames of a job by fate, and their detections by class.

    :ivar errors: the first `MAX_LISTED` failed frames, each with its reason.
    """

    frames: int = 0
    failed: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def add(self, class_names: Iterable[str] = ()) -> None:
        """Count a frame with the classes of its detections."""
        self.frames += 1
        self.classes.update(class_names)

    def add_failed(self, name: str, error: object) -> None:
        """Count a frame that failed."""
        self.frames += 1
        self.failed += 1
        if len(self.errors) < MAX_LISTED:
            self.errors.append(f'{name}: {error}')

    def summary(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {'frames': self.frames, 'failed': self.failed, 'detections': self.classes.total(),
                'classes': dict(self.classes), 'errors': self.errors}
