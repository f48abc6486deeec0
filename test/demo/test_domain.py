# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nobody shares a ROS domain that was claimed."""

import os
import subprocess
import sys

import pytest

from fcos_ros.demo import domain
from fcos_ros.demo.domain import DOMAINS, Domain


def test_each_has_another_than_these_tests():
    claimed = [Domain() for _ in range(10)]
    numbers = {one.number for one in claimed}
    assert len(numbers) == 10
    assert numbers <= set(DOMAINS) - {int(os.environ['ROS_DOMAIN_ID'])}
    for one in claimed:
        one.release()


def test_it_is_free_again_when_the_process_that_claimed_it_ends_however_that_is(monkeypatch):
    program = ('from fcos_ros.demo.domain import Domain\n'
               'claimed = Domain()\n'
               'print(claimed.number, flush=True)\n'
               'input()\n')
    with subprocess.Popen([sys.executable, '-c', program], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as other:
        number = int(other.stdout.readline())
        monkeypatch.setattr(domain, 'DOMAINS', range(number, number + 1))
        with pytest.raises(RuntimeError, match='are taken'):
            Domain()
        other.kill()
    again = Domain()
    assert again.number == number
    again.release()
