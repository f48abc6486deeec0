# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags for tests: of ROS 1 and ROS 2, in each storage, whole and damaged."""

from __future__ import annotations

from pathlib import Path

from mcap.writer import Writer as McapWriter
import numpy as np
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from fcos_ros.offline.bags.definitions import DEFINITIONS

START = 1_700_000_000_000_000_000
"""Nanoseconds: the first message of a bag."""

PERIOD = 100_000_000
"""Nanoseconds between two images."""

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'


def typestore(stores=Stores.ROS2_HUMBLE):
    store = get_typestore(stores)
    for name, text in DEFINITIONS.items():
        types = get_types_from_msg(text, name)
        store.register({key: value for key, value in types.items() if key not in store.fielddefs})
    return store


STORE = typestore()
STORE_1 = get_typestore(Stores.ROS1_NOETIC)


def header(store, stamp, frame_id='camera', sequence=7):
    fields = {'stamp': store.types['builtin_interfaces/msg/Time'](*divmod(stamp, 10**9)),
              'frame_id': frame_id}
    if store is STORE_1:
        fields['seq'] = sequence
    return store.types['std_msgs/msg/Header'](**fields)


def image(pixels, stamp, encoding='bgr8', store=STORE, **fields):
    """Return an image message; `pixels` has its rows on the first axis."""
    height, width = pixels.shape[:2]
    values = {'header': header(store, stamp), 'height': height, 'width': width,
              'encoding': encoding, 'is_bigendian': 0, 'step': pixels[0].nbytes,
              'data': pixels.ravel().view(np.uint8)}
    return store.types[IMAGE](**{**values, **fields})


def compressed(data, stamp, image_format='jpeg', store=STORE):
    return store.types[COMPRESSED](header=header(store, stamp), format=image_format,
                                   data=np.frombuffer(data, np.uint8))


def hbm(data, size, stamp, encoding='nv12', name='HbmMsg480P', index=5):
    kind = STORE.types[f'hbm_img_msgs/msg/{name}']
    room = np.zeros(kind.MAX_SIZE, np.uint8)
    room[:len(data)] = np.frombuffer(data, np.uint8)
    stated = np.zeros(12, np.uint8)
    stated[:len(encoding)] = np.frombuffer(encoding.encode(), np.uint8)
    return kind(index=index, time_stamp=STORE.types['builtin_interfaces/msg/Time'](
                    *divmod(stamp, 10**9)),
                height=size[1], width=size[0], data_size=len(data), step=size[0],
                encoding=stated, data=room)


def text(content):
    return STORE.types['std_msgs/msg/String'](data=content)


def write(path: Path, messages, storage='mcap', definitions=True):
    """
    Write a bag of ROS 2.

    :param messages: rows of topic, time in nanoseconds, and message or (type name, bytes).
    :param definitions: whether it has the definitions of its types.
    """
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    with Writer(path, version=8, storage_plugin=plugin) as writer:
        connections = {}
        for topic, time, message in messages:
            name, data = (message if isinstance(message, tuple)
                          else (message.__msgtype__, STORE.serialize_cdr(message,
                                                                         message.__msgtype__)))
            if topic not in connections:
                known = {'typestore': STORE} if definitions else {'msgdef': '', 'rihs01': '-'}
                connections[topic] = writer.add_connection(topic, name, **known)
            writer.write(connections[topic], time, data)
    return path


def write_ros1(path: Path, messages, chunk_size=0):
    """
    Write a bag of ROS 1; see `write`.

    :param chunk_size: bytes of a compressed chunk; 0 for a bag without compression.
    """
    writer = Writer1(path)
    if chunk_size:
        writer.set_compression(writer.CompressionFormat.LZ4)
        writer.chunk_threshold = chunk_size
    with writer:
        connections = {}
        for topic, time, message in messages:
            name = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=STORE_1)
            writer.write(connections[topic], time, STORE_1.serialize_ros1(message, name))
    return path


def write_mcap(path: Path, messages, chunk_size=100_000, **options):
    """
    Write a single mcap file with chunks of about `chunk_size` bytes, as `ros2 bag record` does.

    :param options: of `mcap.writer.Writer`.
    """
    with path.open('wb') as file:
        writer = McapWriter(file, chunk_size=chunk_size, **options)
        writer.start('ros2', 'test')
        channels = {}
        for topic, time, message in messages:
            name = message.__msgtype__
            if topic not in channels:
                definition = STORE.generate_msgdef(name, ros_version=2)[0].encode()
                schema = writer.register_schema(name, 'ros2msg', definition)
                channels[topic] = writer.register_channel(topic, 'cdr', schema)
            writer.add_message(channels[topic], time, bytes(STORE.serialize_cdr(message, name)),
                               time)
        writer.finish()
    return path


def chunk_positions(path: Path):
    """Return start and length of the data of each chunk in an mcap file."""
    found, position, data = [], 8, path.read_bytes()
    while position + 9 < len(data):
        length = int.from_bytes(data[position + 1:position + 9], 'little')
        if data[position] == 6:
            found.append((position + 9, length))
        position += 9 + length
    return found


def damage(path: Path, start, length=64):
    """Overwrite some bytes of a file."""
    data = bytearray(path.read_bytes())
    data[start:start + length] = bytes(255 - byte for byte in data[start:start + length])
    path.write_bytes(data)
