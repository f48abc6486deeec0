# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The types of a bag's messages: definitions, classes, and the conversion from ROS 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

from fcos_ros.offline.bags.definitions import DEFINITIONS
from fcos_ros.offline.bags.library import rosbags

UNKNOWN_HASH = 'unknown'
"""Stands for the hash of a type whose definition is unknown; players do not check it."""

IDL_RULE = '=' * 80 + '\n'
IDL_HEAD = f'{IDL_RULE}IDL: '
"""The begin of a definition in the language of .idl files, and of each of its parts."""

WRITTEN_TYPES = ('sensor_msgs/msg/CompressedImage', 'vision_msgs/msg/Detection2DArray',
                 'vision_msgs/msg/LabelInfo', 'vision_msgs/msg/VisionInfo')
"""The types of the messages that we write."""

RENAMED = {'tf/msg/tfMessage': 'tf2_msgs/msg/TFMessage'}
"""Types of ROS 1 that have another name in ROS 2."""


class Definition(NamedTuple):
    """
    The definition of a type.

    :ivar text: in the language of .msg or .idl files; empty if it is unknown.
    :ivar digest: the hash of the type in ROS 2.
    """

    text: str
    digest: str


class TypesError(ValueError):
    """The definition of a type is missing or cannot be read."""


class BagTypes:
    """
    The types of the messages in a bag of ROS 2.

    :param definitions: the definition of each type in the bag; empty texts for missing ones.
    """

    def __init__(self, definitions: Mapping[str, str]) -> None:
        self._store = _empty_store()
        self._faults: dict[str, str] = {}
        for name, text in definitions.items():
            if text:
                self._register(name, text)
            else:
                _register_known(self._store, name)

    def deserialise(self, type_name: str, data: Any) -> Any:
        """
        Return a message with the fields of its type.

        :raises TypesError: the definition of its type is missing, or the data do not fit it.
        """
        if type_name in self._faults:
            raise TypesError(self._faults[type_name])
        if type_name not in self._store.fielddefs:
            raise TypesError(f'the bag has no definition of {type_name}')
        try:
            return self._store.deserialize_cdr(data, type_name)
        except Exception as error:  # the generated code may raise anything on damaged data
            raise TypesError(f'a message is no {type_name}: {error}') from error

    def definition(self, type_name: str) -> Definition:
        """Return the definition of a type, also one that the bag does not have."""
        return _definition(self._store, type_name)

    def _register(self, name: str, text: str) -> None:
        try:
            self._store.register(_parse(name, text))
        except Exception as error:  # noqa: BLE001 - the parser may raise anything on a wrong text
            self._faults[name] = f'the definition of {name} in the bag cannot be read: {error}'


class Ros1Types:
    """
    The types of the messages in a bag of ROS 1, and how they become messages of ROS 2.

    Types that ROS 2 knows become its types. Others keep the fields that they have.

    :param definitions: the definition of each type in the bag.
    """

    def __init__(self, definitions: Mapping[str, str]) -> None:
        self._old, self._new = _empty_store(), _empty_store()
        self._converters: dict[str, Callable[[Any], Any]] = {}
        self._cache: dict[str, object] = {}
        for name, text in definitions.items():
            self._add(name, text)

    def name(self, type_name: str) -> str:
        """Return the name of a type in ROS 2."""
        return RENAMED.get(type_name, type_name)

    def definition(self, type_name: str) -> Definition:
        """Return the definition of a type in ROS 2; `type_name` is its name there."""
        return _definition(self._new, type_name)

    def definitions(self) -> Mapping[str, str]:
        """Return the definition of each type in ROS 2, by its name there."""
        return {self.name(name): self.definition(self.name(name)).text
                for name in self._converters}

    def to_cdr(self, type_name: str, data: Any) -> Any:
        """
        Return a message of ROS 1 in the format of ROS 2.

        :raises TypesError: the definition of its type is missing, or the data do not fit it.
        """
        convert = self._converters.get(type_name)
        if convert is None:
            raise TypesError(f'the definition of {type_name} in the bag cannot be read')
        try:
            return convert(data)
        except Exception as error:  # the generated code may raise anything on damaged data
            raise TypesError(f'a message is no {type_name}: {error}') from error

    def _add(self, old_name: str, text: str) -> None:
        library = rosbags()
        new_name = self.name(old_name)
        try:
            types = _parse(old_name, text)
            self._old.register({name: fields for name, fields in types.items()
                                if name not in self._old.fielddefs})
            _register_known(self._new, new_name, *types)
            self._new.register({name: fields for name, fields in types.items()
                                if name not in self._new.fielddefs})
            if library.is_same_wire_format(self._old, self._new, old_name, new_name):
                self._converters[old_name] = lambda data: self._new.ros1_to_cdr(data, new_name)
            else:
                self._converters[old_name] = lambda data: library.migrate(
                    self._old, self._new, old_name, new_name, self._cache, data,
                    src_is2=False, dst_is2=True)
        except Exception:  # noqa: BLE001 - `to_cdr` reports it for the messages of this type
            self._converters.pop(old_name, None)


