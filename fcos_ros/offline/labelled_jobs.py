# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the detector over labelled images as jobs, such as on a cluster, and join their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
import hashlib
from pathlib import Path
import pickle

from fcos_ros.offline.files import write_file
from fcos_ros.offline.frames import SourceError
from fcos_ros.offline.jobs import Advance, Detectors, Job, JobReport, JobResult
from fcos_ros.offline.labelled import DatasetSource, LabelledRun, LabelledSource, run_labelled
from fcos_ros.offline.plan import DetectionPlan

IMAGES_A_JOB = 500
"""Images of a dataset that one job judges."""


@dataclass(frozen=True)
class LabelledJob:
    """
    Run the detector over labelled images; see `jobs.Job`.

    :ivar digest: of the images and their truth, in place of the source.
    :ivar output: the file of the run, which `joined_run` reads.
    """

    name: str
    plan: DetectionPlan
    source: LabelledSource = field(repr=False)
    digest: str
    output: Path
    ignores_excluded: bool

    @property
    def frames(self) -> int:
        """The number of images."""
        return self.source.count

    def inputs(self) -> Sequence[Path]:
        """Return the model and the files of the images."""
        images = self.source.images if isinstance(self.source, DatasetSource) else ()
        return *self.plan.files, *(image.path for image in images if image.path.is_file())

    def run(self, detectors: Detectors, advance: Advance) -> JobReport:
        """
        Write the run.

        :raises OutputError: it cannot be written.
        """
        run = run_labelled(self.plan, self.source, advance, self.ignores_excluded)
        write_file(self.output, pickle.dumps(run))
        return JobReport((self.output,), {'images': len(run.images), 'failed': len(run.failed)})


def labelled_jobs(plan: DetectionPlan, source: LabelledSource, folder: Path,
                  ignores_excluded: bool) -> list[Job]:
    """Return the jobs of a plan: parts of a dataset, or all of another source."""
    jobs: list[Job] = []
    for number, part in enumerate(_parts(source)):
        digest = hashlib.sha256(pickle.dumps(part)).hexdigest()
        own = hashlib.sha256(repr((plan, digest)).encode()).hexdigest()[:16]
        jobs.append(LabelledJob(
            f'{source.name}, part {number + 1}, {plan.config.path.name}, {own}', plan, part,
            digest, folder / 'runs' / f'{own}.pickle', ignores_excluded))
    return jobs


def joined_run(results: Sequence[JobResult]) -> LabelledRun:
    """
    Join the runs of all parts, in order.

    :raises SourceError: a part has failed.
    """
    runs: list[LabelledRun] = []
    for result in results:
        if result.report is None:
            raise SourceError(f'{result.name} failed: {result.error}; run the same command again '
                              'to repeat only what failed')
        runs.append(pickle.loads(result.report.outputs[0].read_bytes()))
    return replace(
        runs[0], images=tuple(image for run in runs for image in run.images),
        failed=tuple(image for run in runs for image in run.failed),
        is_complete=all(run.is_complete for run in runs))


def _parts(source: LabelledSource) -> list[LabelledSource]:
    """Return parts of a dataset, whose paths hold in any working folder."""
    if not isinstance(source, DatasetSource):
        return [source]
    images = [replace(image, path=image.path.absolute()) for image in source.images]
    return [replace(source, images=images[start:start + IMAGES_A_JOB])
            for start in range(0, len(images), IMAGES_A_JOB)]
