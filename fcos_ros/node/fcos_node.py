# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The detector as a ROS 2 lifecycle node.

Images arrive on threads of their own, which only hand frames to the pool. Detections are published
from the pool's threads, in the order of the images. All else runs on the executor's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
import os
import sys
from traceback import format_exc
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from fcos_ros.backends import ModelInfo
from fcos_ros.core.labels import printable
from fcos_ros.core.text import shorten
from fcos_ros.node.camera import Camera
from fcos_ros.node.command_line import answer_help, notices, parameter_files
from fcos_ros.node.diagnostics import camera_problems, to_diagnostics, worst_level
from fcos_ros.node.health import NodeHealth
from fcos_ros.node.memory import keep_memory, release_free_memory
from fcos_ros.node.namesakes import NamesakeChecker
from fcos_ros.node.parameters import Parameters
from fcos_ros.node.problem_log import RepeatedWarning
from fcos_ros.node.process_reporter import ProcessReporter
from fcos_ros.node.program import run_node
from fcos_ros.node.qos import queued_qos
from fcos_ros.node.recorder import NodeRecorder
from fcos_ros.node.timers import create_steady_timer
from fcos_ros.runtime.detector import DetectorConfig
from fcos_ros.runtime.end_signals import EndSignals
from fcos_ros.runtime.model_path import demo_notice, find_model
from fcos_ros.runtime.pool import Pool
from fcos_ros.runtime.stop_request import StopRequest, StopRequested
from fcos_ros.runtime.workers import Worker, close_workers, default_workers, open_workers
from fcos_ros.settings.cameras import CameraSettings
from fcos_ros.settings.criteria import to_criteria, to_input_size
from fcos_ros.settings.schema import Settings

REPORT_PERIOD = 1.0
"""Seconds between two messages on `/diagnostics`."""

MAX_TRACEBACK = 10_000
"""Characters of a traceback in the log; usual ones have 1000 to 5000."""

Transition = Callable[['FcosNode', LifecycleState], TransitionCallbackReturn]


