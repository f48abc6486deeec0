# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Judge a detector by labelled images, or compare two of them picture by picture.

The figures are those of the COCO benchmark: average precision over IoU 0.50 to 0.95, at 0.50 and
at 0.75, and by size and class.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
import json
import math
from pathlib import Path
import sys
from typing import Any

from fcos_ros.backends import BACKENDS, InferenceError, load
from fcos_ros.cli.compiled_comparison import compare_compiled, require_comparable
from fcos_ros.cli.jobs import add_cluster_options
from fcos_ros.cli.labelled_data import (
    CHOICES_OF_PART,
    Examples,
    LabelledChoice,
    open_labelled,
)
from fcos_ros.cli.options import FLAGS, add_parameters, given_parameters, whole_number
from fcos_ros.cli.output import Progress, plain_table
from fcos_ros.cli.result_files import require_folder, write_result
from fcos_ros.core.errors import FrameError
from fcos_ros.evaluation.average_precision import Evaluation
from fcos_ros.evaluation.coco_judge import JUDGES, Judge, find_judge
from fcos_ros.evaluation.judgement import Judgement
from fcos_ros.evaluation.score_curve import Advice
from fcos_ros.offline.cluster import run_on_cluster
from fcos_ros.offline.frames import OfflineError, SourceError
from fcos_ros.offline.jobs import Advance
from fcos_ros.offline.labelled import FailedImage, LabelledRun, LabelledSource, run_labelled
from fcos_ros.offline.labelled_jobs import joined_run, labelled_jobs
from fcos_ros.offline.manifest import Manifest
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.offline.run_comparison import RunComparison
from fcos_ros.report.changes_page import change_text, changes_page, figure_rows
from fcos_ros.report.charts import standalone
from fcos_ros.report.evaluation_page import (
    advice_texts,
    class_rows,
    confusion_chart,
    evaluation_page,
    figure_text,
    precision_recall_chart,
    worst_images,
)
from fcos_ros.report.picture import small_jpeg
from fcos_ros.runtime.end_signals import INTERRUPTED
from fcos_ros.settings.write_parameters import parameter_text

SUMMARY = 'judge a model by labelled images, or compare two'

MOST_LINES = 10
"""Changed or failed images that are printed."""

