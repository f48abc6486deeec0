# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The metadata of a model: what its tensors do not show, as its author states it.

It stands inside an ONNX file, or in a YAML file beside any model. Both have the keys of `KEYS`,
and the file beside the model has priority. Values are texts, lists and maps, in JSON or YAML.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
import difflib
import json
import math
from pathlib import Path
import re
import reprlib
from typing import Any, NamedTuple

import yaml

from fcos_ros.backends.errors import ModelError
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.head import (
    ACTIVATIONS,
    BOX_ACTIVATIONS,
    BOX_UNITS,
    KINDS,
    POINT_OFFSETS,
    SCORES,
    SPACINGS,
    HeadSpec,
)
from fcos_ros.core.labels import Labels
from fcos_ros.core.preprocess import PIXELS
from fcos_ros.core.resize import Size
from fcos_ros.core.yuv_range import RANGES

MAX_LENGTH = 1 << 20
"""Maximum number of characters of a value or a file: tens of thousands of class names."""


@dataclass(frozen=True)
class Metadata:
    """
    The metadata of one model; see `KEYS`. None means that nothing is stated.

    :ivar mean: for each channel, on the scale of `mean_std_scale`; likewise `std`.
    :ivar padding: one number for all channels, or one for each.
    :ivar sources: the name of the file in which each stated key stands.
    :ivar replaced: keys that stand inside the model, too, with another value, which is not used.
    :ivar ignored: keys of an ONNX file that are not ours.
    """

    labels: Labels | None = None
    pixels: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    mean_std_scale: float | None = None
    padding: tuple[int, ...] | None = None
    nv12_range: str | None = None
    input_size: Size | None = None
    strides: tuple[float, ...] | None = None
    spacing: str | None = None
    box_unit: str | None = None
    point_offset: float | None = None
    activation: str | None = None
    box_activation: str | None = None
    score: str | None = None
    order: tuple[str, ...] | None = None
    one_class_per_cell: bool | None = None
    score_threshold: float | None = None
    nms_threshold: float | None = None
    provenance: Mapping[str, str] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    replaced: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @classmethod
    def parse(cls, entries: Mapping[str, object], source: str, folder: Path) -> Metadata:
        """
        Read the values of one source.

        :param entries: values by their key: texts, or what a YAML file holds.
        :param source: the path of the file in which the entries stand.
        :param folder: of the model; a file with class names is relative to it.
        :raises ModelError: a key or a value is not accepted.
        """
        given = dict(entries)
        names = given.pop('names', None)
        if names is not None:
            given.setdefault('labels', _literal(names))
        for key in given:
            if key not in KEYS:
                raise ModelError(f'{source} has the key {_shown(key)}; {_advice(str(key))}')
        values = {key: _read(key, value, source, folder) for key, value in given.items()}
        return cls(**values, sources=dict.fromkeys(values, Path(source).name))

    def overridden(self, other: Metadata) -> Metadata:
        """Return this metadata with all values that the other states instead of its own."""
        stated = {key: getattr(other, key) for key in other.sources}
        return replace(self, **stated, sources={**self.sources, **other.sources},
                       replaced=tuple(key for key in self.sources
                                      if key in stated and stated[key] != getattr(self, key)))

    def head_spec(self) -> HeadSpec:
        """Return the stated properties of the head."""
        own = {entry.name: getattr(self, entry.name) for entry in fields(HeadSpec)
               if entry.name in KEYS}
        return HeadSpec(**own, num_classes=len(self.labels) if self.labels else None)

    def criteria(self) -> Criteria:
        """Return the stated criteria."""
        stated = {key: getattr(self, key)
                  for key in ('score_threshold', 'nms_threshold', 'one_class_per_cell')}
        return Criteria(**{key: value for key, value in stated.items() if value is not None})

    def entries(self) -> dict[str, object]:
        """Return the stated values as texts, numbers, lists and maps, by their key."""
        return {key: _plain(getattr(self, key)) for key in KEYS if key in self.sources}


class Key(NamedTuple):
    """
    One key of the metadata.

    :ivar accepted: the accepted values, in words.
    :ivar default: the value if nothing is stated, in words.
    :ivar meaning: for users.
    :ivar read: converts a value, or raises ValueError.
    """

    accepted: str
    default: str
    meaning: str
    read: Callable[[Any], Any]


