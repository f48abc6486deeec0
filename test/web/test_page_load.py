# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Many pages, slow pages, several cameras, and a detector that leaves and returns."""

from contextlib import ExitStack
import socket

import cv2
from node.graph import Graph, image_message
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from waiting import wait_until
from web.page_client import Page, port_of, serving

from fcos_ros.settings.parameter_file import parameters_for
from fcos_ros.web import detector_link

EXIF = b'\xff\xe1\x00\x16Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00'
"""An EXIF segment, as cameras write it with orientation and place."""


class Camera:
    """Publishes images whose square is at a place of its own for each stamp."""

    def __init__(self, publisher, to_message=image_message):
        self.second = 1000
        self._publisher = publisher
        self._to_message = to_message

    def publish(self):
        self.second += 1
        pixels = np.zeros((48, 64, 3), np.uint8)
        pixels[20:28, 28:36] = 255
        self._publisher.publish(self._to_message(pixels, stamp=(self.second, 7)))

    def show(self, pictures, wanted=bool):
        """Publish until a picture has a header for which `wanted` is true; return it."""
        def found():
            self.publish()
            return [picture for picture in list(pictures) if wanted(picture.header)]
        return wait_until(found)[-1]


def jpeg_message(pixels, stamp, exif=b''):
    file = cv2.imencode('.jpg', pixels)[1].tobytes()
    message = CompressedImage(format='jpeg')
    message.header.stamp.sec, message.header.stamp.nanosec = stamp
    message.header.frame_id = 'camera_optical'
    message.data.frombytes(file[:2] + exif + file[2:])
    return message


def test_a_page_that_stalls_gets_two_pictures_and_delays_no_other(graph):
    camera = Camera(graph.camera)
    with serving(graph) as server, Page(port_of(server)) as page, \
            Page(port_of(server), confirms=False) as stalled:
        camera.show(page.pictures, lambda header: header['number'] > 20)
        assert [picture.header['number'] for picture in stalled.pictures] == [1, 2]
        newest = page.pictures[-1].header['number']
        stalled.send(type='shown', camera='', number=2)
        third = camera.show(stalled.pictures, lambda header: header['number'] > 2)
        assert third.header['number'] >= newest - 1  # the newest, no queue


def test_a_page_that_reads_nothing_delays_no_other(graph):
    camera = Camera(graph.camera)
    with serving(graph) as server, Page(port_of(server)) as page:
        port = port_of(server)
        with socket.create_connection(('127.0.0.1', port)) as silent:
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            silent.sendall(
                f'GET /api/socket HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\n'
                f'Origin: http://localhost:{port}\r\nUpgrade: websocket\r\n'
                'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
                .encode() + masked(b'{"type":"watch","cameras":null}'))
            camera.show(page.pictures, lambda header: header['number'] > 15)
        assert len(page.pictures) > 10


