# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure how long the node takes to end after signals, in each phase of its life.

Run `python benchmarks/shutdown.py`. Each row has the median and the maximum of several runs, and
the number of runs with each fault: another exit code than 0, a traceback, shared memory or child
processes that are left. A random pause of up to 0.3 s precedes the signals. Times have no bar.
`--main` measures another version, whose package comes first in PYTHONPATH.
"""

from __future__ import annotations

import argparse
from collections import Counter
import os
from pathlib import Path
import random
import signal
import statistics
import sys
from tempfile import TemporaryDirectory

from common.checks import Checks
import common.simulated_board  # noqa: F401 - makes the modules of the tests importable
from common.tables import Table
from node.shutdown import MAIN, PHASES, SIGNALS, Shutdown

from fcos_ros.demo.domain import Domain

MAX_DELAY = 0.3
"""Maximum seconds between the phase and the first signal."""


def main() -> int:
    """Print the table; return the exit code of the checks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=1, help='runs of each row; 1 by default')
    parser.add_argument('--phases', nargs='+', choices=PHASES, default=list(PHASES),
                        metavar='PHASE', help=', '.join(PHASES))
    parser.add_argument('--main', default=MAIN, help='the module whose function `main` is run')
    options = parser.parse_args()
    # A shell ignores SIGINT in background jobs, and the nodes would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    domain = Domain()
    os.environ['ROS_DOMAIN_ID'] = str(domain.number)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    table = Table({'phase': '', 'signals': '', 'median s': '.2f', 'maximum s': '.2f',
                   'faults': ''})
    with TemporaryDirectory() as folder, Shutdown(Path(folder), options.main) as shutdown:
        faults = [_measure(table, shutdown, phase, signals, options.runs)
                  for phase in options.phases for signals in SIGNALS]
    checks, runs = Checks(), options.runs * len(faults)
    checks.require(not any(faults), f'{sum(faults)} of {runs} runs ended with a fault')
    return checks.exit_code()


def _measure(table: Table, shutdown: Shutdown, phase: str, signals: str, runs: int) -> int:
    """Add a row; return the number of runs with a fault."""
    endings = [shutdown.run(PHASES[phase], SIGNALS[signals], random.uniform(0, MAX_DELAY))
               for _ in range(runs)]
    seconds = [ending.seconds for ending in endings]
    counts = Counter(fault for ending in endings for fault in ending.faults)
    faults = ', '.join(f'{fault}: {count}' for fault, count in counts.items()) or 'none'
    table.add(phase, signals, statistics.median(seconds), max(seconds), faults)
    return sum(bool(ending.faults) for ending in endings)


if __name__ == '__main__':
    sys.exit(main())