def _report_failure(transition: Transition) -> Transition:
    """Decorate a transition so that its errors are reported; rclpy discards them."""
    @wraps(transition)
    def run(node: FcosNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except StopRequested:
            return TransitionCallbackReturn.FAILURE
        except ValueError as error:
            return node.refuse(str(error))
        except Exception as error:  # noqa: BLE001 - the reason must reach the user
            node.get_logger().error(shorten(format_exc(), MAX_TRACEBACK))
            return node.refuse(f'{type(error).__name__}: {error}')
    return run


class FcosNode(LifecycleNode):
    """
    Subscribe to `image`, publish `~/detections` and the other outputs.

    Each of several cameras has topics of its own, such as `front/image` and
    `~/front/detections`.

    :param stop_request: ends the node's waits when the process shall end.
    :param node_arguments: passed to `rclpy.lifecycle.LifecycleNode`.
    :raises ValueError: the value of a parameter is not accepted.
    """

    def __init__(
        self, stop_request: StopRequest | None = None, **node_arguments: Any,
    ) -> None:
        super().__init__('fcos', **node_arguments)
        self._stop_request = stop_request or StopRequest()
        self._workers: list[Worker] = []
        self._pool: Pool | None = None
        self._unfinished: Pool | None = None
        self._cameras: dict[str, Camera] = {}
        self._state = 'unconfigured'
        self._fault = ''
        self._recorder = NodeRecorder(self)
        files = parameter_files(node_arguments.get('cli_args') or sys.argv)
        for notice in notices(self.get_fully_qualified_name(), files):
            self.get_logger().warning(notice)
        self._folders = tuple(dict.fromkeys(file.parent for file in files))
        self._node_parameters = Parameters(self, self._check, self._apply)
        self._cameras = {name: Camera(self, name, settings)
                         for name, settings in self._node_parameters.cameras.items()}
        self._namesakes = NamesakeChecker(self)
        self._process = ProcessReporter()
        self._warnings = RepeatedWarning(self)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', queued_qos())
        # Diagnostics are needed most while simulated time stands still.
        self._timer = create_steady_timer(self, REPORT_PERIOD, self._report)
        if self._node_parameters.settings.autostart:
            self._start()

    # Lifecycle

    @_report_failure
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and check the model, and create the publishers."""
        settings = self._node_parameters.settings
        model = find_model(settings.model, folders=self._folders)
        notice = demo_notice(settings.model)
        if notice:
            self.get_logger().warning(notice)
        config = DetectorConfig(model, settings.backend, settings.threads, settings.fit,
                                to_input_size(settings.input_size), collects_warnings=True)
        count = settings.workers or default_workers(config)
        self._workers = open_workers(
            config, count, settings.inference_timeout, self._stop_request)
        self._recorder.open(settings, self._model)
        for camera in self._cameras.values():
            camera.open(self._model, self._recorder)
        self.get_logger().info(f'loaded {config.path}, workers: {count}')
        for note in self._model.notes:
            self.get_logger().info(f'model: {printable(note)}')
        for warning in self._model.warnings:
            self.get_logger().warning(f'model: {printable(warning)}')
        release_free_memory()
        return self._enter('inactive')

    @_report_failure
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the workers and subscribe to the images."""
        if self._unfinished is not None and not self._unfinished.stop(0.0):
            raise ValueError('a worker still works on a frame from before the node was '
                             'deactivated; activate later, or clean up and configure first')
        self._unfinished = None
        super().on_activate(state)
        self._pool = Pool(self._workers, self._stop_request)
        for camera in self._cameras.values():
            camera.start(self._pool)
        return self._enter('active')

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, finish the frames in work, keep the model."""
        self._halt()
        super().on_deactivate(state)
        return self._enter('inactive')

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release the model and destroy the publishers."""
        self._release()
        return self._enter('unconfigured')

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything, from any state."""
        self._release()
        return self._enter('finalized')

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to the state unconfigured, from which the user may configure again."""
        self._release()
        self._fault = self._fault or 'a transition failed, see the log'
        self._state = 'unconfigured'
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop the workers before their publishers are destroyed."""
        self._release()
        super().destroy_node()
        # The state machine keeps the node in the graph: to others it would seem to run until its
        # lease expires, and they would still send images to it.
        self._state_machine.destroy_when_not_in_use()

    @property
    def _model(self) -> ModelInfo:
        return self._workers[0].info

    def _start(self) -> None:
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _enter(self, state: str) -> TransitionCallbackReturn:
        self._state, self._fault = state, ''
        return TransitionCallbackReturn.SUCCESS

    def refuse(self, reason: str) -> TransitionCallbackReturn:
        """Undo the current transition, and report the reason in log and diagnostics."""
        undo = self._release if self._state == 'unconfigured' else self._halt
        undo()
        self._fault = shorten(reason)
        self.get_logger().error(self._fault)
        return TransitionCallbackReturn.FAILURE

    def _halt(self) -> None:
        for camera in self._cameras.values():
            camera.unsubscribe()
        if self._pool is not None:
            if not self._pool.stop():
                self.get_logger().error('the workers did not finish their frames in time')
                self._unfinished = self._pool
            self._pool = None
        for camera in self._cameras.values():
            camera.leave_pool()

    def _release(self) -> None:
        self._halt()
        for camera in self._cameras.values():
            camera.close()
        self._recorder.close()
        close_workers(self._workers)
        self._workers, self._unfinished = [], None

    # Parameters

    def set_parameters(self, parameter_list: list[Any]) -> list[SetParametersResult]:
        """Set parameters one by one, as rclpy does; see `Parameters.set`."""
        return [self.set_parameters_atomically([parameter]) for parameter in parameter_list]

    def set_parameters_atomically(self, parameter_list: list[Any]) -> SetParametersResult:
        """Set all parameters or none, as rclpy does; see `Parameters.set`."""
        return self._node_parameters.set(parameter_list, super().set_parameters_atomically)

    def _check(self, old: CameraSettings, new: CameraSettings) -> None:
        """Raise ValueError for changes that the present state does not allow; see `Parameters`."""
        if not self._workers:
            return
        for camera, settings in new.items():
            for name, option in Settings.options().items():
                changed = getattr(old[camera], name) != getattr(settings, name)
                if changed and not option.live:
                    raise ValueError(f'{name} cannot change while a model is loaded; '
                                     'deactivate and clean up the node first')
            to_criteria(settings, self._model)
            self._recorder.check(settings, self._model)

    def _apply(self) -> None:
        """Use the present settings for the next frames."""
        for name, settings in self._node_parameters.cameras.items():
            self._cameras[name].apply(settings)
        self._recorder.apply(self._node_parameters.settings)

    # Health

    def _log_problems(self, health: NodeHealth) -> None:
        for camera in health.cameras:
            prefix = f'{camera.name}: ' if camera.name else ''
            for problem in camera_problems(health, camera):
                if problem.kind:
                    self._warnings.warn(
                        (camera.name, problem.kind), f'{prefix}{problem.message}')

    def _report(self) -> None:
        workers, faults = len(self._workers), self._pool.faults if self._pool else ()
        working = workers - len(faults) if self._pool else 0
        health = NodeHealth(
            state=self._state, fault=self._fault,
            model=self._model if self._workers else None, workers=workers, worker_faults=faults,
            cameras=tuple(camera.health() for camera in self._cameras.values()),
            namesakes=self._namesakes.count(),
            process=self._process.read(self._state, workers, working),
            recorder=self._recorder.health())
        self._log_problems(health)
        stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name().lstrip('/')
        message = to_diagnostics(name, stamp, health)
        self._diagnostics.publish(message)
        self._recorder.report_level(worst_level(message))


def run(signals: EndSignals, arguments: Sequence[str] = sys.argv) -> int:
    """Run the node as a program until a signal ends it; return the exit code."""
    answer_help(arguments)
    reason = keep_memory(os.environ)  # before ROS 2 starts threads
    # Workers run side by side already, and waking OpenCV's threads for each frame costs CPU time.
    cv2.setNumThreads(1)

    def make_node(stop_request: StopRequest) -> FcosNode:
        if reason:
            rclpy.logging.get_logger('fcos').info(
                f'the memory of large images is not kept: {reason}')
        return FcosNode(stop_request)
    return run_node('fcos', make_node, signals, arguments)
