# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
MCAP files with messages in JSON.

Messages are written in chunks, each of which can be read without the rest of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
import json
from pathlib import Path
from typing import Any, NamedTuple

from fcos_ros.recording.mcap_library import mcap
from fcos_ros.recording.values import RecordingError

CHUNK_SIZE = 256 * 1024
"""Bytes of a chunk before compression, unless `flush` ends it earlier."""

MAX_RECORD = 256 * 1024 * 1024
"""Bytes of the largest chunk that is read: a damaged file may state any length."""


class Topic(NamedTuple):
    """
    A sequence of messages of one kind.

    :ivar name: such as `/front/frames`.
    :ivar schema: the name of the type of its messages.
    :ivar metadata: texts that the file keeps with the topic.
    """

    name: str
    schema: str
    metadata: tuple[tuple[str, str], ...] = ()


class Message(NamedTuple):
    """
    One message.

    :ivar log_time: when it was recorded, in nanoseconds of UTC; `publish_time` when its image was
        taken, by the camera.
    :ivar data: JSON in UTF-8.
    """

    topic: Topic
    log_time: int
    publish_time: int
    data: bytes


def require_mcap() -> None:
    """
    Check that the library can be used.

    :raises RecordingError: it is missing or too old.
    """
    _library()


class McapWriter:
    """
    A new file.

    :param schemas: JSON schema of each type of messages, by name.
    :raises RecordingError: `mcap` is missing.
    :raises OSError: the file exists, or cannot be written.
    """

    def __init__(self, path: Path, schemas: Mapping[str, Mapping[str, Any]]) -> None:
        library = _library()
        self.path = path
        self._schemas = schemas
        self._schema_ids: dict[str, int] = {}
        self._channels: dict[Topic, int] = {}
        self._file = open(path, 'xb')  # noqa: SIM115 - `close` closes it
        self._writer = library.Writer(self._file, CHUNK_SIZE)
        self._writer.start(profile='', library='fcos_ros')

    @property
    def size(self) -> int:
        """Bytes that were written; the chunk in work is not included."""
        return self._file.tell()

    def write(self, message: Message) -> None:
        """
        Add a message to the current chunk.

        :raises OSError: the disk is full, or failed.
        """
        channel = self._channels.get(message.topic)
        if channel is None:
            channel = self._channels[message.topic] = self._add_channel(message.topic)
        self._writer.add_message(channel, message.log_time, message.data, message.publish_time)

    def flush(self) -> None:
        """
        End the current chunk, and hand all data over to the system: a killed process loses none.

        :raises OSError: the disk is full, or failed.
        """
        self._writer.flush()

    def close(self) -> None:
        """
        Write the index and close the file. It is closed also if an error is raised.

        :raises OSError: the disk is full, or failed; the chunks that were written can be read.
        """
        try:
            self._writer.finish()
            self._file.flush()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file without an index; data that cannot be written is lost."""
        with suppress(OSError):  # it writes what is buffered, and closes even if that fails
            self._file.close()

    def _add_channel(self, topic: Topic) -> int:
        schema = self._schema_ids.get(topic.schema)
        if schema is None:
            content = json.dumps(self._schemas[topic.schema]).encode()
            schema = self._writer.register_schema(topic.schema, 'jsonschema', content)
            self._schema_ids[topic.schema] = schema
        channel: int = self._writer.register_channel(
            topic.name, 'json', schema, dict(topic.metadata))
        return channel


class McapReader:
    """
    The messages of a file in their order; also of a file without an end.

    :ivar problem: after `messages`: why the file was not read to its end; '' if it was.

    :raises RecordingError: the file cannot be opened, or is no MCAP file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ''
        self._library = _library()
        with self._open() as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise RecordingError(f'{path} is no recording; accepted: an MCAP file (.mcap)')

    def count(self, schema: str) -> int | None:
        """Return the number of messages of a type by the index; None without an index."""
        try:
            with self._open() as file:
                summary = self._library.make_reader(file).get_summary()
        except Exception:  # noqa: BLE001 - a damaged file raises any error
            return None
        if summary is None or summary.statistics is None:
            return None
        counts: Mapping[int, int] = summary.statistics.channel_message_counts
        return sum(counts.get(number, 0) for number, channel in summary.channels.items()
                   if summary.schemas[channel.schema_id].name == schema)

    def messages(self) -> Iterator[Message]:
        """Yield the messages up to the end of the file, or to the first damage in it."""
        self.problem = ''
        with self._open() as file:
            records = self._library.StreamReader(
                file, validate_crcs=True, record_size_limit=MAX_RECORD).records
            try:
                yield from self._messages(records)
            except Exception as error:  # noqa: BLE001 - a damaged file raises any error
                self.problem = f'{self.path} ends early: {str(error) or type(error).__name__}'

    def _messages(self, records: Iterator[Any]) -> Iterator[Message]:
        kinds = self._library.records
        schemas: dict[int, str] = {}
        topics: dict[int, Topic] = {}
        for record in records:
            if isinstance(record, kinds.Schema):
                schemas[record.id] = record.name
            elif isinstance(record, kinds.Channel):
                topics[record.id] = Topic(record.topic, schemas.get(record.schema_id, ''),
                                          tuple(record.metadata.items()))
            elif isinstance(record, kinds.Message) and record.channel_id in topics:
                yield Message(topics[record.channel_id], record.log_time, record.publish_time,
                              record.data)

    def _open(self) -> Any:
        try:
            return open(self.path, 'rb')
        except OSError as error:
            raise RecordingError(f'{self.path} cannot be read: {error.strerror}') from error


_MAGIC = b'\x89MCAP0\r\n'
"""The first bytes of a file."""

_INSTALL = "python3 -m pip install --upgrade 'mcap>=1.6'"


def _library() -> Any:
    """Return the library; raise RecordingError if it is missing or too old."""
    try:
        library = mcap()
    except ImportError:
        raise RecordingError('recordings need the Python package mcap, which is not installed; '
                             f'run: {_INSTALL}') from None
    if not hasattr(library.Writer, 'flush'):
        raise RecordingError('the Python package mcap is too old; accepted: 1.6 or newer; run: '
                             f'{_INSTALL}')
    return library
