# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The events that start a recording, as texts in the parameter `recorder_triggers`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.labels import Labels
from fcos_ros.core.text import MAX_QUOTE, shorten
from fcos_ros.recording.decode_again import decode_again
from fcos_ros.recording.values import RecordedFrame
from fcos_ros.settings.criteria import to_criteria
from fcos_ros.settings.schema import Settings

LEVELS = {'warn': 1, 'error': 2}
"""Levels of diagnostics by name, as `diagnostic_msgs/DiagnosticStatus` numbers them."""

_NAMES = {level: name for name, level in LEVELS.items()}

ACCEPTED = ('class: NAME, score: LOW HIGH with scores from 0 to 1, or diagnostics: '
            f'{" or ".join(LEVELS)}')


@dataclass(frozen=True)
class ClassTrigger:
    """One of these classes is published."""

    class_ids: tuple[int, ...]

    @classmethod
    def parse(cls, text: str, labels: Labels) -> ClassTrigger:
        """Read a name or an index; raise ValueError if the model has no such class."""
        return cls(labels.ids([text]))


@dataclass(frozen=True)
class ScoreTrigger:
    """After NMS, a score is between two values, also if it is below the threshold."""

    low: float
    high: float

    @classmethod
    def parse(cls, text: str, labels: Labels) -> ScoreTrigger:
        """Read two scores; raise ValueError if they are none."""
        low, high = map(float, text.split())
        if not 0 <= low <= high <= 1:
            raise ValueError
        return cls(low, high)


@dataclass(frozen=True)
class LevelTrigger:
    """The diagnostics of the node become at least as bad as a level."""

    level: int

    @classmethod
    def parse(cls, text: str, labels: Labels) -> LevelTrigger:
        """Read the name of a level; raise ValueError if it is none."""
        if text not in LEVELS:
            raise ValueError
        return cls(LEVELS[text])


Trigger = ClassTrigger | ScoreTrigger | LevelTrigger

_KINDS: dict[str, Callable[[str, Labels], Trigger]] = {
    'class': ClassTrigger.parse, 'score': ScoreTrigger.parse, 'diagnostics': LevelTrigger.parse}


def parse_triggers(entries: Iterable[str], labels: Labels) -> tuple[Trigger, ...]:
    """
    Read the triggers of a user.

    :raises ValueError: one is not accepted.
    """
    return tuple(_parse(entry, labels) for entry in entries if entry.strip())


def _parse(entry: str, labels: Labels) -> Trigger:
    kind, _, text = (part.strip() for part in entry.partition(':'))
    try:
        return _KINDS[kind](text, labels)
    except (KeyError, ValueError) as error:
        detail = f' ({error})' if kind == 'class' and str(error) else ''
        raise ValueError(f'recorder_triggers has {shorten(repr(entry), MAX_QUOTE)}{detail}; '
                         f'accepted: {ACCEPTED}') from None


class TriggerChecker:
    """Check frames and diagnostics for triggers."""

    def __init__(self, triggers: tuple[Trigger, ...]) -> None:
        self._triggers = triggers
        self._scores = [trigger for trigger in triggers if isinstance(trigger, ScoreTrigger)]
        self._criteria: dict[str, tuple[Settings, Criteria]] = {}
        self._level = 0

    def frame_reason(self, frame: RecordedFrame) -> str:
        """Return why a frame starts a recording; '' if it does not."""
        for trigger in self._triggers:
            if isinstance(trigger, ClassTrigger) and frame.detections is not None:
                seen = np.isin(frame.detections.class_ids, trigger.class_ids)
                if seen.any():
                    class_id = int(frame.detections.class_ids[seen][0])
                    return f'class {frame.session.model.labels.name(class_id)}'
        return self._score_reason(frame) if self._scores else ''

    def level_reason(self, level: int) -> str:
        """Return why new diagnostics start a recording; '' if they are no worse than before."""
        before, self._level = self._level, level
        for trigger in self._triggers:
            if isinstance(trigger, LevelTrigger) and before < trigger.level <= level:
                return f'diagnostics {_NAMES[min(level, max(_NAMES))]}'
        return ''

    def _score_reason(self, frame: RecordedFrame) -> str:
        found = decode_again(frame, self._lowered(frame))
        if found is None:
            return ''
        for trigger in self._scores:
            scores = found.scores[(found.scores >= trigger.low) & (found.scores <= trigger.high)]
            if scores.size:
                return f'score {scores[0]:.2f}'
        return ''

    def _lowered(self, frame: RecordedFrame) -> Criteria:
        """Return the criteria of a frame with thresholds as low as the triggers."""
        settings, criteria = self._criteria.get(frame.camera, (None, None))
        if criteria is None or settings is not frame.settings:
            lowest = min(trigger.low for trigger in self._scores)
            criteria = to_criteria(frame.settings, frame.session.model).lowered(lowest)
            self._criteria[frame.camera] = frame.settings, criteria
        return criteria
