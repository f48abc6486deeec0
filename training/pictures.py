# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a training: the curves of its log, and a sheet of its detections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import cv2
from matplotlib.figure import Figure
import numpy as np

from fcos_ros.core.annotate import annotate
from fcos_ros.core.arrays import Pixels
from fcos_ros.core.detections import Detections
from fcos_ros.core.labels import Labels
from fcos_ros.core.resize import Resize, Size
from fcos_ros.evaluation.datasets import LabelledImage
from training.files import write

COLUMNS, ROWS = 4, 3
TILE = Size(400, 300)
"""The size of an image on the sheet."""

WHITE = (255, 255, 255)


def draw_curves(log: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw average precision and losses over the steps."""
    steps = [row['step'] for row in log]
    figure = Figure(figsize=(9, 4), layout='constrained')
    precision, losses = figure.subplots(1, 2)
    for name in ('ap', 'ap50'):
        precision.plot(steps, [row[name] for row in log], marker='.', label=name.upper())
    precision.set(xlabel='step', ylim=(0, 1), title='validation')
    for name in ('classes', 'boxes', 'centerness'):
        losses.plot(steps, [row[name] for row in log], marker='.', label=name)
    losses.set(xlabel='step', title='losses')
    for axes in (precision, losses):
        axes.grid(alpha=0.3)
        axes.legend()
    content = BytesIO()
    figure.savefig(content, dpi=110)
    write(path, content.getvalue())


def draw_sheet(
    images: Sequence[LabelledImage], found: Sequence[Detections], labels: Labels,
) -> Pixels:
    """Return a sheet of images with their objects in white and their detections in colour."""
    sheet = np.zeros((ROWS * TILE.height, COLUMNS * TILE.width, 3), np.uint8)
    for number, (image, detections) in enumerate(zip(images, found)):
        row, column = divmod(number, COLUMNS)
        if row == ROWS:
            break
        pixels = image.read()
        resize = Resize.letterbox(Size(*pixels.shape[1::-1]), TILE)
        tile = np.asarray(cv2.resize(pixels, resize.content), np.uint8)
        for x1, y1, x2, y2 in resize.to_canvas(image.boxes).round().astype(int).tolist():
            cv2.rectangle(tile, (x1, y1), (x2, y2), WHITE, 1)
        annotate(tile, detections.with_boxes(resize.to_canvas(detections.boxes)), labels)
        top, left = row * TILE.height, column * TILE.width
        sheet[top:top + tile.shape[0], left:left + tile.shape[1]] = tile
    return sheet
