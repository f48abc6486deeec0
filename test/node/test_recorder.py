# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node records its frames; a replay gives the detections that it has published."""

from __future__ import annotations

import builtins
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from node.graph import Graph, image_message
import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2DArray
from waiting import TIMEOUT, wait_until

from fcos_ros.demo.scenes import render
from fcos_ros.messages.detections import serialise_detections
from fcos_ros.recording.reader import Recording, find_recordings
from fcos_ros.recording.replay import Replay
from fcos_ros.runtime.workers import LocalWorker
from fcos_ros.settings.schema import Settings

NUM_SCENES = 6

QUADRANT = ('0 0, 0.5 0, 0.5 0.5, 0 0.5',)

LOWER_HALF = ('0 0.5, 1 0.5, 1 1, 0 1',)

VARIANTS: dict[str, dict[str, Any]] = {
    'as recorded': {},
    'thresholds': {'score_threshold': 0.2, 'nms_threshold': 0.3, 'max_detections': 7},
    'classes': {'class_thresholds': ['cube: 0.25', 'ball: 0.8'], 'exclude_classes': ['cone'],
                'one_class_per_cell': 'false', 'hypotheses': 3},
    'zones': {'include_zones': LOWER_HALF, 'exclude_zones': QUADRANT, 'zone_anchor': 'bottom',
              'min_size': 12.0},
    'tracks': {'track': True, 'track_threshold': 0.2},
}
"""Parameters with which the same images are detected again."""


def on(folder: Path, **parameters: Any) -> dict[str, Any]:
    """Return parameters with which a node records all frames into a folder."""
    return {'recorder': 'always', 'recorder_folder': str(folder), 'recorder_free_space': 0,
            **parameters}


