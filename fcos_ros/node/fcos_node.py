# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The detector as a ROS 2 lifecycle node.

The executor's thread only hands frames over; detections are published from the pool's threads,
in the order in which the images came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
import signal
from time import monotonic
from traceback import format_exc
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.clock import Clock
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from fcos_ros.backends import ModelInfo
from fcos_ros.core.annotate import annotate
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame, FrameError
from fcos_ros.node.diagnostics import Health, to_diagnostics
from fcos_ros.node.images import to_frame
from fcos_ros.node.messages import to_detection_array, to_image, to_label_info
from fcos_ros.node.parameters import Parameters
from fcos_ros.node.qos import every, latched, mismatch, newest, on_mismatch
from fcos_ros.node.settings import Settings, to_criteria
from fcos_ros.runtime.model_path import find
from fcos_ros.runtime.pool import Outcome, Pool
from fcos_ros.runtime.protocol import Recipe
from fcos_ros.runtime.statistics import Latencies, Ledger
from fcos_ros.runtime.worker import Worker, default_workers, open_workers

try:
    from rclpy.clock_type import ClockType
except ImportError:  # ROS 2 Humble
    from rclpy.clock import ClockType  # type: ignore[attr-defined]

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
            node.get_logger().error(format_exc())
            return node.refuse(f'{type(error).__name__}: {error}')
    return run


class FcosNode(LifecycleNode):
    """
    Subscribes to `image`, publishes `~/detections`, `~/annotated_image` and `~/label_info`.

    :param node_arguments: passed on to `rclpy.lifecycle.LifecycleNode`.
    :raises ValueError: when a parameter's value is not accepted.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__('fcos', **node_arguments)
        self._workers: list[Worker] = []
        self._pool: Pool[Header] | None = None
        self._subscription: Subscription[Image] | None = None
        self._outlets: list[Any] = []
        self._state = 'unconfigured'
        self._fault = ''
        self._last_image = monotonic()
        self._ledger = Ledger()
        self._latencies = Latencies()
        self._reported = self._ledger.account()
        self._declared = Parameters(self, self._check, self._apply)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', every())
        # A steady clock: diagnostics matter most when simulated time stands still.
        self._timer = self.create_timer(
            REPORT_PERIOD, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))
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
        to_criteria(settings, self._model)
        overriding = QoSOverridingOptions.with_default_policies()
        self._array_publisher = self.create_lifecycle_publisher(
            Detection2DArray, '~/detections', every(), qos_overriding_options=overriding)
        self._image_publisher = self.create_lifecycle_publisher(
            Image, '~/annotated_image', newest(), qos_overriding_options=overriding)
        self._label_publisher = self.create_lifecycle_publisher(
            LabelInfo, '~/label_info', latched())
        self._outlets += [self._array_publisher, self._image_publisher, self._label_publisher]
        self.get_logger().info(f'loaded {recipe.path} for {count} frames at a time')
        return self._enter('inactive')

    @_explained
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the workers and subscribe to the images."""
        super().on_activate(state)
        self._pool = Pool(self._workers, self._deliver, self._ledger, self._latencies)
        self._apply()
        self._last_image = monotonic()
        self._subscription = self.create_subscription(
            Image, 'image', self._on_image, newest(), event_callbacks=on_mismatch(self._warn_qos),
            qos_overriding_options=QoSOverridingOptions.with_default_policies())
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
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
            self._subscription = None
        if self._pool is not None:
            if not self._pool.stop():
                self.get_logger().error('a worker did not finish its frame in time')
            self._pool = None

    def _release(self) -> None:
        self._halt()
        for publisher in self._outlets:
            self.destroy_publisher(publisher)
        self._outlets.clear()
        for worker in self._workers:
            worker.close()
        self._workers = []

    # Parameters

    def _check(self, old: Settings, new: Settings) -> None:
        """Refuse changes that the present state cannot take; see `Parameters`."""
        if not self._workers:
            return
        for entry in fields(Settings):
            name = entry.name
            if not Settings.options()[name].live and getattr(old, name) != getattr(new, name):
                raise ValueError(f'{name} cannot change while a model is loaded: '
                                 'deactivate and clean up the node first')
        to_criteria(new, self._model)

    def _apply(self) -> None:
        """Let the frames to come be judged by the present settings."""
        if self._pool is None:
            return
        self._pool.criteria = criteria = to_criteria(self._declared.settings, self._model)
        header = Header(stamp=self.get_clock().now().to_msg())
        self._label_publisher.publish(
            to_label_info(self._model.labels, criteria.score_threshold, header))

    # Frames

    def _on_image(self, message: Image) -> None:
        self._last_image = monotonic()
        self._ledger.enter()
        try:
            frame = to_frame(message)
        except FrameError as error:
            self._lose(error)
            self._ledger.fail(error)
            return
        assert self._pool is not None
        self._pool.submit(frame, message.header)

    def _deliver(self, outcome: Outcome[Header]) -> None:
        if outcome.result is None:
            self._lose(outcome.error)
            return
        detections, header = outcome.result.detections, outcome.job.ticket
        self._array_publisher.publish(to_detection_array(detections, header))
        if self._image_publisher.get_subscription_count():
            self._show(outcome.job.frame, detections, header)

    def _show(self, frame: Frame, detections: Detections, header: Header) -> None:
        try:
            canvas = np.array(frame.bgr())
            annotate(canvas, detections, self._model.labels)
            self._image_publisher.publish(to_image(canvas, header))
        except Exception as error:  # noqa: BLE001 - the detections are out: the frame is not lost
            self.get_logger().error(f'no annotated image: {error}', throttle_duration_sec=1.0)

    def _lose(self, error: Exception | None) -> None:
        self.get_logger().error(f'a frame is lost: {error}', throttle_duration_sec=1.0)

    # Health

    def _warn_qos(self) -> None:
        if self._subscription is not None:
            self.get_logger().warning(mismatch(self, self._subscription))

    def _report(self) -> None:
        account = self._ledger.account()
        topic = self.resolve_topic_name('image')
        subscription = self._subscription
        health = Health(
            state=self._state, fault=self._fault, topic=topic,
            publishers=self.count_publishers(topic),
            mismatch=mismatch(self, subscription) if subscription is not None else '',
            silence=monotonic() - self._last_image, before=self._reported, account=account,
            latencies=self._latencies.percentiles(),
            model=self._model if self._workers else None)
        self._reported = account
        stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name().lstrip('/')
        self._diagnostics.publish(to_diagnostics(name, stamp, health))


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is told to end."""
    rclpy.init(args=arguments)
    node: FcosNode | None = None
    try:
        node = FcosNode()
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ValueError, ParameterException) as error:
        rclpy.logging.get_logger('fcos').fatal(str(error))
        return 1
    finally:
        # Under `ros2 launch` Ctrl-C arrives twice; the second must not break the clean-up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
