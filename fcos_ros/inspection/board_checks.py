# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Problems of a board with a BPU; no board has confirmed these checks yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fcos_ros.inspection.board import BoardFacts
from fcos_ros.inspection.finding import BOARD, Finding, Severity

MIN_CMA = 64 * 2**20
"""Bytes. The published models and their workers need some tens of MB."""

WARM, HOT = 85.0, 95.0
"""Degrees Celsius at which boards of this kind lower their clocks, and at which they stop."""

FAST_GOVERNORS = {'performance', 'schedutil'}
"""Governors with which the clock is high when there is work; `ondemand` rises late."""

BUSY = 90.0
"""Load of the BPU in percent at which another program is delayed."""


def board_findings(board: BoardFacts, detector_runs: bool = True) -> Iterator[Finding]:
    """
    Yield the problems of a board.

    :param detector_runs: whether the load of the BPU may be a detector's own.
    """
    if not board.name:
        return
    checks: tuple[Callable[[BoardFacts], Iterator[Finding]], ...] = (
        _devices, _libraries, _numpy, _memory, _governor, _temperature)
    for check in checks:
        yield from check(board)
    load = board.bpu_load
    if not detector_runs and load is not None and load > BUSY:
        yield _warn(f'the BPU is {load:.0f} % busy, and no detector runs: another program uses it',
                    'ps -eo pid,pcpu,cmd --sort=-pcpu | head')


def _warn(text: str, cure: str) -> Finding:
    return Finding(Severity.WARNING, BOARD, text, cure)


def _error(text: str, cure: str) -> Finding:
    return Finding(Severity.ERROR, BOARD, text, cure)


def _devices(board: BoardFacts) -> Iterator[Finding]:
    if not board.devices:
        yield _error(f'{board.name} has no device file of the BPU, such as /dev/bpu',
                     'docker run --privileged ...   # in a container; else: dmesg | grep -i bpu')
    elif board.denied:
        yield _error(f'this user may not use {", ".join(board.denied)}',
                     f'sudo chmod a+rw {" ".join(board.denied)}   # until the next start; or run '
                     'the detector as root')


def _libraries(board: BoardFacts) -> Iterator[Finding]:
    if board.modules or board.library:
        return
    if board.hidden:
        yield _error(f'{", ".join(board.hidden)} is installed for the Python of the system, and '
                     'this virtual environment does not see it',
                     'python3 -m venv --system-site-packages VENV')
    else:
        yield _error(f'{board.name} has neither hobot_dnn, hbm_runtime nor libdnn.so, so no model '
                     'runs on the BPU', 'sudo apt install --reinstall hobot-spdev hobot-dnn')


def _numpy(board: BoardFacts) -> Iterator[Finding]:
    bindings = [name for name in board.modules if name.startswith('hobot_dnn')]
    if bindings and board.numpy.partition('.')[0] not in {'0', '1'}:
        yield _error(f'numpy is {board.numpy}, and {bindings[0]} needs numpy 1',
                     "python3 -m pip install 'numpy<2'")


def _memory(board: BoardFacts) -> Iterator[Finding]:
    if board.cma and board.cma_free is not None and board.cma_free < MIN_CMA:
        yield _warn(f'only {board.cma_free / 2**20:.0f} of {board.cma / 2**20:.0f} MiB of the '
                    'memory for devices (CMA) are free, which models and cameras share',
                    'sudo srpi-config   # raise the ION memory; or end other programs of the BPU')


def _governor(board: BoardFacts) -> Iterator[Finding]:
    slow = [name for name in board.governors if name not in FAST_GOVERNORS]
    if slow:
        yield _warn(f'the governor of the CPU is {", ".join(slow)}, so decoding takes longer',
                    'echo performance | sudo tee '
                    '/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor')


def _temperature(board: BoardFacts) -> Iterator[Finding]:
    heat = board.temperature
    if heat is not None and heat >= WARM:
        yield Finding(Severity.ERROR if heat >= HOT else Severity.WARNING, BOARD,
                      f'the board has {heat:.0f} degrees Celsius and lowers its clocks',
                      'sudo hrut_somstatus   # after mounting a heat sink or a fan')
