# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The results of frames as lines of JSON, one for each frame.

A frame that failed has an error and no detections. All other outputs are made of these lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import numpy as np

from fcos_ros.core.detections import Detections
from fcos_ros.core.labels import Labels
from fcos_ros.offline.frames import SourceFrame


@dataclass(frozen=True)
class FrameLine:
    """
    The result of one frame, of JSON values.

    :ivar values: `frame` (its name), `stamp` in nanoseconds, and either `error` or `width`,
        `height` and `detections`.
    """

    values: dict[str, Any]

    @classmethod
    def of(cls, frame: SourceFrame, found: Detections, labels: Labels,
           size: tuple[int, int]) -> FrameLine:
        """Describe the detections of a frame."""
        return cls({'frame': frame.name, 'stamp': frame.stamp, 'width': size[0],
                    'height': size[1], 'detections': list(_detections(found, labels))})

    @classmethod
    def failed(cls, frame: SourceFrame, error: Exception) -> FrameLine:
        """Describe a frame that failed."""
        return cls({'frame': frame.name, 'stamp': frame.stamp,
                    'error': str(error) or type(error).__name__})

    @classmethod
    def parse(cls, line: str) -> FrameLine:
        """Read a line."""
        return cls(json.loads(line))

    @property
    def name(self) -> str:
        """The name of the frame."""
        return str(self.values['frame'])

    @property
    def error(self) -> str:
        """Why the frame failed; empty if it did not."""
        return str(self.values.get('error', ''))

    @property
    def detections(self) -> list[dict[str, Any]]:
        """The detections, best score first; none of a failed frame."""
        return list(self.values.get('detections', ()))

    def text(self) -> str:
        """Return the line."""
        return json.dumps(self.values, ensure_ascii=False, separators=(',', ':')) + '\n'


def read_lines(path: Path) -> Iterator[FrameLine]:
    """Read a file of lines, one at a time."""
    with path.open(encoding='utf-8') as file:
        for line in file:
            yield FrameLine.parse(line)


def _detections(found: Detections, labels: Labels) -> Iterator[dict[str, Any]]:
    tracks = found.track_ids
    for index in range(len(found)):
        class_id = int(found.class_ids[index])
        values = {'class_id': class_id, 'class': labels.name(class_id),
                  'score': _short(found.scores[index]),
                  'box': [_short(value) for value in found.boxes[index]]}
        yield values if tracks is None else {**values, 'track': int(tracks[index])}


def _short(value: np.float32) -> float:
    """Return the shortest number that becomes the same float32."""
    return float(str(value))
