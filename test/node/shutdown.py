# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
End the node by signals in each phase of its life, and record how it ends.

The node runs in a process, and prints a line when it has reached the phase. The signals follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
from threading import Thread
import time
from typing import Any

from child_processes import children, is_alive
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from node.graph import image_message
import numpy as np
from onnx_models import write_fcos
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from waiting import TIMEOUT, wait_until

MAIN = 'fcos_ros.node.__main__'
"""The module whose function `main` runs the node."""

SHARED_MEMORY = Path('/dev/shm')

PAUSE = 0.002
"""Seconds between two signals: `ros2 launch` repeats the Ctrl-C of a terminal so soon."""

POLL_PERIOD = 0.005
"""Seconds between two checks whether the node has ended: the resolution of the durations."""

SIGNALS: Mapping[str, tuple[signal.Signals, ...]] = {
    'SIGINT': (signal.SIGINT,), 'SIGTERM': (signal.SIGTERM,),
    'SIGINT twice': (signal.SIGINT, signal.SIGINT),
    'SIGINT and SIGTERM': (signal.SIGINT, signal.SIGTERM)}

REACHED = '@reached'
"""The line that a node prints when it has reached a phase."""

HELPERS = f"""
import importlib, os, sys

def reached():
    os.write(1, b'{REACHED}\\n')

def report(owner, name):
    '''Let a function print the line when it is called.'''
    function = getattr(owner, name)
    def call(*arguments, **options):
        reached()
        return function(*arguments, **options)
    setattr(owner, name, call)

class ReportImport:
    '''Print the line when a module of ROS 2 is imported.'''
    def find_spec(self, name, *_):
        if name == 'rclpy':
            reached()

def use_children():
    '''Let the engine run in child processes, which load their model for as long as they like.'''
    from fcos_ros.backends.onnx import OnnxBackend
    from fcos_ros.runtime.workers import process
    OnnxBackend.holds_gil = True
    process.LOAD_TIMEOUT = {10 * TIMEOUT}
"""
"""The program of each node: the code of a phase follows, then `main` is called."""

HOLD_CHILDREN = """
import os, sys, time
if 'child_process' in str(sys.orig_argv):
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.01)
"""
"""Code that Python runs at its start: a child process loads nothing until its parent ends."""


PROFILE = """<?xml version="1.0" encoding="UTF-8" ?>
<profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles">
  <participant profile_name="node" is_default_profile="true"><rtps><builtin><discovery_config>
    <leaseDuration><sec>DURATION_INFINITY</sec></leaseDuration>
  </discovery_config></builtin></rtps></participant>
</profiles>
"""
"""With this profile of Fast DDS, a node stays in the graph until it leaves it itself."""


@dataclass(frozen=True)
class Phase:
    """
    A phase in the life of a node.

    :ivar code: runs before `main`, and lets the node print the line.
    :ivar hanging: which inferences of the model hang: '', 'all', or those of 'white' images.
    :ivar parameters: of the node.
    :ivar transitions: lifecycle transitions to request once the node is active.
    :ivar held: whether child processes are held when they start.
    :ivar stopped: whether child processes are stopped before the signals.
    """

    code: str
    hanging: str = ''
    parameters: tuple[str, ...] = ()
    transitions: tuple[int, ...] = ()
    held: bool = False
    stopped: bool = False


ON_LOAD = 'from fcos_ros.node import fcos_node\nreport(fcos_node, "open_workers")'
ON_FRAME = 'from fcos_ros.runtime.workers import LocalWorker\nreport(LocalWorker, "detect")'
ON_STOP = 'from fcos_ros.runtime.pool import Pool\nreport(Pool, "stop")'
ON_CLOSE = 'from fcos_ros.runtime.workers import LocalWorker\nreport(LocalWorker, "close")'
ON_FRAME_OF_CHILD = (
    'use_children()\n'
    'from fcos_ros.runtime.workers import ProcessWorker\nreport(ProcessWorker, "start")')

