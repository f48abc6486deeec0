# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node promises of everything it publishes beside plain detections."""

from itertools import count
from pathlib import Path
import sys
import time

import cv2
from graph import LATCHED, Graph, image_message
from hypothesis import given, strategies as st
import numpy as np
from onnx_models import white_square, write_fcos
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from topic_recorder import TopicRecorder
from vision_msgs.msg import LabelInfo, VisionInfo
from waiting import wait_until

from fcos_ros.backends import load
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import Labels
from fcos_ros.core.resize import Size
from fcos_ros.node import perception, pictures
from fcos_ros.node.annotations import Annotations
from fcos_ros.node.messages import to_detection_array
from fcos_ros.node.outlet import Finding
from fcos_ros.node.perception import Perception, Rate
from fcos_ros.node.pictures import Pace
from fcos_ros.runtime.detector import StageTimes

SIZE = 128
SCENE = white_square(SIZE, 5, 3)
EMPTY = np.zeros((SIZE, SIZE, 3), np.uint8)
RAW, COMPRESSED = 'fcos/annotated_image', 'fcos/annotated_image/compressed'
NAMES = ('cube', 'ball', 'cone')


def detect(graph, image):
    """Publish an image, and return its own detections, whatever else is under way."""
    graph.camera.publish(image)
    return wait_until(lambda: [array for array in graph.arrays if array.header == image.header])[0]


def decoded(message):
    if isinstance(message, CompressedImage):
        return cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)


