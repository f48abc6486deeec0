# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The known boards, and the paths of FCOS models on their system images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import re

IDENTITY_FILES = (
    'proc/device-tree/model',
    # Containers hide the device tree. An S100P may call its SoC s100, so its type comes first.
    'sys/class/boardinfo/board_type',
    'sys/class/boardinfo/soc_name',
    'sys/class/socinfo/soc_name',
)
"""Files that name the board; the first that names a known one decides."""

ZOO = '~/rdk_model_zoo'
"""Where the vendor's instructions put their model zoo."""


@dataclass(frozen=True)
class Board:
    """
    A kind of board with a BPU.

    :ivar marks: words in `IDENTITY_FILES` that only this board has, in upper case.
    :ivar cores: of its BPU.
    :ivar march: the vendor's name of its BPU, for the compiler.
    :ivar networks: file names of each published FCOS network: on system images, in the model zoo.
        The first network that is found is the default.
    :ivar folders: where such files lie: on system images, in the model zoo.
    :ivar zoo: branch and folder of its FCOS models in the vendor's model zoo; empty for none.
    """

    name: str
    marks: tuple[str, ...]
    cores: int
    march: str
    networks: tuple[tuple[str, ...], ...] = ()
    folders: tuple[str, ...] = ()
    zoo: str = ''

    @property
    def workers(self) -> int:
        """Number of workers that keep the BPU busy; see `BOARDS`."""
        return self.cores + 2

    @property
    def published(self) -> range:
        """The numbers of threads in the vendor's published measurements; see `BOARDS`."""
        return range(1, self.workers)

    @property
    def models(self) -> tuple[str, ...]:
        """Paths of its FCOS models; the first that exists is used."""
        return tuple(path for names in self.networks for path in self._paths(names))

    def same_network(self, file: str) -> tuple[str, ...]:
        """Return the paths of the published network that has a file of this name."""
        return next((self._paths(names) for names in self.networks if file in names), ())

    def _paths(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f'{folder}/{name}' for name in names for folder in self.folders)


BOARDS = (
    Board('RDK X5', ('X5', 'X5U'), 1, 'bayes-e',
          (('fcos_efficientnetb0_512x512_nv12.bin',
            'fcos_efficientnetb0_detect_512x512_bayese_nv12.bin'),
           ('fcos_512x512_nv12.bin',),
           ('fcos_efficientnetb2_768x768_nv12.bin',
            'fcos_efficientnetb2_detect_768x768_bayese_nv12.bin'),
           ('fcos_efficientnetb3_896x896_nv12.bin',
            'fcos_efficientnetb3_detect_896x896_bayese_nv12.bin')),
          ('/opt/hobot/model/x5/basic', '/app/model/basic',
           f'{ZOO}/samples/vision/fcos/model', f'{ZOO}/samples/vision/FCOS/models'),
          'branch rdk_x5, samples/vision/fcos'),
    Board('RDK X3', ('X3',), 2, 'bernoulli2',
          (('fcos_512x512_nv12.bin',),),
          ('/opt/hobot/model/x3/basic', '/app/model/basic', f'{ZOO}/demos/detect/FCOS/models'),
          'branch rdk_x3, demos/detect/FCOS'),
    Board('RDK S100', ('S100',), 1, 'nash-e'),
    Board('RDK S100P', ('S100P',), 1, 'nash-m'),
    Board('RDK S600', ('S600',), 4, 'nash-p'),
)
"""
Every known board.

The vendor measured the best frame rate of X3 and X5 with one thread more than the BPU has cores.
Nothing is published for the others; the same rule is used. `workers` is one more. The vendor's
threads only run inferences. A worker also prepares the frame, copies the outputs and decodes them.
With two workers on X5, 2.9 ms would be left for that. The copy alone takes 2.4 ms for
fcos_efficientnetb0 on a board, with the vendor's binding.

Measured on a simulated board with half of its usual CPU (`taskset -c 0 python
benchmarks/throughput.py --only pool --workers N`): 2 and 3 workers reach 93 and 98 % of the
published frame rate of an X5, and 3 and 4 workers reach 90 and 97 % of that of an X3. One more
worker adds one inference to the latency, but only when frames arrive faster than the BPU works.
"""


def this_board(root: Path = Path('/')) -> Board | None:
    """
    Return the board by its device tree or its SoC; None on any other machine.

    :param root: of the file system.
    """
    for file in IDENTITY_FILES:
        words = set(re.findall('[A-Z0-9]+', _read(root / file).upper()))
        for board in BOARDS:
            if words.intersection(board.marks):
                return board
    return None


def _read(file: Path) -> str:
    try:
        return file.read_text(errors='replace')
    except OSError:
        return ''