DEACTIVATE = (Transition.TRANSITION_DEACTIVATE,)
CLEAN_UP = (*DEACTIVATE, Transition.TRANSITION_CLEANUP)

PHASES: Mapping[str, Phase] = {
    'imports': Phase('sys.meta_path.insert(0, ReportImport())'),
    'start of ROS 2': Phase('import rclpy\nreport(rclpy, "init")'),
    'loading': Phase(ON_LOAD, 'all'),
    'loading in children': Phase(
        f'use_children()\n{ON_LOAD}', parameters=('workers:=2',), held=True),
    'active': Phase(ON_FRAME),
    'active with children': Phase(ON_FRAME_OF_CHILD, parameters=('workers:=2',)),
    'deactivating': Phase(ON_STOP, transitions=DEACTIVATE),
    'cleaning up': Phase(ON_CLOSE, transitions=CLEAN_UP),
    'hanging inference': Phase(ON_FRAME, 'white'),
    'deactivating, hanging inference': Phase(ON_STOP, 'white', transitions=DEACTIVATE),
    **{f'{count} hanging children': Phase(
        ON_FRAME_OF_CHILD, stopped=True,
        parameters=(f'workers:={count}', f'inference_timeout:={TIMEOUT}'))
       for count in (2, 4, 8)},
}


@dataclass(frozen=True)
class Ending:
    """
    How a node ended.

    :ivar code: its exit code.
    :ivar seconds: from the first signal to the end.
    :ivar output: the text that it printed.
    :ivar memory: names of shared memory that it left behind.
    :ivar children: its child processes that it left behind.
    :ivar left_graph: whether others know that it has ended.
    """

    code: int
    seconds: float
    output: str
    memory: frozenset[str]
    children: frozenset[int]
    left_graph: bool

    @property
    def faults(self) -> list[str]:
        """The kinds of faults of this ending."""
        faults = re.findall('Traceback|terminate called|Fatal', self.output)[:1]
        if self.code:
            faults.insert(0, signal.Signals(-self.code).name if self.code < 0
                          else f'exit code {self.code}')
        if self.memory:
            faults.append('shared memory is left')
        if self.children:
            faults.append('child processes are left')
        if not self.left_graph:
            faults.append('the node is left in the graph')
        return faults


