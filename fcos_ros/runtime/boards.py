# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The known boards, and the paths of FCOS models on their system images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MODEL_FOLDER = '/opt/hobot/model'


@dataclass(frozen=True)
class Board:
    """
    A kind of board with a BPU.

    :ivar mark: text in the model name of its device tree.
    :ivar workers: number of workers that keep its BPU busy; see `BOARDS`.
    :ivar models: paths of FCOS models on its system images; the first that exists is used.
    :ivar zoo: branch and folder of its FCOS models in the vendor's model zoo.
    """

    name: str
    mark: str
    workers: int
    models: tuple[str, ...]
    zoo: str

    @property
    def published(self) -> range:
        """The numbers of threads in the vendor's published measurements; see `BOARDS`."""
        return range(1, self.workers)


BOARDS = (
    Board('RDK X5', 'X5', 3, (
        f'{MODEL_FOLDER}/x5/basic/fcos_efficientnetb0_512x512_nv12.bin',
        '/app/model/basic/fcos_512x512_nv12.bin',
        f'{MODEL_FOLDER}/x5/basic/fcos_efficientnetb3_896x896_nv12.bin'),
        'branch rdk_x5, samples/vision/fcos'),
    Board('RDK X3', 'X3', 4, (
        f'{MODEL_FOLDER}/x3/basic/fcos_512x512_nv12.bin',
        '/app/model/basic/fcos_512x512_nv12.bin'),
        'branch rdk_x3, demos/detect/FCOS'),
)
"""
Every known board.

`workers` is one more than the threads with which the vendor measured the best frame rate. The
vendor's threads only run inferences. A worker also prepares the frame, copies the outputs and
decodes them. With two workers, 2.9 ms would be left for that. The copy alone takes 2.4 ms for
fcos_efficientnetb0 on a board, with the vendor's binding.

Measured on a simulated board with half of its usual CPU (`taskset -c 0 python
benchmarks/throughput.py --only pool --workers N`): 2 and 3 workers reach 93 and 98 % of the
published frame rate of an X5, and 3 and 4 workers reach 90 and 97 % of that of an X3. One more
worker adds one inference to the latency, but only when frames arrive faster than the BPU works.
"""


def this_board(root: Path = Path('/')) -> Board | None:
    """
    Return the board by its device tree; None on any other machine.

    :param root: of the file system.
    """
    try:
        text = (root / 'proc/device-tree/model').read_text(errors='replace')
    except OSError:
        return None
    return next((board for board in BOARDS if board.mark in text), None)
