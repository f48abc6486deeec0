# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A camera and the detector on two hosts, which are network namespaces with a cable between them.

The hosts do not share memory, so all messages are sent by UDP. Only root can run this test.
"""

from contextlib import ExitStack, contextmanager
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
from threading import Timer

from onnx_models import write_fcos
import pytest
from waiting import TIMEOUT

RUN_WITHOUT_SHARED_MEMORY = 'mount -t tmpfs tmpfs /dev/shm && exec "$@"'
"""Shell code that runs its arguments with a /dev/shm of their own."""


class Host:
    """A network namespace with one end of the cable."""

    def __init__(self, name):
        self.name = name

    def ip(self, *words):
        ip('-n', self.name, *words)

    @contextmanager
    def run(self, *command, timeout=TIMEOUT):
        """Run Python on this host, and kill it after `timeout` seconds."""
        folders = os.pathsep.join(folder for folder in sys.path if folder)
        process = subprocess.Popen(
            ['ip', 'netns', 'exec', self.name, 'unshare', '--mount', 'sh', '-c',
             RUN_WITHOUT_SHARED_MEMORY, 'sh', sys.executable, *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, 'PYTHONPATH': folders, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET',
                 'ROS_LOCALHOST_ONLY': '0'})
        timer = Timer(timeout, os.killpg, [process.pid, signal.SIGKILL])
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()


def ip(*words):
    done = subprocess.run(['ip', *words], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'ip {" ".join(words)}: {done.stderr.strip()}')


@pytest.fixture(scope='module')
def hosts():
    missing = [tool for tool in ('ip', 'unshare') if not shutil.which(tool)]
    if missing:
        pytest.skip(f'not installed: {", ".join(missing)}')
    detector, camera = (Host(f'fcos{os.getpid()}{side}') for side in 'ab')
    with ExitStack() as stack:
        for host in (detector, camera):
            ip('netns', 'add', host.name)
            stack.callback(subprocess.run, ['ip', 'netns', 'del', host.name], check=False)
        ip('link', 'add', 'cable', 'netns', detector.name, 'type', 'veth',
           'peer', 'name', 'cable', 'netns', camera.name)
        for number, host in enumerate((detector, camera), 1):
            host.ip('addr', 'add', f'10.77.0.{number}/24', 'dev', 'cable')
            host.ip('link', 'set', 'lo', 'up')
            host.ip('link', 'set', 'cable', 'up')
            host.ip('route', 'add', '224.0.0.0/4', 'dev', 'cable')
        with detector.run('-c', 'print("ready")') as process:
            if process.stdout.readline() != 'ready\n':
                pytest.skip('a network namespace cannot have its own shared memory')
        yield detector, camera


def test_each_transport_works_between_hosts_also_after_the_camera_was_replaced(hosts, tmp_path):
    detector, camera = hosts
    model = write_fcos(tmp_path / 'squares.onnx', half_box=8.0)
    program = str(Path(__file__).with_name('camera_program.py'))
    cameras = (('raw', 'reliable'), ('compressed', 'best_effort'), ('hbmem', 'reliable'))
    with detector.run('-m', 'fcos_ros.node', '--ros-args', '-p', f'model:={model}',
                      timeout=(1 + len(cameras)) * TIMEOUT):
        for transport, reliability in cameras:
            with camera.run(program, transport, 'image', reliability) as process:
                assert process.stdout.readline() == '1 detections\n', transport
                process.stdin.close()
                process.wait(TIMEOUT)
