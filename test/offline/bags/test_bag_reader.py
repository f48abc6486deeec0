# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of ROS 1 and ROS 2 are read without ROS, and damaged ones as far as they go."""

from __future__ import annotations

import json
from pathlib import Path
import re
import subprocess
import sys

from mcap.writer import CompressionType, IndexType
import numpy as np
from offline.bags.bag_files import (
    PERIOD,
    START,
    STORE,
    STORE_1,
    chunk_positions,
    damage,
    header,
    image,
    text,
    write,
    write_mcap,
    write_ros1,
)
import pytest

from fcos_ros.offline.bags.definitions import DEFINITIONS
from fcos_ros.offline.bags.reader import Bag, is_bag
from fcos_ros.offline.bags.types import BagTypes, TypesError
from fcos_ros.offline.frames import SourceError

ROOT = Path(__file__).resolve().parents[3]
COUNT = 12
LZ4 = b'\x04\x22\x4d\x18'
PIXELS = np.random.default_rng(0).integers(0, 255, (COUNT, 48, 64, 3), np.uint8)


def recorded(store=STORE):
    """Return the messages of a camera, and of a topic between its images."""
    for number in range(COUNT):
        time = START + number * PERIOD
        yield '/cam/image_raw', time, image(PIXELS[number], time - 5, store=store)
        yield '/chat', time + 1, store.types['std_msgs/msg/String'](data=f'message {number}')


def read(path, topic='/chat'):
    """Return the fields of the messages of a topic, and the problems."""
    with Bag(path) as bag:
        found = [bag.deserialise(message) for message in bag.messages()
                 if message.topic.name == topic]
        return found, bag.problems


def numbers(path):
    return [int(message.data.split()[1]) for message in read(path)[0]]


@pytest.fixture(params=['mcap', 'sqlite3', 'mcap without definitions',
                        'sqlite3 without definitions', 'one mcap file', 'ROS 1'])
def bag_path(request, tmp_path):
    if request.param == 'ROS 1':
        return write_ros1(tmp_path / 'old.bag', recorded(STORE_1))
    if request.param == 'one mcap file':
        return write_mcap(tmp_path / 'one.mcap', recorded())
    storage, _, without = request.param.partition(' ')
    return write(tmp_path / 'bag', recorded(), storage, definitions=not without)


