# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Attacks on the server, and their ends; `docs/page.md` has the same table.

Requests of other machines are made with the `Host` that those use, as the tests have one machine.
"""

from contextlib import ExitStack, closing
import http.client
import json
import socket
import struct

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from node.graph import Graph, image_message
import numpy as np
import pytest
from rcl_interfaces.msg import Log
from rclpy.qos import DurabilityPolicy, QoSProfile
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose
from waiting import wait_until
from web.page_client import TOKEN, Page, port_of, serving

from fcos_ros.web import http_server

OTHER = '192.168.1.5'
"""The address by which other machines open the page."""


@pytest.fixture(scope='module')
def graph(model):
    with Graph(model=model, namespace='safe') as running:
        yield running.wait_until_connected()


@pytest.fixture(scope='module')
def port(graph):
    with serving(graph) as server:
        yield port_of(server)


@pytest.fixture(scope='module')
def public_port(graph):
    with serving(graph, web_public_view=True) as server:
        yield port_of(server)


class Answer:
    """The answer to a request."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()


def ask(port, method='GET', path='/', body=None, **headers):
    """Make a request with exactly these headers; `_` stands for `-`."""
    with closing(http.client.HTTPConnection('127.0.0.1', port, timeout=60)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        given = {'Host': f'localhost:{port}', **headers}
        if body is not None:
            given['Content-Length'] = str(len(body))
        for name, value in given.items():
            if value is not None:
                connection.putheader(name.replace('_', '-'), value)
        connection.endheaders(body)
        return Answer(connection.getresponse())


def from_another_machine(port, method='GET', path='/', body=None, **headers):
    """Make a request as a browser on another machine does."""
    usual = {'Host': f'{OTHER}:{port}', 'Origin': f'http://{OTHER}:{port}'}
    return ask(port, method, path, body, **{**usual, **headers})


def log_in(port, token=TOKEN, **headers):
    body = json.dumps({'token': token}).encode()
    return from_another_machine(
        port, 'POST', '/api/login', body, Content_Type='application/json', **headers)


SOCKET = {'Upgrade': 'websocket', 'Connection': 'Upgrade', 'Sec_WebSocket_Version': '13',
          'Sec_WebSocket_Key': 'dGhlIHNhbXBsZSBub25jZQ=='}


@pytest.mark.parametrize('path', ['/', '/static/main.js', '/api/session', '/api/socket',
                                  '/api/parameters.yaml', f'/?token={TOKEN}', '/no/such/path'])
@pytest.mark.parametrize('host', ['evil.example', 'localhost.evil.example:80', '', None])
def test_rebinding_a_name_to_this_machine_shows_nothing(port, path, host):
    answer = ask(port, path=path, Host=host)
    assert answer.status in (400, 421)
    assert 'set-cookie' not in answer.headers


@pytest.mark.parametrize('origin', ['http://evil.example', 'null', None, 'http://localhost:1'])
@pytest.mark.parametrize(('method', 'path'), [('POST', '/api/login'), ('POST', '/api/logout'),
                                              ('GET', '/api/socket')])
def test_another_site_can_neither_log_in_nor_open_the_socket(port, method, path, origin):
    body = b'{"token": "x"}' if method == 'POST' else None
    headers = SOCKET if path == '/api/socket' else {}
    assert ask(port, method, path, body, Origin=origin, **headers).status == 403


@pytest.mark.parametrize('headers', [
    {}, {'Cookie': 'fcos_web=x'}, {'Cookie': f'fcos_web_0={TOKEN}'},
    {'Host': 'localhost', 'X_Forwarded_For': '192.168.1.77'},
    {'Host': 'localhost', 'Forwarded': 'for=192.168.1.77'}, {'Host': 'localhost', 'Via': '1.1 x'},
])
def test_another_machine_sees_nothing_without_the_token(port, headers):
    session = from_another_machine(port, path='/api/session', **headers)
    assert json.loads(session.body) == {'access': 'none', 'login': True}
    assert from_another_machine(port, path='/api/parameters.yaml', **headers).status == 401
    host = headers.get('Host', f'{OTHER}:{port}')
    opened = from_another_machine(
        port, path='/api/socket', **{**SOCKET, **headers, 'Origin': f'http://{host}'})
    assert opened.status == 401


def test_a_public_page_can_be_viewed_and_not_changed(graph, public_port):
    session = from_another_machine(public_port, path='/api/session')
    assert json.loads(session.body)['access'] == 'view'
    headers = {'Host': f'{OTHER}:{public_port}', 'Origin': f'http://{OTHER}:{public_port}'}
    with Page(public_port, **headers) as page:
        page.wait_for('parameters', lambda text: text['parameters'])
        assert page.texts[0] == {**page.texts[0], 'type': 'session', 'access': 'view'}
        reply = page.set(score_threshold=0.5)
        assert (reply['ok'], reply['error']) == (
            False, 'changes need the token: log in first')
        assert not page.request('record')['ok']
    assert graph.node.get_parameter('score_threshold').value == 0.0


def test_the_token_is_given_once_and_becomes_a_cookie(port):
    answer = from_another_machine(port, path=f'/?token={TOKEN}')
    cookie = answer.headers['set-cookie']
    assert (answer.status, answer.headers['location']) == (303, './')
    assert TOKEN not in cookie
    assert {'httponly', 'samesite=strict', 'path=/'} <= {
        part.strip().lower() for part in cookie.split(';')}
    session = from_another_machine(port, path='/api/session', Cookie=cookie.partition(';')[0])
    assert json.loads(session.body)['access'] == 'control'
    origin = {'Host': f'{OTHER}:{port}', 'Origin': f'http://{OTHER}:{port}',
              'Cookie': cookie.partition(';')[0]}
    with Page(port, **origin) as page:
        page.wait_for('parameters', lambda text: text['parameters'])
        assert page.set(score_threshold=0.0)['ok']
    assert from_another_machine(port, 'POST', '/api/logout', b'', **origin).status == 204
    assert json.loads(from_another_machine(port, path='/api/session', **origin).body)[
        'access'] == 'none'


def test_a_wrong_token_is_refused_and_cannot_be_guessed(graph):
    with serving(graph) as server:
        port = port_of(server)
        link = from_another_machine(port, path='/?token=wrong')
        assert (link.status, link.headers['location']) == (303, './?refused')
        answers = [log_in(port, 'wrong') for _ in range(12)]
        assert [answer.status for answer in answers] == [403] * 9 + [429] * 3
        assert not any('set-cookie' in answer.headers for answer in [link, *answers])
        assert log_in(port).status == 429
        assert 'wait a minute' in json.loads(log_in(port).body)['error']


@pytest.mark.parametrize('body', [b'', b'x', b'[]', b'{}', b'{"token": null}', b'[' * 3000,
                                  b'{"token": {"a": 1}}', b'\xff\xfe'])
def test_damaged_logins_are_refused(graph, body):
    with serving(graph) as server:
        answer = from_another_machine(port_of(server), 'POST', '/api/login', body,
                                      Content_Type='application/json')
    assert answer.status in (400, 403)


@pytest.mark.parametrize('path', [
    '/static/../web_node.py', '/static/%2e%2e/web_node.py', '/static/..%2fweb_node.py',
    '/static//etc/passwd', '/static/%2fetc%2fpasswd', '/static/.hidden.js', '/static/a%00.js',
    '/static/../../package.xml', '/static/index.html%2f..%2f..%2fweb_node.py', '/static/..\\x.js',
    '/web_node.py', '/static/%c0%ae%c0%ae/web_node.py', '/static/'])
def test_only_files_of_the_page_are_sent(port, path):
    assert ask(port, path=path).status in (400, 404)


@pytest.mark.parametrize(('method', 'path', 'headers', 'status'), [
    ('GET', '/', {}, None), ('GET', '/no/such/path', {}, 404), ('GET', '/api/session', {}, 200),
    ('GET', '/api/socket', {}, 403), ('GET', '/', {'Host': 'evil.example'}, 421),
    ('PUT', '/', {'Origin': 'own'}, 405), ('TRACE', '/', {'Origin': 'own'}, 405),
    ('DELETE', '/api/session', {}, 403), ('OPTIONS', '/', {'Origin': 'http://evil.example'}, 403),
    ('POST', '/api/login', {'Origin': 'own'}, 400),
])
def test_every_answer_forbids_scripts_frames_and_guesses(port, method, path, headers, status):
    if headers.get('Origin') == 'own':
        headers = {'Origin': f'http://localhost:{port}'}
    answer = ask(port, method, path, b'' if method == 'POST' else None, **headers)
    assert status in (answer.status, None)
    policy = answer.headers['content-security-policy']
    assert "default-src 'none'" in policy
    assert 'unsafe' not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers['x-content-type-options'] == 'nosniff'
    assert answer.headers['x-frame-options'] == 'DENY'
    assert answer.headers['referrer-policy'] == 'no-referrer'
    assert answer.headers['cross-origin-resource-policy'] == 'same-origin'
    assert answer.headers['server'] == 'fcos_web'
    assert 'access-control-allow-origin' not in answer.headers


def test_large_requests_are_refused(port):
    assert ask(port, path=f'/{"x" * 20_000}').status in (400, 414)
    assert ask(port, X_Large='x' * 20_000).status == 400
    body = json.dumps({'token': 'x' * 10_000}).encode()
    assert from_another_machine(port, 'POST', '/api/login', body).status in (400, 413)


@pytest.mark.parametrize(('text', 'code'), [
    pytest.param('x' * http_server.MAX_MESSAGE, 1009, id='large'),
    pytest.param('€' * (http_server.MAX_MESSAGE // 3 + 1), 1009, id='large with long characters'),
    pytest.param('€' * 100, 1008, id='a reason that is cut'),
    ('no JSON', 1008), ('[]', 1008), ('{}', 1008), ('{"type": "shutdown"}', 1008),
    ('{"type": "watch", "cameras": 1}', 1008), ('[' * 60_000, 1008),
    ('{"type": "watch", "cameras": [1]}', 1008), ('{"type": "set", "id": 1}', 1008),
    ('{"type": "set", "id": "1", "values": {"a": 1}}', 1008),
    ('{"type": "shown", "camera": "", "number": 1e400}', 1008),
])
def test_damaged_messages_close_only_the_page_that_sent_them(port, text, code):
    with Page(port) as other, Page(port) as page:
        page.send_text(text)
        assert wait_until(lambda: page.closed)[0] == code
        assert other.wait_for('session')
        assert other.closed is None


def test_a_page_that_sends_too_much_is_closed(port):
    with Page(port) as page:
        page.flood('{"type": "shown", "camera": "none", "number": 1}', 3000)
        assert wait_until(lambda: page.closed)[0] == 1008


@pytest.mark.parametrize('start', [
    pytest.param(b'\x81\x87' + bytes(4) + b'no JSON', id='after it is closed'),
    # aiohttp 3.8 would store all of it.
    pytest.param(b'\x81\xff' + struct.pack('!Q', 2**40) + bytes(4), id='in a frame of 1 TiB'),
])
def test_a_page_that_never_ends_is_disconnected(port, start):
    frame = b'\x81\xfe' + struct.pack('!H', 1000) + bytes(4) + bytes(1000)
    with closing(socket.create_connection(('127.0.0.1', port), 60)) as connection:
        headers = {**SOCKET, 'Host': f'localhost:{port}', 'Origin': f'http://localhost:{port}'}
        connection.sendall(b'GET /api/socket HTTP/1.1\r\n' + b''.join(
            f'{name.replace("_", "-")}: {value}\r\n'.encode() for name, value in headers.items())
            + b'\r\n')
        assert connection.recv(12) == b'HTTP/1.1 101'
        connection.sendall(start)
        with pytest.raises(ConnectionError):
            connection.sendall(frame * 2**16)


def test_a_page_that_asks_faster_than_the_detector_answers_is_told_so(graph, port):
    with Page(port) as page:
        page.wait_for('parameters', lambda text: text['parameters'])
        for number in range(60):
            page.send(type='set', id=number, values={'max_age': 0.0})
        wait_until(lambda: sum(text['type'] == 'reply' for text in list(page.texts)) == 60)
        replies = [text for text in page.texts if text['type'] == 'reply']
    assert {reply['error'] for reply in replies} <= {
        '', 'the detector has not answered earlier requests; wait, then try again'}
    assert any(reply['ok'] for reply in replies)


def test_too_many_pages_of_one_address_are_refused(graph, monkeypatch):
    monkeypatch.setattr(http_server, 'MAX_PAGES_EACH', 2)
    with serving(graph) as server, ExitStack() as pages:
        port = port_of(server)
        first = pages.enter_context(Page(port))
        pages.enter_context(Page(port))
        assert pages.enter_context(Page(port)).refused == 503
        assert first.closed is None


def test_silent_and_surplus_connections_are_closed(graph, monkeypatch):
    monkeypatch.setattr(http_server, 'MAX_CONNECTIONS_EACH', 3)
    monkeypatch.setattr(http_server, 'REQUEST_TIMEOUT', 0.5)
    with serving(graph) as server, ExitStack() as opened:
        address = '127.0.0.1', port_of(server)
        silent = [opened.enter_context(closing(socket.create_connection(address, 60)))
                  for _ in range(3)]
        silent[1].sendall(b'GET / HTTP/1.1\r\nHost: local')  # and never the rest
        surplus = opened.enter_context(closing(socket.create_connection(address, 60)))
        assert is_closed(surplus)
        assert all(is_closed(connection) for connection in silent)
        assert ask(address[1], path='/api/session').status == 200


def is_closed(connection):
    """Wait until the server closes a connection."""
    try:
        return connection.recv(1) == b''
    except ConnectionError:
        return True


def test_the_token_is_neither_logged_in_ros_nor_a_parameter(graph, capfd):
    logs = []
    latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    graph.listen(Log, '/rosout', logs, latched)
    with serving(graph) as server:
        from_another_machine(port_of(server), path=f'/?token={TOKEN}')
        assert not any(TOKEN in str(parameter.value) for parameter in
                       server.get_parameters(list(server._parameters)))
    assert not any(TOKEN in log.msg for log in logs)
    assert TOKEN not in capfd.readouterr().err


HOSTILE = '<img src=x onerror=alert(1)>"\'\u202e</script>\0'


def test_hostile_names_and_numbers_of_the_network_stay_plain_data(model):
    """The page gets them as JSON; its tests check that it shows them as text."""
    with Graph(model=model, namespace='hostile') as graph, serving(graph) as server, \
            Page(port_of(server)) as page:
        graph.wait_until_connected()
        publisher = graph.peer.create_publisher(Detection2DArray, 'fcos/detections', 10)
        graph.transit('deactivate')
        page.wait_for('detector', lambda text: text['present'])

        def found():
            found.second += 1
            image = image_message(np.zeros((48, 64, 3), np.uint8), stamp=(found.second, 1),
                                  frame_id=HOSTILE[:-1])
            graph.camera.publish(image)
            publisher.publish(hostile_detections(image.header))
            return [picture for picture in page.pictures if picture.header['detections']]
        found.second = 5000
        header = wait_until(found)[0].header
    assert header['frame_id'] == HOSTILE[:-1]
    assert len(header['detections']) == 1  # the others have numbers that are none
    assert header['detections'][0]['label'].startswith('<img src=x')
    assert len(header['detections'][0]['label']) <= 200


@pytest.mark.parametrize('topic', ['', 'no topic!', '/a//b', '/image', 'x' * 5000, '/1\0'])
@pytest.mark.parametrize('camera', ['', HOSTILE[:-1], '../..', 'a b'])
def test_hostile_reports_do_not_end_the_server(graph, port, topic, camera):
    publisher = graph.peer.create_publisher(DiagnosticArray, '/diagnostics', 10)
    with Page(port) as page:
        page.wait_for('detector', lambda text: text['present'])
        for _ in range(3):
            publisher.publish(hostile_report(topic.replace('\0', ''), camera))
        page.texts.clear()
        page.wait_for('detector', lambda text: [
            shown['name'] for shown in text['cameras']] == [''])
    graph.call(graph.peer.destroy_publisher, publisher)


def hostile_report(topic, camera):
    name = 'safe/fcos: '
    parts = {f'{camera} frames'.strip(): {'topic': topic, 'received': '9' * 400},
             'process': {'fcos_ros': '1', 'pid': 'x', 'uptime s': 'nan'}}
    return DiagnosticArray(status=[
        DiagnosticStatus(name=f'{name}{part}', values=[
            KeyValue(key=key, value=value) for key, value in values.items()])
        for part, values in parts.items()])


def hostile_detections(header):
    message = Detection2DArray(header=header)
    for width in (10.0, float('nan'), float('inf')):
        detection = Detection2D(header=header)
        detection.bbox.size_x = width
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id = HOSTILE[:-1] * 100
        detection.results = [result]
        message.detections.append(detection)
    message.detections.append(Detection2D(header=header))  # without a class
    return message