def masked(text):
    """Return a WebSocket frame as a browser sends it; its mask changes nothing."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


def test_a_paused_page_gets_no_pictures_and_no_camera_is_received(graph):
    camera = Camera(graph.camera)
    with serving(graph) as server, Page(port_of(server)) as page:
        camera.show(page.pictures)
        page.send(type='watch', cameras=[])
        wait_until(lambda: graph.camera.get_subscription_count() == 1)
        count = len(page.pictures)
        page.wait_for('status')
        page.send(type='watch', cameras=None)
        camera.show(page.pictures, lambda header: len(page.pictures) > count)


def test_ten_pages_see_the_same_pictures(graph):
    camera = Camera(graph.camera)
    with serving(graph) as server, ExitStack() as opened:
        pages = [opened.enter_context(Page(port_of(server))) for _ in range(10)]
        for page in pages:
            camera.show(page.pictures, lambda header: header['detections'])
        assert len({page.pictures[-1].header['frame_id'] for page in pages}) == 1


@pytest.mark.parametrize('is_raw_as_well', [False, True])
def test_the_jpeg_of_the_camera_is_sent_without_its_metadata(model, is_raw_as_well):
    with Graph(model=model, namespace='jpeg', camera_qos=10 if is_raw_as_well else None) as graph:
        topic = 'image/compressed' if is_raw_as_well else 'image'
        publisher = graph.peer.create_publisher(CompressedImage, topic, 10)
        camera = Camera(publisher, lambda pixels, stamp: jpeg_message(pixels, stamp, EXIF))
        raw = Camera(graph.camera)

        def publish(found):
            raw.second = camera.second
            if is_raw_as_well:
                raw.publish()
            return found

        with serving(graph) as server, Page(port_of(server)) as page:
            picture = camera.show(
                page.pictures, lambda header: publish(header['detections']))
            _, jpeg = picture
        plain = cv2.imencode('.jpg', cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1))[1]
        assert b'Exif' not in jpeg
        sent = jpeg_message(np.asarray(cv2.imdecode(plain, 1)), (1, 1)).data.tobytes()
        assert abs(len(jpeg) - len(sent)) < 200  # not made again at another quality


def test_several_cameras_in_a_namespace_are_told_apart(model):
    with Graph(model=model, namespace='robot', camera_qos=None,
               cameras=['front', 'rear'], classes=['cube']) as graph:
        cameras = {name: Camera(graph.peer.create_publisher(Image, f'{name}/image', 10))
                   for name in ('front', 'rear')}
        with serving(graph) as server, Page(port_of(server)) as page:
            for name, camera in cameras.items():
                # The labels may arrive after the first pictures, which then have numbers.
                camera.show(page.pictures, lambda header, name=name: (
                    header['camera'] == name
                    and header['detections']
                    and header['detections'][0]['label'] == 'cube'))
            shown = page.wait_for('detector', lambda text: text['cameras'])
            assert [camera['name'] for camera in shown['cameras']] == ['front', 'rear']
            assert {text['camera'] for text in page.texts if text['type'] == 'labels'} == {
                'front', 'rear'}
            page.wait_for('parameters', lambda text: text['parameters'])
            assert page.parameter('front.score_threshold')['value'] is None
            assert page.set(front__score_threshold=0.9)['ok']
            assert graph.node.get_parameter('front.score_threshold').value == 0.9
            reply = page.set(front__score_threshold=None)
            assert (reply['ok'], reply['before']) == (True, {'front.score_threshold': 0.9})


def test_a_detector_that_returns_with_other_cameras_is_followed(model, monkeypatch):
    monkeypatch.setattr(detector_link, 'MAX_SILENCE', 1.0)
    with Graph(model=model, namespace='gone') as watching:
        watching.wait_until_connected()
        with serving(watching, detector='/other/fcos') as server, Page(port_of(server)) as page:
            absent = page.wait_for('detector', lambda text: 'other detectors' in text['note'])
            assert 'set the parameter detector to /gone/fcos' in absent['note']
            assert page.wait_for('parameters')['parameters'] == []
            with Graph(model=model, namespace='other') as first:
                Camera(first.camera).show(page.pictures, lambda header: header['detections'])
                page.wait_for('parameters', lambda text: text['parameters'])
            page.wait_for('detector', lambda text: not text['present'])
            page.wait_for('status', lambda text: text['level'] is None)
            page.texts.clear()
            with Graph(model=model, namespace='other', camera_qos=None,
                       cameras=['left', 'right']) as second:
                camera = Camera(second.peer.create_publisher(Image, 'right/image', 10))
                camera.show(page.pictures, lambda header: (
                    header['camera'] == 'right' and header['detections']))
                page.wait_for('parameters', lambda text: any(
                    entry['name'] == 'left.max_age' for entry in text['parameters']))
            page.texts.clear()
            page.wait_for('parameters', lambda text: not text['parameters'])
            reply = page.request('set', values={'score_threshold': 0.5})
            assert (reply['ok'], 'does not answer' in reply['error']) == (False, True)


def test_a_camera_without_stamps_is_shown_without_boxes_and_named(graph):
    with serving(graph) as server, Page(port_of(server)) as page:
        def unstamped(pixels, stamp):
            return image_message(pixels, stamp=(0, 0))
        camera = Camera(graph.camera, unstamped)
        picture = camera.show(page.pictures)
        assert picture.header['detections'] is None
        page.wait_for('detector', lambda text: text['cameras'] and
                      'let the camera set a new stamp' in text['cameras'][0]['note'])


def test_a_damaged_image_is_named_and_the_next_one_is_shown(graph):
    with serving(graph) as server, Page(port_of(server)) as page:
        camera = Camera(graph.camera)
        damaged = image_message(np.zeros((48, 64, 3), np.uint8), stamp=(9, 9))
        damaged.data = damaged.data[:100]

        def named():
            graph.camera.publish(damaged)
            damaged.header.stamp.sec += 1
            return [text for text in page.texts if text['type'] == 'detector' and text['cameras']
                    and 'cannot be shown' in text['cameras'][0]['note']]
        wait_until(named)
        camera.show(page.pictures, lambda header: header['detections'])


def test_the_recorder_is_called(graph, tmp_path):
    with serving(graph) as server, Page(port_of(server)) as page:
        page.wait_for('parameters', lambda text: text['parameters'])
        page.wait_for('detector', lambda text: text['can_record'])
        assert 'accepted: on_trigger or always' in page.request('record')['error']
        assert page.request('set', values={
            'recorder': 'on_trigger', 'recorder_folder': str(tmp_path)})['ok']
        assert str(tmp_path) in page.request('record')['message']


def test_the_saved_file_starts_a_node_with_the_same_values(model, tmp_path):
    values = {'score_threshold': 0.35, 'classes': ['cube', 'ball'], 'track': True,
              'exclude_zones': ['0 0, 0.5 0, 0.5 1'], 'class_thresholds': ['cube: 0.4'],
              'front.max_age': 1.5, 'rear.classes': [0, 1]}
    with Graph(model=model, namespace='saved', camera_qos=None,
               cameras=['front', 'rear']) as graph, serving(graph) as server, \
            Page(port_of(server)) as page:
        page.wait_for('parameters', lambda text: text['parameters'])
        assert page.request('set', values=values)['ok']
        text = page.download('/api/parameters.yaml')
    file = tmp_path / 'saved.yaml'
    file.write_text(text, encoding='utf-8')
    found = parameters_for('/any/node', text, file)
    assert found.matches
    assert {name: list_of(found.values[name]) for name in values} == values
    with Graph(namespace='loaded', camera_qos=None, cli=(
            '--ros-args', '--params-file', str(file))) as loaded:
        for name, value in values.items():
            assert list_of(loaded.node.get_parameter(name).value) == value, name


def list_of(value):
    return value if isinstance(value, (str, float, bool)) else list(value)
