# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Convert an ONNX file to the file of a board: calibration set, compiler, checks, receipt.

Everything happens in a folder of its own. The results appear under their names only when all of
them are complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
import json
from pathlib import Path
import shutil
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fcos_ros.backends.atomic import replace_files
from fcos_ros.backends.bin_file import BinFile
from fcos_ros.backends.bpu_tools import CALIBRATED_NETWORK
from fcos_ros.backends.description import describe, make_input
from fcos_ros.backends.errors import ModelError
from fcos_ros.backends.metadata import Metadata
from fcos_ros.backends.metadata_files import read_metadata, to_yaml
from fcos_ros.backends.model_file import BOARDS_BY_MARCH
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.deploy.calibration import CalibrationSet, Picture, write_calibration_set
from fcos_ros.deploy.compiler_input import CompilerInput, check_compiler_input
from fcos_ros.deploy.compiler_job import RESULTS, CompilerJob, CompilerOptions, is_installed
from fcos_ros.deploy.quantisation import QuantisationReport, read_report
from fcos_ros.runtime.model_file import file_digest

COMPILED_IN = ('pixels', 'mean', 'std', 'mean_std_scale', 'input_size', 'padding')
"""Keys of the metadata that the compiler builds into its result."""

Say = Callable[[str], object]
"""Shows the name of a step that begins."""


@dataclass(frozen=True)
class Request:
    """
    A conversion that a user asks for.

    :ivar model: the ONNX file for the compiler.
    :ivar output: the path of the `.bin` file.
    :ivar job_folder: a new folder to leave for the user; None works in a temporary one.
    """

    model: Path
    output: Path
    target: str
    nv12_range: str = 'full'
    calibration_type: str = 'max'
    int16: bool = False
    optimize: int = 3
    job_folder: Path | None = None


@dataclass(frozen=True)
class Conversion:
    """
    A finished conversion.

    :ivar calibrated: the network with the quantisation of the compiler, for PCs; None without it.
    :ivar report: of the compiler.
    :ivar findings: likely faults, one sentence each.
    """

    output: Path
    sidecar: Path
    receipt: Path
    calibrated: Path | None
    report: QuantisationReport
    findings: tuple[str, ...]


@dataclass(frozen=True)
class PreparedJob:
    """
    A job that is ready for the compiler, which is not installed.

    :ivar findings: likely faults of the calibration, one sentence each.
    """

    job: CompilerJob
    findings: tuple[str, ...]


def convert(request: Request, pictures: Iterable[Picture], say: Say) -> Conversion | PreparedJob:
    """
    Convert a model.

    :param pictures: for the calibration.
    :returns: the results; or, where the compiler is not installed, the job that is ready for it.
    :raises ModelError: the model cannot be converted, the compiler failed, or the job's folder
        exists.
    :raises CalibrationError: there are no usable pictures.
    :raises OSError: a file cannot be written.
    """
    source = check_compiler_input(request.model, request.target)
    metadata = read_metadata(request.model)
    network = _require_fcos(source, metadata)
    if request.job_folder is not None or not is_installed():
        folder = _make_folder(request.job_folder or request.output.with_suffix('.job'))
        return _convert_in(folder, request, source, network, metadata, pictures, say)
    with TemporaryDirectory(prefix='fcos_convert_') as folder_name:
        return _convert_in(Path(folder_name), request, source, network, metadata, pictures,
                           say)


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise ModelError(f'{folder} exists; accepted: a new folder; remove it, or choose another '
                         'one with --job-folder') from None
    return folder


def _convert_in(
    folder: Path, request: Request, source: CompilerInput, network: InputSpec,
    metadata: Metadata, pictures: Iterable[Picture], say: Say,
) -> Conversion | PreparedJob:
    say('calibration')
    try:
        job, calibration = _prepare(folder, request, source, network, pictures)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # an incomplete job is of no use
        raise
    if not is_installed():
        return PreparedJob(job, calibration.findings)
    for step in job.commands():
        say(f'{step}: {" ".join(job.commands()[step][:2])} ...')
        job.run(step)
    file, report = job.result(), read_report(folder / RESULTS)
    findings = (*calibration.findings, *_findings(file, report))
    sidecar = _sidecar(request, metadata, source, file)
    receipt = _receipt(request, source, calibration, job, file, report, findings)
    return _write(request.output, job, file, sidecar, receipt, report, findings)


def _require_fcos(source: CompilerInput, metadata: Metadata) -> InputSpec:
    """
    Return the input of the network.

    :raises ModelError: it is not an FCOS network, or contradicts its metadata.
    """
    try:
        network = make_input(source.input_name, source.size, metadata, 'NCHW',
                             np.dtype(np.float32))
        describe(source.path, 'onnx', '', network, source.outputs, metadata)
    except ValueError as error:
        raise ModelError(f'{source.path} is not an FCOS network that can be used: '
                         f'{error}') from error
    return network


