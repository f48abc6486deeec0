# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One camera's way through the node: message, frame, pool, detections, messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from fcos_ros.backends import ModelInfo
from fcos_ros.core.decode import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import FrameError
from fcos_ros.core.selection import judge_again
from fcos_ros.core.tracking import Tracker
from fcos_ros.node.criteria import to_criteria, to_tracker_settings
from fcos_ros.node.diagnostics import CameraHealth
from fcos_ros.node.images import Source
from fcos_ros.node.inlet import Inlet
from fcos_ros.node.legend import Editions
from fcos_ros.node.outlet import Finding
from fcos_ros.node.outlets import Outlets
from fcos_ros.node.settings import Settings
from fcos_ros.node.stamps import Stamps, seconds_of
from fcos_ros.runtime.lane import Books, Lane, Outcome
from fcos_ros.runtime.pool import Pool


@dataclass(frozen=True)
class Terms:
    """
    How frames are judged from some moment on; they change at once or not at all.

    :ivar wanted: what is to be published.
    :ivar decoded: what the pool is asked for; tracking continues tracks with less.
    """

    settings: Settings = field(default_factory=Settings)
    wanted: Criteria = field(default_factory=Criteria)
    decoded: Criteria = field(default_factory=Criteria)

    @classmethod
    def of(cls, settings: Settings, model: ModelInfo) -> Terms:
        """Read them off the settings; raises ValueError when they ask for what is not there."""
        wanted = to_criteria(settings, model)
        less = wanted.lowered(settings.track_threshold) if settings.track else wanted
        return cls(settings, wanted, less)


class Camera:
    """
    A camera of the node, whose account goes on however often the node is started and halted.

    :param name: what its topics are below; empty for the only camera of a node.
    """

    def __init__(self, node: LifecycleNode, name: str, settings: Settings) -> None:
        self._node = node
        self._name = name
        self._settings = settings
        self._topic = f'{name}/image' if name else 'image'
        self._books = Books()
        self._reported = self._books.ledger.account()
        self._stamps = Stamps(node.get_clock())
        self._oddities = self._stamps.oddities
        self._last_image = monotonic()
        self._terms = Terms()
        self._tracker = Tracker()
        self._editions = Editions()
        self._model: ModelInfo | None = None
        self._outlets: Outlets | None = None
        self._pool: Pool | None = None
        self._lane: Lane[Header] | None = None
        self._inlet: Inlet | None = None

    def open(self, model: ModelInfo) -> None:
        """
        Make the publishers.

        :raises ValueError: when the settings ask for what the model does not have.
        """
        to_criteria(self._settings, model)
        prefix = f'~/{self._name}/' if self._name else '~/'
        self._model = model
        self._outlets = Outlets(self._node, prefix, model, self._editions)

    def start(self, pool: Pool) -> None:
        """Subscribe, and work on what comes."""
        self._pool, self._lane = pool, pool.lane(
            partial(self._deliver, pool), self._books)
        self.apply(self._settings)
        self._last_image = monotonic()
        self._inlet = Inlet(self._node, self._topic, self._settings.transport,
                            self._settings.reliability, self._receive)

    def apply(self, settings: Settings) -> None:
        """Let the frames to come be judged by these settings."""
        self._settings = settings
        if self._lane is None:
            return
        assert self._model is not None
        assert self._outlets is not None
        self._terms = terms = Terms.of(settings, self._model)
        self._tracker.settings = to_tracker_settings(settings)
        self._lane.criteria, self._lane.weight = terms.decoded, settings.weight
        self._outlets.apply(settings, terms.decoded)

    def halt(self) -> None:
        """Unsubscribe; what is in the pool still comes out."""
        if self._inlet is not None:
            self._inlet.close()
            self._inlet = None

    def leave(self) -> None:
        """Forget the pool, which has stopped."""
        self._pool = self._lane = None

    def close(self) -> None:
        """Give back the publishers."""
        if self._outlets is not None:
            self._outlets.close()
            self._outlets = self._model = None

    def health(self) -> CameraHealth:
        """Tell how it does, and what has happened since it was last asked."""
        before, self._reported = self._reported, self._books.ledger.account()
        odd_before, self._oddities = self._oddities, self._stamps.oddities
        topic = self._node.resolve_topic_name(self._topic)
        return CameraHealth(
            name=self._name, link=self._inlet.link() if self._inlet else None, topic=topic,
            silence=monotonic() - self._last_image, max_age=self._settings.max_age,
            before=before, account=self._reported,
            odd_before=odd_before, oddities=self._oddities,
            latencies=self._books.latencies.percentiles())

    def _receive(self, source: Source, message: Any) -> None:
        self._last_image = monotonic()
        self._books.ledger.enter()
        header = source.header(message)
        self._stamps.judge(header.stamp)
        if self._expired(header):
            self._books.ledger.expire()
            return
        try:
            frame = source.read(message)
        except FrameError as error:
            self._lose(error)
            self._books.ledger.fail(error)
            return
        assert self._pool is not None
        assert self._lane is not None
        self._pool.submit(self._lane, frame, header, partial(self._expired, header))

    def _expired(self, header: Header) -> bool:
        limit = self._settings.max_age
        if not limit:
            return False
        age = self._stamps.age(header.stamp)
        return age is not None and age > limit

    def _deliver(self, pool: Pool, outcome: Outcome[Header]) -> None:
        result, header = outcome.result, outcome.job.ticket
        if result is None:
            self._lose(outcome.error)
            return
        # A worker that hung when the node was halted may be done when it runs again.
        if pool is not self._pool or self._outlets is None:
            raise TimeoutError('done only after the node was deactivated')
        found = self._judged(result.detections, outcome)
        self._outlets.publish(Finding.of(outcome, result.times, found))
        age = self._stamps.plausible_age(header.stamp)
        if age is not None:
            self._books.latencies.add(age=age)

    def _judged(self, found: Detections, outcome: Outcome[Header]) -> Detections:
        """Judge what was found by what holds now, and number the objects where that is wanted."""
        terms, job = self._terms, outcome.job
        if outcome.criteria is not terms.decoded:
            found = judge_again(found, terms.decoded, job.frame.size)
        if not terms.settings.track:
            return found
        # A camera without stamps is tracked by the time of arrival.
        seconds = seconds_of(job.ticket.stamp) or job.arrived
        return self._tracker.update(found, seconds, terms.wanted)

    def _lose(self, error: Exception | None) -> None:
        place = f' of {self._name}' if self._name else ''
        self._node.get_logger().error(
            f'a frame{place} is lost: {error}', throttle_duration_sec=1.0)
