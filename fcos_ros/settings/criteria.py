# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert the settings of a user to the criteria of the detector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.labels import Labels
from fcos_ros.core.resize import Size
from fcos_ros.core.text import MAX_QUOTE, shorten
from fcos_ros.core.tiles import Grid, Tiling
from fcos_ros.core.tracking import TrackerSettings
from fcos_ros.core.yuv_range import AUTO
from fcos_ros.core.zones import Polygon, Zones, parse_polygon
from fcos_ros.settings.schema import NEVER, NONE, Settings

Entry = TypeVar('Entry', bound='str | int')

_ONE_CLASS = {'true': True, 'false': False}
"""The words of `one_class_per_cell`; any other one leaves it to the model."""


class ClassifyingModel(Protocol):
    """The properties of a model that decide on its criteria; a `ModelInfo` has them."""

    @property
    def labels(self) -> Labels:
        """The names of its classes."""
        ...

    @property
    def num_classes(self) -> int:
        """The number of its classes."""
        ...

    @property
    def criteria(self) -> Criteria:
        """The criteria that its author recommends."""
        ...


@dataclass(frozen=True)
class ActiveCriteria:
    """
    Settings and the criteria made of them; they are replaced together.

    :ivar wanted: the criteria for publishing.
    :ivar decoded: the criteria for decoding; tracking also needs lower scores.
    :ivar tiling: how images are divided; None for the whole image alone.
    """

    settings: Settings = field(default_factory=Settings)
    wanted: Criteria = field(default_factory=Criteria)
    decoded: Criteria = field(default_factory=Criteria)
    tiling: Tiling | None = None

    @classmethod
    def of(cls, settings: Settings, model: ClassifyingModel) -> ActiveCriteria:
        """Convert settings; raise ValueError if they name classes that the model lacks."""
        wanted = to_criteria(settings, model)
        decoded = wanted.lowered(settings.track_threshold) if settings.track else wanted
        return cls(settings, wanted, decoded, to_tiling(settings))


def to_criteria(settings: Settings, model: ClassifyingModel) -> Criteria:
    """
    Return the criteria for a model; settings of 0 use the model's own.

    :raises ValueError: the model does not have a class, no class would be left, or a threshold
        or a polygon cannot be read.
    """
    labels = model.labels
    return replace(
        model.criteria,
        score_threshold=settings.score_threshold or model.criteria.score_threshold,
        nms_threshold=settings.nms_threshold or model.criteria.nms_threshold,
        max_detections=settings.max_detections,
        one_class_per_cell=_ONE_CLASS.get(
            settings.one_class_per_cell, model.criteria.one_class_per_cell),
        class_ids=_wanted_classes(settings, labels, model.num_classes),
        class_thresholds=_thresholds(settings.class_thresholds, labels),
        min_size=settings.min_size,
        hypotheses=settings.hypotheses,
        candidate_floor=None if settings.recorder == NEVER else settings.recorder_floor,
        zones=Zones(_polygons('include_zones', settings.include_zones),
                    _polygons('exclude_zones', settings.exclude_zones), settings.zone_anchor))


def to_input_size(text: str) -> Size | None:
    """
    Return the size of the input that a user chooses; None for the model's own.

    :raises ValueError: the text is no size.
    """
    if text == 'auto':
        return None
    try:
        return Size.parse(text)
    except ValueError as error:
        raise ValueError(f'input_size: {error}; or auto') from None


def to_tiling(settings: Settings) -> Tiling | None:
    """Return how images are divided; None for the whole image alone."""
    if settings.tiles == NONE:
        return None
    grid = None if settings.tiles == AUTO else Grid.parse(settings.tiles)
    return Tiling(grid, settings.tiles_overlap, settings.tiles_budget / 1000)


def to_tracker_settings(settings: Settings) -> TrackerSettings:
    """Return the settings of the tracker."""
    return TrackerSettings(
        low_threshold=settings.track_threshold, timeout=settings.track_timeout)


def _wanted_classes(
    settings: Settings, labels: Labels, num_classes: int,
) -> tuple[int, ...] | None:
    """Return the classes to report, None for all."""
    included = labels.ids(_non_empty(settings.classes))
    excluded = set(labels.ids(_non_empty(settings.exclude_classes)))
    if not excluded:
        return included or None
    wanted = tuple(index for index in included or range(num_classes) if index not in excluded)
    if not wanted:
        raise ValueError('classes and exclude_classes leave no class to report; remove a class '
                         'from exclude_classes')
    return wanted


def _thresholds(entries: Sequence[str], labels: Labels) -> tuple[tuple[int, float], ...]:
    return tuple(pair for entry in _non_empty(entries) for pair in _threshold(entry, labels))


def _threshold(entry: str, labels: Labels) -> tuple[tuple[int, float], ...]:
    name, _, score = entry.rpartition(':')
    try:
        threshold = float(score)
    except ValueError:
        threshold = -1.0
    if not name or not 0 <= threshold <= 1:
        raise ValueError(f'class_thresholds has {shorten(repr(entry), MAX_QUOTE)}; accepted: '
                         'CLASS: SCORE with a score from 0 to 1, such as person: 0.3')
    return tuple((class_id, threshold) for class_id in labels.ids([name.strip()]))


def _polygons(name: str, texts: Sequence[str]) -> tuple[Polygon, ...]:
    try:
        return tuple(parse_polygon(text) for text in _non_empty(texts))
    except ValueError as error:
        raise ValueError(f'{name}: {error}') from None


def _non_empty(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Remove empty entries: a list of ROS needs at least one entry to have a type."""
    return tuple(entry for entry in entries if str(entry).strip())