def test_every_message_is_read_with_its_time(bag_path):
    assert is_bag(bag_path)
    with Bag(bag_path) as bag:
        assert bag.problems == []
        assert {(topic.name, topic.type_name): topic.count for topic in bag.topics} == {
            ('/cam/image_raw', 'sensor_msgs/msg/Image'): COUNT,
            ('/chat', 'std_msgs/msg/String'): COUNT}
        found = list(bag.messages())
        assert [(message.topic.name, message.time) for message in found] == [
            (topic, time) for topic, time, _ in recorded()]
        for number, message in enumerate(found[::2]):
            fields = bag.deserialise(message)
            np.testing.assert_array_equal(fields.data, PIXELS[number].ravel())
            assert (fields.header.frame_id, fields.header.stamp.sec) == (
                'camera', (START - 5 + number * PERIOD) // 10**9)
        assert [bag.deserialise(message).data for message in found[1::2]] == [
            f'message {number}' for number in range(COUNT)]


def test_the_definitions_of_known_types_are_those_of_ros_2(bag_path):
    with Bag(bag_path) as bag:
        for topic in bag.topics:
            assert topic.definition.digest == STORE.hash_rihs01(topic.type_name)
            assert topic.definition.text


def test_only_the_wanted_topics_are_read(bag_path):
    with Bag(bag_path) as bag:
        chat = next(topic for topic in bag.topics if topic.name == '/chat')
        assert {message.topic for message in bag.messages([chat])} == {chat}
        assert list(bag.messages([])) == []


def test_our_definitions_have_the_hashes_of_ros_2():
    hashes = json.loads((ROOT / 'tools' / 'msgs' / 'type_hashes.json').read_text())
    types = BagTypes(dict.fromkeys(DEFINITIONS, ''))
    assert {name: types.definition(name).digest for name in DEFINITIONS} == {
        name: hashes[name] for name in DEFINITIONS}


def test_a_type_without_definition_is_copied_and_named(tmp_path):
    rows = [*recorded(), ('/own', START, ('own_msgs/msg/Own', b'\0\1\0\0abcd'))]
    path = write(tmp_path / 'bag', rows, 'sqlite3', definitions=False)
    with Bag(path) as bag:
        assert bag.problems == ['the bag has no definition of own_msgs/msg/Own; its messages are '
                                'copied, and cannot be shown']
        own = [message for message in bag.messages() if message.topic.name == '/own']
        assert bytes(own[0].data) == b'\0\1\0\0abcd'
        with pytest.raises(TypesError, match='no definition of own_msgs/msg/Own'):
            bag.deserialise(own[0])
    assert numbers(path) == list(range(COUNT))


def test_messages_of_ros_1_become_those_of_ros_2(tmp_path):
    """The fields of CameraInfo have other names, and the header has no counter."""
    info = STORE_1.types['sensor_msgs/msg/CameraInfo'](
        header=header(STORE_1, START), height=48, width=64, distortion_model='plumb_bob',
        D=np.arange(5.), K=np.arange(9.), R=np.arange(9.), P=np.arange(12.), binning_x=0,
        binning_y=0, roi=STORE_1.types['sensor_msgs/msg/RegionOfInterest'](1, 2, 3, 4, True))
    joy = STORE_1.types['diagnostic_msgs/msg/KeyValue'](key='a', value='b')
    path = write_ros1(tmp_path / 'old.bag', [('/info', START, info), ('/pair', START, joy)])
    (found,), problems = read(path, '/info')
    assert problems == []
    assert (found.width, found.header.frame_id, found.roi.do_rectify) == (64, 'camera', True)
    np.testing.assert_array_equal(found.k, np.arange(9.))
    with Bag(path) as bag:
        assert bag.topics[0].definition.digest == STORE.hash_rihs01('sensor_msgs/msg/CameraInfo')
    assert read(path, '/pair')[0][0].value == 'b'


# Damaged bags

@pytest.mark.parametrize('compression', CompressionType)
def test_a_truncated_mcap_file_is_read_up_to_its_end(tmp_path, compression):
    path = write_mcap(tmp_path / 'cut.mcap', recorded(), chunk_size=8_000,
                      compression=compression)
    start, length = chunk_positions(path)[7]
    path.write_bytes(path.read_bytes()[:start + length // 2])
    found, problems = read(path)
    assert [message.data for message in found] == [f'message {n}' for n in range(len(found))]
    assert 0 < len(found) < COUNT
    assert 'has no index' in problems[0]
    assert f'is damaged at byte {start + length // 2}, the rest is not read' in problems[1]


@pytest.mark.parametrize('options', [
    {'index_types': IndexType.NONE, 'use_statistics': False, 'use_summary_offsets': False,
     'repeat_channels': False, 'repeat_schemas': False},
    {'use_chunking': False}], ids=['no index', 'no chunks'])
def test_an_mcap_file_without_an_index_is_read_whole(tmp_path, options):
    path = write_mcap(tmp_path / 'bag.mcap', recorded(), **options)
    found, problems = read(path)
    assert [message.data for message in found] == [f'message {n}' for n in range(COUNT)]
    assert len(problems) == 1
    assert 'has no index, so it is read from its begin' in problems[0]


@pytest.mark.parametrize('truncated', [False, True])
@pytest.mark.parametrize('compression', CompressionType)
def test_a_broken_chunk_is_left_out(tmp_path, compression, truncated):
    path = write_mcap(tmp_path / 'bag.mcap', recorded(), chunk_size=8_000,
                      compression=compression)
    start, length = chunk_positions(path)[3]
    damage(path, start + length // 2)
    if truncated:
        path.write_bytes(path.read_bytes()[:-100])
    found = numbers(path)
    assert COUNT - 4 <= len(found) < COUNT
    assert found == sorted(found)
    assert found[-1] == COUNT - 1
    assert any('damaged' in problem for problem in read(path)[1])


def test_a_broken_chunk_of_ros_1_is_left_out(tmp_path):
    path = write_ros1(tmp_path / 'old.bag', recorded(STORE_1), chunk_size=8_000)
    chunks = [match.start() for match in re.finditer(re.escape(LZ4), path.read_bytes())]
    assert len(chunks) > 3
    damage(path, chunks[1], len(LZ4))
    assert numbers(path) == list(range(1, COUNT))  # the second chunk begins with message 0
    assert 'damaged, it continues with the next chunk' in read(path)[1][0]


def test_the_files_of_a_bag_without_metadata_are_read_in_their_order(tmp_path):
    """A recorder that crashes writes no metadata; its last file has no index."""
    folder = tmp_path / 'bag'
    folder.mkdir()
    rows = list(recorded())
    for part, name in enumerate(('bag_2', 'bag_10')):
        write_mcap(folder / f'{name}.mcap', rows[part * COUNT:(part + 1) * COUNT])
    last = folder / 'bag_10.mcap'
    last.write_bytes(last.read_bytes()[:-10])
    assert is_bag(folder)
    assert numbers(folder) == list(range(COUNT))
    problems = read(folder)[1]
    assert 'each file is read by itself' in problems[0]
    assert 'bag_10.mcap has no index' in problems[1]


def test_a_journal_beside_a_sqlite_file_is_named(tmp_path):
    path = write(tmp_path / 'bag', recorded(), 'sqlite3')
    (path / 'bag.db3-wal').write_bytes(bytes(100))
    assert 'bag.db3-wal holds messages that are not in bag.db3' in read(path)[1][0]


def test_a_damaged_sqlite_file_is_refused_with_the_command_that_recovers_it(tmp_path):
    path = write(tmp_path / 'bag', recorded(), 'sqlite3')
    file = path / 'bag.db3'
    damage(file, file.stat().st_size * 2 // 3, 8192)
    with pytest.raises(SourceError, match=r'bag.db3 cannot be read: .* malformed; run: sqlite3 '
                                          r'\S*bag.db3 .recover [|] sqlite3 \S*bag.recovered.db3'):
        Bag(path)


@pytest.mark.parametrize(('name', 'content', 'complaint'), [
    ('absent.mcap', None, 'absent.mcap does not exist; accepted: a folder with metadata.yaml'),
    ('note.txt', b'hello', 'note.txt is no bag'),
    ('empty.mcap', b'', 'empty.mcap cannot be read'),
    ('noise.mcap', bytes(1000), 'noise.mcap cannot be read'),
    ('noise.db3', bytes(1000), 'noise.db3 cannot be read'),
    ('noise.bag', b'#ROSBAG V2.0\n' + bytes(1000), 'noise.bag cannot be read'),
])
def test_a_file_that_is_no_bag_is_refused(tmp_path, name, content, complaint):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=complaint):
        Bag(path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match='a folder without a bag; accepted'):
        Bag(tmp_path)


def test_a_folder_of_files_of_ros_1_is_refused(tmp_path):
    """Each of them is a bag of its own."""
    write_ros1(tmp_path / 'drive.bag', recorded(STORE_1))
    with pytest.raises(SourceError, match='a folder without a bag; accepted'):
        Bag(tmp_path)


def test_without_the_libraries_the_error_names_the_command_that_installs_them(tmp_path):
    program = ('import sys; sys.modules["rosbags"] = None\n'
               'from fcos_ros.offline.bags.reader import Bag\nfrom pathlib import Path\n'
               'Bag(Path(sys.argv[1]))')
    path = write(tmp_path / 'bag', recorded())
    done = subprocess.run([sys.executable, '-c', program, str(path)], capture_output=True,
                          text=True)
    assert 'run: python3 -m pip install rosbags mcap' in done.stderr.splitlines()[-1]


def test_other_messages_do_not_fit_the_definition(tmp_path):
    path = write(tmp_path / 'bag', [('/chat', START, ('std_msgs/msg/String', b'\0\1\0\0\xff')),
                                    ('/chat', START, text('good'))])
    with Bag(path) as bag:
        broken, good = bag.messages()
        with pytest.raises(TypesError, match='a message is no std_msgs/msg/String'):
            bag.deserialise(broken)
        assert bag.deserialise(good).data == 'good'
