# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The web page and the charts of a model that was judged by labelled images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import math

import numpy as np

from fcos_ros.core.detections import Detections
from fcos_ros.evaluation.judgement import Judgement
from fcos_ros.evaluation.pairing import pair
from fcos_ros.evaluation.score_curve import Advice, ScoreCurve
from fcos_ros.evaluation.truth import JudgedImage
from fcos_ros.offline.labelled import FailedImage, LabelledRun
from fcos_ros.report.charts import Axis, Series, heat_map, line_chart
from fcos_ros.report.markup import SERIES_COLOURS
from fcos_ros.report.page import Section, chart, figure, grid, page, paragraph, table
from fcos_ros.report.picture import MISSED, RIGHT, WRONG, Mark, picture

MOST_POINTS = 200
"""Points of a curve in a chart."""

MOST_CLASSES = 30
"""Classes in the picture of the confusions."""

MOST_FAILED = 50
"""Failed images that a page lists."""

KEY = 'Green: correct. Red: wrong. Dashed yellow: missed.'

FIGURES = ('AP', 'AP50', 'AP75', 'small', 'medium', 'large')

_FROM_0_TO_1 = 0.0, 1.0

Jpegs = Mapping[str, bytes]
"""Small JPEG files of images, by the name of the image."""


def evaluation_page(judgement: Judgement, run: LabelledRun, jpegs: Jpegs) -> str:
    """
    Return the page of a run.

    :param jpegs: of the images to show.
    """
    evaluation = judgement.evaluation
    summary = (f'{run.info.name} on {judgement.images} images: AP {figure_text(evaluation.ap)}, '
               f'AP50 {figure_text(evaluation.ap50)}, AP75 {figure_text(evaluation.ap75)}')
    return page('Evaluation of a detector', summary, [
        Section('Run', list(run_parts(run, judgement.judge))),
        Section('Average precision', [
            table(list(class_rows(judgement))),
            paragraph('AP is the mean over IoU 0.50 to 0.95. Small objects have up to 32x32 '
                      'pixels, medium ones up to 96x96.', 'faint')]),
        Section('Precision and recall', [
            chart(precision_recall_chart(judgement)), chart(score_chart(judgement)),
            table(list(threshold_rows(judgement)))]),
        Section('Confusions', [chart(confusion_chart(judgement)), paragraph(
            'Rows are the true class, columns the detected one, for detections that reach their '
            'threshold, at IoU 0.50.', 'faint')]),
        failed_section(run.failed),
        Section('Images with most errors', _pictures(run, jpegs))])


def _pictures(run: LabelledRun, jpegs: Jpegs) -> list[str]:
    figures = [figure(f'{image.name}: {error_text(image)}', [
        ('', picture(jpegs[image.name], image.size, marks(image, image.kept, run.class_names)))])
        for image in run.images if image.name in jpegs]
    return [paragraph(KEY, 'faint'), grid(figures)] if figures else []


def worst_images(images: Sequence[JudgedImage], count: int) -> list[JudgedImage]:
    """Return the images with most missed objects and wrong detections; only those with errors."""
    counted = [(sum(_errors(image)), image) for image in images]
    ordered = sorted(counted, key=lambda entry: -entry[0])
    return [image for errors, image in ordered[:count] if errors]


def precision_recall_chart(judgement: Judgement) -> str:
    """Draw precision over recall, of all classes together and of those with most objects."""
    return line_chart(
        'precision over recall', Axis('recall', *_FROM_0_TO_1), Axis('precision', *_FROM_0_TO_1),
        [Series(name, _thinned(curve.recall, curve.precision), is_main)
         for name, curve, is_main in _curves(judgement) if curve.objects])


def score_chart(judgement: Judgement) -> str:
    """Draw precision, recall and F1 of all classes together over the score threshold."""
    curve = judgement.curve
    series = []
    if curve and curve.objects:
        with np.errstate(invalid='ignore'):
            f1 = 2 * curve.precision * curve.recall / (curve.precision + curve.recall)
        series = [Series(name, _thinned(curve.scores, values), name == 'F1') for name, values in (
            ('precision', curve.precision), ('recall', curve.recall), ('F1', np.nan_to_num(f1)))]
    return line_chart('precision, recall and F1 over the score threshold',
                      Axis('score threshold', *_FROM_0_TO_1), Axis('', *_FROM_0_TO_1), series)


def confusion_chart(judgement: Judgement) -> str:
    """Draw the confusion matrix, at most of the classes with most errors."""
    counts, names = judgement.confusion, judgement.class_names
    used = [number for number in range(len(names)) if counts[number].any()
            or counts[:, number].any()]
    errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    shown = sorted(sorted(used, key=lambda number: -errors[number])[:MOST_CLASSES])
    places = [*shown, len(names)]
    labels = [names[number] for number in shown]
    return heat_map('confusion matrix', [*labels, 'nothing'], [*labels, 'missed'],
                    counts[np.ix_(places, places)].tolist())


