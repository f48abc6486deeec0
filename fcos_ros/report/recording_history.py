# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the history of a node from the recordings of its flight recorder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fcos_ros.recording.reader import Recording, find_recordings
from fcos_ros.recording.values import RecordedFrame, RecordingError, Session
from fcos_ros.report.history import FrameRecord, NodeHistory, worst_frames


def recording_history(
    paths: Sequence[Path], pictures: int, advance: Callable[[int], object],
) -> NodeHistory:
    """
    Return the history in some files, in the given order.

    :param pictures: maximum number of worst frames; those with pictures come first.
    :param advance: called with the number of frames that were read.
    :raises RecordingError: a file is no recording.
    """
    frames: list[FrameRecord] = []
    pictured: list[FrameRecord] = []
    settings: dict[str, dict[str, Any]] = {}
    remarks: list[str] = []
    session: Session | None = None
    for path in paths:
        recording = Recording(path)
        for recorded in recording.frames():
            frame = _record(recorded)
            frames.append(frame)
            if recorded.image:
                pictured.append(frame)
            session = recorded.session
            settings[recorded.camera or session.node] = asdict(recorded.settings)
            advance(1)
        remarks += [event.text for event in recording.events]
        remarks += [recording.problem] if recording.problem else []
    worst = worst_frames(pictured or frames, pictures)
    return NodeHistory(
        ', '.join(map(str, paths)), tuple(frames), facts=_facts(session) if session else {},
        settings=settings, remarks=tuple(remarks),
        worst=list(_with_images(paths, worst)) if pictured else worst)


def _record(frame: RecordedFrame) -> FrameRecord:
    """Return a frame without its picture: all pictures together may need too much memory."""
    found, labels = frame.detections, frame.session.model.labels
    names = () if found is None else tuple(map(labels.name, found.class_ids.tolist()))
    return FrameRecord(frame.camera, frame.arrived / 1e9, frame.stamp, frame.fate, frame.error,
                       frame.reason, frame.times, found, names, frame.size)


def _with_images(
    paths: Sequence[Path], worst: Sequence[tuple[str, FrameRecord]],
) -> Iterator[tuple[str, FrameRecord]]:
    """Yield frames with their pictures, which a second reading finds."""
    wanted = {_key(frame) for _, frame in worst}
    images = {_key(_record(recorded)): recorded.image for path in paths
              for recorded in Recording(path).frames()
              if recorded.image and _key(_record(recorded)) in wanted}
    for reason, frame in worst:
        yield reason, replace(frame, image=images.get(_key(frame), b''))


def _key(frame: FrameRecord) -> tuple[str, int, float]:
    return frame.camera, frame.stamp, frame.time


def _facts(session: Session) -> dict[str, str]:
    model = session.model
    return {'node': session.node, 'model': model.name, 'file': model.file,
            'backend': model.backend, 'input': f'{model.canvas}, {model.fit}',
            'board': session.board,
            **{f'version of {name}': version for name, version in session.versions.items()}}


def is_recording(path: Path) -> bool:
    """Return whether a file, or the first file of a folder, is a recording."""
    try:
        recording = Recording(find_recordings([path])[0])
        # A bag with an index has no frames; any other file is read up to the first one.
        return recording.count != 0 and next(recording.frames(), None) is not None
    except RecordingError:
        return False