class Shutdown(AbstractContextManager['Shutdown']):
    """
    Runs nodes, one after the other, with a camera that publishes white images, and ends them.

    :param folder: an empty folder.
    :param main: the module whose function `main` runs the node.
    """

    def __init__(self, folder: Path, main: str = MAIN) -> None:
        self._main = main
        self._models = {hanging: write_fcos(folder / f'model_{hanging}.onnx', hanging=hanging)
                        for hanging in ('', 'all', 'white')}
        self._hold = folder / 'hold'
        self._hold.mkdir()
        (self._hold / 'sitecustomize.py').write_text(HOLD_CHILDREN)
        self._profile = folder / 'profile.xml'
        self._profile.write_text(PROFILE)
        with ExitStack() as undo:
            context = rclpy.Context()
            rclpy.init(context=context)
            undo.callback(rclpy.try_shutdown, context=context)
            self._node = node = Node('shutdown_test', context=context)
            undo.callback(node.destroy_node)
            self._client = node.create_client(ChangeState, 'fcos/change_state')
            camera = node.create_publisher(Image, 'image', 1)
            white = image_message(np.full((128, 128, 3), 255, np.uint8))
            node.create_timer(0.05, lambda: camera.publish(white))
            self._executor = SingleThreadedExecutor(context=context)
            self._executor.add_node(node)
            self._thread = Thread(target=self._spin)
            self._thread.start()
            undo.callback(self._thread.join)
            undo.callback(context.try_shutdown)
            self._undo = undo.pop_all()

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def run(self, phase: Phase, signals: Sequence[signal.Signals], delay: float = 0.0) -> Ending:
        """
        Run a node until it has reached a phase, send it the signals, and wait for its end.

        :param delay: seconds between the phase and the first signal.
        :raises AssertionError: the node does not reach the phase.
        """
        nodes = self._count_nodes()
        with ExitStack() as undo:
            process = undo.enter_context(self._start(phase))
            undo.callback(process.kill)
            lines: list[str] = []
            reader = Thread(target=lambda: lines.extend(process.stdout or ()))
            reader.start()
            try:
                self._wait_for(phase, process, lines)
            except AssertionError as error:
                raise AssertionError(f'{error}; the node printed:\n{"".join(lines)}') from error
            time.sleep(delay)
            if phase.stopped:
                for child in children(process.pid):
                    os.kill(child, signal.SIGSTOP)
            ending = _end(process, signals)
            reader.join(TIMEOUT)  # a child that is left keeps the pipe open
            return Ending(process.returncode, output=''.join(lines), **ending,
                          left_graph=self._count_falls_to(nodes))

    def _count_nodes(self) -> int:
        return self._node.get_node_names().count('fcos')

    def _count_falls_to(self, count: int) -> bool:
        with suppress(AssertionError):
            return wait_until(lambda: self._count_nodes() <= count)
        return False

    def _start(self, phase: Phase) -> subprocess.Popen[str]:
        program = (f'{HELPERS}\n{phase.code}\n'
                   f'sys.exit(importlib.import_module({self._main!r}).main())')
        path = [str(self._hold)] * phase.held + [os.environ.get('PYTHONPATH', '')]
        parameters = (f'model:={self._models[phase.hanging]}', *phase.parameters)
        return subprocess.Popen(
            [sys.executable, '-c', program, '--ros-args',
             *(word for parameter in parameters for word in ('-p', parameter))],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, path)),
                 'FASTDDS_DEFAULT_PROFILES_FILE': str(self._profile),
                 'FASTRTPS_DEFAULT_PROFILES_FILE': str(self._profile)})

    def _wait_for(self, phase: Phase, process: subprocess.Popen[str], lines: list[str]) -> None:
        def wait_for_line(words: str) -> None:
            wait_until(lambda: process.poll() is not None
                       or any(words in line for line in list(lines)))
            assert process.poll() is None, ''.join(lines)

        for transition in phase.transitions:
            wait_for_line('subscribed to')
            request = ChangeState.Request()
            request.transition.id = transition
            assert self._client.wait_for_service(TIMEOUT)
            future = self._client.call_async(request)
            if transition != phase.transitions[-1]:
                wait_until(future.done)
        wait_for_line(REACHED)

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin()


def _end(process: subprocess.Popen[str], signals: Sequence[signal.Signals]) -> dict[str, Any]:
    """Send signals to a process, wait for its end, and return all but code and output."""
    memory, started = shared_memory(process.pid), children(process.pid)
    begin = time.monotonic()
    for number in signals:
        process.send_signal(number)
        time.sleep(PAUSE)
    while process.poll() is None:
        memory |= shared_memory(process.pid)
        started |= children(process.pid)
        if time.monotonic() > begin + TIMEOUT:
            process.kill()
        time.sleep(POLL_PERIOD)
    seconds = time.monotonic() - begin
    left = set(filter(is_alive, started))
    for child in left:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    return {'seconds': seconds, 'children': frozenset(left),
            'memory': frozenset(name for name in memory if (SHARED_MEMORY / name).exists())}


def shared_memory(process: int) -> set[str]:
    """Return the names of the segments of Fast DDS that a process owns: it holds their lock."""
    found = set()
    with suppress(OSError):  # the process has ended
        for link in Path(f'/proc/{process}/fd').iterdir():
            with suppress(OSError):  # it was closed meanwhile
                found |= set(re.findall(
                    f'^{SHARED_MEMORY}/(fast(?:rtps|dds)_[0-9a-f]{{16}})_el$', os.readlink(link)))
    return found
