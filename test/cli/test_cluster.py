# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A cluster has the results of one machine, also when a worker dies or an input is broken."""

from __future__ import annotations

from collections.abc import Iterator
import gc
import json
import os
from pathlib import Path
import signal
import subprocess
import sys

import dask
import distributed
from offline.bags.bag_files import START as BAG_START, image, write
from offline.deadly_job import FileJob
from offline.media import write_pictures, write_video
from onnx_models import white_square, write_fcos
import pytest
from waiting import TIMEOUT, wait_until

from fcos_ros.offline import cluster, labelled_jobs
from fcos_ros.offline.bags.reader import Bag
from fcos_ros.offline.cluster import run_on_cluster
from fcos_ros.offline.frames import OfflineError
from fcos_ros.offline.manifest import NAME, Manifest

COLUMNS = [1, 3, 5, 7, 9, 11]
VIDEOS = 6

START = 'import sys; sys.argv[0] = "dask"; from distributed.cli import {0}; {0}.main()'
"""A program of Dask, without its entry point."""


class Processes:
    """A scheduler and its workers, as programs."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / 'scheduler.json'
        self._started: list[subprocess.Popen[bytes]] = []
        self._start('dask_scheduler', '--host', '127.0.0.1', '--port', '0', '--no-dashboard')
        self.address = wait_until(self._address)

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start a worker, and wait until the scheduler knows it."""
        with distributed.Client(self.address, set_as_default=False) as client:
            known = len(client.nthreads())
            process = self._start('dask_worker', '--nthreads', '1', '--no-nanny',
                                  '--no-dashboard', '--local-directory', str(self._file.parent))
            client.wait_for_workers(known + 1, timeout=TIMEOUT)
        return process

    def stop(self) -> None:
        """End all processes."""
        for process in self._started:
            process.kill()
            process.wait()

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        self._started.append(subprocess.Popen(
            [sys.executable, '-c', START.format(program), '--scheduler-file', str(self._file),
             *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return self._started[-1]

    def _address(self) -> str:
        try:
            return str(json.loads(self._file.read_text())['address'])
        except (OSError, ValueError):
            return ''


@pytest.fixture(scope='module')
def processes(tmp_path_factory) -> Iterator[Processes]:
    started = Processes(tmp_path_factory.mktemp('dask'))
    yield started
    started.stop()


@pytest.fixture
def inputs(tmp_path):
    """Write a model, some videos, pictures, and a file that is no video."""
    write_fcos(tmp_path / 'squares.onnx', half_box=8.0)
    (tmp_path / 'in').mkdir()
    for number in range(VIDEOS):
        write_video(tmp_path / 'in' / f'{number}.mp4', COLUMNS * (8 + number))
    write_pictures(tmp_path / 'pictures', [1, -1, 3])
    (tmp_path / 'in' / 'broken.mp4').write_bytes(b'no video')
    return tmp_path


def command(folder: Path, out: str, *options: str) -> list[str]:
    return ['detect', str(folder / 'in'), str(folder / 'pictures'), '--model',
            str(folder / 'squares.onnx'), '--out', str(folder / out), '--json', '--save-json',
            *options]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, '-m', 'fcos_ros.cli', *arguments], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finished_jobs(folder: Path) -> int:
    try:
        return len((folder / NAME).read_text().splitlines())
    except OSError:
        return 0


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob('*') if path.is_file() and path.name != NAME}


def rows_of(output: str) -> dict[str, dict]:
    return {row['name']: row for row in json.loads(output)['inputs']}


def test_a_cluster_has_the_results_of_one_machine_although_a_worker_dies(
        processes, inputs, fcos):
    doomed, _ = processes.start_worker(), processes.start_worker()
    process = start(*command(inputs, 'shared', '--cluster', processes.address))
    wait_until(lambda: finished_jobs(inputs / 'shared'))
    doomed.kill()
    output, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1, errors
    alone = fcos(*command(inputs, 'alone'))
    assert contents(inputs / 'shared') == contents(inputs / 'alone')
    assert rows_of(output) == rows_of(alone.out)
    assert 'broken.mp4 cannot be opened' in rows_of(output)['in/broken.mp4']['error']
    assert 'in/broken.mp4 failed' in errors

    # Done jobs are not done again, except those whose input or output has changed.
    write_video(inputs / 'in' / '1.mp4', COLUMNS)
    (inputs / 'shared' / 'videos' / 'in' / '2.mp4').unlink()
    again = fcos(*command(inputs, 'shared', '--cluster', processes.address))
    rows = rows_of(again.out)
    assert sorted(name for name, row in rows.items() if not row.get('kept')) == [
        'in/1.mp4', 'in/2.mp4', 'in/broken.mp4']
    assert rows['in/1.mp4']['frames'] == len(COLUMNS)
    fcos(*command(inputs, 'alone'))
    assert contents(inputs / 'shared') == contents(inputs / 'alone')


def bag_messages(path: Path) -> list[tuple[str, int, bytes]]:
    with Bag(path) as bag:
        return [(message.topic.name, message.time, bytes(message.data))
                for message in bag.messages()]


def test_bags_on_a_cluster_are_those_of_one_machine(processes, inputs, fcos):
    processes.start_worker()
    images = [('/cam/image_raw', BAG_START + number,
               image(white_square(128, column, 3), BAG_START))
              for number, column in enumerate(COLUMNS)]
    bags = [write(inputs / 'first', images[:3]), write(inputs / 'second', images)]
    options = ('--model', inputs / 'squares.onnx', '--json')
    alone = fcos('bag', *bags, inputs / 'alone', *options)
    cluster = ('--cluster', processes.address)
    shared = fcos('bag', *bags, inputs / 'shared', *options, *cluster)
    assert (alone.code, shared.code) == (0, 0), shared.err
    assert [row['detections'] for row in json.loads(shared.out)['inputs']] == [3, len(COLUMNS)]
    for name in ('first', 'second'):
        assert bag_messages(inputs / 'shared' / name) == bag_messages(inputs / 'alone' / name)
    changed = inputs / 'shared' / 'second' / 'metadata.yaml'
    original = changed.read_text()
    changed.write_text(f'{original}\n')
    again = fcos('bag', *bags, inputs / 'shared', *options, *cluster)
    assert [row['kept'] for row in json.loads(again.out)['inputs']] == [True, False]
    assert changed.read_text() == original


def write_dataset(folder: Path, columns: list[int]) -> Path:
    """Write pictures with labels of COCO; the labels of the last one are wrong."""
    names = [path.name for path in write_pictures(folder, columns)]
    (folder / 'labels.json').write_text(json.dumps({
        'images': [{'id': number, 'file_name': name, 'width': 128, 'height': 128}
                   for number, name in enumerate(names)],
        'annotations': [{'id': number, 'image_id': number, 'category_id': 1,
                         'bbox': [8 * column - 4 + (number == 0), 20, 16, 16]}
                        for number, column in enumerate(columns)][:-1],
        'categories': [{'id': 1, 'name': 'cube'}]}))
    return folder


def test_the_figures_of_a_cluster_are_those_of_one_machine(
        processes, tmp_path, fcos, monkeypatch):
    monkeypatch.setattr(labelled_jobs, 'IMAGES_A_JOB', 4)
    processes.start_worker()
    model = write_fcos(tmp_path / 'squares.onnx', half_box=8.0,
                       metadata={'labels': '["cube", "ball", "cone"]'})
    options = ('eval', write_dataset(tmp_path / 'data', COLUMNS + COLUMNS[::-1]), '--model', model,
               '--json', '--judge', 'fcos_ros')
    alone, shared = (fcos(*options, *own) for own in (
        (), ('--cluster', processes.address, '--out', tmp_path / 'out')))
    assert shared.code == alone.code, shared.err
    assert json.loads(shared.out) == json.loads(alone.out)
    assert json.loads(alone.out)['precision'] == pytest.approx(11 / 12)
    assert finished_jobs(tmp_path / 'out') == 3
    (tmp_path / 'data' / '1.png').write_bytes((tmp_path / 'data' / '2.png').read_bytes())
    changed = fcos(*options, '--cluster', processes.address, '--out', tmp_path / 'out')
    assert json.loads(changed.out) == json.loads(fcos(*options).out) != json.loads(alone.out)
    assert finished_jobs(tmp_path / 'out') == 4, 'only the part with the change is done again'


def test_fcos_eval_needs_a_folder_for_the_manifest(fcos, tmp_path):
    result = fcos('eval', write_dataset(tmp_path / 'data', [1, 3]), '--cluster', 'local:1')
    assert result.code == 2
    assert 'add --out DIR' in result.err


def test_an_interrupt_leaves_the_jobs_that_are_done(processes, inputs):
    processes.start_worker()
    for number in range(VIDEOS):
        write_video(inputs / 'in' / f'{number}.mp4', COLUMNS * 50)
    process = start(*command(inputs, 'out', '--cluster', processes.address))
    wait_until(lambda: finished_jobs(inputs / 'out'))
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert errors.endswith('Interrupted.\n')
    assert 'Traceback' not in errors
    assert 0 < len(rows_of(output)) < VIDEOS + 2


def test_a_job_that_kills_its_workers_fails_alone(tmp_path):
    jobs = [FileJob('a', tmp_path / 'a'), FileJob('deadly', tmp_path / 'b', deadly=True),
            FileJob('c', tmp_path / 'c')]
    with dask.config.set({'distributed.scheduler.allowed-failures': 0}):
        results = {result.name: result for result in run_on_cluster(
            'local:1', jobs, Manifest(tmp_path), lambda frames: None)}
    assert results['a'].report.summary == {'length': 1}
    assert (tmp_path / 'c').read_text() == 'c'
    assert 'the workers died' in results['deadly'].error
    again = {result.name: result.kept for result in run_on_cluster(
        'local:1', jobs[::2], Manifest(tmp_path), lambda frames: None)}
    assert again == {'a': True, 'c': True}


def attempt(address: str, folder: Path) -> None:
    list(run_on_cluster(address, [FileJob('a', folder / 'a')], Manifest(folder),
                        lambda frames: None))


@pytest.mark.parametrize(('address', 'complaint'), [
    ('local:0', 'accepted: local:N with 1 to 1024'), ('local:many', 'accepted: local:N'),
    ('nonsense://a', 'cannot be reached'), ('tcp://127.0.0.1:1', 'cannot be reached')])
def test_an_address_that_cannot_be_used_is_refused(tmp_path, monkeypatch, address, complaint):
    monkeypatch.setattr(cluster, 'CONNECT_TIMEOUT', 1)
    with pytest.raises(OfflineError, match=complaint) as raised:
        attempt(address, tmp_path)
    # The traceback keeps what was created.
    assert raised.tb
    assert [client.status for client in gc.get_objects()
            if isinstance(client, distributed.Client) and client.status != 'closed'] == []


def test_a_scheduler_without_workers_is_refused_with_the_command_that_starts_one(tmp_path):
    (tmp_path / 'dask').mkdir()
    empty = Processes(tmp_path / 'dask')
    try:
        with pytest.raises(OfflineError, match=f'dask worker {empty.address} --nthreads 1'):
            attempt(empty.address, tmp_path)
    finally:
        empty.stop()


def test_workers_with_another_version_are_refused(processes, tmp_path, monkeypatch):
    processes.start_worker()
    monkeypatch.setattr(cluster, 'version', lambda name: '99.0')
    with pytest.raises(OfflineError, match=r'accepted: 99\.0'):
        attempt(processes.address, tmp_path)


def test_without_dask_the_error_names_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'distributed', None)
    with pytest.raises(OfflineError, match='python3 -m pip install distributed'):
        attempt('local', tmp_path)


@pytest.mark.parametrize('source', ['/dev/video0', 'rtsp://127.0.0.1/a'])
def test_a_live_source_is_refused(fcos, tmp_path, source):
    result = fcos('detect', source, '--cluster', 'local:1', '--out', tmp_path / 'out')
    assert result.code == 2
    assert 'accepted: files that all machines see' in result.err
    assert not os.path.exists(tmp_path / 'out')