def run_parts(run: LabelledRun, judge: str) -> Iterator[str]:
    """Yield what was run, and whether it is complete."""
    if not run.is_complete:
        yield paragraph('The run was interrupted; these figures are of a part of the images.',
                        'bad')
    yield table([('', ''), *run_facts(run, judge)], 'facts')


def run_facts(run: LabelledRun, judge: str) -> list[tuple[str, str]]:
    """Return name and value of each fact about a run."""
    info, criteria = run.info, run.criteria
    own = [f'{info.labels.name(class_id)}: {threshold:g}'
           for class_id, threshold in criteria.class_thresholds]
    return [
        ('model', info.path.name), ('backend', info.backend),
        ('input', f'{info.input.size} {info.input.pixels}, {run.plan.config.fit}'),
        ('score threshold', ', '.join([f'{criteria.score_threshold:g}', *own])),
        ('NMS threshold', f'{criteria.nms_threshold:g}'),
        ('images', f'{len(run.images)} judged, {len(run.failed)} failed'), ('judge', judge)]


def class_rows(judgement: Judgement) -> Iterator[tuple[object, ...]]:
    """Yield a head, the figures of all classes together, and those of each class."""
    evaluation, names = judgement.evaluation, judgement.class_names
    yield '', *FIGURES, 'objects'
    objects = sum(curve.objects for curve in judgement.curves.values())
    yield 'all classes', *map(figure_text, evaluation.figures), objects
    for class_id, figures in evaluation.classes.items():
        yield (names[class_id], *map(figure_text, figures), judgement.curves[class_id].objects)


def threshold_rows(judgement: Judgement) -> Iterator[tuple[object, ...]]:
    """Yield a head, and the advised threshold of each class."""
    yield 'best F1', 'score threshold', 'precision', 'recall', 'F1', 'objects'
    for class_id, advice in judgement.advise().items():
        if advice:
            yield judgement.class_names[class_id], *advice_texts(advice)


def advice_texts(advice: Advice) -> tuple[str, ...]:
    """Return threshold, precision, recall, F1 and objects as texts."""
    return (f'{advice.threshold:g}', f'{advice.precision:.3f}', f'{advice.recall:.3f}',
            f'{advice.f1:.3f}', str(advice.objects))


def failed_section(failed: Sequence[FailedImage]) -> Section:
    """Return the list of images without a result."""
    rows = [(image.name, image.reason) for image in failed[:MOST_FAILED]]
    more = len(failed) - len(rows)
    return Section('Failed images', [
        paragraph('These images are in none of the figures.'),
        table([('image', 'reason'), *rows], 'facts'),
        *([paragraph(f'... and {more} more')] if more else [])] if failed else [])


def marks(
    image: JudgedImage, kept: Detections, class_names: Sequence[str],
) -> list[Mark]:
    """Return the marks of the detections of an image and of the objects that they miss."""
    objects = image.truth.objects
    pairing = pair(kept, objects, image.truth.crowds)
    found = [Mark(box, f'{class_names[class_id]} {score:.2f}', WRONG if is_wrong else RIGHT)
             for box, score, class_id, is_wrong in zip(
                 kept.boxes, kept.scores.tolist(), kept.class_ids.tolist(), pairing.wrong)]
    missed = objects[pairing.missed]
    return [*found, *(Mark(box, class_names[class_id], MISSED)
                      for box, class_id in zip(missed.boxes, missed.class_ids.tolist()))]


def error_text(image: JudgedImage) -> str:
    """Return the numbers of missed objects and wrong detections."""
    missed, wrong = _errors(image)
    return f'{missed} missed, {wrong} wrong'


def figure_text(value: float) -> str:
    """Return a figure with three digits; - where there is nothing to find."""
    return '-' if math.isnan(value) else f'{value:.3f}'


def _errors(image: JudgedImage) -> tuple[int, int]:
    pairing = pair(image.kept, image.truth.objects, image.truth.crowds)
    return int(pairing.missed.sum()), int(pairing.wrong.sum())


def _curves(judgement: Judgement) -> Iterator[tuple[str, ScoreCurve, bool]]:
    """Yield name and curve of the classes with most objects, then of all classes together."""
    most = sorted(judgement.curves.items(), key=lambda entry: -entry[1].objects)
    for class_id, curve in most[:SERIES_COLOURS]:
        yield judgement.class_names[class_id], curve, False
    if judgement.curve:
        yield 'all classes', judgement.curve, True


def _thinned(
    across: np.ndarray[tuple[int, ...], np.dtype[np.floating]],
    up: np.ndarray[tuple[int, ...], np.dtype[np.floating]],
) -> list[tuple[float, float]]:
    """Return at most `MOST_POINTS` points of a line, with the first and the last."""
    chosen = sorted({int(place) for place in
                     np.linspace(0, len(across) - 1, min(len(across), MOST_POINTS))})
    return [(float(across[place]), float(up[place])) for place in chosen]
