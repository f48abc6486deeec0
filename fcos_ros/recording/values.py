# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The content of a recording, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fcos_ros.backends import ModelInfo
from fcos_ros.core.candidates import Candidates
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Window
from fcos_ros.core.labels import Labels
from fcos_ros.core.resize import Size
from fcos_ros.settings.schema import Settings

INFO, WARNING = 'info', 'warning'

SUFFIX = '.mcap'
"""Of the name of a recording."""


class RecordingError(ValueError):
    """A recording cannot be read or written; the message names the remedy."""


@dataclass(frozen=True)
class RecordedModel:
    """
    The properties of a model that decoding needs again, and those that identify it.

    :ivar name: see `ModelInfo`; likewise `backend`, `labels` and `criteria`.
    :ivar file: the name of its file, without folders.
    :ivar canvas: size of its input.
    :ivar fit: how an image is laid on its input: `letterbox` or `stretch`.
    :ivar num_classes: number of classes; there may be fewer labels.
    """

    name: str
    backend: str
    file: str
    canvas: Size
    fit: str
    num_classes: int
    labels: Labels
    criteria: Criteria

    @classmethod
    def of(cls, model: ModelInfo, fit: str) -> RecordedModel:
        """Describe a loaded model."""
        return cls(model.name, model.backend, model.path.name, model.input.size, fit,
                   model.num_classes, model.labels, model.criteria)


@dataclass(frozen=True)
class Session:
    """
    The program that makes a recording.

    :ivar started: when the model was loaded, in nanoseconds of UTC.
    :ivar node: full name of the node, or the command.
    :ivar versions: of this package and its libraries, by name.
    :ivar board: the name of the board; empty on other machines.
    """

    started: int
    node: str
    model: RecordedModel
    versions: Mapping[str, str] = field(default_factory=dict)
    board: str = ''


@dataclass(frozen=True, eq=False)
class RecordedFrame:
    """
    One frame: its fate, and what is needed to decode it again.

    :ivar session: the program and the model.
    :ivar settings: those of its camera when its fate was decided.
    :ivar camera: the name of its camera; '' for the only one.
    :ivar stamp: of its header, in nanoseconds; `frame_id` likewise.
    :ivar arrived: when it arrived, in nanoseconds of UTC.
    :ivar fate: one of `runtime.statistics.FATES`.
    :ivar error: kind of the failure, as it is counted; '' for other fates.
    :ivar reason: text of the failure.
    :ivar size: None if the frame was dropped before its image was read.
    :ivar times: seconds by stage, as far as they are known: wait, preprocess, infer, decode,
        publish, total and age.
    :ivar detections: as they were published, in pixels of the image; None if they were not.
    :ivar candidates: of the whole image, on the canvas of the model; None if no worker has
        finished the frame.
    :ivar tile_candidates: of each tile that contributed, with its place in the image.
    :ivar decoded_before: whether it was decoded with the settings before these; `candidates` may
        then give other detections than those that were published.
    :ivar image: a small JPEG file; empty if none was recorded.
    """

    session: Session
    settings: Settings
    camera: str
    stamp: int
    frame_id: str
    arrived: int
    fate: str
    error: str = ''
    reason: str = ''
    size: Size | None = None
    times: Mapping[str, float] = field(default_factory=dict)
    detections: Detections | None = None
    candidates: Candidates | None = None
    tile_candidates: tuple[tuple[Window, Candidates], ...] = ()
    decoded_before: bool = False
    image: bytes = b''


@dataclass(frozen=True)
class RecordedEvent:
    """
    A remark in a recording, such as the reason why it was made.

    :ivar time: in nanoseconds of UTC.
    :ivar level: `INFO` or `WARNING`.
    """

    time: int
    level: str
    text: str