def scene(number: int) -> Any:
    return image_message(render(number % NUM_SCENES).image, stamp=(100 + number // 10, number))


def detect(graph: Graph, count: int = NUM_SCENES) -> list[Any]:
    """Publish scenes one after the other; return their detections."""
    graph.wait_until_connected()
    return [graph.detections_of(scene(number)) for number in range(count)]


def recorded(folder: Path) -> list[Any]:
    """Return the frames of all recordings in a folder, which must be complete."""
    frames = []
    for recording in map(Recording, find_recordings([folder])):
        frames += recording.frames()
        assert not recording.problem
    return frames


def replayed(frames: list[Any], **parameters: Any) -> list[Any]:
    """Decode frames again; return the messages that a node would publish."""
    replay = Replay()
    given = {name: tuple(value) if isinstance(value, list) else value
             for name, value in parameters.items()}
    settings = replace(frames[0].settings, **given)
    return [as_message(frame, replay.detect(frame, settings)) for frame in frames]


def as_message(frame: Any, found: Any) -> Any:
    header = Header(frame_id=frame.frame_id)
    header.stamp.sec, header.stamp.nanosec = divmod(frame.stamp, 10**9)
    return deserialize_message(serialise_detections(found, header), Detection2DArray)


@pytest.fixture(scope='module')
def recording(tmp_path_factory):
    """Return the frames that a node has recorded, and the detections that it has published."""
    folder = tmp_path_factory.mktemp('recording')
    with Graph(**on(folder, score_threshold=0.3)) as graph:
        arrays = detect(graph)
    return recorded(folder), arrays


def test_a_recording_has_all_facts_of_a_frame(recording):
    frames, arrays = recording
    assert len(frames) == len(arrays) == NUM_SCENES
    for frame, array in zip(frames, arrays):
        assert (frame.fate, frame.error, frame.reason, frame.camera) == ('published', '', '', '')
        assert frame.frame_id == array.header.frame_id
        assert frame.stamp == array.header.stamp.sec * 10**9 + array.header.stamp.nanosec
        assert set(frame.times) == {
            'wait', 'preprocess', 'infer', 'decode', 'publish', 'total'}
        assert frame.times['total'] > frame.times['infer'] > 0
        assert as_message(frame, frame.detections) == array
        assert len(frame.candidates.scores) > len(frame.detections)
        assert frame.candidates.floor == Settings().recorder_floor
        assert frame.settings.score_threshold == 0.3
    session = frames[0].session
    assert session.node == '/fcos'
    assert session.model.name
    assert session.model.labels.names
    assert {'Python', 'numpy', 'ROS 2', 'rmw'} <= set(session.versions)
    assert len({frame.session.started for frame in frames}) == 1


@pytest.mark.parametrize('variant', VARIANTS.values(), ids=VARIANTS)
def test_a_replay_with_any_parameters_equals_a_node_with_them(recording, variant):
    frames, arrays = recording
    if variant:
        with Graph(**{'score_threshold': 0.3, **variant}) as graph:
            arrays = detect(graph)
    assert any(len(array.detections) for array in arrays)
    assert replayed(frames, **variant) == arrays


def test_thresholds_below_the_floor_of_the_recorder_lower_it(tmp_path):
    with Graph(**on(tmp_path, recorder_floor=0.5, score_threshold=0.15)) as graph:
        arrays = detect(graph, 3)
    frames = recorded(tmp_path)
    assert replayed(frames) == arrays
    replay = Replay()
    replay.detect(frames[0], replace(frames[0].settings, score_threshold=0.14))
    assert replay.below_floor == 1


def test_more_candidates_than_are_recorded_do_not_change_the_detections(tmp_path):
    parameters = {'score_threshold': 0.02, 'max_detections': 1000}
    with Graph(**parameters) as graph:
        arrays = detect(graph, 2)
    with Graph(**on(tmp_path, **parameters)) as graph:
        assert detect(graph, 2) == arrays
    frames = recorded(tmp_path)
    assert min(frame.candidates.floor for frame in frames) > 0.02
    replay = Replay()
    for frame in frames:
        assert len(replay.detect(frame)) < len(frame.detections)
    assert replay.below_floor == 2


def test_each_camera_has_its_topics_and_its_settings(tmp_path):
    with Graph(camera_qos=None, cameras=['front', 'rear'],
               **on(tmp_path, **{'rear.score_threshold': 0.6})) as graph:
        from sensor_msgs.msg import Image
        from vision_msgs.msg import Detection2DArray
        arrays: dict[str, list[Any]] = {'front': [], 'rear': []}
        for name, received in arrays.items():
            publisher = graph.peer.create_publisher(Image, f'{name}/image', 10)
            graph.listen(Detection2DArray, f'fcos/{name}/detections', received)
            wait_until(lambda publisher=publisher, name=name: publisher.get_subscription_count()
                       and graph.subscribers(f'fcos/{name}/detections'))
            publisher.publish(scene(0))
            wait_until(lambda received=received: received)
    frames = {frame.camera: frame for frame in recorded(tmp_path)}
    for name, received in arrays.items():
        assert replayed([frames[name]]) == received
    assert frames['front'].settings.score_threshold == 0.0
    assert frames['rear'].settings.score_threshold == 0.6


def test_failed_and_expired_frames_are_recorded_with_their_reason(tmp_path):
    with Graph(**on(tmp_path, max_age=100.0)) as graph:
        graph.wait_until_connected()
        graph.camera.publish(scene(0))  # its stamp is decades old
        graph.wait_for_counts(expired=1)
        graph.set(max_age=0.0)
        damaged = scene(1)
        damaged.step += 1
        graph.camera.publish(damaged)
        graph.wait_for_counts(failed=1)
        graph.detections_of(scene(2))
    expired, failed, published = recorded(tmp_path)
    assert (expired.fate, expired.settings.max_age, expired.size) == ('expired', 100.0, None)
    assert (failed.fate, failed.error, failed.candidates) == ('failed', 'length', None)
    assert 'accepted' in failed.reason
    assert published.fate == 'published'


def test_superseded_frames_are_recorded(tmp_path, monkeypatch):
    go_on = Event()

    def detect_later(worker: LocalWorker, *arguments: Any,
                     detect: Any = LocalWorker.detect) -> Any:
        assert go_on.wait(TIMEOUT)
        return detect(worker, *arguments)

    monkeypatch.setattr(LocalWorker, 'detect', detect_later)
    with Graph(**on(tmp_path)) as graph:
        for number in range(3):
            graph.wait_until_connected().camera.publish(scene(number))
            graph.wait_for_counts(received=number + 1)
        go_on.set()
        graph.wait_for_counts(published=2, superseded=1)
    frames = {frame.stamp % 10**9: frame for frame in recorded(tmp_path)}
    assert [frames[number].fate for number in range(3)] == [
        'published', 'superseded', 'published']
    assert (frames[1].detections, frames[1].candidates) == (None, None)
    assert (frames[1].size, set(frames[1].times)) == (frames[0].size, {'wait'})


def call(graph: Graph) -> Any:
    """Call the service `~/record`."""
    client = graph.peer.create_client(Trigger, 'fcos/record')
    wait_until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    return wait_until(lambda: future.done() and future.result())


def test_the_service_records_the_frames_before_and_after(tmp_path):
    with Graph(**on(tmp_path, recorder='on_trigger', recorder_before=600.0)) as graph:
        arrays = detect(graph, 3)
        status = graph.wait_for_status('recorder')
        assert (status.message, list(tmp_path.iterdir())) == ('waiting for an event', [])
        answer = call(graph)
        assert answer.success
        assert answer.message == (
            f'the last 600 s and the next 5 s are recorded in {tmp_path}')
        arrays.append(graph.detections_of(scene(3)))
        status = graph.wait_for_status('recorder', lambda status: status.message == 'recording')
        values = {entry.key: entry.value for entry in status.values}
        assert values['last event'] == 'service'
        assert Path(values['file']).parent == tmp_path
        assert values['lost'] == '0'
    assert replayed(recorded(tmp_path)) == arrays


def test_the_service_says_why_nothing_is_recorded():
    with Graph() as graph:
        answer = call(graph)
    assert not answer.success
    assert 'accepted: on_trigger or always' in answer.message


def test_a_seen_class_starts_a_recording(tmp_path):
    with Graph(**on(tmp_path, recorder='on_trigger', recorder_triggers=['score: 0.2 1.0'])
               ) as graph:
        detect(graph, 2)
        wait_until(lambda: graph.wait_for_status('recorder').message == 'recording')
    assert len(recorded(tmp_path)) == 2


def test_diagnostics_that_become_worse_start_a_recording(tmp_path):
    with Graph(**on(tmp_path, recorder='on_trigger', recorder_triggers=['diagnostics: error'])
               ) as graph:
        detect(graph, 2)
        damaged = scene(2)
        damaged.step += 1
        graph.camera.publish(damaged)
        wait_until(lambda: graph.wait_for_status('recorder').message == 'recording')
    assert [frame.fate for frame in recorded(tmp_path)] == ['published', 'published', 'failed']


def test_the_recorder_may_be_switched_while_the_node_runs(tmp_path):
    with Graph() as graph:
        detect(graph, 1)
        assert not graph.set(**on(tmp_path))
        array = graph.detections_of(scene(1))
        assert 'accepted: class: NAME' in graph.set(recorder_triggers=['dog'])
        assert not graph.set(recorder='never')
        graph.detections_of(scene(2))
    frames = recorded(tmp_path)
    assert replayed(frames) == [array]


def test_a_disk_that_cannot_be_written_is_reported_and_the_node_goes_on(tmp_path):
    (tmp_path / 'file').touch()
    with Graph(**on(tmp_path / 'file' / 'folder')) as graph:
        arrays = detect(graph, 2)
        status = graph.wait_for_status('recorder', lambda status: status.level == b'\2')
        assert 'nothing is recorded: cannot write recordings' in status.message
        assert 'set recorder_folder' in status.message
        graph.wait_for_status('recorder', lambda status: any(
            (entry.key, entry.value) == ('lost', '2') for entry in status.values))
        assert len(arrays) == 2


def test_without_the_library_the_node_stays_inactive_with_the_remedy(tmp_path, monkeypatch):
    import_module = builtins.__import__

    def refuse(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.startswith('mcap'):
            raise ModuleNotFoundError(name)
        return import_module(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, '__import__', refuse)
    with Graph(**on(tmp_path)) as graph:
        status = graph.wait_for_status('model')
        assert 'python3 -m pip install' in status.message
        assert graph.set(recorder='never') == ''
        graph.transit('configure', 'activate')
        detect(graph, 1)
        assert 'python3 -m pip install' in graph.set(recorder='always')


def test_images_are_recorded_if_wanted(tmp_path):
    with Graph(**on(tmp_path, recorder_image_width=64, recorder_image_rate=0.0)) as graph:
        detect(graph, 2)
    for frame in recorded(tmp_path):
        assert frame.image[:2] == b'\xff\xd8'
        assert np.frombuffer(frame.image, np.uint8).size < 10_000