PICTURES = 12
"""Pictures in a report, the worst."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument(
        'data', help='dataset in the form of COCO, YOLO or Pascal VOC, a bag with the true '
                     'objects on a topic, or "scenes" for those of the demo; "far-scenes" '
                     'for large pictures with small toys')
    parser.add_argument('--truth', metavar='TOPIC', default='',
                        help='topic of a bag with vision_msgs/Detection2DArray, if it has several')
    parser.add_argument('--image-topic', metavar='TOPIC', default='',
                        help='topic of a bag with the images, if it has several cameras')
    add_parameters(parser, FLAGS)
    parser.add_argument(
        '--compare', nargs=2, metavar=('A', 'B'),
        help='compare two models, two backends or two parameter files, picture by picture; for '
             'an ONNX file and the .bin made of it, also the cost of quantisation')
    parser.add_argument('--images', type=whole_number(), metavar='N',
                        help='only so many images, spread over the dataset')
    parser.add_argument('--part', choices=CHOICES_OF_PART, default=CHOICES_OF_PART[0],
                        help='part of the dataset; auto is the part for validation if the dataset '
                             'states one, else that for tests, else all; train and val of an '
                             'undivided dataset are those of `make train`')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help='write report.html, figures.json and the charts into this folder')
    parser.add_argument('--pictures', type=whole_number(0, 1000), metavar='N', default=PICTURES,
                        help=f'pictures in the report, the worst [{PICTURES}]')
    parser.add_argument(
        '--advise-thresholds', type=Path, metavar='FILE',
        help='write a parameter file with the best score threshold of each class')
    parser.add_argument(
        '--precision', type=_fraction, metavar='P',
        help='advise thresholds that reach this precision, such as 0.95, instead of the best F1')
    parser.add_argument('--judge', choices=JUDGES, default='auto',
                        help='who calculates average precision; auto takes faster-coco-eval if '
                             'it is installed, and both give the same figures')
    add_cluster_options(parser)
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(options: argparse.Namespace) -> int:
    """Evaluate; print the figures."""
    judge = _judge(options.judge)
    _require_outputs(options)
    if options.compare:
        return _compare(options, judge)
    plan = DetectionPlan.read(options.params, given_parameters(options))
    source = open_labelled(_choice(options))
    result, = _run_all([plan], source, options)
    judgement = Judgement.of(result.images, result.class_names, judge)
    advised = judgement.advise(options.precision)
    written = []
    if options.advise_thresholds:
        written.append(_write_thresholds(options, judgement, advised))
    figures = _figures(judgement, result, advised)
    if options.out:
        jpegs = _jpegs(source, [image.name for image in
                                worst_images(result.images, options.pictures)])
        written += _write(options.out, {
            'precision_recall.svg': standalone(precision_recall_chart(judgement)),
            'confusion.svg': standalone(confusion_chart(judgement)),
            'figures.json': _json(figures),
            'report.html': evaluation_page(judgement, result, jpegs)})
    print(_json(figures) if options.json else _text(judgement, result, options, advised))
    _print_written(written)
    return _exit_code([result], bool(options.advise_thresholds) and None in advised.values())


def _compare(options: argparse.Namespace, judge: Judge) -> int:
    if options.advise_thresholds:
        raise OfflineError('--advise-thresholds is for one run; leave out --compare')
    plans = [_side(name, options) for name in options.compare]
    source = open_labelled(_choice(options))
    if _is_compiled_pair(plans):
        code = _compare_compiled(plans, source, options.json)
        if options.out:
            _write_changes(_run_pair(plans, source, options, judge), source, options)
        return code
    comparison = _run_pair(plans, source, options, judge)
    print(_json(_comparison_figures(comparison)) if options.json else
          _comparison_text(comparison))
    if options.out:
        _write_changes(comparison, source, options)
    return _exit_code(comparison.runs, is_bad=False)


def _run_pair(
    plans: Sequence[DetectionPlan], source: LabelledSource, options: argparse.Namespace,
    judge: Judge,
) -> RunComparison:
    first, second = _run_all(plans, source, options, ignores_excluded=False)
    return RunComparison.of(_short_names(*options.compare), first, second, judge)


def _short_names(first: str, second: str) -> tuple[str, str]:
    """Return the names of two files without their folders, if they still differ."""
    short = Path(first).name, Path(second).name
    return (first, second) if short[0] == short[1] else short


def _write_changes(
    comparison: RunComparison, source: LabelledSource, options: argparse.Namespace,
) -> None:
    jpegs = _jpegs(source, [image.name for image in comparison.images[:options.pictures]])
    _print_written(_write(options.out, {
        'figures.json': _json(_comparison_figures(comparison)),
        'report.html': changes_page(comparison, jpegs)}))


def _is_compiled_pair(plans: Sequence[DetectionPlan]) -> bool:
    """Return whether the second model is a compiled file and the first an ONNX file."""
    first, second = (plan.config.path.suffix.lower() for plan in plans)
    return first == '.onnx' and second not in {'', '.onnx'}


def _compare_compiled(
    plans: Sequence[DetectionPlan], source: LabelledSource, as_json: bool,
) -> int:
    """Print the cost of quantisation, and return the exit code."""
    with ExitStack() as engines:
        reference, compiled = (engines.enter_context(closing(load(plan.config.path)))
                               for plan in plans)
        require_comparable(reference.info, compiled.info)
        examples = Examples(source, compiled.info.labels)
        return compare_compiled(reference, compiled, examples, source.count, as_json)


def _side(name: str, options: argparse.Namespace) -> DetectionPlan:
    """Return the plan of one side of a comparison: a backend, a parameter file or a model."""
    overrides = given_parameters(options)
    if name in BACKENDS:
        return DetectionPlan.read(options.params, {**overrides, 'backend': name})
    if Path(name).suffix in {'.yaml', '.yml'}:
        return DetectionPlan.read(name, overrides)
    return DetectionPlan.read(options.params, {**overrides, 'model': name})


def _choice(options: argparse.Namespace) -> LabelledChoice:
    return LabelledChoice(options.data, options.images, options.part, options.truth,
                          options.image_topic)


def _run_all(
    plans: Sequence[DetectionPlan], source: LabelledSource, options: argparse.Namespace,
    ignores_excluded: bool = True,
) -> list[LabelledRun]:
    """
    Run all plans over the images of a source.

    :raises FrameError: all images are damaged.
    :raises SourceError: there are no images.
    :raises InferenceError: the model failed in all images.
    :raises KeyboardInterrupt: the user interrupted before there was a result.
    """
    for notice in (notice for plan in plans for notice in plan.notices):
        print(f'fcos eval: {notice}', file=sys.stderr)
    runs: list[LabelledRun] = []
    with Progress(len(plans) * source.count, sys.stderr) as progress:
        for plan in plans:
            progress.begin(f'{source.count} images, {plan.config.path.name}')
            runs.append(_run(plan, source, options, progress.advance, ignores_excluded))
            if not runs[-1].images:
                raise _nothing_judged(runs[-1], source)
    absent = source.count - len(runs[0].images) - len(runs[0].failed)
    if absent > 0 and runs[0].is_complete:
        print(f'fcos eval: {absent} of {source.count} labels have no image of their stamp',
              file=sys.stderr)
    return runs


def _run(plan: DetectionPlan, source: LabelledSource, options: argparse.Namespace,
         advance: Advance, ignores_excluded: bool) -> LabelledRun:
    """Run a plan over the images of a source, here or on a cluster."""
    if not options.cluster:
        return run_labelled(plan, source, advance, ignores_excluded)
    folder = options.out.absolute()
    jobs = labelled_jobs(plan, source, folder, ignores_excluded)
    results = {result.name: result for result in run_on_cluster(
        options.cluster, jobs, Manifest(folder), advance, options.redo)}
    return joined_run([results[job.name] for job in jobs])


def _nothing_judged(run: LabelledRun, source: LabelledSource) -> BaseException:
    if not run.is_complete:
        return KeyboardInterrupt()
    if not run.failed:
        return SourceError(f'{source.name} has no image with the stamp of a label; accepted: true '
                           'objects with the header of their image')
    error = run.failed[0].error
    if isinstance(error, (FrameError, InferenceError)):
        return error
    return InferenceError(str(error))


def _jpegs(source: LabelledSource, names: Sequence[str]) -> dict[str, bytes]:
    """Return small pictures of some images."""
    if not names:
        return {}
    return {frame.name: small_jpeg(frame.image) for frame in source.frames(set(names))
            if not isinstance(frame.image, FrameError)}


def _write_thresholds(
    options: argparse.Namespace, judgement: Judgement, advised: dict[int, Advice | None],
) -> Path:
    """Write the parameter file; classes without advice keep the threshold of the model."""
    goal = f'precision {options.precision:g}' if options.precision else 'the best F1'
    names = judgement.class_names
    known = {class_id: advice for class_id, advice in advised.items() if advice}
    comments = [f'Score thresholds for {goal}, advised by fcos eval on {judgement.images} images.']
    comments += [f'{names[class_id]}: precision {advice.precision:.3f}, recall '
                 f'{advice.recall:.3f}, F1 {advice.f1:.3f}, {advice.objects} objects'
                 for class_id, advice in known.items()]
    comments += [f'{names[class_id]}: no threshold; the one of the model is used'
                 for class_id, advice in advised.items() if not advice]
    entries = [f'{names[class_id]}: {advice.threshold:g}' for class_id, advice in known.items()]
    return write_result(options.advise_thresholds,
                        parameter_text({'class_thresholds': entries or ['']}, comments))


def _figures(
    judgement: Judgement, run: LabelledRun, advised: dict[int, Advice | None],
) -> dict[str, Any]:
    names = judgement.class_names
    return {
        'images': judgement.images, **_evaluation_figures(judgement.evaluation, names),
        'classes': {names[class_id]: _known(figures._asdict())
                    for class_id, figures in judgement.evaluation.classes.items()},
        'judge': judgement.judge, 'score_threshold': run.criteria.score_threshold,
        **_known(asdict(judgement.at_threshold)),
        'confusion': {'classes': list(names), 'counts': judgement.confusion.tolist()},
        'advised': {names[class_id]: None if advice is None else
                    {**asdict(advice), 'f1': advice.f1} for class_id, advice in advised.items()},
        'complete': run.is_complete, 'failed': _failed(run.failed)}


def _comparison_figures(comparison: RunComparison) -> dict[str, Any]:
    first, second = comparison.judgements
    return {
        'images': first.images, 'complete': comparison.is_complete,
        'runs': [{'name': name, **_evaluation_figures(judgement.evaluation,
                                                      judgement.class_names),
                  **_known(asdict(judgement.at_threshold))}
                 for name, judgement in zip(comparison.names, (first, second))],
        'worse_images': comparison.worse_images, 'better_images': comparison.better_images,
        'changes': [{'image': image.name, **{name: int(getattr(image.change, name).sum())
                                             for name in ('lost', 'gained', 'new_wrong',
                                                          'gone_wrong')}}
                    for image in comparison.images],
        'failed': _failed(comparison.failed)}


def _evaluation_figures(result: Evaluation, names: Sequence[str]) -> dict[str, Any]:
    return {**_known(result.figures._asdict()),
            'by_class': _known({names[class_id]: ap for class_id, ap in result.by_class.items()})}


def _failed(images: Iterable[FailedImage]) -> list[dict[str, str]]:
    return [{'image': image.name, 'reason': image.reason} for image in images]


def _text(
    judgement: Judgement, run: LabelledRun, options: argparse.Namespace,
    advised: dict[int, Advice | None],
) -> str:
    at_threshold = judgement.at_threshold
    parts = [
        plain_table([tuple(map(str, row)) for row in class_rows(judgement)]),
        f'{judgement.images} images; at score {run.criteria.score_threshold:g}: precision '
        f'{figure_text(at_threshold.precision)}, recall {figure_text(at_threshold.recall)}; '
        f'judged by {judgement.judge}']
    if options.advise_thresholds:
        parts.append(plain_table([
            ('advised', 'score threshold', 'precision', 'recall', 'F1', 'objects'),
            *((judgement.class_names[class_id],
               *(advice_texts(advice) if advice else ('none reaches it',) + ('',) * 4))
              for class_id, advice in advised.items())]))
    return '\n\n'.join([*parts, *_failure_text(run.failed), *_interrupt_text([run])])


def _comparison_text(comparison: RunComparison) -> str:
    first, second = comparison.names
    parts = [plain_table([tuple(map(str, row)) for row in figure_rows(comparison)]),
             f'{comparison.judgements[0].images} images; {second} has more errors than {first} '
             f'in {comparison.worse_images}, fewer in {comparison.better_images}']
    if comparison.images:
        parts.append(plain_table([('changed image, the worst first', ''), *(
            (image.name, change_text(image)) for image in comparison.images[:MOST_LINES])]))
    return '\n\n'.join([*parts, *_failure_text(comparison.failed),
                        *_interrupt_text(comparison.runs)])


def _failure_text(failed: Sequence[FailedImage]) -> list[str]:
    if not failed:
        return []
    lines = [f'{len(failed)} images failed and are in none of the figures:',
             *(f'  {image.name}: {image.reason}' for image in failed[:MOST_LINES])]
    return ['\n'.join(lines)]


def _interrupt_text(runs: Iterable[LabelledRun]) -> list[str]:
    return [] if all(run.is_complete for run in runs) else [
        'Interrupted: these figures are of a part of the images.']


def _exit_code(runs: Sequence[LabelledRun], is_bad: bool) -> int:
    if not all(run.is_complete for run in runs):
        return INTERRUPTED
    return int(is_bad or any(run.failed for run in runs))


def _judge(name: str) -> Judge:
    try:
        return find_judge(name)
    except ImportError as error:
        raise OfflineError(str(error)) from error


def _require_outputs(options: argparse.Namespace) -> None:
    """Refuse outputs that cannot be written before the work begins."""
    if options.precision and not options.advise_thresholds:
        raise OfflineError('--precision is for --advise-thresholds FILE; give both')
    if options.cluster and not options.out:
        raise OfflineError('--cluster keeps finished parts in the folder of the results; add '
                           '--out DIR')
    if options.advise_thresholds:
        require_folder(options.advise_thresholds.absolute().parent)
    if options.out:
        require_folder(options.out)


def _write(folder: Path, files: dict[str, str]) -> list[Path]:
    """Write files into a folder, and return the last one."""
    return [write_result(folder / name, content) for name, content in files.items()][-1:]


def _print_written(written: Iterable[Path]) -> None:
    for path in written:
        print(f'written: {path}', file=sys.stderr)


def _json(figures: dict[str, Any]) -> str:
    return json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False)


def _known(figures: dict[str, float]) -> dict[str, float | None]:
    """Return figures with None instead of nan, which is no JSON."""
    return {name: None if math.isnan(value) else value for name, value in figures.items()}


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not accepted; accepted: above 0, up to 1')
    return value
