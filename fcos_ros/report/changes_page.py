# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The web page of two runs over the same labelled images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fcos_ros.evaluation.changes import ChangedImage
from fcos_ros.offline.run_comparison import RunComparison
from fcos_ros.report.evaluation_page import (
    FIGURES,
    KEY,
    Jpegs,
    failed_section,
    figure_text,
    marks,
    run_facts,
)
from fcos_ros.report.page import Section, figure, page, paragraph, table
from fcos_ros.report.picture import picture

MOST_ROWS = 200
"""Changed images that a page lists."""


def changes_page(comparison: RunComparison, jpegs: Jpegs) -> str:
    """
    Return the page of a comparison.

    :param jpegs: of the images to show.
    """
    first, second = comparison.names
    judged = comparison.judgements[0].images
    summary = (f'{first} and {second} on {judged} images: {second} has more errors in '
               f'{comparison.worse_images} images and fewer in {comparison.better_images}')
    runs = [dict(run_facts(run, judgement.judge))
            for run, judgement in zip(comparison.runs, comparison.judgements)]
    class_names = comparison.runs[0].class_names
    return page('Comparison of two detectors', summary, [
        Section('Runs', [table([('', first, second), *(
            (name, runs[0][name], runs[1][name]) for name in runs[0])], 'facts'),
            *([] if all(run.is_complete for run in comparison.runs) else
              [paragraph('The run was interrupted; these figures are of a part of the images.',
                         'bad')])]),
        Section('Average precision', [table(list(figure_rows(comparison)))]),
        Section('By class', [table(list(class_rows(comparison)))]),
        failed_section(comparison.failed),
        Section('Changed images, the worst first', [
            paragraph(KEY if comparison.images else 'No detection changed.', 'faint'),
            *(figure(f'{image.name}: {change_text(image)}', [
                (name, picture(jpegs[image.name], run_image.size,
                               marks(run_image, run_image.kept, class_names)))
                for name, run_image in ((first, image.first), (second, image.second))])
              for image in comparison.images if image.name in jpegs),
            *([table(list(_image_rows(comparison.images)))] if comparison.images else [])])])


def figure_rows(comparison: RunComparison) -> Iterator[tuple[object, ...]]:
    """Yield a head, the figures of both runs, and their difference."""
    both = [judgement.evaluation.figures for judgement in comparison.judgements]
    yield '', *FIGURES
    for name, figures in zip(comparison.names, both):
        yield name, *map(figure_text, figures)
    yield 'difference', *(_difference(*pair) for pair in zip(*both))


def class_rows(comparison: RunComparison) -> Iterator[tuple[object, ...]]:
    """Yield a head, and the average precision of each class in both runs, the worst first."""
    names = comparison.judgements[0].class_names
    both = [judgement.evaluation.by_class for judgement in comparison.judgements]
    yield 'class', *comparison.names, 'difference'
    for class_id in sorted(both[0], key=lambda number: both[1][number] - both[0][number]):
        pair = both[0][class_id], both[1][class_id]
        yield names[class_id], *map(figure_text, pair), _difference(*pair)


def change_text(image: ChangedImage) -> str:
    """Return the changes of an image in words."""
    change = image.change
    parts = [(change.lost, 'lost'), (change.gained, 'gained'),
             (change.new_wrong, 'new wrong'), (change.gone_wrong, 'wrong no more')]
    return ', '.join(f'{count} {word}' for mask, word in parts if (count := int(mask.sum())))


def _image_rows(images: Sequence[ChangedImage]) -> Iterator[tuple[object, ...]]:
    yield 'image', 'lost', 'gained', 'new wrong', 'wrong no more'
    for image in images[:MOST_ROWS]:
        change = image.change
        yield image.name, *(int(mask.sum()) for mask in (
            change.lost, change.gained, change.new_wrong, change.gone_wrong))
    if len(images) > MOST_ROWS:
        yield f'... and {len(images) - MOST_ROWS} more', '', '', '', ''


def _difference(first: float, second: float) -> str:
    return '-' if first != first or second != second else f'{second - first:+.3f}'
