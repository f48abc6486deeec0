# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The detector as a ROS 2 lifecycle node.

The executor's thread only hands frames over; detections are published from the pool's threads,
in the order in which the images came.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
import os
import signal
from traceback import format_exc
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from fcos_ros.backends import ModelInfo
from fcos_ros.node.allocator import keep_memory
from fcos_ros.node.camera import Camera
from fcos_ros.node.criteria import to_criteria
from fcos_ros.node.diagnostics import Health, to_diagnostics
from fcos_ros.node.parameters import Parameters, Views
from fcos_ros.node.qos import every
from fcos_ros.node.settings import Settings
from fcos_ros.node.steady import every_seconds
from fcos_ros.runtime.model_path import find
from fcos_ros.runtime.pool import Pool
from fcos_ros.runtime.protocol import Recipe
from fcos_ros.runtime.worker import Worker, default_workers, open_workers

REPORT_PERIOD = 1.0
"""Seconds between two reports on `/diagnostics`."""


Transition = Callable[['FcosNode', LifecycleState], TransitionCallbackReturn]


def _explained(transition: Transition) -> Transition:
    """Have a failing transition leave its reason; rclpy would swallow the exception."""
    @wraps(transition)
    def run(node: FcosNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except ValueError as error:
            return node.refuse(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the user must learn of it
            if not node.context.ok():  # unless a signal ended ROS 2 meanwhile
                return TransitionCallbackReturn.FAILURE
            node.get_logger().error(format_exc())
            return node.refuse(f'{type(error).__name__}: {error}')
    return run


class FcosNode(LifecycleNode):
    """
    Subscribes to `image`, publishes `~/detections` and all that goes with it.

    With several cameras each has topics of its own, such as `front/image` and
    `~/front/detections`.

    :param node_arguments: passed on to `rclpy.lifecycle.LifecycleNode`.
    :raises ValueError: when a parameter's value is not accepted.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__('fcos', **node_arguments)
        self._workers: list[Worker] = []
        self._pool: Pool | None = None
        self._late: Pool | None = None
        self._cameras: dict[str, Camera] = {}
        self._state = 'unconfigured'
        self._fault = ''
        self._declared = Parameters(self, self._check, self._apply)
        self._cameras = {name: Camera(self, name, settings)
                         for name, settings in self._declared.views.items()}
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', every())
        # Diagnostics matter most when simulated time stands still.
        self._timer = every_seconds(self, REPORT_PERIOD, self._report)
        if self._declared.settings.autostart:
            self._start()

    # Lifecycle

    @_explained
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and check the model, and make the publishers."""
        settings = self._declared.settings
        recipe = Recipe(find(settings.model), settings.backend, settings.threads, settings.fit)
        count = settings.workers or default_workers(recipe)
        self._workers = open_workers(recipe, count, settings.deadline)
        for camera in self._cameras.values():
            camera.open(self._model)
        self.get_logger().info(f'loaded {recipe.path} for {count} frames at a time')
        return self._enter('inactive')

    @_explained
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the workers and subscribe to the images."""
        if self._late is not None and not self._late.stop(0.0):
            raise ValueError('a worker is still on a frame from before the node was deactivated: '
                             'activate it again later, or clean up and configure first')
        self._late = None
        super().on_activate(state)
        self._pool = Pool(self._workers)
        for camera in self._cameras.values():
            camera.start(self._pool)
        return self._enter('active')

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, finish the frames at hand, keep the model."""
        self._halt()
        super().on_deactivate(state)
        return self._enter('inactive')

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back the model and the publishers."""
        self._release()
        return self._enter('unconfigured')

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End for good, from any state."""
        self._release()
        return self._enter('finalized')

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Fall back to unconfigured, from where the user may try again."""
        self._release()
        self._fault = self._fault or 'a transition failed, see the log'
        self._state = 'unconfigured'
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop the workers before what they publish with goes away."""
        self._release()
        super().destroy_node()

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
        """Undo the transition under way, and show why in the log and in the diagnostics."""
        undo = self._release if self._state == 'unconfigured' else self._halt
        undo()
        self._fault = reason
        self.get_logger().error(reason)
        return TransitionCallbackReturn.FAILURE

    def _halt(self) -> None:
        for camera in self._cameras.values():
            camera.halt()
        if self._pool is not None:
            if not self._pool.stop():
                self.get_logger().error('the workers did not finish their frames in time')
                self._late = self._pool
            self._pool = None
        for camera in self._cameras.values():
            camera.leave()

    def _release(self) -> None:
        self._halt()
        for camera in self._cameras.values():
            camera.close()
        for worker in self._workers:
            worker.close()
        self._workers, self._late = [], None

    # Parameters

    def set_parameters(self, parameter_list: list[Any]) -> list[SetParametersResult]:
        """Set them one by one, as rclpy does, but let what is unset be set again."""
        results: list[SetParametersResult] = super().set_parameters(parameter_list)
        self._declared.restore()
        return results

    def set_parameters_atomically(self, parameter_list: list[Any]) -> SetParametersResult:
        """Set all or none, as rclpy does, but let what is unset be set again."""
        result = super().set_parameters_atomically(parameter_list)
        self._declared.restore()
        return result

    def _check(self, old: Views, new: Views) -> None:
        """Refuse changes that the present state cannot take; see `Parameters`."""
        if not self._workers:
            return
        for camera, settings in new.items():
            for name, option in Settings.options().items():
                changed = getattr(old[camera], name) != getattr(settings, name)
                if changed and not option.live:
                    raise ValueError(f'{name} cannot change while a model is loaded: '
                                     'deactivate and clean up the node first')
            to_criteria(settings, self._model)

    def _apply(self) -> None:
        """Let the frames to come be judged by the present settings."""
        for name, settings in self._declared.views.items():
            self._cameras[name].apply(settings)

    # Health

    def _report(self) -> None:
        health = Health(
            state=self._state, fault=self._fault,
            model=self._model if self._workers else None,
            cameras=tuple(camera.health() for camera in self._cameras.values()))
        stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name().lstrip('/')
        self._diagnostics.publish(to_diagnostics(name, stamp, health))


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is told to end."""
    objection = keep_memory(os.environ)  # before ROS 2 starts threads
    rclpy.init(args=arguments)
    if objection:
        rclpy.logging.get_logger('fcos').info(f'memory of large images is not kept: {objection}')
    executor: SingleThreadedExecutor | None = None
    node: FcosNode | None = None
    try:
        executor = SingleThreadedExecutor()
        node = FcosNode()
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ValueError, ParameterException) as error:
        rclpy.logging.get_logger('fcos').fatal(str(error))
        return 1
    except Exception:
        # A signal shuts ROS 2 down at any moment; what a callback then asks of it fails.
        if rclpy.ok():
            raise
    finally:
        # Under `ros2 launch` Ctrl-C arrives twice; the second must not break the clean-up.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        if executor is not None:
            executor.shutdown()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
