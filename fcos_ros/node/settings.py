# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Everything a user can set, once: name, type, default, limits, meaning.

The ROS parameters, the launch arguments and the table in the documentation are made from
`Settings`; the YAML file is held to it by a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from fcos_ros.backends import BACKENDS
from fcos_ros.core.zones import ANCHORS


@dataclass(frozen=True)
class Option:
    """
    What one setting means and accepts.

    :ivar default: its value when nobody sets it; the value's type is the setting's.
    :ivar description: for the user, with the unit.
    :ivar limits: least and greatest value of a number.
    :ivar choices: the accepted words; empty when any text will do.
    :ivar live: whether it may change while frames flow; the others wait for `configure`.
    :ivar camera: whether each of several cameras may have its own.
    :ivar indices: whether the entries of a list may be whole numbers, too.
    """

    default: Any
    description: str
    limits: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    camera: bool = False
    indices: bool = False

    def complaint(self, value: object) -> str | None:
        """Say what is wrong with a value, None when it is accepted."""
        if not self._right_kind(value):
            return f'is {value!r}; accepted: {self._kind()}'
        if self.limits is not None:
            least, greatest = self.limits
            assert isinstance(value, (int, float))
            if not least <= value <= greatest:
                return f'is {value!r}; accepted: {least} to {greatest}'
        if self.choices and value not in self.choices:
            return f'is {value!r}; accepted: {", ".join(self.choices)}'
        return None

    def _right_kind(self, value: object) -> bool:
        kind = type(self.default)
        if kind is tuple:
            kinds = {str, int} if self.indices else {str}
            return isinstance(value, tuple) and {type(entry) for entry in value} <= kinds
        if kind is bool or isinstance(value, bool):
            return kind is bool and isinstance(value, bool)
        return isinstance(value, (int, float) if kind is float else kind)

    def _kind(self) -> str:
        return _KINDS[type(self.default)] + (' or of whole numbers' if self.indices else '')


_KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text',
          tuple: 'a list of texts'}


def _setting(default: Any, description: str, **accepts: Any) -> Any:
    option = Option(default, description, **accepts)
    return field(default=default, metadata={'option': option})


def _live(default: Any, description: str, **accepts: Any) -> Any:
    """Describe what may change while frames flow, and for each camera apart."""
    return _setting(default, description, live=True, camera=True, **accepts)


