# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The settings of the node: name, type, default, limits and meaning of each.

ROS parameters, launch arguments, options of the command line, `config/fcos.yaml` and the table in
the documentation are all made from `Settings`. To add a parameter, add a field to it, use it, and
run `make docs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
import difflib
import re
from typing import Any

from fcos_ros.backends import BACKENDS
from fcos_ros.core.criteria import MAX_DETECTIONS
from fcos_ros.core.preprocess import FITS
from fcos_ros.core.text import MAX_QUOTE, shorten
from fcos_ros.core.tiles import GRIDS
from fcos_ros.core.yuv_range import AUTO, RANGES
from fcos_ros.core.zones import ANCHORS

NULLS = ('null', 'Null', 'NULL', '~', 'None')
"""Texts that arrive for null: from ROS 2's parser of YAML, and from `ros2 param load`."""

NONE = 'none'
"""The word of `tiles` for no tiles. YAML reads the word off as false."""

NEVER, ON_TRIGGER, ALWAYS = 'never', 'on_trigger', 'always'
"""The words of `recorder`. YAML reads the words on and off as true and false."""


@dataclass(frozen=True)
class Option:
    """
    The meaning of one setting and its accepted values.

    :ivar default: the default value; its type is the type of the setting.
    :ivar description: for users, with the unit.
    :ivar limits: minimum and maximum of a number.
    :ivar step: accepted whole numbers are the minimum plus a multiple of it.
    :ivar choices: accepted words; empty when any text is accepted.
    :ivar live: whether it may change while the node is active; else it is read by `configure`.
    :ivar camera: whether each of several cameras may have a value of its own.
    :ivar read_only: whether it is read only once, when the node starts.
    :ivar indices: whether the entries of a list may also be whole numbers.
    :ivar commas: whether the entries of a list contain commas, as polygons do.
    :ivar names: whether the entries of a list become parts of names of topics and parameters.
    :ivar quoted: an example of an entry that YAML misreads without quotes; empty for none.
    """

    default: Any
    description: str
    limits: tuple[float, float] | None = None
    step: int = 1
    choices: tuple[str, ...] = ()
    live: bool = False
    camera: bool = False
    read_only: bool = False
    indices: bool = False
    commas: bool = False
    names: bool = False
    quoted: str = ''

    @property
    def accepted(self) -> str:
        """The accepted numbers or words; empty when any value of the type is accepted."""
        if self.limits is not None:
            steps = f' in steps of {self.step}' if self.step > 1 else ''
            return f'{self.limits[0]} to {self.limits[1]}{steps}'
        return ', '.join(self.choices)

    @property
    def yaml_default(self) -> str:
        """The default as it is written in a parameter file."""
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return str(list(self.default) if isinstance(self.default, tuple) else self.default)

    def given(self, value: Any) -> Any:
        """
        Return the value of a user in the type of the setting; None if it is null.

        1 becomes 1.0 for a float. YAML reads the words true and false as a bool. A value of
        another type is returned as it is.
        """
        is_text = isinstance(self.default, str) and not self.choices
        if isinstance(value, str) and value in NULLS and not is_text:
            return None
        if isinstance(self.default, float) and type(value) is int:
            return float(value)
        if 'true' in self.choices and isinstance(value, bool):
            return str(value).lower()
        return tuple(value) if isinstance(value, list) else value

    def complaint(self, value: object) -> str | None:
        """Return why a value is not accepted; None if it is accepted."""
        shown = shorten(repr(list(value) if isinstance(value, tuple) else value), MAX_QUOTE)
        if not self._has_right_type(value):
            return f'is {shown}; accepted: {self._type_name()}'
        if self.limits is not None:
            minimum, maximum = self.limits
            assert isinstance(value, (int, float))
            is_between = isinstance(self.default, int) and (value - minimum) % self.step
            if not minimum <= value <= maximum or is_between:
                return f'is {shown}; accepted: {self.accepted}'
        if self.choices and value not in self.choices:
            return f'is {shown}; accepted: {self.accepted}'
        if self.names and not _are_names(value):
            return (f'is {shown}; accepted: different names of letters, digits and _, '
                    'beginning with a letter')
        return None

    def _has_right_type(self, value: object) -> bool:
        kind = type(self.default)
        if kind is tuple:
            kinds = {str, int} if self.indices else {str}
            return isinstance(value, tuple) and {type(entry) for entry in value} <= kinds
        if kind is bool or isinstance(value, bool):
            return kind is bool and isinstance(value, bool)
        return isinstance(value, (int, float) if kind is float else kind)

    def _type_name(self) -> str:
        name = _TYPE_NAMES[type(self.default)]
        return f'{name} or of whole numbers' if self.indices else name


def _are_names(values: Any) -> bool:
    names = [value for value in values if value]
    return len(set(names)) == len(names) and all(
        re.fullmatch('[A-Za-z][A-Za-z0-9_]*', name) for name in names)


_TYPE_NAMES = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text',
               tuple: 'a list of texts'}


def _fixed(default: Any, description: str, **properties: Any) -> Any:
    """Declare a setting that cannot change while a model is loaded."""
    option = Option(default, description, **properties)
    return field(default=default, metadata={'option': option})


def _live(default: Any, description: str, **properties: Any) -> Any:
    """Declare a setting that may change at any time and may differ between cameras."""
    return _fixed(default, description, live=True, camera=True, **properties)


def _recorder(default: Any, description: str, **properties: Any) -> Any:
    """Declare a setting of the recorder: it may change at any time and is common to cameras."""
    return _fixed(default, description, live=True, **properties)


@dataclass(frozen=True)
class Settings:
    """The settings of one node; with several cameras, those of one camera."""

    autostart: bool = _fixed(
        True, 'Configure and activate the node as soon as it starts. If false, use '
        '`ros2 lifecycle set`.', read_only=True)
    model: str = _fixed(
        'auto', 'Model file: a path, absolute or relative to the working folder or to the folder '
        'of the parameter file, or package://NAME/PATH below the share folder of a ROS package. '
        "auto uses the board's model; on any other machine, the demo network.")
    backend: str = _fixed(
        'auto', 'Inference engine. auto chooses an installed one by the suffix of the model file.',
        choices=('auto', *BACKENDS))
    workers: int = _fixed(
        0, 'Number of frames that are processed at the same time. 0 uses as many as keep the BPU '
        'of the board busy; on any other machine, 1.', limits=(0, 32))
    inference_timeout: float = _fixed(
        1.0, 'Timeout for one frame, in seconds. A worker process that exceeds it is replaced; '
        'libdnn aborts the inference. onnx has no timeout.', limits=(0.05, 60.0))
    input_size: str = _fixed(
        'auto', 'Size of the input of a model that leaves it open (ONNX models only), such as '
        '640x384. auto is the size that the metadata of the model states, else 640x640.')
    threads: int = _fixed(
        1, 'CPU threads of one inference (ONNX models only).', limits=(1, 64))
    fit: str = _fixed(
        'letterbox', "How an image is laid on the model's input: letterbox keeps the aspect "
        'ratio, stretch fills the input.', choices=tuple(FITS))
    cameras: Sequence[str] = _fixed(
        ('',), "Names of several cameras that share the model. [''] is one camera without a "
        'name. The camera front has the topics front/image and ~/front/detections. It may have '
        'its own value of every parameter marked "camera", such as front.weight.',
        read_only=True, names=True)
    transport: str = _fixed(
        'auto', 'Message type of the images. auto follows the publisher, also when it changes. '
        'raw is sensor_msgs/Image. compressed is sensor_msgs/CompressedImage, on the topic of '
        'the camera or on TOPIC/compressed. hbmem is hbm_img_msgs.',
        choices=('auto', 'raw', 'compressed', 'hbmem'), camera=True)
    reliability: str = _fixed(
        'auto', 'QoS reliability of the image subscription. auto follows the publisher. The '
        'parameter qos_overrides./TOPIC.subscription.reliability has priority.',
        choices=('auto', 'reliable', 'best_effort'), camera=True)
    weight: float = _live(
        1.0, 'Share of the workers for a camera, relative to the other cameras, when there are '
        'too few for all images.', limits=(0.01, 100.0))
    max_age: float = _live(
        0.0, 'Maximum age of an image by its stamp, in seconds. Older images are dropped. 0 '
        'accepts any age.', limits=(0.0, 3600.0))
    bit_depth: int = _live(
        0, 'Number of bits that samples of 16 bits use, from the lowest on, in images such as '
        'mono16 or bayer_rggb16 and in PNG and TIFF files. 0 measures it: 10, 12, 14 or 16.',
        limits=(0, 16))
    nv12_range: str = _live(
        'auto', 'Range of the samples of NV12 and other YUV images. In limited range, Y is 16 for '
        'black and 235 for white; in full range, 0 and 255. auto measures it.',
        choices=(AUTO, *RANGES))
    score_threshold: float = _live(
        0.0, 'Minimum score of a detection. 0 uses the threshold of the model.',
        limits=(0.0, 1.0))
    nms_threshold: float = _live(
        0.0, 'IoU above which the lower-scoring of two boxes of a class is dropped. 0 uses the '
        'threshold of the model.', limits=(0.0, 1.0))
    max_detections: int = _live(
        100, 'Maximum number of detections in one image, best first. They are counted after NMS '
        'and after all filters.', limits=(1, MAX_DETECTIONS))
    one_class_per_cell: str = _live(
        'auto', 'Whether each cell of the network detects only its best class, as in the '
        "vendor's parser. If false, it detects every class that reaches its threshold, as in "
        'torchvision and MMDetection. auto is as the model says, else true.',
        choices=('auto', 'true', 'false'))
    class_thresholds: Sequence[str] = _live(
        ('',), "Minimum scores of single classes, such as ['person: 0.3', 'car: 0.6']. The "
        'quotes are needed in YAML. Other classes use score_threshold.', quoted='person: 0.3')
    classes: Sequence[str | int] = _live(
        ('',), "Classes to report, by name or index, such as [person, car], [0, 2] or [person, "
        "'2']. [''] or [] reports all.", indices=True)
    exclude_classes: Sequence[str | int] = _live(
        ('',), 'Classes that are not reported, by name or index.', indices=True)
    min_size: float = _live(
        0.0, 'Minimum width and minimum height of an object, in pixels of the image.',
        limits=(0.0, 10_000.0))
    include_zones: Sequence[str] = _live(
        ('',), 'Zones of the image in which objects count: polygons of points "x y" in fractions '
        "of width and height from the top left. ['0 0.5, 1 0.5, 1 1, 0 1'] is the lower half. "
        "[''] is the whole image.", commas=True)
    exclude_zones: Sequence[str] = _live(
        ('',), 'Zones of the image in which objects do not count; polygons as in include_zones.',
        commas=True)
    zone_anchor: str = _live(
        'centre', 'The point of a box that must lie in an include zone and in no exclude zone: '
        'its centre, or the middle of its bottom edge, where objects on the ground stand.',
        choices=tuple(ANCHORS))
    hypotheses: int = _live(
        1, 'Maximum number of classes that a detection names: its own and the next best.',
        limits=(1, 20))
    track: bool = _live(
        False, 'Give each object a track number that it keeps from image to image, in the field '
        '`id`.')
    track_timeout: float = _live(
        1.0, 'Seconds without a detection after which a track ends.', limits=(0.01, 60.0))
    track_threshold: float = _live(
        0.1, 'Minimum score of a detection that continues a track, even below the threshold of '
        'its class.', limits=(0.0, 1.0))
    tiles: str = _live(
        NONE, 'Overlapping tiles (columns x rows) in which far objects are detected, besides the '
        'whole image. Each tile is one more inference. auto makes tiles of about the size of the '
        "model's input, and none for an image that is not larger.", choices=(NONE, AUTO, *GRIDS))
    tiles_overlap: float = _live(
        0.2, 'Share of the side of a tile that its neighbour has, too. Objects that are wider '
        'are left to the whole image.', limits=(0.0, 0.5))
    tiles_budget: float = _live(
        100.0, 'Milliseconds from the arrival of an image to its detections. Tiles that will not '
        'be done by then are left out, and come first for the next image. `fcos detect`, `bag` '
        'and `eval` have no budget.', limits=(1.0, 60_000.0))
    class_id: str = _live(
        'index', 'Value of class_id in detections: the decimal index of the class, or its name. '
        'The topic label_info maps one to the other.', choices=('index', 'name'))
    annotated_width: int = _live(
        0, 'Maximum width of the annotated image in pixels. The aspect ratio is kept. 0 uses the '
        'width of the image.', limits=(0, 8192))
    annotated_rate: float = _live(
        0.0, 'Maximum number of annotated images per second. 0 draws every frame.',
        limits=(0.0, 1000.0))
    jpeg_quality: int = _live(
        80, 'JPEG quality of annotated_image/compressed.', limits=(1, 100))
    recorder: str = _recorder(
        NEVER, 'When to record frames for `fcos replay`: never; on_trigger, for the seconds '
        'before and after an event; or always. It needs the Python package mcap.',
        choices=(NEVER, ON_TRIGGER, ALWAYS))
    recorder_folder: str = _recorder(
        'auto', 'Folder for recordings. auto is the folder recordings in that of ROS 2, usually '
        '~/.ros/recordings.')
    recorder_triggers: Sequence[str] = _recorder(
        ('',), "Events that start a recording, besides the service ~/record, such as ['class: "
        "person', 'score: 0.3 0.5', 'diagnostics: error']. A class is seen, a score is between "
        'two values (also below the threshold), or the diagnostics become as bad as warn or '
        'error. The quotes are needed in YAML.', quoted='class: person')
    recorder_before: float = _recorder(
        10.0, 'Seconds before an event that are recorded.', limits=(0.0, 600.0))
    recorder_after: float = _recorder(
        5.0, 'Seconds after the last event that are recorded.', limits=(0.0, 600.0))
    recorder_floor: float = _recorder(
        0.2, 'Lowest score that is recorded. Recordings can be replayed with every threshold '
        'from it on. It is lowered to the lowest threshold in use. Frames get larger with lower '
        'scores.', limits=(0.01, 1.0))
    recorder_image_width: int = _recorder(
        0, 'Maximum width of the JPEG images in recordings, in pixels. 0 records no images.',
        limits=(0, 8192))
    recorder_image_rate: float = _recorder(
        1.0, 'Maximum number of images per second and camera in recordings. 0 records all.',
        limits=(0.0, 1000.0))
    recorder_file_size: int = _recorder(
        100, 'Size of a recording in MB after which the next one begins.', limits=(1, 100_000))
    recorder_max_files: int = _recorder(
        20, 'Maximum number of recordings of a node. The oldest ones are deleted.',
        limits=(1, 100_000))
    recorder_free_space: int = _recorder(
        1000, 'Free space in MB that recordings leave on the disk. With less, nothing is '
        'recorded, and the diagnostics report it.', limits=(0, 10_000_000))

    @classmethod
    def options(cls) -> Mapping[str, Option]:
        """Return the option of each setting, by name, in order."""
        return {entry.name: entry.metadata['option'] for entry in fields(cls)}

    def complaints(self) -> list[str]:
        """Return why values are not accepted, one sentence each."""
        checks = ((name, option.complaint(getattr(self, name)))
                  for name, option in self.options().items())
        return [f'{name} {complaint}' for name, complaint in checks if complaint]

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The names of the cameras; ('',) for a single camera without a name."""
        return tuple(name for name in self.cameras if name) or ('',)


def near_name(name: str, known: Iterable[str]) -> str:
    """Return a question with the known name that a wrong name is near; '' if there is none."""
    near = difflib.get_close_matches(name, known, n=1)
    return f'; did you mean {near[0]}?' if near else ''
