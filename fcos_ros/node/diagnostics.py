# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the node does, in the words of `/diagnostics` (REP 107): what is wrong comes first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from fcos_ros.backends import ModelInfo
from fcos_ros.runtime.statistics import Account, Percentiles

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

SILENCE = 2.0
"""Seconds without an image that are worth a warning: slower cameras than 0.5 Hz are rare."""


@dataclass(frozen=True)
class Health:
    """
    All that the node knows of itself at one moment.

    :ivar state: label of the lifecycle state.
    :ivar fault: why it is not active, empty when nothing went wrong.
    :ivar topic: the resolved name of the image topic.
    :ivar publishers: how many publish there.
    :ivar mismatch: publishers with an incompatible QoS, both sides named; else empty.
    :ivar silence: seconds since the last image, or since activation.
    :ivar before: the account at the last report.
    :ivar account: the account now.
    :ivar latencies: percentiles a stage, in seconds.
    :ivar model: the loaded model.
    """

    state: str
    fault: str
    topic: str
    publishers: int
    mismatch: str
    silence: float
    before: Account
    account: Account
    latencies: Mapping[str, Percentiles]
    model: ModelInfo | None


def to_diagnostics(node: str, stamp: Time, health: Health) -> DiagnosticArray:
    """Say a node's health as one status for its frames, its latencies and its model."""
    parts = {'frames': _frames(health), 'latency': _latency(health), 'model': _model(health)}
    for part, status in parts.items():
        status.name = f'{node}: {part}'
        status.hardware_id = health.model.backend if health.model else 'none'
    return DiagnosticArray(header=Header(stamp=stamp), status=list(parts.values()))


def _frames(health: Health) -> DiagnosticStatus:
    account, before = health.account, health.before
    fine = 'publishing' if account.published > before.published else 'waiting for images'
    level, message = next(_troubles(health), (OK, fine))
    values = {
        'received': account.received, 'published': account.published,
        'superseded': account.superseded, 'failed': account.failed,
        'in_flight': account.in_flight, 'last_error': account.last_error,
        'published since last report': account.published - before.published,
        'topic': health.topic, 'publishers': health.publishers,
        **{f'failed: {kind}': count for kind, count in account.errors.items()}}
    return _status(level, message, values)


def _troubles(health: Health) -> Iterator[tuple[bytes, str]]:
    """Tell what is wrong, the gravest first."""
    account, before = health.account, health.before
    failed = account.failed - before.failed
    if health.fault:
        yield ERROR, f'{health.state}: {health.fault}'
    if health.state != 'active':
        yield WARN, f'{health.state}: no frames are taken'
    if failed:
        level = WARN if account.published > before.published else ERROR
        yield level, f'{failed} frames failed since the last report: {account.last_error}'
    if health.mismatch:
        yield ERROR, health.mismatch
    if not health.publishers:
        yield WARN, f'nobody publishes {health.topic}: start the camera, or remap image'
    if health.silence > SILENCE:
        yield WARN, f'no image on {health.topic} for {health.silence:.0f} s'


def _latency(health: Health) -> DiagnosticStatus:
    values = {
        f'{stage} p50/p95/p99 ms': ' / '.join(
            f'{1000 * value:.2f}' for value in (spread.p50, spread.p95, spread.p99))
        for stage, spread in health.latencies.items()}
    total = health.latencies.get('total')
    message = f'{1000 * total.p50:.1f} ms from image to detections' if total else 'no frames yet'
    return _status(OK, message, values)


def _model(health: Health) -> DiagnosticStatus:
    model = health.model
    if model is None:
        return _status(ERROR if health.fault else WARN, health.fault or 'no model is loaded', {})
    return _status(OK, model.name, {
        'path': model.path, 'backend': model.backend, 'input': model.input.size,
        'strides': ' '.join(str(level.stride) for level in model.head.levels),
        'classes': model.head.num_classes, 'box unit': model.head.box_unit})


def _status(level: bytes, message: str, values: Mapping[str, object]) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=level, message=message,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])
