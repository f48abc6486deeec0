# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which board this is, and where its image keeps FCOS models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BASIC = '/opt/hobot/model'


@dataclass(frozen=True)
class Board:
    """
    A kind of board with a BPU.

    :ivar mark: what its device tree's model text contains.
    :ivar workers: how many inferences at a time reach the published rate.
    :ivar models: the places of an FCOS on its system images, the first that exists is taken.
    """

    name: str
    mark: str
    workers: int
    models: tuple[str, ...]


BOARDS = (
    Board('RDK X5', 'X5', 2, (
        f'{BASIC}/x5/basic/fcos_efficientnetb0_512x512_nv12.bin',
        '/app/model/basic/fcos_512x512_nv12.bin',
        f'{BASIC}/x5/basic/fcos_efficientnetb3_896x896_nv12.bin')),
    Board('RDK X3', 'X3', 3, (
        f'{BASIC}/x3/basic/fcos_512x512_nv12.bin',
        '/app/model/basic/fcos_512x512_nv12.bin')),
)
"""Worker counts are those of the vendor's published benchmark."""


def this_board(root: Path = Path('/')) -> Board | None:
    """
    Recognise the board by its device tree.

    :param root: of the file system.
    :returns: None on any other machine.
    """
    try:
        text = (root / 'proc/device-tree/model').read_text(errors='replace')
    except OSError:
        return None
    return next((board for board in BOARDS if board.mark in text), None)