def grey_nv12(bgr):
    """Return a grey image as nv12, whose colours are in a plane of their own."""
    return np.vstack([bgr[:, :, 0], np.full((len(bgr) // 2, len(bgr)), 128, np.uint8)])


# The annotated image


@pytest.mark.parametrize('topics', [(RAW,), (COMPRESSED,), (RAW, COMPRESSED)],
                         ids=['raw', 'compressed', 'both'])
def test_a_picture_is_on_each_topic_that_somebody_looks_at(graph, topics):
    kinds = {RAW: Image, COMPRESSED: CompressedImage}
    recorders = {topic: TopicRecorder(graph, kinds[topic], topic) for topic in topics}
    for topic, recorder in recorders.items():
        message = recorder.next(grey_nv12(SCENE), encoding='nv12')
        assert message.header.frame_id == 'camera_optical'
        assert message.header.stamp.nanosec == 7
        picture = decoded(message)
        assert picture.shape == SCENE.shape, topic
        assert np.ptp(picture.astype(int), axis=2).max() > 50, 'nothing coloured on a grey image'
    if COMPRESSED in topics:
        assert recorders[COMPRESSED].messages[0].format == 'bgr8; jpeg compressed bgr8'


@pytest.fixture
def widths(monkeypatch):
    """Return lists of the widths of all that is drawn, and converted to either message."""
    def recorded(function, widths):
        def run(picture, *rest):
            widths.append(picture.size.width if isinstance(picture, Frame) else picture.shape[1])
            return function(picture, *rest)
        return run

    lists = {'draw': [], 'to_image': [], '_jpeg': []}
    for name, widths in lists.items():
        monkeypatch.setattr(pictures, name, recorded(getattr(pictures, name), widths))
    return lists


def test_nothing_is_drawn_or_packed_without_a_subscription(widths, graph):
    seconds = count(1)

    def detect_in_width(width):
        detect(graph, image_message(
            np.zeros((SIZE, width, 3), np.uint8), stamp=(next(seconds), 0)))

    def without_subscription(width):
        # When the last one is done, those before it have been drawn or left out.
        for each in (width, width, width, width + 4):
            detect_in_width(each)

    def with_subscription(kind, topic, width):
        subscription = graph.listen(kind, topic, [])
        wait_until(lambda: graph.subscribers(topic))
        for each in (width, width + 4):
            detect_in_width(each)
            wait_until(lambda: each in widths['to_image'] + widths['_jpeg'])  # noqa: B023
        graph.call(graph.peer.destroy_subscription, subscription)
        wait_until(lambda: not graph.subscribers(topic))

    without_subscription(8)
    with_subscription(Image, RAW, 16)
    with_subscription(CompressedImage, COMPRESSED, 24)
    without_subscription(32)
    with_subscription(Image, RAW, 40)
    settled = {name: [width for width in found if width % 8 == 0]
               for name, found in widths.items()}
    assert settled == {'draw': [16, 24, 40], 'to_image': [16, 40], '_jpeg': [24]}


def test_width_and_quality_change_while_it_runs(graph):
    recorder = TopicRecorder(graph, CompressedImage, COMPRESSED)
    noise = np.random.default_rng(0).integers(0, 256, SCENE.shape, np.uint8)
    fine = recorder.next(noise)
    assert graph.set(jpeg_quality=5) == ''
    assert len(recorder.next(noise).data) < len(fine.data) / 3
    for width, expected in ((40, 40), (SIZE + 1, SIZE), (0, SIZE)):
        assert graph.set(annotated_width=width) == ''
        assert decoded(recorder.next(SCENE)).shape == (expected, expected, 3)


def test_pictures_are_no_more_often_than_allowed_and_detections_are(graph):
    recorder = TopicRecorder(graph, Image, RAW)
    recorder.next(SCENE)
    assert graph.set(annotated_rate=0.001) == ''
    for second in range(2001, 2007):
        assert detect(graph, image_message(SCENE, stamp=(second, 0))).detections
    assert graph.set(annotated_rate=0.0) == ''
    recorder.next(SCENE)
    stamps = [picture.header.stamp.sec for picture in recorder.messages]
    assert len({*range(2001, 2007)} & {*stamps}) <= 1


def test_a_picture_that_cannot_be_made_costs_no_frame(graph):
    recorder = TopicRecorder(graph, CompressedImage, COMPRESSED)
    recorder.next(SCENE)
    # Wider than a JPEG may be, and no obstacle to the detector.
    wide = np.zeros((8, 65504, 3), np.uint8)
    detect(graph, image_message(wide, stamp=(3000, 0)))
    recorder.next(SCENE)
    assert not any(message.header.stamp.sec == 3000 for message in recorder.messages)
    assert graph.wait_for_counts(in_flight=0)['failed'] == '0'


def test_zones_are_seen_on_the_picture(model):
    with Graph(model=model, regions=['0 0, 1 0, 1 1, 0 1']) as running:
        picture = decoded(TopicRecorder(running.wait_until_connected(), Image, RAW).next(EMPTY))
        assert (picture[[0, -1]] == 255).all()
        assert not picture[10:-10, 10:-10].any()


@given(st.floats(0.1, 100), st.lists(st.floats(0, 10), max_size=50))
def test_the_pace_is_never_above_the_rate(rate, gaps):
    pace, moments = Pace(), np.cumsum([100, *gaps])
    passed = [moment for moment in moments if pace.allows(moment, rate)]
    assert len(passed) <= (moments[-1] - moments[0]) * rate + 2


@pytest.mark.parametrize('rate', [5.0, 10.0, 14.0, 15.0, 20.0, 29.0])
def test_frames_that_jitter_are_let_through_at_the_rate(rate):
    jitter = np.random.default_rng(0).uniform(-0.005, 0.005, 300)
    moments = (100 + np.arange(300) / 30 + jitter).tolist()
    pace = Pace()
    passed = sum(pace.allows(moment, rate) for moment in moments)
    assert passed == pytest.approx(10 * rate, rel=0.05)


def test_the_pace_after_a_pause_is_not_made_up_for():
    pace = Pace()
    moments = [0.0, 100.0, 100.05, 100.1, 100.11]
    assert [pace.allows(moment, 10.0) for moment in moments] == [True, True, False, True, False]


def test_a_new_pace_does_not_wait_for_the_old_one():
    pace = Pace()
    assert pace.allows(0.0, 0.001)
    assert [pace.allows(moment, 10.0) for moment in (1.0, 1.05, 1.11, 1.15, 1.21)] == [
        False, False, True, False, True]


# What class ids mean


def test_the_legend_is_told_again_only_when_it_changes(model):
    with Graph(model=model) as running:
        labels, infos = [], []
        running.wait_until_connected()
        running.listen(LabelInfo, 'fcos/label_info', labels, LATCHED)
        running.listen(VisionInfo, 'fcos/vision_info', infos, LATCHED)

        def told(count):
            wait_until(lambda: len(labels) >= count and len(infos) >= count)
            return infos[-1].database_version, round(labels[-1].threshold, 3)

        assert told(1) == (1, 0.5)
        info, = infos
        assert info.method == 'squares (onnx)'
        assert info.database_location == '/fcos/label_info'
        assert running.set(max_detections=7, nms_threshold=0.3, score_threshold=0.5) == ''
        assert running.set(score_threshold=0.25) == ''
        assert told(2) == (2, 0.25)
        assert running.set(class_thresholds=['ball: 0.125']) == ''
        assert told(3) == (3, 0.125)
        assert running.set(class_id='name') == ''
        assert told(4) == (4, 0.125)
        assert all([entry.class_name for entry in each.class_map] == list(NAMES)
                   for each in labels)
        running.transit('deactivate', 'activate')
        assert running.set(class_thresholds=[''], class_id='index') == ''
        assert told(5) == (5, 0.25), 'the same after a new start was told twice'
        running.transit('deactivate', 'cleanup', 'configure', 'activate')
        assert told(6) == (5, 0.25), 'new publishers say the same as the old'


def test_class_ids_are_names_where_asked_for(graph):
    labels = []
    graph.listen(LabelInfo, 'fcos/label_info', labels, LATCHED)
    wait_until(lambda: labels)
    known = {entry.class_name: entry.class_id for entry in labels[0].class_map}
    assert graph.set(hypotheses=2, class_thresholds=['ball: 0.001']) == ''
    for how, expected in (('name', ['cube', 'ball']), ('index', ['0', '1'])):
        assert graph.set(class_id=how) == ''
        detection, = graph.detect(image_message(SCENE)).detections
        hypotheses = [result.hypothesis for result in detection.results]
        written = [hypothesis.class_id for hypothesis in hypotheses]
        assert written == expected
        assert [str(known.get(text, text)) for text in written] == ['0', '1']
        assert hypotheses[0].score > hypotheses[1].score > 0
    assert 'accepted: index, name' in graph.set(class_id='label')


def test_classes_without_names_are_numbers_in_the_legend_too(tmp_path):
    with Graph(model=str(write_fcos(tmp_path / 'model.onnx')), class_id='name') as running:
        labels = []
        running.listen(LabelInfo, 'fcos/label_info', labels, LATCHED)
        names = [entry.class_name for entry in wait_until(lambda: labels)[0].class_map]
        assert len(names) == 3
        running.wait_until_connected()
        detections = running.detect(image_message(SCENE)).detections
        assert [found.results[0].hypothesis.class_id for found in detections] == names[:1] == ['0']


def test_tracks_and_alternatives_go_into_detections():
    found = Detections(
        np.array([[0, 0, 4, 4], [1, 1, 3, 3]], np.float32), np.array([0.75, 0.5], np.float32),
        np.array([2, 0], np.int32),
        Alternatives(np.array([[0, 1], [1, -1]], np.int32),
                     np.array([[0.5, 0.25], [0.125, 0]], np.float32)),
        np.array([12, 0], np.int64))
    first, second = to_detection_array(found, Header(), Labels(NAMES)).detections
    assert (first.id, second.id) == ('12', '')
    said = [[(result.hypothesis.class_id, result.hypothesis.score) for result in each.results]
            for each in (first, second)]
    assert said == [[('cone', 0.75), ('cube', 0.5), ('ball', 0.25)],
                    [('cube', 0.5), ('ball', 0.125)]]


# For the tools of TROS


def test_perception_targets_pair_with_images_by_their_exact_stamp(graph):
    messages = pytest.importorskip('ai_msgs.msg')
    recorder = TopicRecorder(graph, messages.PerceptionTargets, 'fcos/perception_targets')
    recorder.next(SCENE)
    stamp = int(time.time()), 5
    sent = [image_message(pixels, stamp=(stamp[0], number))
            for number, pixels in enumerate((SCENE, EMPTY, SCENE))]
    for image in sent:
        detect(graph, image)
    said = wait_until(lambda: len(recorder.since(stamp[0])) == 3 and recorder.since(stamp[0]))
    assert [message.header for message in said] == [image.header for image in sent]
    full, empty, _ = said
    assert list(empty.targets) == []
    target, = full.targets
    roi, = target.rois
    assert (target.type, roi.type, target.track_id) == ('cube', 'cube', 0)
    assert 0.5 <= roi.confidence <= 1
    rect = roi.rect
    assert (rect.x_offset, rect.y_offset, rect.width, rect.height) == (36, 20, 16, 16)
    stages = ('preprocess', 'predict_infer', 'predict_parse', 'postprocess', 'pipeline')
    assert [perf.type for perf in full.perfs] == [f'squares_{stage}' for stage in stages]
    moments = [perf.stamp_start.sec + perf.stamp_start.nanosec / 1e9 for perf in full.perfs[:4]]
    assert moments == sorted(moments)
    assert all(perf.time_ms_duration >= 0 for perf in full.perfs)
    assert full.perfs[-1].stamp_start == full.header.stamp


def test_the_pipeline_is_timed_from_arrival_when_the_stamp_is_from_another_clock(graph):
    messages = pytest.importorskip('ai_msgs.msg')
    recorder = TopicRecorder(graph, messages.PerceptionTargets, 'fcos/perception_targets')
    start = time.monotonic()
    message = recorder.next(SCENE)
    longest = max(perf.time_ms_duration for perf in message.perfs)
    assert longest == message.perfs[-1].time_ms_duration <= 1000 * (time.monotonic() - start)


def test_the_rate_is_that_of_the_last_two_seconds():
    rate = Rate()
    assert [rate.count(moment) for moment in (10.0, 10.1, 10.2)] == [-1, 10, 10]
    for number in range(100):
        latest = rate.count(20 + number / 30)
    assert latest == 30
    assert [rate.count(moment) for moment in (60.0, 61.0)] == [-1, 1]
    assert [rate.count(moment) for moment in (90.0, 90.0, 90.0 + 1e-7)] == [-1, -1, 32767]


@pytest.mark.parametrize('package', ['ai_msgs', 'foxglove_msgs'])
def test_without_its_messages_an_output_is_left_out(model, monkeypatch, package):
    for module in (package, f'{package}.msg'):
        monkeypatch.setitem(sys.modules, module, None)
    topic = {'ai_msgs': 'fcos/perception_targets', 'foxglove_msgs': 'fcos/annotations'}[package]
    with Graph(model=model) as running:
        assert len(running.wait_until_connected().detect(image_message(SCENE)).detections) == 1
        assert not running.node.count_publishers(topic)


def test_a_tracked_object_bears_its_number_in_all_messages(model):
    messages = pytest.importorskip('ai_msgs.msg')
    with Graph(model=model, track=True) as running:
        labels = []
        running.listen(LabelInfo, 'fcos/label_info', labels, LATCHED)
        assert wait_until(lambda: labels)[0].threshold == pytest.approx(0.1), 'a track goes lower'
        running.wait_until_connected()
        recorder = TopicRecorder(running, messages.PerceptionTargets, 'fcos/perception_targets')
        recorder.next(EMPTY)
        ids = [[found.id for found in detect(running, image_message(
                    SCENE, stamp=(5000, number * 30_000_000))).detections] for number in range(5)]
        assert ids[0] == ['']
        assert ids[-1] == ['1']
        detect(running, image_message(EMPTY, stamp=(5000, 150_000_000)))
        said = wait_until(lambda: len(recorder.since(5000)) == 6 and recorder.since(5000))
        numbers = [[str(target.track_id or '') for target in message.targets] for message in said]
        assert numbers == [*ids, []]
        assert [target.track_id for target in said[-1].disappeared_targets] == [1]


# Findings published by an outlet of the test's own


def make_finding(boxes=(), size=(SIZE, SIZE), track_ids=None, second=50):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    number = len(boxes)
    header = Header(frame_id='camera')
    header.stamp.sec = second
    return Finding(
        Frame.wrap(bytes(3 * size[0] * size[1]), Size(*size), 'bgr8'), header,
        Detections(boxes, np.full(number, 0.5, np.float32), np.zeros(number, np.int32),
                   track_ids=None if track_ids is None else np.array(track_ids, np.int64)),
        StageTimes(0.001, 0.002, 0.003), time.perf_counter(), 0.0)


@pytest.fixture
def idle(model):
    """Return a graph whose node is not configured."""
    with Graph(model=model, autostart=False) as running:
        yield running


@pytest.fixture
def make_outlet(idle, model):
    """Return a function that adds an outlet to a node; it returns it and the list of messages."""
    def make(kind, message, topic):
        idle.transit('configure')
        outlet = kind(idle.node, '~/hand/', load(Path(model)).info)
        idle.transit('activate')
        received = []
        idle.listen(message, f'fcos/hand/{topic}', received)
        wait_until(outlet.wanted)
        return outlet, received
    return make


def test_targets_that_a_track_has_left_have_disappeared(make_outlet):
    messages = pytest.importorskip('ai_msgs.msg')
    outlet, received = make_outlet(Perception, messages.PerceptionTargets, 'perception_targets')
    box = [1, 1, 5, 5]
    for track_ids in ([3, 0], [4], [], []):
        outlet.publish(make_finding([box] * len(track_ids), track_ids=track_ids))
    wait_until(lambda: len(received) == 4)
    seen = [[target.track_id for target in each.targets] for each in received]
    assert seen == [[3, 0], [4], [], []]
    gone = [[target.track_id for target in each.disappeared_targets] for each in received]
    assert gone == [[], [3], [4], []]


def test_who_listens_anew_hears_of_nothing_that_was_before(idle, make_outlet, monkeypatch):
    messages = pytest.importorskip('ai_msgs.msg')
    moments = iter((10.0, 10.125, 10.25, 10.5, 10.75))
    monkeypatch.setattr(perception, 'monotonic', lambda: next(moments))
    outlet, received = make_outlet(Perception, messages.PerceptionTargets, 'perception_targets')

    def hear(track_ids):
        known = len(received)
        outlet.publish(make_finding([[1, 1, 5, 5]] * len(track_ids), track_ids=track_ids))
        said = wait_until(lambda: received[known:])[0]
        return said.fps, [target.track_id for target in said.disappeared_targets]

    assert [hear([3]), hear([3, 4]), hear([3])] == [(-1, []), (8, []), (8, [4])]
    listener, = [each for each in idle.peer.subscriptions
                 if each.topic_name == '/fcos/hand/perception_targets']
    idle.call(idle.peer.destroy_subscription, listener)
    wait_until(lambda: not outlet.wanted())
    idle.listen(messages.PerceptionTargets, 'fcos/hand/perception_targets', received)
    wait_until(outlet.wanted)
    assert [hear([]), hear([5])] == [(-1, []), (4, [])]


def test_rectangles_are_whole_pixels_of_the_image(make_outlet):
    messages = pytest.importorskip('ai_msgs.msg')
    outlet, received = make_outlet(Perception, messages.PerceptionTargets, 'perception_targets')
    boxes = [[-5, -5, 3.4, 200], [1.6, 2.4, 9.6, 7.5], [99.9, 49.9, 100, 50], [4, 4, 4.1, 4.1]]
    outlet.publish(make_finding(boxes, size=(100, 50)))
    rects = [target.rois[0].rect for target in wait_until(lambda: received)[0].targets]
    assert [(rect.x_offset, rect.y_offset, rect.width, rect.height) for rect in rects] == [
        (0, 0, 3, 50), (2, 2, 8, 6), (99, 49, 1, 1), (4, 4, 1, 1)]


# For Foxglove


def test_annotations_have_the_stamp_of_the_image_and_the_colour_of_the_class(graph):
    messages = pytest.importorskip('foxglove_msgs.msg')
    received, image = [], image_message(SCENE, stamp=(77, 7))
    graph.listen(messages.ImageAnnotations, 'fcos/annotations', received)
    message = wait_until(lambda: graph.camera.publish(image) or received)[0]
    (box,), (text,) = message.points, message.texts
    for part in (message, box, text):
        assert part.timestamp == image.header.stamp
    assert box.type == messages.PointsAnnotation.LINE_LOOP
    assert [(point.x, point.y) for point in box.points] == [
        (36, 20), (52, 20), (52, 36), (36, 36)]
    assert text.text == 'cube 1.00'
    assert text.background_color == box.outline_color
    assert max(box.outline_color.r, box.outline_color.g, box.outline_color.b) == 1.0
    assert box.outline_color.a == text.text_color.a == 1.0


def test_an_image_without_objects_clears_the_annotations(make_outlet):
    messages = pytest.importorskip('foxglove_msgs.msg')
    outlet, received = make_outlet(Annotations, messages.ImageAnnotations, 'annotations')
    outlet.publish(make_finding([[-9, -9, 30, 30]], track_ids=[12]))
    outlet.publish(make_finding())
    wait_until(lambda: len(received) == 2)
    assert received[0].texts[0].text == 'cube 0.50 #12'
    assert received[0].texts[0].position.y > 0, 'text above the image would not be seen'
    assert list(received[1].points) == list(received[1].texts) == []


# Several cameras


def test_each_camera_has_all_its_outputs_in_its_own_way(model):
    settings = {'cameras': ['front', 'rear'], 'rear.class_id': 'name', 'rear.annotated_width': 32,
                'front.score_threshold': 0.25}
    with Graph(model=model, **settings) as running:
        for name, threshold, width in (('front', 0.25, SIZE), ('rear', 0.5, 32)):
            camera = running.peer.create_publisher(Image, f'{name}/image', 10)
            wait_until(camera.get_subscription_count)
            labels = []
            running.listen(LabelInfo, f'fcos/{name}/label_info', labels, LATCHED)
            assert wait_until(lambda: labels)[0].threshold == threshold  # noqa: B023 - called now
            topic = f'fcos/{name}/annotated_image/compressed'
            recorder = TopicRecorder(running, CompressedImage, topic, camera)
            picture = recorder.next(SCENE, frame_id=name)
            assert decoded(picture).shape == (width, width, 3)
            assert picture.header.frame_id == name
        topics = {topic for topic, _ in running.node.get_topic_names_and_types()}
        for name in ('front', 'rear'):
            assert {f'/fcos/{name}/{topic}' for topic in (
                'detections', 'vision_info', 'annotated_image')} <= topics