def split_onnx_entries(entries: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """
    Separate our keys in an ONNX file from those of other programs.

    A key that is ours but for its spelling is kept: `Metadata.parse` refuses it. `stride` with a
    single number is Ultralytics' and no mistake.

    :returns: our entries, and the other keys.
    """
    own = {key: value for key, value in entries.items()
           if (key in KEYS or key == 'names' or _is_misspelt(key))
           and not (key == 'stride' and value.strip().isdecimal())}
    return own, tuple(sorted(set(entries) - set(own)))


def read_text(text: str) -> object:
    """
    Read a value in JSON or YAML. In YAML, all scalars but null are texts: `no` is a name.

    :raises ValueError: the text is neither, or is too long or too deeply nested.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f'it has {len(text)} characters; accepted: up to {MAX_LENGTH}')
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return yaml.load(text, _TextLoader)
    except yaml.YAMLError as error:
        raise ValueError(f'it is not valid YAML: {" ".join(str(error).split())}') from None
    except RecursionError:
        raise ValueError('its brackets are nested too deeply') from None


class _TextLoader(yaml.BaseLoader):  # type: ignore[misc]
    """Read scalars as texts, null as None, and refuse a key that is given twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Return a dictionary."""
        keys = set()
        for key, _ in node.value:
            if not isinstance(key.value, str) or key.value in keys:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key {_shown(key.value)} stands there twice, or is no text',
                    key.start_mark)
            keys.add(key.value)
        return super().construct_mapping(node, deep)


_NULL = 'tag:yaml.org,2002:null'
_TextLoader.add_implicit_resolver(_NULL, re.compile('^(?:~|null|Null|NULL|)$'), [*'~nN', ''])
_TextLoader.add_constructor(_NULL, lambda loader, node: None)


def _read(key: str, value: object, source: str, folder: Path) -> Any:
    accepted, _, _, read = KEYS[key]
    try:
        return _read_labels(value, folder) if key == 'labels' else read(value)
    except (TypeError, ValueError, OverflowError) as error:
        reason = f' ({error})' if str(error) and not isinstance(error, TypeError) else ''
        raise ModelError(f'{source} has {key}: {_shown(value)}{reason}; accepted: {accepted}'
                         ) from None


def _read_labels(value: object, folder: Path) -> Labels:
    """Read class names: a list, a map, or the path of a text file."""
    entries = _structured(value)
    if not isinstance(entries, str):
        return Labels.parse(entries)
    path = Path(entries)
    if path.is_absolute() or '..' in path.parts:
        raise ValueError('the file must be in the folder of the model')
    place = folder / path
    try:
        if not place.is_file() or place.stat().st_size > MAX_LENGTH:
            raise ValueError(f'{place} is no text file of up to {MAX_LENGTH} bytes')
        return Labels.from_text(place.read_text(encoding='utf-8'))
    except OSError as error:
        raise ValueError(f'{place} cannot be read: {error.strerror}') from None


def _structured(value: object) -> Any:
    """Return a list or a map that may stand in a text."""
    return read_text(value) if isinstance(value, str) else value


def _literal(value: object) -> object:
    """Return a list or a map that may stand in a text as Python writes it."""
    if isinstance(value, str) and len(value) <= MAX_LENGTH:
        try:
            return ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            pass
    return value


def _text(value: object) -> str:
    if isinstance(value, (list, Mapping)) or value is None:
        raise ValueError
    return str(value).strip()


def _choice(*accepted: str) -> tuple[str, Callable[[object], str]]:
    """Return the accepted words, and a function that reads one of them."""
    def read(value: object) -> str:
        word = ''.join(_text(value).lower().split())
        if word not in accepted:
            raise ValueError
        return word
    return ', '.join(accepted), read


def _number(value: object) -> float:
    number = float(_text(value))
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError
    return number


def _list(value: object) -> list[Any]:
    """Return the entries of a list, or of a text with commas between them."""
    entries = _structured(value)
    if isinstance(entries, str):
        entries = entries.split(',')
    if not isinstance(entries, (list, tuple)) or not entries:
        raise ValueError
    return list(entries)


def _three_numbers(value: object) -> tuple[float, ...]:
    numbers = tuple(map(_number, _list(value)))
    if len(numbers) != 3:
        raise ValueError
    return numbers


def _strides(value: object) -> tuple[float, ...]:
    strides = tuple(map(_number, _list(value)))
    if min(strides) <= 0 or len(set(strides)) < len(strides):
        raise ValueError
    return strides


def _padding(value: object) -> tuple[int, ...]:
    entries = _structured(value)
    numbers = tuple(map(_number, entries if isinstance(entries, list) else [entries]))
    if len(numbers) not in (1, 3) or not all(0 <= n <= 255 and n == int(n) for n in numbers):
        raise ValueError
    return tuple(map(int, numbers))


def _order(value: object) -> tuple[str, ...]:
    words = tuple(_text(entry).lower() for entry in _list(value))
    if not set(words) <= set(KINDS):
        raise ValueError
    return words


def _one_of(*accepted: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        number = _number(value)
        if number not in accepted:
            raise ValueError
        return number
    return read


def _fraction(value: object) -> float:
    number = _number(value)
    if not 0 <= number <= 1:
        raise ValueError
    return number


def _boolean(value: object) -> bool:
    return {'true': True, 'false': False}[_choice('true', 'false')[1](value)]


def _provenance(value: object) -> Mapping[str, str]:
    entries = _structured(value)
    if not isinstance(entries, Mapping):
        raise ValueError
    return {_text(key): _text(text) for key, text in entries.items()}


def _word_key(words: tuple[str, ...], default: str, meaning: str) -> Key:
    accepted, read = _choice(*words)
    return Key(accepted, default, meaning, read)


KEYS: Mapping[str, Key] = {
    'labels': Key(
        'a list of class names, a map from index to name, or the name of a text file in the '
        'folder of the model with one name in each line', "COCO's for 80 and 91 classes, else "
        'numbers', 'Names of the classes. `names` is read, too, as Ultralytics writes it.',
        Labels.parse),
    'pixels': _word_key(PIXELS, '`rgb`, or `nv12` on boards', 'Colours of the input.'),
    'mean': Key('a list of 3 numbers', '0', 'The input is (pixel - mean) / std, for each channel '
                'in the order of `pixels`. Only for float inputs.', _three_numbers),
    'std': Key('a list of 3 numbers', '1', 'See `mean`.', _three_numbers),
    'mean_std_scale': Key('255 or 1', '255', 'The value of white for which `mean` and `std` are '
                          'made: 255, or 1 if pixels are divided by 255 first.', _one_of(255, 1)),
    'padding': Key('a whole number from 0 to 255, or a list of 3', 'black', 'Colour around an '
                   'image that does not fill the input, before normalisation: grey, or in the '
                   'order of `pixels` (nv12: Y, U, V).', _padding),
    'nv12_range': _word_key(RANGES, '`full`, or as the `.bin` file says', 'Range of the NV12 '
                            'input: `full` (0 to 255), or `limited` (Y from 16 to 235).'),
    'input_size': Key('WIDTHxHEIGHT, such as 640x480', '640x640', 'Size of the input of a model '
                      'that leaves it open.', lambda value: Size.parse(_text(value))),
    'strides': Key('a list of different numbers above 0', 'by the shapes', 'Pixels of one cell '
                   'at each level.', _strides),
    'spacing': _word_key(SPACINGS, '`stride`', 'Pixels from one cell to the next, if the input is '
                         'no multiple of a stride. torchvision: `canvas//grid`.'),
    'box_unit': _word_key(BOX_UNITS, '`pixel` for float boxes of a head with centerness, else '
                          '`stride`', 'Unit of the distances of a box.'),
    'point_offset': Key('0.5 or 0', '0.5', 'Point of a cell, in cells: its centre, or its '
                        'top-left corner.', _one_of(*POINT_OFFSETS)),
    'activation': _word_key(ACTIVATIONS, '`logits`', 'Values of the class and centerness outputs: '
                            '`sigmoid` if the network applies it itself.'),
    'box_activation': _word_key(BOX_ACTIVATIONS, '`relu`', 'Values of the box outputs: `exp` if '
                                'they are the logarithms of distances.'),
    'score': _word_key(SCORES, '`sqrt(cls*ctr)`; without centerness `cls`', 'Score of a box, made '
                       'of the probabilities of class and centerness.'),
    'order': Key(f'a list of {", ".join(KINDS)}', 'by shapes and names', 'Part of each output; of '
                 'one joined output, the order of its channels.', _order),
    'one_class_per_cell': Key('true or false', 'true', 'Whether a cell is only its best class, as '
                              "in the vendor's parser, or each class above the threshold, as in "
                              'torchvision and MMDetection.', _boolean),
    'score_threshold': Key('a number from 0 to 1', '0.5', 'Minimum score of a detection.',
                           _fraction),
    'nms_threshold': Key('a number from 0 to 1', '0.6', 'IoU above which the lower-scoring of two '
                         'boxes of a class is dropped.', _fraction),
    'provenance': Key('a map of texts', 'none', 'Origin of the model, for people.', _provenance),
}
"""Every key of the metadata."""


def _plain(value: Any) -> object:
    """Convert a value to what YAML and JSON can hold."""
    if isinstance(value, Labels):
        return list(value.names)
    if isinstance(value, Size):
        return str(value)
    if isinstance(value, tuple):
        return list(map(_plain, value))
    if isinstance(value, Mapping):
        return dict(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


SIMILAR = 0.75
"""Minimum similarity of two words that may be one; `mean` and `mena` just reach it."""

VERY_SIMILAR = 0.9
"""Minimum similarity of two keys that are one, however they are split into words."""


def _near(key: str) -> str:
    """Return the key of ours that is meant; empty if none is similar."""
    return next(iter(difflib.get_close_matches(_plain_key(key), KEYS, 1, SIMILAR)), '')


def _is_misspelt(key: str) -> bool:
    """Return whether a key is one of ours but for its spelling, as `input_shape` is not."""
    plain, near = _plain_key(key), _near(key)
    if _similarity(plain, near) >= VERY_SIMILAR:
        return True
    words, own_words = plain.split('_'), near.split('_')
    return len(words) == len(own_words) and all(
        _similarity(*pair) >= SIMILAR for pair in zip(words, own_words))


def _plain_key(key: str) -> str:
    return re.sub('[^a-z0-9]+', '_', key.lower())


def _similarity(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _advice(key: str) -> str:
    near = _near(key)
    return f'did you mean {near!r}?' if near else f'accepted: {", ".join(KEYS)}'


_MESSAGE_REPR = reprlib.Repr()
_MESSAGE_REPR.maxstring = _MESSAGE_REPR.maxother = 80

_shown = _MESSAGE_REPR.repr
"""Return a value for a message, shortened: a file may hold any number of values in each other."""