def _prepare(
    folder: Path, request: Request, source: CompilerInput, network: InputSpec,
    pictures: Iterable[Picture],
) -> tuple[CompilerJob, CalibrationSet]:
    """Put all that the compiler needs into a folder."""
    shutil.copy(source.path, folder)
    canvas = InputSpec(source.input_name, source.size, 'nv12', nv12_range=request.nv12_range)
    calibration = write_calibration_set(pictures, canvas, network.pixels, folder)
    options = CompilerOptions(request.target, network.pixels, network.mean, network.std,
                              request.nv12_range, request.calibration_type, request.int16,
                              request.optimize)
    job = CompilerJob(folder, request.output.stem, source, options, calibration.folder)
    job.write_config()
    return job, calibration


def _findings(file: BinFile, report: QuantisationReport) -> Iterator[str]:
    """Yield what may be wrong with a compiled file."""
    if file.cpu_nodes:
        yield (f'{len(file.cpu_nodes)} operators run on the CPU of the board, and each moves its '
               f'input and output between BPU and CPU: {", ".join(file.cpu_nodes)}')
    lossy = report.lossy()
    if lossy:
        worst = ', '.join(f'{layer.name} (cosine {layer.cosine:.3f})' for layer in lossy[:3])
        yield (f'8 bits change {len(lossy)} layers visibly, most of all {worst}; compare the '
               'detections with fcos eval, calibrate with pictures of the place where the robot '
               'works, or use --int16 (X5)')


def _sidecar(
    request: Request, metadata: Metadata, source: CompilerInput, file: BinFile,
) -> Metadata:
    """Return what the compiled file does not show: the network's metadata, and its origin."""
    entries = {key: value for key, value in metadata.entries().items() if key not in COMPILED_IN}
    origin = {
        **(metadata.provenance or {}), 'compiled_from': source.path.name,
        'onnx_sha256': file_digest(source.path),
        'bin_sha256': file_digest(file.path),
        'march': file.march, **_compiler_versions(file)}
    entries.update(nv12_range=request.nv12_range, provenance=origin)
    return Metadata.parse(entries, str(request.output), request.output.parent)


def _receipt(
    request: Request, source: CompilerInput, calibration: CalibrationSet, job: CompilerJob,
    file: BinFile, report: QuantisationReport, findings: tuple[str, ...],
) -> dict[str, Any]:
    """Return the facts by which somebody else can repeat the conversion and check its result."""
    names = {output.name for output in source.outputs}
    return {
        'result': {'file': request.output.name, 'sha256': file_digest(file.path),
                   'march': file.march, 'board': BOARDS_BY_MARCH.get(file.march, '')},
        'network': {'file': source.path.name, 'sha256': file_digest(source.path)},
        'calibration': {'pictures': list(calibration.sources), 'sha256': calibration.digest},
        'compiler': {**_compiler_versions(file), 'configuration': job.config()},
        'estimate': _estimate(report),
        'outputs': {name: layer.cosine for layer in report.layers for name in layer.outputs
                    if name in names},
        'layers': {layer.name: layer.cosine for layer in report.layers},
        'findings': list(findings),
    }


def _estimate(report: QuantisationReport) -> dict[str, float] | None:
    estimate = report.estimate
    return None if estimate is None else {
        'latency_us': estimate.latency, 'memory_bytes': estimate.memory_bytes}


def _compiler_versions(file: BinFile) -> dict[str, str]:
    return {'hb_mapper': file.properties.get('BUILDER_VERSION', ''),
            'hbdk': file.properties.get('HBDK_VERSION', '')}


def _write(
    output: Path, job: CompilerJob, file: BinFile, metadata: Metadata,
    receipt: Mapping[str, Any], report: QuantisationReport, findings: tuple[str, ...],
) -> Conversion:
    """Write the results, the model last: who finds the model finds what belongs to it."""
    sidecar, receipt_path = output.with_suffix('.yaml'), output.with_suffix('.receipt.json')
    calibrated, source = output.with_suffix(CALIBRATED_NETWORK), job.calibrated_network()
    contents = {sidecar: to_yaml(metadata).encode(),
                receipt_path: (json.dumps(receipt, indent=1) + '\n').encode()}
    if source is None:
        calibrated.unlink(missing_ok=True)  # of an earlier model
    else:
        contents[calibrated] = source.read_bytes()
    replace_files({**contents, output: file.path.read_bytes()})
    return Conversion(output, sidecar, receipt_path, calibrated if source else None, report,
                      findings)


def calibrated_cosines(model: Path) -> list[float]:
    """Return the cosines of the outputs in the receipt beside a model; none without a receipt."""
    try:
        receipt = json.loads(model.with_suffix('.receipt.json').read_text())
        return [float(cosine) for cosine in receipt['outputs'].values() if cosine is not None]
    except (OSError, LookupError, TypeError, ValueError):
        return []
