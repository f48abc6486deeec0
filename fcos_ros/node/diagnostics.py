# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the node does, in the words of `/diagnostics` (REP 107): what is wrong comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from fcos_ros.backends import ModelInfo
from fcos_ros.node.inlet import Link
from fcos_ros.node.stamps import EXPIRING, REMEDIES
from fcos_ros.runtime.statistics import Account, Percentiles

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

SILENCE = 2.0
"""Seconds without an image that are worth a warning: slower cameras than 0.5 Hz are rare."""

LOSSY = ('it is published best effort, which loses large images unless the process of the camera '
         'has room for them in shared memory: see config/fastdds_images.xml')
"""Why a camera may be there and nothing come: nobody can tell that from here."""


@dataclass(frozen=True)
class CameraHealth:
    """
    All that is known of one camera at one moment.

    :ivar name: empty for the only camera.
    :ivar topic: the resolved name of the image topic.
    :ivar link: how its inlet is connected; None while the node is not active.
    :ivar silence: seconds since the last image, or since activation.
    :ivar max_age: seconds after which an image expires, 0 for never.
    :ivar before: the account at the last report.
    :ivar account: the account now.
    :ivar odd_before: as `oddities`, at the last report.
    :ivar oddities: images so far by what is wrong with their stamps; see `stamps`.
    :ivar latencies: percentiles a stage, in seconds.
    """

    name: str
    topic: str
    link: Link | None
    silence: float
    max_age: float
    before: Account
    account: Account
    odd_before: Mapping[str, int]
    oddities: Mapping[str, int]
    latencies: Mapping[str, Percentiles]


@dataclass(frozen=True)
class Health:
    """
    All that the node knows of itself at one moment.

    :ivar state: label of the lifecycle state.
    :ivar fault: why it is not active, empty when nothing went wrong.
    :ivar model: the loaded model.
    """

    state: str
    fault: str
    model: ModelInfo | None
    cameras: tuple[CameraHealth, ...]


def to_diagnostics(node: str, stamp: Time, health: Health) -> DiagnosticArray:
    """Say a node's health: for each camera its frames and its latencies, and then the model."""
    parts = {}
    for camera in health.cameras:
        place = f'{camera.name} ' if camera.name else ''
        parts[f'{place}frames'] = _frames(health, camera)
        parts[f'{place}latency'] = _latency(camera)
    parts['model'] = _model(health)
    for part, status in parts.items():
        status.name = f'{node}: {part}'
        status.hardware_id = health.model.backend if health.model else 'none'
    return DiagnosticArray(header=Header(stamp=stamp), status=list(parts.values()))


def _frames(health: Health, camera: CameraHealth) -> DiagnosticStatus:
    account, before, link = camera.account, camera.before, camera.link
    fine = 'publishing' if account.published > before.published else 'waiting for images'
    level, message = next(_troubles(health, camera), (OK, fine))
    values = {
        'received': account.received, 'published': account.published,
        'superseded': account.superseded, 'expired': account.expired, 'failed': account.failed,
        'in_flight': account.in_flight, 'last_error': account.last_error,
        'published since last report': account.published - before.published,
        'topic': link.topic if link else camera.topic,
        'type': link.type_name if link else '', 'reliability': link.reliability if link else '',
        'publishers': link.publishers if link else 0,
        **{f'failed: {kind}': count for kind, count in account.errors.items()},
        **camera.oddities}
    return _status(level, message, values)


def _troubles(health: Health, camera: CameraHealth) -> Iterator[tuple[bytes, str]]:
    """Tell what is wrong, the gravest first."""
    account, before, link = camera.account, camera.before, camera.link
    failed = account.failed - before.failed
    expired = account.expired - before.expired
    oddities = Counter(camera.oddities) - Counter(camera.odd_before)
    level = WARN if account.published > before.published else ERROR
    if health.fault:
        yield ERROR, f'{health.state}: {health.fault}'
    if link is None:
        yield WARN, f'{health.state}: no frames are taken'
        return
    if failed:
        yield level, f'{failed} frames failed since the last report: {account.last_error}'
    if expired:
        why = next((f'{oddity}; {REMEDIES[oddity]}' for oddity in EXPIRING if oddities[oddity]),
                   'if they are not, set the clocks, or use_sim_time for a recording')
        yield level, (f'{expired} images since the last report were older than the '
                      f'{camera.max_age:g} s of max_age; {why}')
    if link.trouble:
        yield level, link.trouble
    if account.superseded > before.superseded and account.published == before.published:
        yield WARN, ('images come in and none is done: a worker loads the model, or works on one '
                     'image for longer than this report covers')
    for oddity, remedy in REMEDIES.items():
        if oddities[oddity]:
            yield WARN, f'{oddities[oddity]} images since the last report: {oddity}; {remedy}'
    if not link.publishers:
        yield WARN, f'nobody publishes {link.topic}: start the camera, or remap image'
    if camera.silence > SILENCE:
        doubt = f'; {LOSSY}' if link.reliability == 'best effort' else ''
        yield WARN, f'no image on {link.topic} for {camera.silence:.0f} s{doubt}'


def _latency(camera: CameraHealth) -> DiagnosticStatus:
    values = {
        f'{stage} p50/p95/p99 ms': ' / '.join(
            f'{1000 * value:.2f}' for value in (spread.p50, spread.p95, spread.p99))
        for stage, spread in camera.latencies.items()}
    total = camera.latencies.get('total')
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
