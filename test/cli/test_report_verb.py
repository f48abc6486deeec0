# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos report` makes one page of a live node, a bag or a recording."""

import json
import os
import resource
import signal
import subprocess
import sys
from threading import Event, Thread

import cv2
from node.graph import Graph, image_message
import numpy as np
from offline.bags.bag_files import PERIOD, START, image, text, write
from offline.bags.detection_messages import array, label_info
from onnx_models import white_square, write_fcos
import pytest
from recording.recorded_frames import frame
from report.web_page import WebPage
from waiting import wait_until

from fcos_ros.recording.values import INFO, RecordedEvent
from fcos_ros.recording.writer import Entry, RecordingWriter
from fcos_ros.runtime.statistics import FAILED

JPEG = cv2.imencode('.jpg', np.zeros((48, 64, 3), np.uint8))[1].tobytes()
LABELS = {'labels': '["球", "ball", "cone"]', 'box_unit': 'pixel'}


def read_page(path):
    page = WebPage(path.read_text(encoding='utf-8'))
    page.require_self_contained()
    return page


# The live node


@pytest.fixture
def graph(tmp_path):
    """Run a node with a camera of 20 Hz; the bottom half of its images is ignored."""
    model = write_fcos(tmp_path / 'net.onnx', metadata=LABELS)
    with Graph(model=str(model), report_period=0.2, score_threshold=0.35) as running:
        running.wait_until_connected()
        stop = Event()
        camera = Thread(target=publish, args=(running, stop))
        camera.start()
        yield running
        stop.set()
        camera.join()


def publish(graph, stop):
    while not stop.wait(0.05):
        stamp = graph.node.get_clock().now().seconds_nanoseconds()
        graph.camera.publish(image_message(white_square(128, 5, 3), stamp=stamp))


