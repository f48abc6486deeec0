# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos bag` writes bags with the messages of bags and the detections in their images."""

from __future__ import annotations

import json
import os
from pathlib import Path
import resource
import signal
import subprocess
import sys

import cv2
from mcap.reader import make_reader
import numpy as np
from offline.bags.bag_files import (
    PERIOD,
    START,
    STORE,
    STORE_1,
    chunk_positions,
    compressed,
    damage,
    image,
    text,
    write,
    write_mcap,
    write_ros1,
)
from onnx_models import white_square, write_fcos, write_relu
import pytest
from rosbags.highlevel import AnyReader
from waiting import TIMEOUT, wait_until
import yaml

from fcos_ros.offline.bags.reader import Bag
from fcos_ros.runtime import fonts

SIZE = 128
COLUMNS = [1, 3, 5, 7, 9, 11]


@pytest.fixture
def run(fcos, model):
    """Return a function that runs the verb."""
    def call(*arguments, model=model):
        return fcos('bag', *arguments, '--model', model)
    return call


def square(column, time, store=STORE):
    return image(white_square(SIZE, column, 3), time - 5, store=store)


def drive(columns=COLUMNS, topics=('/cam/image_raw',), store=STORE):
    """Return images with a white square, and a message between two images."""
    string = store.types['std_msgs/msg/String']
    for number, column in enumerate(columns):
        for topic in topics:
            time = START + number * PERIOD
            yield topic, time, square(column, time, store)
            yield '/chat', time + 1, string(data=f'{topic} {number}')


def content(path):
    """Return the topic, the time and the bytes of every message."""
    with Bag(path) as bag:
        return [(message.topic.name, message.time, bytes(message.data))
                for message in bag.messages()]


def boxes(path, topic='/fcos/detections'):
    """Return time, stamp and centres of boxes of each message of a topic."""
    found = []
    with Bag(path) as bag:
        for message in bag.messages([entry for entry in bag.topics if entry.name == topic]):
            fields = bag.deserialise(message)
            found.append((message.time, fields.header.stamp.nanosec, fields.header.frame_id,
                          [entry.bbox.center.position.x for entry in fields.detections]))
    return found


def expected(columns=COLUMNS):
    """Return what `boxes` returns for a drive."""
    stamps = [START + number * PERIOD - 5 for number in range(len(columns))]
    return [(stamp + 5, stamp % 10**9, 'camera', [8.0 * column + 4])
            for stamp, column in zip(stamps, columns)]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_gets_detections_beside_its_messages(run, tmp_path, out, storage):
    source = write(tmp_path / 'in', drive(), 'sqlite3')
    result = run(source, out, '--storage', storage)
    assert result.code == 0, result.err
    assert result.out.endswith(f'results: {out}\n')
    assert boxes(out) == expected()
    original = [row for row in content(out) if not row[0].startswith('/fcos/')]
    assert original == content(source)


def test_the_messages_lie_in_the_order_of_the_bag(run, tmp_path, out):
    """A player without an index plays them in this order."""
    run(write(tmp_path / 'in', drive(COLUMNS * 8)), out)
    names = [(name, time) for name, time, _ in content(out)]
    start = [('/fcos/label_info', START), ('/fcos/vision_info', START)]
    frames = [row for number in range(len(COLUMNS) * 8) for row in (
        ('/cam/image_raw', START + number * PERIOD), ('/fcos/detections', START + number * PERIOD),
        ('/chat', START + number * PERIOD + 1))]
    assert names == start + frames
    with (out / 'out.mcap').open('rb') as file:
        times = [message.log_time
                 for _, _, message in make_reader(file).iter_messages(log_time_order=False)]
    assert times == sorted(times)


def test_other_programs_read_the_new_bag(run, tmp_path, out):
    run(write(tmp_path / 'in', drive()), out)
    with AnyReader([out]) as reader:
        connection = next(entry for entry in reader.connections
                          if entry.topic == '/fcos/detections')
        (_, _, data), *_ = reader.messages([connection])
        assert len(reader.deserialize(data, connection.msgtype).detections) == 1
    with (out / 'out.mcap').open('rb') as file:
        schemas = make_reader(file).get_summary().schemas.values()
    definition = next(schema for schema in schemas if schema.name.endswith('Detection2DArray'))
    assert definition.encoding == 'ros2msg'
    assert b'MSG: vision_msgs/ObjectHypothesisWithPose\n' in definition.data
    assert b'MSG: geometry_msgs/Quaternion\n' in definition.data


