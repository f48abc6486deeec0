# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Write bags of ROS 2, which `ros2 bag play` plays and Foxglove opens.

`metadata.yaml` has version 8, in which the QoS profiles are texts: ROS 2 Humble and later read it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
import shutil
import sqlite3
import tempfile
from types import TracebackType
from typing import Any

from fcos_ros.offline.bags.library import rosbags
from fcos_ros.offline.bags.reader import Topic
from fcos_ros.offline.bags.types import UNKNOWN_HASH
from fcos_ros.offline.files import OutputError

STORAGES = ('mcap', 'sqlite3')

METADATA_VERSION = 8

MAX_WAITING = 8
"""Maximum number of messages that wait to be written; each may have megabytes."""


class BagWriter:
    """
    Write a bag of ROS 2; a context manager.

    At the end of the block, also after an interrupt, the bag is complete and gets its name. An
    error leaves nothing. All work is done on a thread of its own: an interrupt of the user thus
    never leaves half a message.

    :param path: of the folder of the bag.
    :param storage: one of `STORAGES`.
    :param overwrite: whether a bag there is replaced, at the end.
    :raises OutputError: the bag cannot be written.
    """

    def __init__(self, path: Path, storage: str, overwrite: bool = False) -> None:
        _check(path, overwrite)
        self.path = path
        self._storage = storage
        self._thread = ThreadPoolExecutor(1, 'fcos-bag-writer')
        self._waiting: deque[Future[None]] = deque()
        self._connections: dict[tuple[str, str], Any] = {}
        self._writer: Any = None
        self._folder: Path | None = None

    def __enter__(self) -> BagWriter:
        try:
            self._call(self._open)
        except BaseException:
            self._call(self._discard)
            self._thread.shutdown()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        is_whole = kind is None or issubclass(kind, KeyboardInterrupt)
        try:
            if is_whole:
                self._await(0)
                self._call(self._finish)
        except BaseException:
            is_whole = False
            raise
        finally:
            if not is_whole:
                self._call(self._discard)
            self._thread.shutdown()

    def add(self, topic: Topic) -> None:
        """
        Add a topic; all topics are added before the first message.

        Topics of a bag may have the same name if their types differ.
        """
        self._call(lambda: self._add(topic))

    def write(self, topic: Topic, time: int, data: Any) -> None:
        """
        Write a message.

        :param time: when it was recorded, in nanoseconds.
        """
        self._await(MAX_WAITING)
        self._waiting.append(self._thread.submit(self._write, topic, time, data))

    def _await(self, count: int) -> None:
        """Wait until at most that many messages wait to be written."""
        while len(self._waiting) > count:
            _converted(self.path, self._waiting.popleft().result)

    def _call(self, function: Callable[[], None]) -> None:
        _converted(self.path, self._thread.submit(function).result)

    # These run on the thread.

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f'.{self.path.name[:100]}.',
                                             dir=self.path.parent))
        library = rosbags().rosbag2
        # The names of the files inside are made of the name of the folder.
        self._writer = library.Writer(
            self._folder / self.path.name, version=METADATA_VERSION,
            storage_plugin=library.StoragePlugin[self._storage.upper()])
        self._writer.open()

    def _add(self, topic: Topic) -> None:
        key = topic.name, topic.type_name
        self._connections[key] = self._writer.add_connection(
            topic.name, topic.type_name, msgdef=topic.definition.text,
            rihs01=topic.definition.digest or UNKNOWN_HASH, offered_qos_profiles=topic.qos)

    def _write(self, topic: Topic, time: int, data: Any) -> None:
        self._writer.write(self._connections[topic.name, topic.type_name], time, data)

    def _finish(self) -> None:
        self._writer.close()
        assert self._folder is not None
        before = self._folder / f'{self.path.name}.before'
        if self.path.exists():
            self.path.replace(before)
        (self._folder / self.path.name).replace(self.path)
        shutil.rmtree(self._folder)

    def _discard(self) -> None:
        if self._writer is not None:
            with suppress(Exception):  # the storage may be in any state
                self._writer.abort()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _check(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise OutputError(f'{path} exists; accepted: a new folder; choose another name, or add '
                          '--overwrite to replace the bag')
    if path.exists() and not (path / 'metadata.yaml').is_file():
        raise OutputError(f'{path} exists and is no bag; accepted: a new folder, or a bag to '
                          'replace')


def latched_qos() -> Sequence[Any]:
    """Return the QoS of a topic whose last message also late subscribers get."""
    return (_qos('TRANSIENT_LOCAL', 1),)


def queued_qos() -> Sequence[Any]:
    """Return the QoS of a topic on which no message is lost."""
    return (_qos('VOLATILE', 10),)


def _qos(durability: str, depth: int) -> Any:
    library = rosbags().interfaces
    default = library.QosTime(0, 0)
    return library.Qos(
        library.QosHistory.KEEP_LAST, depth, library.QosReliability.RELIABLE,
        library.QosDurability[durability], default, default, library.QosLiveliness.AUTOMATIC,
        default, False)


def _converted(path: Path, function: Callable[[], None]) -> None:
    """Call a function, and convert its errors."""
    try:
        function()
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, 'strerror', None) or error
        raise OutputError(f'{path} cannot be written: {reason}; free space, or choose another '
                          'folder') from error
