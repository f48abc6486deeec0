# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files under the real `ros2 launch`, which a sourced ROS 2 has."""

import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
from tempfile import NamedTemporaryFile

from programs import wait_for_message
import pytest
from sensor_msgs.msg import Image
from waiting import TIMEOUT, wait_until

ROOT = Path(__file__).resolve().parents[2]
ROS2 = shutil.which('ros2')

INCLUDING = """
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace, SetRemap

def generate_launch_description():
    return LaunchDescription([GroupAction([
        PushRosNamespace('robot'), SetRemap('image', '/camera/image_raw'),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource({file!r}),
            launch_arguments=[('rviz', 'true'), ('name', 'det'), ('model', 'none.onnx')]),
    ])])
"""

pytestmark = [pytest.mark.skipif(ROS2 is None, reason='pip cannot install ros2 launch'),
              pytest.mark.usefixtures('no_fast_dds_profile')]


@pytest.fixture
def prefix(tmp_path, monkeypatch):
    """Install this checkout and a program `rviz2` that prints its arguments, for ros2 launch."""
    prefix = tmp_path / 'prefix'
    share = prefix / 'share' / 'fcos_ros'
    for folder in ('config', 'launch'):
        shutil.copytree(ROOT / folder, share / folder)
    (share / 'models').symlink_to(ROOT / 'models')
    for name, module in (('fcos_node', 'fcos_ros.node.__main__'),
                         ('fcos_demo_camera', 'fcos_ros.demo.camera_program'),
                         ('fcos_web', 'fcos_ros.web.__main__')):
        install(prefix, 'fcos_ros', name,
                f'import sys\nfrom {module} import main\nsys.exit(main())\n')
    install(prefix, 'rviz2', 'rviz2', 'import sys\nprint("rviz2", *sys.argv[1:], flush=True)\n')
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{prefix}:{os.environ["AMENT_PREFIX_PATH"]}')
    monkeypatch.setenv('PYTHONPATH', f'{ROOT}:{os.environ.get("PYTHONPATH", "")}')
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'log'))
    return prefix


def install(prefix, package, name, text):
    """Install a Python program of a package."""
    index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True, exist_ok=True)
    (index / package).touch()
    program = prefix / 'lib' / package / name
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f'#!{sys.executable}\n{text}', encoding='utf-8')
    program.chmod(0o755)


