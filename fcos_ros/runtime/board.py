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
    :ivar workers: how many frames at a time keep its BPU busy; see `BOARDS`.
    :ivar models: the places of an FCOS on its system images, the first that exists is taken.
    :ivar zoo: branch and folder of the vendor's model zoo with its FCOS.
    """

    name: str
    mark: str
    workers: int
    models: tuple[str, ...]
    zoo: str

    @property
    def published(self) -> range:
        """With how many threads the vendor has measured; see `BOARDS`."""
        return range(1, self.workers)


BOARDS = (
    Board('RDK X5', 'X5', 3, (
        f'{BASIC}/x5/basic/fcos_efficientnetb0_512x512_nv12.bin',
        '/app/model/basic/fcos_512x512_nv12.bin',
        f'{BASIC}/x5/basic/fcos_efficientnetb3_896x896_nv12.bin'),
        'branch rdk_x5, samples/vision/fcos'),
    Board('RDK X3', 'X3', 4, (
        f'{BASIC}/x3/basic/fcos_512x512_nv12.bin',
        '/app/model/basic/fcos_512x512_nv12.bin'),
        'branch rdk_x3, demos/detect/FCOS'),
)
"""
Workers are one more than the threads with which the vendor's benchmark reaches its best rate.

Those threads do nothing but infer. A worker also copies the outputs, which with the vendor's
binding took 2.4 ms of a frame of fcos_efficientnetb0 on a board, prepares the frame and decodes;
two workers would have 2.9 ms for all that. On a simulated board with half of its usual CPU
(`taskset -c 0 python benchmarks/throughput.py --only pool --workers N`) 2 and 3 workers reached
93 and 98 % of the published rate of an X5, 3 and 4 workers 90 and 97 % of that of an X3. Only when
images come faster than the BPU works does one more in flight add to the latency, by one inference.
"""


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