def test_the_metadata_is_what_ros2_bag_play_of_humble_reads(run, tmp_path, out):
    run(write(tmp_path / 'in', drive()), out)
    facts = yaml.safe_load((out / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert facts['version'] == 8
    assert facts['storage_identifier'] == 'mcap'
    assert facts['relative_file_paths'] == [facts['files'][0]['path']] == ['out.mcap']
    topics = {entry['topic_metadata']['name']: entry['topic_metadata']
              for entry in facts['topics_with_message_count']}
    latched = yaml.safe_load(topics['/fcos/label_info']['offered_qos_profiles'])
    assert latched[0]['durability'] == 1  # transient local: late subscribers get the message
    assert all(entry['type_description_hash'].startswith('RIHS01_') for entry in topics.values())


def test_a_bag_of_ros_1_becomes_one_of_ros_2(run, tmp_path, out):
    source = write_ros1(tmp_path / 'old.bag', drive(store=STORE_1))
    assert run(source, out).code == 0
    assert boxes(out) == expected()
    original = [row for row in content(out) if not row[0].startswith('/fcos/')]
    assert original == content(write(tmp_path / 'new', drive()))


def test_each_camera_has_topics_of_its_own(run, tmp_path, out):
    rows = sorted([*drive([1, 3], ['/front/image_raw']), *drive([5, 7], ['/rear/image_raw'])],
                  key=lambda row: row[1])
    assert run(write(tmp_path / 'in', rows), out).code == 0
    assert boxes(out, '/fcos/front/detections') == expected([1, 3])
    assert boxes(out, '/fcos/rear/detections') == expected([5, 7])


def test_the_cameras_of_the_parameter_file_have_their_settings(run, tmp_path, out):
    rows = [*drive([1], ['/robot/front/image']), *drive([3], ['/robot/rear/image'])]
    params = tmp_path / 'my.yaml'
    params.write_text('/**:\n  ros__parameters:\n    cameras: [front, rear]\n'
                      "    rear:\n      exclude_zones: ['0 0, 1 0, 1 1, 0 1']\n")
    assert run(write(tmp_path / 'in', rows), out, '--params', params).code == 0
    assert boxes(out, '/fcos/front/detections')[0][3] == [12.0]
    assert boxes(out, '/fcos/rear/detections')[0][3] == []


def test_the_annotated_images_are_written_on_demand(run, tmp_path, out):
    run(write(tmp_path / 'in', drive([5])), out, '--annotated', '-p', 'annotated_width:=64')
    with Bag(out) as bag:
        message, = bag.messages([topic for topic in bag.topics if 'annotated' in topic.name])
        assert message.topic.name == '/fcos/annotated_image/compressed'
        fields = bag.deserialise(message)
    assert cv2.imdecode(np.array(fields.data), cv2.IMREAD_COLOR).shape == (64, 64, 3)
    assert (fields.header.stamp.nanosec, message.time) == ((START - 5) % 10**9, START)


def test_class_names_that_are_not_ascii_are_drawn(run, tmp_path):
    source, drawn = write(tmp_path / 'in', drive([5])), []
    for number, name in enumerate(('кот', '???')):
        model = write_fcos(tmp_path / f'{number}.onnx', half_box=8.0,
                           metadata={'labels': json.dumps([name, 'b', 'c'])})
        out = tmp_path / str(number)
        result = run(source, out, '--annotated', model=model)
        assert 'question marks' not in result.err, 'install fonts-freefont-ttf'
        drawn.append(next(data for name, _, data in content(out) if 'annotated' in name))
    assert drawn[0] != drawn[1]


def test_a_missing_font_is_reported(run, tmp_path, out, monkeypatch):
    monkeypatch.setattr(fonts, 'FONTS', ())
    monkeypatch.setattr(fonts, 'is_drawn_by_opencv', str.isascii)
    model = write_fcos(tmp_path / 'a.onnx', metadata={'labels': json.dumps(['кот', 'b', 'c'])})
    source = write(tmp_path / 'in', drive([5]))
    assert 'question marks' not in run(source, tmp_path / 'plain', model=model).err
    result = run(source, out, '--annotated', model=model)
    assert result.code == 0
    assert 'drawn with question marks: install' in result.err


def test_the_images_can_be_left_out(run, tmp_path, out):
    run(write(tmp_path / 'in', drive()), out, '--no-images')
    assert {name for name, *_ in content(out)} == {
        '/chat', '/fcos/detections', '/fcos/label_info', '/fcos/vision_info'}
    assert boxes(out) == expected()


def test_messages_of_unknown_types_are_copied(run, tmp_path, out):
    rows = [*drive(), ('/own', START, ('own_msgs/msg/Own', b'\0\1\0\0abcd'))]
    result = run(write(tmp_path / 'in', rows, 'sqlite3', definitions=False), out)
    assert result.code == 1
    assert 'no definition of own_msgs/msg/Own' in result.err
    assert ('/own', START, b'\0\1\0\0abcd') in content(out)
    assert boxes(out) == expected()


def test_earlier_detections_are_replaced(run, tmp_path, out):
    run(write(tmp_path / 'in', drive()), out)
    again = tmp_path / 'again'
    result = run(out, again, '--conf', '0.99')
    assert result.code == 0
    assert 'had /fcos/detections; the new bag has only the new messages' in result.err
    assert len(boxes(again)) == len(COLUMNS)
    assert [name for name, *_ in content(again)].count('/fcos/label_info') == 1


def test_several_bags_are_written_below_the_folder(run, tmp_path, out):
    first = write(tmp_path / 'first', drive([1]))
    second = write_ros1(tmp_path / 'second.bag', drive([3], store=STORE_1))
    broken = tmp_path / 'broken.mcap'
    broken.write_bytes(b'noise')
    result = run(first, broken, second, out)
    assert result.code == 1
    assert 'broken.mcap failed: ' in result.err
    assert boxes(out / 'first') == expected([1])
    assert boxes(out / 'second') == expected([3])
    assert sorted(path.name for path in out.iterdir()) == ['first', 'second']


def test_json_has_the_counts(run, tmp_path, out):
    result = run(write(tmp_path / 'in', drive()), out, '--json')
    found = json.loads(result.out)
    figures, = found['inputs']
    assert found['results'] == str(out)
    assert (figures['frames'], figures['failed'], figures['detections']) == (6, 0, 6)
    assert figures['problems'] == []


# Faults

def test_a_broken_picture_in_the_middle_fails_alone(run, tmp_path, out):
    jpeg = cv2.imencode('.jpg', white_square(SIZE, 5, 3))[1].tobytes()
    rows = [('/image/compressed', START + number, compressed(data, START + number))
            for number, data in enumerate([jpeg, jpeg[:len(jpeg) // 2], b'', jpeg])]
    source = write(tmp_path / 'in', rows)
    result = run(source, out)
    assert result.code == 1
    assert 'frame failed: /image/compressed:1: ' in result.err
    assert 'frame failed: /image/compressed:2: ' in result.err
    # A frame that failed has no message; an empty one would look like an empty scene.
    assert [time for time, *_ in boxes(out)] == [START, START + 3]
    assert [row for row in content(out) if row[0] == '/image/compressed'] == content(source)


def test_a_damaged_bag_is_processed_as_far_as_it_goes(run, tmp_path, out):
    source = write_mcap(tmp_path / 'in.mcap', drive(), chunk_size=8_000)
    start, length = chunk_positions(source)[2]
    damage(source, start + length // 2)
    source.write_bytes(source.read_bytes()[:-500])
    result = run(source, out)
    assert result.code == 1
    assert 'a chunk of' in result.err
    found = boxes(out)
    assert 0 < len(found) < len(COLUMNS)
    assert [row for row in expected() if row in found] == found


@pytest.mark.parametrize(('name', 'complaint'), [
    ('absent', 'absent does not exist; accepted: a folder with metadata.yaml'),
    ('empty', 'empty is a folder without a bag'),
    ('text.txt', 'text.txt is no bag')])
def test_what_is_no_bag_is_refused(run, tmp_path, out, name, complaint):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'text.txt').write_text('hello')
    result = run(tmp_path / name, out)
    assert result.code == 2
    assert complaint in result.err
    assert 'Traceback' not in result.err
    assert not out.exists()


def test_a_bag_without_images_is_refused(run, tmp_path, out):
    result = run(write(tmp_path / 'in', [('/chat', START, text('hello'))]), out)
    assert (result.code, out.exists()) == (2, False)
    assert 'has no images; accepted: ' in result.err


def test_a_wrong_topic_is_refused(run, tmp_path, out):
    result = run(write(tmp_path / 'in', drive()), out, '--topics', '/absent')
    assert (result.code, out.exists()) == (2, False)
    assert 'has no images on /absent; accepted: /cam/image_raw' in result.err


def test_a_present_folder_is_replaced_only_on_demand(run, tmp_path, out):
    source = write(tmp_path / 'in', drive())
    run(source, out, '--conf', '0.99')
    result = run(source, out)
    assert result.code == 2
    assert 'out exists; accepted: a new folder; choose another name, or add --ov' in result.err
    assert run(source, out, '--overwrite').code == 0
    assert boxes(out) == expected()
    (tmp_path / 'precious').mkdir()
    (tmp_path / 'precious' / 'file').touch()
    result = run(source, tmp_path / 'precious', '--overwrite')
    assert result.code == 2
    assert 'is no bag' in result.err
    assert (tmp_path / 'precious' / 'file').exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['in', 'out', 'precious']


def test_a_bag_of_any_name_is_replaced(run, tmp_path):
    """The bag that is replaced gets another name for a moment."""
    source, out = write(tmp_path / 'in', drive()), tmp_path / 'before'
    run(source, out, '--conf', '0.99')
    result = run(source, out, '--overwrite')
    assert result.code == 0, result.err
    assert boxes(out) == expected()


def test_a_folder_that_cannot_be_written_is_reported(run, tmp_path):
    source = write(tmp_path / 'in', drive())
    (tmp_path / 'file').touch()
    for folder in (tmp_path / 'file', Path('/proc')):
        result = run(source, folder / 'deeper' / 'out')
        assert result.code == 2
        assert f'{folder / "deeper" / "out"} cannot be written: ' in result.err


def test_a_model_that_is_no_fcos_network_is_refused(run, tmp_path, out):
    result = run(write(tmp_path / 'in', drive()), out, model=write_relu(tmp_path / 'relu.onnx'))
    assert (result.code, result.out, out.exists()) == (2, '', False)
    assert 'relu.onnx' in result.err


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_full_disk_is_reported_and_nothing_stays(model, tmp_path, out, storage):
    source = write(tmp_path / 'in', drive(COLUMNS * 20))
    process = subprocess.run(
        [sys.executable, '-m', 'fcos_ros.cli', 'bag', source, out, '--model', model,
         '--storage', storage], capture_output=True, text=True, timeout=TIMEOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000)))
    assert process.returncode == 2, process.stderr
    assert f'{out} cannot be written' in process.stderr
    assert 'Traceback' not in process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ['in']


@pytest.mark.parametrize(('storage', 'number'), [
    ('mcap', signal.SIGINT), ('sqlite3', signal.SIGTERM)])
def test_an_interrupt_leaves_a_valid_bag_of_the_frames_so_far(
        model, tmp_path, out, storage, number):
    source = write(tmp_path / 'in', drive(COLUMNS * 200))
    process = subprocess.Popen(
        [sys.executable, '-m', 'fcos_ros.cli', 'bag', source, out, '--model', model,
         '--storage', storage], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'PYTHONUNBUFFERED': '1'})
    wait_until(lambda: any(path.stat().st_size > 1_000_000 for path in _storages(tmp_path)))
    process.send_signal(number)
    output, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, errors
    assert errors.endswith('Interrupted.\n')
    assert output.endswith(f'results: {out}\n')
    found = boxes(out)
    assert 0 < len(found) < len(COLUMNS) * 200
    assert found == expected(COLUMNS * 200)[:len(found)]
    with Bag(out) as bag:
        assert bag.problems == []


def _storages(folder: Path):
    return [path for path in folder.glob('.out.*/out/*') if path.exists()]
