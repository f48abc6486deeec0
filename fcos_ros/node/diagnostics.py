# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert the health of the node to `/diagnostics` (REP 107); the worst problem comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from fcos_ros.core.text import enumerate_some, shorten
from fcos_ros.node.health import CameraHealth, NodeHealth, RecorderHealth, SubscriptionStatus
from fcos_ros.node.input.mixture import REMEDIES as MIXTURE_REMEDIES
from fcos_ros.node.input.stamps import EXPIRING, REMEDIES
from fcos_ros.runtime.node_status import (
    FAILED_KIND,
    FRAMES,
    LATENCY,
    MODEL,
    PERCENTILES,
    PROBLEM,
    PROCESS,
    ProcessStatus,
    camera_rates,
    process_values,
)

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

_WORDS = {OK: 'ok', WARN: 'warning', ERROR: 'error'}

RECORDER = 'recorder'
"""The part of the node that records frames."""

MAX_SILENCE = 2.0
"""Seconds without an image before a warning: cameras slower than 0.5 Hz are rare."""

MAX_MISSED = 0.1
"""Share of images that may be missed without a warning: a busy computer loses some."""

BEST_EFFORT_HINT = (
    'it is published best effort, which loses large images unless the process of the camera has '
    'room for them in shared memory: see config/fastdds_images.xml')
"""A likely reason why no image arrives from a running camera; a subscriber cannot detect it."""


class Problem(NamedTuple):
    """
    A problem of a camera, with its remedy.

    :ivar kind: identifies it in the log; empty if it is logged where it occurs.
    """

    level: bytes
    message: str
    kind: str = ''


def to_diagnostics(node: str, stamp: Time, health: NodeHealth) -> DiagnosticArray:
    """
    Return the statuses of a node: frames and latency of each camera, model, process and recorder.

    `runtime.node_status.read_diagnostics` reads them.
    """
    parts = {}
    for camera in health.cameras:
        prefix = f'{camera.name} ' if camera.name else ''
        parts[f'{prefix}{FRAMES}'] = _frames(health, camera)
        parts[f'{prefix}{LATENCY}'] = _latency(camera)
    parts[MODEL] = _model(health)
    if health.process is not None:
        parts[PROCESS] = _process(health.process)
    if health.recorder is not None:
        parts[RECORDER] = _recorder(health.recorder)
    for part, status in parts.items():
        status.name = f'{node}: {part}'
        status.hardware_id = health.model.backend if health.model else 'none'
    return DiagnosticArray(header=Header(stamp=stamp), status=list(parts.values()))


def worst_level(message: DiagnosticArray) -> int:
    """Return the worst level of the statuses, without that of the recorder."""
    return max((status.level[0] for status in message.status
                if not status.name.endswith(f': {RECORDER}')), default=0)


def _frames(health: NodeHealth, camera: CameraHealth) -> DiagnosticStatus:
    counts, before, subscription = camera.counts, camera.counts_before, camera.subscription
    published = counts.published - before.published
    usual = 'publishing' if published else 'waiting for images'
    problem, *others = list(camera_problems(health, camera)) or [Problem(OK, usual)]
    values = {
        'received': counts.received, 'published': counts.published,
        'superseded': counts.superseded, 'expired': counts.expired, 'failed': counts.failed,
        'in_flight': counts.in_flight, 'missed': counts.missed, 'last_error': counts.last_error,
        'published since last report': published,
        'topic': subscription.topic if subscription else camera.topic,
        'type': subscription.type_name if subscription else '',
        'reliability': subscription.reliability if subscription else '',
        'publishers': subscription.publishers if subscription else 0,
        **camera_rates(counts.received - before.received, published, camera.period),
        **_tiles(camera),
        **{f'{FAILED_KIND}{kind}': count for kind, count in counts.errors.items()},
        **camera.samples, **camera.oddities, **_further(others)}
    return _status(problem.level, problem.message, values)


def _tiles(camera: CameraHealth) -> dict[str, int]:
    counts = camera.counts
    if not counts.tiles and not counts.tiles_left_out:
        return {}
    return {'tiles': counts.tiles, 'tiles left out': counts.tiles_left_out}


def _further(problems: Sequence[Problem]) -> dict[str, str]:
    """Return the problems after the worst, as values."""
    return {f'{PROBLEM}{number}': f'{_WORDS[problem.level]}: {problem.message}'
            for number, problem in enumerate(problems, 2)}


