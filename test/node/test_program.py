# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node does not run on without one of its threads."""

import subprocess
import sys

import pytest
from waiting import TIMEOUT

PROGRAM = """
import sys
from threading import Thread
from rclpy.node import Node
from fcos_ros.node.program import run_node
from fcos_ros.runtime.end_signals import EndSignals, exit_process, exit_without_error

class Failing(Node):
    def __init__(self, stop_request):
        super().__init__('failing')
        if sys.argv[1] == 'while it starts':
            self.fail()
            stop_request.wait_for(lambda: False)
            stop_request.check()
        self.create_timer(0.01, self.fail)

    def fail(self):
        Thread(target=lambda: [][0]).start()

exit_process(run_node('failing', Failing, EndSignals(exit_without_error), sys.argv[:1]))
"""


@pytest.mark.parametrize('phase', ['while it starts', 'while it runs'])
def test_an_error_that_ends_a_thread_ends_the_node_with_the_reason(phase):
    done = subprocess.run([sys.executable, '-c', PROGRAM, phase], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 1
    assert 'IndexError' in done.stderr