class Launch:
    """
    A running `ros2 launch`; it is interrupted at the end, and must then end cleanly.

    :ivar output: what it has printed until `wait_for` or the end.
    """

    def __init__(self, *arguments):
        self.output = ''
        with NamedTemporaryFile('w', delete=False) as log:
            self._log = Path(log.name)
            self._process = subprocess.Popen(
                [ROS2, 'launch', *arguments], stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(TIMEOUT)
        finally:
            self._process.kill()
            self._read()
            self._log.unlink()
        assert code == 0, self.output
        assert 'Traceback' not in self.output, self.output
        assert 'process has died' not in self.output, self.output

    def wait_for(self, text):
        """Wait until the output contains a text."""
        def is_there():
            running = self._process.poll() is None
            assert text in self._read() or running, self.output
            return text in self.output
        wait_until(is_there)

    def _read(self):
        self.output = self._log.read_text(encoding='utf-8', errors='replace')
        return self.output


def write(folder, text, key='/**'):
    file = folder / 'my.yaml'
    file.write_text(f'{key}:\n  ros__parameters:\n    {text}\n', encoding='utf-8')
    return file


@pytest.mark.parametrize(('arguments', 'complaint'), [
    (['demo.launch.py', 'rate:=abc'],
     'the launch argument rate:=abc cannot be read; accepted: a number, 0.1 to 240.0'),
    (['demo.launch.py', 'width:=101'], 'width is 101; accepted: 64 to 4096 in steps of 2'),
    (['demo.launch.py', 'workers:=99'], 'the launch argument workers is 99; accepted: 0 to 32'),
    (['fcos.launch.py', 'workers:=99', 'respawn:=true'], 'workers is 99; accepted: 0 to 32'),
    (['fcos.launch.py', 'params_file:=~/x.yaml'],
     "params_file is '~/x.yaml', which is no file; accepted: a path, or a file in "),
    (['fcos.launch.py', 'params_file:=/'], "params_file is '/', a folder; accepted: a file"),
])
def test_a_wrong_argument_is_refused_before_any_process_starts(prefix, arguments, complaint):
    check_refusal(arguments, complaint)


@pytest.mark.parametrize(('text', 'complaint'), [
    ('workers: 99', 'my.yaml, line 3: workers is 99; accepted: 0 to 32'),
    ('classes: [person, 2]', 'my.yaml, line 3: classes is [person, 2], which mixes texts'),
    ('bad: [', 'my.yaml, line 4: this is not YAML'),
    ('model: $(env NO_SUCH_VARIABLE)', "my.yaml fails: environment variable 'NO_SUCH_VARIABLE'"),
])
def test_a_wrong_file_is_refused_with_its_name_and_line(prefix, tmp_path, text, complaint):
    check_refusal(['fcos.launch.py', f'params_file:={write(tmp_path, text)}'], complaint)


def check_refusal(arguments, complaint):
    done = subprocess.run([ROS2, 'launch', 'fcos_ros', *arguments], capture_output=True,
                          text=True, timeout=TIMEOUT, check=False)
    output = done.stdout + done.stderr
    assert complaint in output
    assert (done.returncode, 'process started' in output) == (1, False)


def test_a_file_and_arguments_without_effect_are_reported(prefix, tmp_path):
    file = write(tmp_path, 'model: none.onnx', key='fcso')
    with Launch('fcos_ros', 'fcos.launch.py', f'params_file:={file}', 'namespace:=r1', 'name:=det',
                'trak:=True', 'track:=True', 'log_level:=INFO', 'model:=no.onnx') as launch:
        launch.wait_for("model 'no.onnx' was not found")
    assert (f'nothing in {file} is for /r1/det: its keys are fcso; accepted: /** or /r1/det'
            in launch.output)
    assert ('fcos.launch.py has no argument trak, so it has no effect; did you mean track?'
            in launch.output)


def test_a_relative_model_is_found_beside_the_file(prefix, tmp_path):
    (tmp_path / 'beside.onnx').write_text('no model', encoding='utf-8')
    file = write(tmp_path, 'model: beside.onnx')
    with Launch('fcos_ros', 'fcos.launch.py', f'params_file:={file}') as launch:
        launch.wait_for(str(tmp_path / 'beside.onnx'))


def test_each_camera_of_the_demo_has_its_own_topic(prefix):
    with Launch('fcos_ros', 'demo.launch.py', 'cameras:=[front, rear]', 'namespace:=r1',
                'scenes:=2', 'model:=none.onnx'):
        wait_for_message(Image, '/r1/front/image')
        wait_for_message(Image, '/r1/rear/image')


def test_the_address_of_the_page_is_printed(prefix):
    with Launch('fcos_ros', 'fcos.launch.py', 'web:=true', 'web_port:=0', 'model:=none.onnx',
                'namespace:=r1') as launch:
        launch.wait_for('The page: http://localhost:')


def test_rviz_shows_the_topics_of_a_node_in_a_pushed_namespace(prefix, tmp_path):
    file = tmp_path / 'including.launch.py'
    file.write_text(INCLUDING.format(file=str(ROOT / 'launch' / 'fcos.launch.py')),
                    encoding='utf-8')
    with Launch(str(file)) as launch:
        launch.wait_for('rviz2 -d ')
        launch.wait_for("model 'none.onnx' was not found")
    assert '-r /image:=/camera/image_raw' in launch.output
    assert '-r /fcos/annotated_image:=/robot/det/annotated_image' in launch.output
