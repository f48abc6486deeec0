# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A session runs its callbacks to their end; an interrupt comes between them."""

import signal

import pytest
from waiting import TIMEOUT

from fcos_ros.node.observer.start import open_session


def test_an_interrupt_ends_a_wait_but_not_a_callback():
    finished = []
    with open_session('interrupted') as session:
        def callback():
            signal.raise_signal(signal.SIGINT)
            finished.append(callback)
        session.node.create_timer(0.01, callback)
        with pytest.raises(KeyboardInterrupt):
            session.wait(TIMEOUT)
    assert finished == [callback]
