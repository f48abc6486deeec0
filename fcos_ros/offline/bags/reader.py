# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read bags: folders and files of ROS 2 (mcap, sqlite3), and files of ROS 1.

A damaged bag is read as far as it goes; `Bag.problems` says what is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from fcos_ros.core.text import natural_key, shorten
from fcos_ros.offline.bags.library import mcap, rosbags
from fcos_ros.offline.bags.types import BagTypes, Definition, Ros1Types, TypesError, with_idl_head
from fcos_ros.offline.frames import SourceError

ACCEPTED = 'a folder with metadata.yaml, or a file .mcap, .db3 or .bag'

ROS1 = '.bag'

STORAGES = ('.mcap', '.db3')
"""Suffixes of the files in a folder of ROS 2; bags of ROS 1 are single files."""

SUFFIXES = (*STORAGES, ROS1)

MAX_REASON = 300
"""Characters of the reason for a problem."""


@dataclass(frozen=True)
class Topic:
    """
    A topic of a bag. Its messages are those of ROS 2, also in a bag of ROS 1.

    :ivar definition: of its type; empty texts if it is unknown.
    :ivar qos: the offered profiles, as rosbags has them.
    :ivar count: number of its messages, as far as the bag states it.
    """

    name: str
    type_name: str
    definition: Definition
    qos: tuple[Any, ...] = ()
    count: int = 0


class BagMessage(NamedTuple):
    """
    One message.

    :ivar time: when it was recorded, in nanoseconds.
    :ivar data: its bytes in the CDR format of ROS 2.
    """

    topic: Topic
    time: int
    data: Any


@dataclass(frozen=True)
class _RawTopic:
    """A topic of a part; the definition is of ROS 1 or ROS 2."""

    name: str
    type_name: str
    text: str
    digest: str
    qos: tuple[Any, ...]
    count: int


class _Part(Protocol):
    """A file of a bag, or all files of a bag that is whole."""

    @property
    def topics(self) -> Sequence[_RawTopic]: ...

    def messages(self, wanted: Collection[_RawTopic]) -> Iterator[tuple[_RawTopic, int, Any]]: ...