def camera_problems(health: NodeHealth, camera: CameraHealth) -> Iterator[Problem]:
    """Yield the problems of a camera, the worst first."""
    counts, before, subscription = camera.counts, camera.counts_before, camera.subscription
    failed = counts.failed - before.failed
    oddities = Counter(camera.oddities) - Counter(camera.oddities_before)
    level = WARN if counts.published > before.published else ERROR
    if health.fault:
        yield Problem(ERROR, f'{health.state}: {health.fault}')
    if health.namesakes:
        yield Problem(WARN, f'{health.namesakes} more nodes have the name of this node, so their '
                      'detections mix: give each its own name, or end one', 'namesakes')
    if subscription is None:
        yield Problem(WARN, f'{health.state}: no images are received')
        return
    if failed:
        yield Problem(
            level, f'{failed} frames failed since the last report: {counts.last_error}')
    yield from _expired(camera, level, oddities)
    if subscription.problem:
        yield Problem(level, subscription.problem)
    if counts.superseded > before.superseded and counts.published == before.published:
        yield Problem(WARN, 'images arrive and none is finished: a worker loads the model, or '
                      'works on one image for longer than the time between two reports')
    yield from _odd(camera, subscription, oddities)
    if counts.tiles_left_out > before.tiles_left_out and counts.tiles == before.tiles:
        yield Problem(WARN, f'no tile fits into tiles_budget, {camera.tiles_budget:g} ms: raise '
                      'it, or add workers', 'tiles')
    missed, received = counts.missed - before.missed, counts.received - before.received
    if missed > MAX_MISSED * (missed + received):
        yield Problem(WARN, f'{missed} of {missed + received} images since the last report were '
                      'not taken: the camera sends more than is taken, or they were lost; lower '
                      f'its rate or resolution{_loss_hint(camera, subscription)}', 'missed')
    if subscription.absence:
        yield Problem(WARN, subscription.absence)
    elif camera.silence > MAX_SILENCE:
        yield Problem(WARN, f'no image on {subscription.topic} for {camera.silence:.0f} s'
                      f'{_loss_hint(camera, subscription)}', 'silence')


def _expired(camera: CameraHealth, level: bytes, oddities: Mapping[str, int]) -> Iterator[Problem]:
    expired = camera.counts.expired - camera.counts_before.expired
    if expired:
        reason = next(
            (f'{kind}; {REMEDIES[kind]}' for kind in EXPIRING if oddities.get(kind)),
            'if they are not, set the clocks, or use_sim_time for a recording')
        yield Problem(level, f'{expired} images since the last report were older than max_age, '
                      f'{camera.max_age:g} s; {reason}', 'expired')


def _odd(camera: CameraHealth, subscription: SubscriptionStatus,
         oddities: Mapping[str, int]) -> Iterator[Problem]:
    """Yield the problems with stamps, and the signs of several cameras."""
    for kind, remedy in {**MIXTURE_REMEDIES, **REMEDIES}.items():
        if oddities.get(kind):
            mixed = (f', between {enumerate_some(camera.mixed[kind])}; published by '
                     f'{enumerate_some(subscription.nodes)}' if kind in camera.mixed else '')
            yield Problem(WARN, f'{oddities[kind]} images since the last report: {kind}{mixed}; '
                          f'{remedy}', kind)


def _loss_hint(camera: CameraHealth, subscription: SubscriptionStatus) -> str:
    """Return why images may be lost; '' if that is unknown."""
    hints = []
    if camera.other_users:  # it is unknown which user the camera has
        hints.append(
            f'shared memory of Fast DDS belongs to {enumerate_some(camera.other_users)}, too: if '
            'the camera runs as another user than this node, most images are lost: run both as '
            'the same user; see docs/cameras.md')
    if subscription.reliability == 'best effort':
        hints.append(BEST_EFFORT_HINT)
    return ''.join(f'; {hint}' for hint in hints)


def _latency(camera: CameraHealth) -> DiagnosticStatus:
    values = {
        f'{stage}{PERCENTILES}': ' / '.join(
            f'{1000 * value:.2f}' for value in (spread.p50, spread.p95, spread.p99))
        for stage, spread in camera.latencies.items()}
    total = camera.latencies.get('total')
    message = f'{1000 * total.p50:.1f} ms from image to detections' if total else 'no frames yet'
    return _status(OK, message, values)


def _model(health: NodeHealth) -> DiagnosticStatus:
    model = health.model
    if model is None:
        return _status(ERROR if health.fault else WARN, health.fault or 'no model is loaded', {})
    level, message = WARN if model.warnings else OK, ': '.join([model.name, *model.warnings])
    if health.worker_faults:
        level, message = WARN, (f'{len(health.worker_faults)} of {health.workers} workers do not '
                                f'run: {health.worker_faults[0]}')
    return _status(level, message, {
        'name': model.name, 'workers': health.workers, 'path': model.path,
        'backend': model.backend, 'input': model.input.size,
        'strides': ' '.join(f'{level.stride:g}' for level in model.head.levels),
        'classes': model.head.num_classes, 'box unit': model.head.box_unit})


def _process(process: ProcessStatus) -> DiagnosticStatus:
    memory = f'{process.memory / 1e6:.0f} MB'
    cores = '' if process.cpu is None else f', {process.cpu:.2f} CPU cores'
    return _status(OK, f'{process.state}, {memory}{cores}', process_values(process))


def _recorder(recorder: RecorderHealth) -> DiagnosticStatus:
    status, sink = recorder.status, recorder.status.sink
    level, message = OK, 'recording' if sink.is_recording else 'waiting for an event'
    if status.fault:
        level, message = ERROR, f'nothing is recorded: {status.fault}'
    elif recorder.lost:
        level, message = WARN, (f'{recorder.lost} frames since the last report were not recorded, '
                                'as the disk or the CPU is too slow')
    return _status(level, message, {
        'recorder': status.mode, 'file': sink.path or '', 'frames': sink.frames,
        'lost': status.lost, 'last event': sink.event})


def _status(level: bytes, message: str, values: Mapping[str, object]) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=level, message=shorten(message),
        values=[KeyValue(key=key, value=shorten(str(value))) for key, value in values.items()])