@dataclass(frozen=True)
class Settings:
    """The settings of one detector node, or, with several cameras, those of one camera."""

    autostart: bool = _setting(
        True, 'Configure and activate the node as soon as it starts.')
    model: str = _setting(
        'auto', 'Model file: a path, or package://NAME/PATH below a share folder; auto takes that '
        'of the board, elsewhere the network of the demo.')
    backend: str = _setting(
        'auto', 'Inference engine; auto goes by the model file.', choices=('auto', *BACKENDS))
    workers: int = _setting(
        0, 'Frames worked on at a time; 0 takes as many as the board needs, elsewhere 1.',
        limits=(0, 32))
    deadline: float = _setting(
        1.0, 'Seconds a worker process may spend on one frame before it is replaced; libdnn gives '
        'up an inference after as many.',
        limits=(0.05, 60.0))
    threads: int = _setting(
        1, 'CPU threads of one inference (ONNX models).', limits=(1, 64))
    fit: str = _setting(
        'letterbox', 'How an image is laid on the model canvas: aspect kept, or filled.',
        choices=('letterbox', 'stretch'))
    cameras: Sequence[str] = _setting(
        ('',), 'Names of several cameras for one model; [""] is one camera without a name. Each '
        'has the topics NAME/image and ~/NAME/detections, and parameters NAME.weight, ... of its '
        'own for all that is marked "camera" here.')
    transport: str = _setting(
        'auto', 'How images come. auto takes what the camera publishes; raw is sensor_msgs/Image, '
        'compressed is sensor_msgs/CompressedImage, also on TOPIC/compressed, hbmem is '
        'hbm_img_msgs.', choices=('auto', 'raw', 'compressed', 'hbmem'), camera=True)
    reliability: str = _setting(
        'auto', 'What is asked of a camera; auto takes what it offers, qos_overrides count more.',
        choices=('auto', 'reliable', 'best_effort'), camera=True)
    weight: float = _live(
        1.0, 'Share of the workers a camera gets, relative to the others, when there are too few.',
        limits=(0.01, 100.0))
    max_age: float = _live(
        0.0, 'Seconds after its stamp when an image is too old to be worked on; 0 is never.',
        limits=(0.0, 3600.0))
    score_threshold: float = _live(
        0.0, 'Least score of a detection; 0 takes the threshold of the model.', limits=(0.0, 1.0))
    nms_threshold: float = _live(
        0.0, 'IoU above which the lesser of two boxes of a class goes; 0 takes that of the model.',
        limits=(0.0, 1.0))
    max_detections: int = _live(
        100, 'Most detections of one image, best first.', limits=(1, 500))
    class_thresholds: Sequence[str] = _live(
        ('',), 'Least scores of single classes, such as ["person: 0.3", "car: 0.6"]; the others '
        'take score_threshold.')
    classes: Sequence[str | int] = _live(
        ('',), 'Classes to report, by name or index, such as [person, car] or [0, 2]; [""] '
        'reports all.', indices=True)
    excluded_classes: Sequence[str | int] = _live(
        ('',), 'Classes not to report, by name or index.', indices=True)
    min_size: float = _live(
        0.0, 'Least width and least height of an object, in pixels of the image.',
        limits=(0.0, 10_000.0))
    regions: Sequence[str] = _live(
        ('',), 'Where in the image objects count: polygons such as "0 0.5, 1 0.5, 1 1, 0 1", in '
        'fractions of its width and height from the top left; [""] is everywhere.')
    ignored_zones: Sequence[str] = _live(
        ('',), 'Where in the image objects do not count; polygons as in regions.')
    zone_anchor: str = _live(
        'centre', 'The point of a box that must be in a region: its centre, or the middle of its '
        'bottom edge.', choices=tuple(ANCHORS))
    hypotheses: int = _live(
        1, 'Classes that a detection names at most: its own, and the next best.', limits=(1, 20))
    track: bool = _live(
        False, 'Give each object a number that it keeps from image to image.')
    track_memory: float = _live(
        1.0, 'Seconds that a tracked object may be out of sight and keep its number.',
        limits=(0.01, 60.0))
    track_threshold: float = _live(
        0.1, 'Least score of a detection that may continue a track, though it is below the '
        'threshold of its class.', limits=(0.0, 1.0))
    class_id: str = _live(
        'index', 'What class_id says in detections: the index of the class in decimal, or its '
        'name. label_info pairs the two.', choices=('index', 'name'))
    annotated_width: int = _live(
        0, 'Width of the annotated image in pixels, scaled down with its aspect kept; 0 is that '
        'of the image.', limits=(0, 8192))
    annotated_rate: float = _live(
        0.0, 'Most annotated images a second; 0 is one for every frame.', limits=(0.0, 1000.0))
    jpeg_quality: int = _live(
        80, 'JPEG quality of annotated_image/compressed.', limits=(1, 100))

    @classmethod
    def options(cls) -> Mapping[str, Option]:
        """Tell each setting's meaning, by name, in order."""
        return {entry.name: entry.metadata['option'] for entry in fields(cls)}

    def complaints(self) -> list[str]:
        """Say what is wrong with the values, one sentence each; empty when all are accepted."""
        checks = ((name, option.complaint(getattr(self, name)))
                  for name, option in self.options().items())
        return [f'{name} {complaint}' for name, complaint in checks if complaint]

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras; one without a name when none is named."""
        return tuple(name for name in self.cameras if name) or ('',)


def parameter_table() -> str:
    """Say all settings as a Markdown table."""
    rows = [f'| `{name}` | {_shown(option.default)} | {_accepted(option)} | {_when(option)} '
            f'| {option.description} |' for name, option in Settings.options().items()]
    return '\n'.join(['| parameter | default | accepted | changes | meaning |',
                      '|---|---|---|---|---|', *rows])


def _when(option: Option) -> str:
    return ', '.join(word for word, holds in (('live', option.live), ('camera', option.camera))
                     if holds)


def _shown(default: object) -> str:
    value = list(default) if isinstance(default, tuple) else default
    return f'`{str(value).lower() if isinstance(value, bool) else value}`'


def _accepted(option: Option) -> str:
    if option.limits is not None:
        return f'{option.limits[0]} to {option.limits[1]}'
    return ', '.join(f'`{choice}`' for choice in option.choices)
