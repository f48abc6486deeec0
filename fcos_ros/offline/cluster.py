# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run jobs on the machines of a Dask cluster.

All machines see the same files under the same paths. A job whose worker dies runs again on another
one. A job that fails, or that kills several workers, fails alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
import logging
import os
from typing import Any
from uuid import uuid4

from fcos_ros.offline.frames import OfflineError
from fcos_ros.offline.jobs import Advance, Detectors, Job, JobResult
from fcos_ros.offline.manifest import JobRecord, Manifest, job_key

LOCAL = 'local'
"""The address that stands for worker processes of this machine; `local:N` starts N of them."""

CONNECT_TIMEOUT = 10
"""Seconds to reach the scheduler."""

INSTALL = 'python3 -m pip install distributed'

Outcome = tuple[JobRecord, bool]
"""The record of a job, and whether an earlier run had done it."""


def run_on_cluster(address: str, jobs: Iterable[Job], manifest: Manifest, advance: Advance,
                   redo: bool = False) -> Iterator[JobResult]:
    """
    Run jobs, and yield their results as they finish.

    :param address: of a scheduler, such as `tcp://10.0.0.1:8786`; or `local`, or `local:4`.
    :param manifest: of the folder of results; jobs that it lists are not done again.
    :param redo: do them again.
    :raises OfflineError: the cluster cannot be used.
    """
    distributed = _import_distributed()
    with _open_client(distributed, address) as client:
        _require_workers(client, address)
        tasks = _Tasks(client, distributed.as_completed(loop=client.loop))
        with closing(tasks):
            for job, outcome in tasks.run(
                    (job, None if redo else manifest.record(job.name)) for job in jobs):
                yield _result(job, outcome, manifest)
                advance(job.frames)


class _Tasks:
    """
    The tasks of a run on a cluster.

    A worker gets its next task when it has finished one. Dask would queue several on each worker,
    and would count the death of a worker against all of them.

    :param finished: Dask's queue of finished tasks.
    """

    def __init__(self, client: Any, finished: Any) -> None:
        self._client = client
        self._finished = finished
        self._run = uuid4().hex  # a scheduler keeps the results of equal keys
        self._running: dict[Any, Job] = {}

    def run(self, jobs: Iterator[tuple[Job, JobRecord | None]],
            ) -> Iterator[tuple[Job, Outcome | Exception]]:
        """
        Run jobs, and yield each with its outcome or error as it finishes.

        :param jobs: each with its record in the manifest.
        """
        self._submit(jobs)
        for future in self._finished:
            job = self._running.pop(future)
            # The outcome lies on the worker, which the next job may kill.
            outcome = _fetch(future)
            self._submit(jobs)
            yield job, outcome

    def close(self) -> None:
        """Cancel the tasks that have not finished."""
        self._client.cancel(list(self._running), force=True)

    def _submit(self, jobs: Iterator[tuple[Job, JobRecord | None]]) -> None:
        """Submit as many jobs as the workers have free threads, but at least one."""
        threads = max(1, sum(self._client.nthreads().values()))
        for job, known in islice(jobs, max(0, threads - len(self._running))):
            future = self._client.submit(run_job, job, known, own_version(), pure=False,
                                         key=f'fcos-{self._run}-{job.name}')
            self._running[future] = job
            self._finished.add(future)


def run_job(job: Job, known: JobRecord | None, caller_version: str) -> Outcome:
    """
    Run a job, unless it is done; this is the task of a worker.

    :param known: its record in the manifest.
    :param caller_version: of this package on the machine of the user.
    """
    key = job_key(job, caller_version)
    if known is not None and known.is_valid(key):
        return known, True
    with Detectors() as detectors:
        report = job.run(detectors, lambda frames: None)
    return JobRecord.of(key, report), False


def own_version() -> str:
    """Return the version of this package; empty for a checkout that is not installed."""
    try:
        return version('fcos_ros')
    except PackageNotFoundError:
        return ''


def _fetch(future: Any) -> Outcome | Exception:
    """Return the outcome of a finished task, or its error."""
    try:
        outcome: Outcome = future.result()
    except Exception as error:  # noqa: BLE001 - a job may raise anything, and fails alone
        return error
    return outcome


def _result(job: Job, outcome: Outcome | Exception, manifest: Manifest) -> JobResult:
    """Return the result of a finished task, and add it to the manifest."""
    if isinstance(outcome, Exception):
        return JobResult(job.name, error=_explain(outcome))
    record, kept = outcome
    if not kept:
        manifest.add(job.name, record)
    return JobResult(job.name, record.report, kept=kept)


def _explain(error: BaseException) -> str:
    if type(error).__name__ == 'KilledWorker':
        return ('the workers died that ran it, each time; run it alone on one machine to see why: '
                'the memory may be too small')
    known = isinstance(error, (OfflineError, OSError, RuntimeError, ValueError))
    return str(error) if known and str(error) else f'{type(error).__name__}: {error}'


def _require_workers(client: Any, address: str) -> None:
    """
    Check that there are workers, with the same version of this package.

    :raises OfflineError: there are none, or they have another version.
    """
    try:
        versions: Mapping[str, str] = client.run(own_version)
    except Exception as error:  # the worker may raise anything that it cannot import
        raise OfflineError(f'the workers of {address} cannot run fcos_ros: {error}; install the '
                           'same version on all machines') from error
    if not versions:
        raise OfflineError(f'the scheduler {address} has no workers; run on each machine: '
                           f'dask worker {address} --nthreads 1')
    for worker, found in versions.items():
        if found != own_version():
            raise OfflineError(f'the worker {worker} has fcos_ros {found or "as a checkout"}; '
                               f'accepted: {own_version() or "a checkout"}, as here')


@contextmanager
def _open_client(distributed: Any, address: str) -> Iterator[Any]:
    """Connect to a scheduler, or start one with workers on this machine."""
    with ExitStack() as stack:
        target: Any = address
        name, _, count = address.partition(':')
        if name == LOCAL:
            # A worker of one thread: each job has threads or child processes of its own.
            target = stack.enter_context(distributed.LocalCluster(
                n_workers=_local_workers(count), threads_per_worker=1, processes=True,
                host='127.0.0.1', dashboard_address='127.0.0.1:0', silence_logs=logging.CRITICAL))
        client = distributed.Client.__new__(distributed.Client)
        try:
            client.__init__(target, timeout=CONNECT_TIMEOUT, set_as_default=False)
        except (OSError, ValueError) as error:
            # Python would close it when it collects garbage. If another client is being created
            # at that moment, both wait for the same lock for ever.
            with suppress(AttributeError):  # the error came before there was anything to close
                client.close()
            raise OfflineError(f'the scheduler {address} cannot be reached: {error}; accepted: '
                               f'{LOCAL}, {LOCAL}:N, or the address that `dask scheduler` prints, '
                               'such as tcp://10.0.0.1:8786') from error
        yield stack.enter_context(client)


def _local_workers(count: str) -> int:
    if count and not (count.isdecimal() and 1 <= int(count) <= 1024):
        raise OfflineError(f'--cluster is {LOCAL}:{count}; accepted: {LOCAL}:N with 1 to 1024 '
                           'workers')
    return int(count) if count else len(os.sched_getaffinity(0))


def _import_distributed() -> Any:
    """
    Import Dask.

    :raises OfflineError: it is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise OfflineError(f'--cluster needs Dask: {error}; install it: {INSTALL}') from error
    logging.getLogger('distributed').setLevel(logging.CRITICAL)
    return distributed
