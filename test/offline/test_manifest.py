# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A manifest lists the jobs that are done, as long as their inputs and outputs are unchanged."""

from __future__ import annotations

from dataclasses import replace
import json
from pathlib import Path
import pickle

from onnx_models import write_fcos
import pytest

from fcos_ros.offline.detect import DetectJob, DetectOutputs
from fcos_ros.offline.files import OutputError
from fcos_ros.offline.frames import SourceError
from fcos_ros.offline.jobs import JobReport
from fcos_ros.offline.manifest import NAME, JobRecord, Manifest, job_key
from fcos_ros.offline.pictures import Picture, Pictures
from fcos_ros.offline.plan import DetectionPlan


@pytest.fixture
def job(tmp_path):
    (tmp_path / '1.png').write_bytes(b'a picture')
    plan = DetectionPlan.of({'model': 'package://fcos_ros/models/fcos_demo.onnx'})
    source = Pictures('pictures', (Picture(tmp_path / '1.png', '1.png'),))
    return DetectJob(source, plan, DetectOutputs(tmp_path / 'out'))


def test_the_key_of_a_job_depends_on_the_content_of_its_inputs_and_on_its_settings(job, tmp_path):
    keys = {job_key(job, '1.0'), job_key(job, '1.1'),
            job_key(replace(job, outputs=replace(job.outputs, text=True)), '1.0'),
            job_key(replace(job, plan=DetectionPlan.of({'score_threshold': 0.3})), '1.0')}
    (tmp_path / '1.png').write_bytes(b'another picture')
    keys.add(job_key(job, '1.0'))
    assert len(keys) == 5
    assert job_key(job, '1.0') in keys


def test_the_frames_of_a_job_are_counted_once_and_do_not_change_its_key(job, monkeypatch):
    before = job_key(job, '')
    assert job.frames == 1
    monkeypatch.setattr(Pictures, 'count', 2)
    assert job.frames == 1
    assert pickle.loads(pickle.dumps(job)) == job
    assert job_key(pickle.loads(pickle.dumps(job)), '') == before


def test_the_metadata_beside_a_model_are_an_input(job, tmp_path):
    model = write_fcos(tmp_path / 'squares.onnx')
    own = replace(job, plan=DetectionPlan.of({'model': str(model)}))
    keys = {job_key(own, '')}
    for labels in ('[a, b, c]', '[a, b, d]'):
        (tmp_path / 'squares.yaml').write_text(f'labels: {labels}\n')
        keys.add(job_key(own, ''))
    assert len(keys) == 3


def test_a_folder_is_an_input_with_all_its_files(job, tmp_path, monkeypatch):
    folder = tmp_path / 'bag'
    folder.mkdir()
    monkeypatch.setattr(DetectJob, 'inputs', lambda _: [folder])
    keys = {job_key(job, '')}
    for name in ('metadata.yaml', 'data.mcap'):
        (folder / name).write_text(name)
        keys.add(job_key(job, ''))
    assert len(keys) == 3


def test_an_input_that_cannot_be_read_is_reported(job, tmp_path):
    (tmp_path / '1.png').unlink()
    with pytest.raises(SourceError, match=r'1\.png cannot be read'):
        job_key(job, '')


def test_a_record_is_valid_while_its_outputs_are_unchanged(tmp_path):
    files = [tmp_path / 'a', tmp_path / 'b']
    for file in files:
        file.write_text(file.name)
    record = JobRecord.of('key', JobReport(tuple(files), {'frames': 3}))
    assert record.is_valid('key')
    assert not record.is_valid('other key')
    files[0].write_text('changed')
    assert not record.is_valid('key')
    files[0].unlink()
    assert not record.is_valid('key')


def test_records_are_kept_and_the_last_one_of_a_job_counts(tmp_path):
    first, second, other = (JobRecord(key, {'/out/a': 'digest'}, {'frames': 3, 'name': 'ä'})
                            for key in ('1', '2', '3'))
    manifest = Manifest(tmp_path / 'out')
    manifest.add('job', first)
    manifest.add('other', other)
    manifest.add('job', second)
    again = Manifest(tmp_path / 'out')
    assert (again.record('job'), again.record('other')) == (second, other)
    assert again.record('unknown') is None
    assert second.report == JobReport((Path('/out/a'),), {'frames': 3, 'name': 'ä'})


@pytest.mark.parametrize('rest', [
    '{"job": "b", "key": ', '\0\xff', '{}', '[]', '"x"', '{"job": 1}'])
def test_a_line_that_was_not_finished_is_ignored(tmp_path, rest):
    record = JobRecord('1', {}, {})
    Manifest(tmp_path).add('a', record)
    with (tmp_path / NAME).open('a') as file:
        file.write(f'\n{rest}')
    manifest = Manifest(tmp_path)
    assert manifest.record('a') == record
    assert manifest.record('b') is None
    manifest.add('c', record)
    assert Manifest(tmp_path).record('c') == record


def test_a_manifest_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / 'out').write_text(json.dumps('a file'))
    with pytest.raises(OutputError, match='cannot be written'):
        Manifest(tmp_path / 'out').add('a', JobRecord('1', {}, {}))
