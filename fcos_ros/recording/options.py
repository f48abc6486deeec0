# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of the recorder, in its units."""

from __future__ import annotations

from dataclasses import dataclass

from fcos_ros.core.labels import Labels
from fcos_ros.recording.folder import MEGABYTE, RecordingFolder, find_folder
from fcos_ros.recording.triggers import Trigger, parse_triggers
from fcos_ros.settings.schema import ALWAYS, NEVER, Settings


@dataclass(frozen=True)
class RecorderOptions:
    """
    When, where and how much a recorder records.

    :ivar mode: the value of the parameter `recorder`.
    :ivar before: seconds before an event; `after` likewise.
    :ivar image_width: maximum width of images in pixels; 0 for none.
    :ivar image_rate: maximum images per second and camera; 0 for all.
    :ivar file_size: bytes after which the next file begins.
    """

    mode: str
    folder: RecordingFolder
    triggers: tuple[Trigger, ...]
    before: float
    after: float
    image_width: int
    image_rate: float
    file_size: int

    @classmethod
    def of(cls, settings: Settings, node: str, labels: Labels) -> RecorderOptions:
        """
        Convert settings.

        :param node: full name of the node, which becomes part of the names of files.
        :raises ValueError: a trigger or the folder is not accepted.
        """
        folder = RecordingFolder(
            find_folder(settings.recorder_folder), node.strip('/').replace('/', '_'),
            settings.recorder_max_files, settings.recorder_free_space * MEGABYTE)
        return cls(settings.recorder, folder, parse_triggers(settings.recorder_triggers, labels),
                   settings.recorder_before, settings.recorder_after,
                   settings.recorder_image_width, settings.recorder_image_rate,
                   settings.recorder_file_size * MEGABYTE)

    @property
    def is_on(self) -> bool:
        """Whether frames are wanted."""
        return self.mode != NEVER

    @property
    def is_continuous(self) -> bool:
        """Whether every frame is written."""
        return self.mode == ALWAYS