class Bag:
    """
    An open bag; a context manager.

    :ivar topics: in the order of the bag.
    :ivar problems: a sentence for each part of the bag that cannot be read; complete when the
        messages were read.

    :raises SourceError: nothing of the bag can be read.
    :raises BagLibraryError: a library is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self._opened = ExitStack()
        try:
            self._parts = _open_parts(path, self._opened, self.problems)
        except BaseException:
            self._opened.close()
            raise
        texts = {topic.type_name: topic.text for part in self._parts for topic in part.topics}
        self._ros1 = Ros1Types(texts) if path.suffix == ROS1 else None
        self._types = BagTypes(self._ros1.definitions() if self._ros1 else texts)
        merged: dict[tuple[str, str], Topic] = {}
        for topic in map(self._topic, (topic for part in self._parts for topic in part.topics)):
            key = topic.name, topic.type_name
            known = merged.get(key)
            merged[key] = replace(known, count=known.count + topic.count) if known else topic
        self._topics = merged
        self._report_unknown_types()

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._opened.close()

    @property
    def topics(self) -> tuple[Topic, ...]:
        """The topics of the bag."""
        return tuple(self._topics.values())

    def messages(self, topics: Collection[Topic] | None = None) -> Iterator[BagMessage]:
        """
        Yield the messages in the order of their time, as far as the bag has it.

        :param topics: the wanted ones; None for all.
        """
        wanted = {(topic.name, topic.type_name) for topic in
                  (self.topics if topics is None else topics)}
        for part in self._parts:
            raw = {topic: self._topics[self._key(topic)] for topic in part.topics
                   if self._key(topic) in wanted}
            if not raw:
                continue
            for topic, time, data in part.messages(raw.keys()):
                if self._ros1 is None:
                    yield BagMessage(raw[topic], time, data)
                else:
                    yield from self._converted(self._ros1, raw[topic], topic, time, data)

    def deserialise(self, message: BagMessage) -> Any:
        """
        Return a message with its fields.

        :raises TypesError: its type is unknown, or it is damaged.
        """
        return self._types.deserialise(message.topic.type_name, message.data)

    def _converted(self, types: Ros1Types, topic: Topic, raw: _RawTopic, time: int, data: Any,
                   ) -> Iterator[BagMessage]:
        try:
            yield BagMessage(topic, time, types.to_cdr(raw.type_name, data))
        except TypesError as error:
            self._report(f'{topic.name}: {error}')

    def _key(self, topic: _RawTopic) -> tuple[str, str]:
        return topic.name, self._ros1.name(topic.type_name) if self._ros1 else topic.type_name

    def _topic(self, raw: _RawTopic) -> Topic:
        name, type_name = self._key(raw)
        definition = (self._ros1 or self._types).definition(type_name)
        if self._ros1 is None and raw.text:
            definition = Definition(raw.text, raw.digest or definition.digest)
        return Topic(name, type_name, definition, raw.qos, raw.count)

    def _report_unknown_types(self) -> None:
        for name in dict.fromkeys(topic.type_name for topic in self.topics
                                  if not topic.definition.text):
            self._report(f'the bag has no definition of {name}; its messages are copied, and '
                         'cannot be shown')

    def _report(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def is_bag(path: Path) -> bool:
    """Return whether a path looks like a bag, by its name or by the files in a folder."""
    if path.is_dir():
        return any(path.glob('metadata.yaml')) or bool(_storages(path))
    return path.suffix in SUFFIXES


def _open_parts(path: Path, opened: ExitStack, problems: list[str]) -> Sequence[_Part]:
    if not path.exists():
        raise SourceError(f'{path} does not exist; accepted: {ACCEPTED}')
    if not is_bag(path):
        what = 'a folder without a bag' if path.is_dir() else 'no bag'
        raise SourceError(f'{path} is {what}; accepted: {ACCEPTED}')
    whole, reason = _open_indexed(path, opened, problems)
    if whole:
        return [whole]
    files = _storages(path) if path.is_dir() else [path]
    if path.is_dir():
        problems.append(f'{path} cannot be read as a whole, so each file is read by itself: '
                        f'{reason}')
    parts: list[_Part] = []
    for file in files:
        part, reason = _open_file(file, opened, problems)
        if part and part.topics:
            parts.append(part)
        else:
            problems.append(f'{file} cannot be read: {reason or "it has no messages"}'
                            f'{_advice(file)}')
    if not parts:
        raise SourceError(f'{path} cannot be read; {"; ".join(problems)}; accepted: {ACCEPTED}')
    return parts


def _open_file(file: Path, opened: ExitStack, problems: list[str]) -> tuple[_Part | None, str]:
    part, reason = _open_indexed(file, opened, problems) if file.is_file() else (None, 'no file')
    if part is None and file.suffix == '.mcap':
        problems.append(f'{file} has no index, so it is read from its begin: {reason}')
        return _SequentialPart(file, problems), ''
    return part, reason


def _open_indexed(path: Path, opened: ExitStack, problems: list[str],
                  ) -> tuple[_IndexedPart | None, str]:
    """Return a bag that is whole; None and the reason if it is not."""
    library = rosbags()
    module = library.rosbag1 if path.suffix == ROS1 else library.rosbag2
    try:
        reader = module.Reader(path)
        reader.open()
    except Exception as error:  # noqa: BLE001 - the library may raise anything for a damaged file
        return None, _reason(error)
    opened.callback(reader.close)
    part = _IndexedPart(path, reader, problems)
    if part.is_unindexed:
        return None, 'its writer has left the index out'
    return part, ''


class _IndexedPart:
    """A bag that rosbags can open. After a broken chunk, it continues with the next one."""

    def __init__(self, path: Path, reader: Any, problems: list[str]) -> None:
        self._path, self._reader, self._problems = path, reader, problems
        self._by_id = {connection.id: _raw_topic(connection) for connection in reader.connections}
        self.topics = tuple(dict.fromkeys(self._by_id.values()))
        for file in (path, *(path.glob('*.db3') if path.is_dir() else ())):
            self._report_journal(file)

    @property
    def is_unindexed(self) -> bool:
        """Whether the index of an mcap file is missing; rosbags then needs messages in order."""
        return any(hasattr(storage, 'chunks') and not storage.chunks and storage.connections
                   for storage in self._storages())

    def messages(self, wanted: Collection[_RawTopic]) -> Iterator[tuple[_RawTopic, int, Any]]:
        """Yield the messages of some topics."""
        connections = [connection for connection in self._reader.connections
                       if self._by_id[connection.id] in wanted]
        start, last = 0, -1
        starts = sorted(self._chunk_starts())
        while True:
            try:
                for connection, time, data in self._reader.messages(connections, start=start):
                    last = max(last, time)
                    yield self._by_id[connection.id], time, data
                return
            except Exception as error:  # noqa: BLE001 - the library may raise anything
                following = [time for time in starts if time > max(start, last)]
                self._report(error, bool(following))
                if not following:
                    return
                start = following[0]

    def _chunk_starts(self) -> Iterator[int]:
        for chunk in getattr(self._reader, 'chunk_infos', ()):  # of ROS 1
            yield chunk.start_time
        for storage in self._storages():
            for chunk in getattr(storage, 'chunks', ()):
                yield chunk.message_start_time

    def _storages(self) -> Sequence[Any]:
        storage = getattr(self._reader, 'storage', None)
        return getattr(storage, 'storages', None) or ([storage] if storage else [])

    def _report(self, error: Exception, continues: bool) -> None:
        rest = 'it continues with the next chunk' if continues else 'the rest is not read'
        problem = f'{self._path} is damaged, {rest}: {_reason(error)}'
        if problem not in self._problems:
            self._problems.append(problem)

    def _report_journal(self, file: Path) -> None:
        journal = file.with_name(f'{file.name}-wal')
        if journal.is_file() and journal.stat().st_size:
            self._problems.append(
                f'{journal} holds messages that are not in {file.name} yet, and they are not '
                f"read; run: sqlite3 {file} 'PRAGMA wal_checkpoint'")


class _SequentialPart:
    """An mcap file without an index, read from its begin; broken chunks are left out."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        self._path, self._problems = path, problems
        self._by_id: dict[int, _RawTopic] = {}
        counts: dict[int, int] = {}
        schemas: dict[int, Any] = {}
        records = mcap().records
        for record in self._records(problems):
            if isinstance(record, records.Schema):
                schemas[record.id] = record
            elif isinstance(record, records.Channel):
                self._add(record, schemas.get(record.schema_id))
            elif isinstance(record, records.Message):
                counts[record.channel_id] = counts.get(record.channel_id, 0) + 1
        self._by_id = {number: replace(topic, count=counts.get(number, 0))
                       for number, topic in self._by_id.items()}
        self.topics = tuple(dict.fromkeys(self._by_id.values()))

    def messages(self, wanted: Collection[_RawTopic]) -> Iterator[tuple[_RawTopic, int, Any]]:
        """Yield the messages of some topics."""
        records = mcap().records
        for record in self._records([]):
            if isinstance(record, records.Message):
                topic = self._by_id.get(record.channel_id)
                if topic in wanted:
                    assert topic is not None
                    yield topic, record.log_time, record.data

    def _add(self, channel: Any, schema: Any) -> None:
        if channel.message_encoding != 'cdr':
            problem = (f'{channel.topic} in {self._path} has messages in the encoding '
                       f'{channel.message_encoding!r}; accepted: cdr; they are left out')
            if problem not in self._problems:
                self._problems.append(problem)
            return
        text = schema.data.decode('utf-8', 'replace') if schema else ''
        name = schema.name if schema else ''
        if schema and schema.encoding == 'ros2idl':
            text = with_idl_head(name, text)
        qos = rosbags().parse_qos(channel.metadata.get('offered_qos_profiles', ''))
        self._by_id[channel.id] = _RawTopic(
            channel.topic, name, text, channel.metadata.get('topic_type_hash', ''), tuple(qos), 0)

    def _records(self, problems: list[str]) -> Iterator[Any]:
        """Yield the records of the file, those of a chunk in the order of their time."""
        library = mcap()
        with self._path.open('rb') as file:
            found = library.StreamReader(file, emit_chunks=True).records
            while True:
                try:
                    record = next(found)
                except StopIteration:
                    return
                except Exception as error:  # noqa: BLE001 - damaged bytes may raise anything
                    problems.append(f'{self._path} is damaged at byte {file.tell()}, the rest is '
                                    f'not read: {_reason(error)}')
                    return
                if isinstance(record, library.records.Chunk):
                    yield from self._chunk(record, problems)
                else:
                    yield record

    def _chunk(self, chunk: Any, problems: list[str]) -> Sequence[Any]:
        library = mcap()
        try:
            found = library.breakup_chunk(chunk, validate_crc=True)
        except Exception as error:  # noqa: BLE001 - damaged bytes may raise anything
            problems.append(f'a chunk of {self._path} is damaged and left out: {_reason(error)}')
            return ()
        return sorted(found, key=lambda record: getattr(record, 'log_time', 0))


def _raw_topic(connection: Any) -> _RawTopic:
    text = connection.msgdef.data
    if connection.msgdef.format.name == 'IDL':
        text = with_idl_head(connection.msgtype, text)
    qos = getattr(connection.ext, 'offered_qos_profiles', ())
    if getattr(connection.ext, 'latching', 0):
        qos = rosbags().latched_qos
    return _RawTopic(connection.topic, connection.msgtype, text, connection.digest, tuple(qos),
                     connection.msgcount)


def _storages(folder: Path) -> list[Path]:
    """Return the files of a folder in their order: bag_2.mcap is before bag_10.mcap."""
    files = [path for path in folder.iterdir() if path.suffix in STORAGES and path.is_file()]
    return sorted(files, key=lambda path: natural_key(path.name))


def _advice(file: Path) -> str:
    if file.suffix != '.db3':
        return ''
    return f'; run: sqlite3 {file} .recover | sqlite3 {file.with_suffix(".recovered.db3")}'


def _reason(error: Exception) -> str:
    return shorten(str(error) or type(error).__name__, MAX_REASON)