def observe(graph, *arguments, outputs=('detections',)):
    """Run the verb until it has received 20 messages and the user interrupts; return stdout."""
    command = subprocess.Popen(
        [sys.executable, '-m', 'fcos_ros.cli', 'report', '--timeout', '3000', '--seconds', '3000',
         *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for output in outputs:
        # The graph of the test listens to the detections, too.
        own = int(output == 'detections')
        wait_until(lambda output=output, own=own: graph.subscribers(f'fcos/{output}') > own)
    known = len(graph.arrays)
    wait_until(lambda: len(graph.arrays) > known + 20)
    assert [graph.subscribers(f'fcos/{name}') > 0 for name in PICTURES] == [
        name in outputs for name in PICTURES]
    command.send_signal(signal.SIGINT)
    output, errors = command.communicate()
    assert command.returncode == 130, errors
    assert 'Traceback' not in errors
    assert output, errors
    return output


PICTURES = ('annotated_image/compressed',)


def test_a_running_node_is_observed_until_an_interrupt(tmp_path, graph):
    out = tmp_path / 'report.html'
    figures = json.loads(observe(graph, '--out', out, '--json',
                                 outputs=('detections', *PICTURES)))
    assert figures['frames']['published'] > 0
    assert figures['latency_ms']['p50'] > 0
    assert figures['classes'][0]['name'] == '球'
    page = read_page(out)
    for shown in ('/fcos', 'net.onnx', '0.35', 'preprocess', 'infer', '球', 'version of numpy'):
        assert shown in page.text, shown
    assert page.pictures()


def test_a_private_report_of_a_running_node_draws_no_pictures(tmp_path, graph):
    out = tmp_path / 'report.html'
    observe(graph, '--out', out, '--private')
    html = out.read_text(encoding='utf-8')
    page = read_page(out)
    assert not page.pictures()
    assert str(tmp_path) not in html
    assert os.uname().nodename not in page.text
    assert '0.35' in page.text


def test_the_observation_ends_after_its_time(fcos, tmp_path, graph):
    out = tmp_path / 'report.html'
    result = fcos('report', '--timeout', '3000', '--seconds', '1', '--out', out)
    assert result.code == 0, result.err
    assert result.err.splitlines()[-1] == f'written: {out}'
    assert '/fcos' in read_page(out).text


def test_no_running_node_is_a_bad_answer(fcos, tmp_path):
    out = tmp_path / 'report.html'
    result = fcos('report', '--timeout', '1', '--out', out)
    assert (result.code, out.exists()) == (1, False)
    assert 'no detector reports; `fcos doctor` looks for the reason' in result.err


# A bag


@pytest.fixture(params=['mcap', 'sqlite3'])
def bag(tmp_path, request):
    """Write a bag with images and detections, as `fcos bag` does."""
    rows = [('/fcos/label_info', START, label_info(['cup', 'dog']))]
    for number in range(5):
        time = START + number * PERIOD
        pixels = np.full((48, 64, 3), 40 * number, np.uint8)
        rows += [('/image', time, image(pixels, time)),
                 ('/fcos/detections', time,
                  array(time, ('1', 0.9 - 0.1 * number, (8, 8, 24, 40))))]
    return write(tmp_path / 'bag', rows, request.param)


def test_a_bag_is_reported_with_the_pictures_of_its_worst_frames(fcos, tmp_path, bag):
    out = tmp_path / 'report.html'
    result = fcos('report', bag, '--out', out, '--pictures', '2', '--json')
    assert result.code == 0, result.err
    figures = json.loads(result.out)
    assert figures['frames']['published'] == 5
    assert figures['latency_ms'] is None  # it was not recorded live
    assert figures['classes'] == [
        {'name': 'dog', 'detections': 5, 'mean_score': pytest.approx(0.7)}]
    page = read_page(out)
    assert len(page.pictures()) == 2
    rect = next(values for tag, values in page.tags
                if tag == 'rect' and values.get('x') == '8.0')
    assert [rect[name] for name in ('y', 'width', 'height')] == ['8.0', '16.0', '32.0']
    assert not read_private(fcos, bag, tmp_path).pictures()


def read_private(fcos, source, tmp_path):
    out = tmp_path / 'private.html'
    assert fcos('report', source, '--out', out, '--private').code == 0
    assert str(source) not in out.read_text(encoding='utf-8')
    return read_page(out)


# A recording


@pytest.fixture
def recording(tmp_path):
    """Write a recording with published frames, failed ones, and one picture."""
    writer = RecordingWriter(tmp_path / 'drive.mcap')
    writer.remark(RecordedEvent(0, INFO, 'recording begins'))
    for number in range(30):
        fields = {'fate': FAILED, 'error': 'truncated', 'reason': 'the image is cut off'} \
            if number % 10 == 9 else {}
        writer.write(Entry.of(frame(number, (0, 0.9), image=JPEG if number == 4 else b'',
                                    **fields)))
    writer.close()
    return writer.path


def test_a_recording_is_reported_with_fates_stages_and_settings(fcos, tmp_path, recording):
    out = tmp_path / 'report.html'
    result = fcos('report', recording, '--out', out, '--json')
    assert result.code == 0, result.err
    figures = json.loads(result.out)
    assert figures['frames'] == {'published': 27, 'superseded': 0, 'expired': 0, 'failed': 3}
    assert figures['failures'] == [
        {'kind': 'truncated', 'reason': 'the image is cut off', 'frames': 3}]
    assert figures['latency_ms']['p50'] == pytest.approx(20)
    page = read_page(out)
    for shown in ('tiny.onnx', 'RDK X5', 'score_threshold', 'infer', 'cup', 'recording begins'):
        assert shown in page.text, shown
    assert len(page.pictures()) == 1
    assert not read_private(fcos, recording, tmp_path).pictures()


def test_a_recording_that_was_cut_off_is_reported_as_far_as_it_goes(fcos, tmp_path, recording):
    recording.write_bytes(recording.read_bytes()[:-2000])
    result = fcos('report', recording, '--out', tmp_path / 'report.html', '--json')
    assert result.code == 0, result.err
    figures = json.loads(result.out)
    assert 0 < sum(figures['frames'].values()) <= 30
    assert 'ends early' in ' '.join(figures['remarks'])


# Sources and outputs that cannot be used


@pytest.mark.parametrize(('arguments', 'message'), [
    (['missing.mcap'], 'does not exist'),
    (['{empty}'], 'accepted: '),
    (['{noise}'], 'accepted: '),
    (['{chat}'], 'has no detections'),
    (['{chat}', '{chat}'], 'accepted: several recordings, or one bag'),
    (['{chat}', '--out', '/proc/report.html'], 'cannot be written to'),
    (['--seconds', 'x'], 'accepted: seconds from'),
])
def test_a_report_that_cannot_be_made_ends_with_the_reason(fcos, tmp_path, arguments, message):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'noise.mcap').write_bytes(bytes(range(256)) * 40)
    write(tmp_path / 'chat', [('/chat', START, text('hello'))])
    places = {'empty': tmp_path / 'empty', 'noise': tmp_path / 'noise.mcap',
              'chat': tmp_path / 'chat'}
    arguments = [argument.format_map(places) for argument in arguments]
    if '--out' not in arguments:
        arguments += ['--out', str(tmp_path / 'report.html')]
    result = fcos('report', *arguments)
    assert (result.code, result.out) == (2, '')
    assert message in result.err
    assert not (tmp_path / 'report.html').exists()


def test_a_full_disk_leaves_no_part_of_a_page(tmp_path, bag):
    out = tmp_path / 'report.html'

    def allow_small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    ended = subprocess.run(
        [sys.executable, '-m', 'fcos_ros.cli', 'report', str(bag), '--out', str(out)],
        capture_output=True, text=True, preexec_fn=allow_small_files,
        env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'})
    assert ended.returncode == 2
    assert 'cannot be written: File too large' in ended.stderr
    assert not out.exists()