class OutputTypes:
    """The classes of the messages that we write, with their definitions."""

    def __init__(self) -> None:
        self._store = _empty_store()
        _register_known(self._store, *WRITTEN_TYPES)
        self.vision_msgs = SimpleNamespace(**{
            name.rpartition('/')[2]: kind for name, kind in self._store.types.items()
            if name.startswith('vision_msgs/')})

    def header(self, seconds: int, nanoseconds: int, frame_id: str) -> Any:
        """Return a header."""
        types = self._store.types
        stamp = types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds)
        return types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)

    def new(self, type_name: str, **fields: Any) -> Any:
        """Return a message with all of its fields."""
        return self._store.types[type_name](**fields)

    def serialise(self, message: Any) -> Any:
        """Return the bytes of a message."""
        return self._store.serialize_cdr(message, message.__msgtype__)

    def definition(self, type_name: str) -> Definition:
        """Return the definition of a type."""
        return _definition(self._store, type_name)


def _empty_store() -> Any:
    typesys = rosbags().typesys
    return typesys.get_typestore(typesys.Stores.EMPTY)


@cache
def _known_types() -> Mapping[str, Any]:
    """Return the fields of all types that are known without a bag."""
    typesys = rosbags().typesys
    # Bags without definitions are from Humble or before.
    known = dict(typesys.get_typestore(typesys.Stores.ROS2_HUMBLE).fielddefs)
    for name, text in DEFINITIONS.items():
        known.update(typesys.get_types_from_msg(text, name))
    return known


def _register_known(store: Any, *names: str) -> None:
    """Add types that are known without a bag, and the types of their fields."""
    known, needed, waiting = _known_types(), {}, list(names)
    while waiting:
        name = waiting.pop()
        if name in known and name not in needed and name not in store.fielddefs:
            needed[name] = known[name]
            waiting += _types_of_fields(known[name])
    store.register(needed)


def _types_of_fields(fields: Any) -> Iterator[str]:
    nodes = rosbags().interfaces.Nodetype
    for _, (kind, detail) in fields[1]:
        if kind in {nodes.ARRAY, nodes.SEQUENCE}:
            kind, detail = detail[0]
        if kind == nodes.NAME:
            yield detail


def _parse(name: str, text: str) -> dict[str, Any]:
    typesys = rosbags().typesys
    if not text.startswith(IDL_HEAD):
        return dict(typesys.get_types_from_msg(text, name))
    found: dict[str, Any] = {}
    for part in text.split(IDL_RULE)[1:]:
        found.update(typesys.get_types_from_idl(part.partition('\n')[2]))
    return found


def with_idl_head(name: str, text: str) -> str:
    """Return a definition in the language of .idl files with the head that ROS 2 gives it."""
    return text if text.startswith(IDL_HEAD) else f'{IDL_HEAD}{name}\n{text}'


def _definition(store: Any, type_name: str) -> Definition:
    try:
        return Definition(store.generate_msgdef(type_name, ros_version=2)[0],
                          store.hash_rihs01(type_name))
    except Exception:  # noqa: BLE001 - a nested type is unknown
        return Definition('', UNKNOWN_HASH)
