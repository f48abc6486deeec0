# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A signal ends the node in every phase of its life, with exit code 0.

Nothing is left: no traceback, no child process, no shared memory. A node that would wait for one
of its own timeouts is killed before, which fails the test. `benchmarks/shutdown.py` measures
durations.
"""

from node.shutdown import PHASES, SIGNALS, Shutdown
import pytest


@pytest.fixture(scope='module')
def shutdown(tmp_path_factory):
    with Shutdown(tmp_path_factory.mktemp('shutdown')) as made:
        yield made


@pytest.mark.parametrize('signals', ['SIGTERM', 'SIGINT twice'])
@pytest.mark.parametrize('phase', PHASES)
def test_a_signal_ends_the_node_in_order(shutdown, phase, signals):
    ending = shutdown.run(PHASES[phase], SIGNALS[signals])
    assert ending.faults == [], ending.output
