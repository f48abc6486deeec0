# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A claimed ROS domain is used by one process only."""

import os
import subprocess
import sys

import pytest

from fcos_ros.demo import domain as module
from fcos_ros.demo.domain import DOMAINS, Domain


def test_each_claim_gets_another_domain():
    claimed = [Domain() for _ in range(10)]
    numbers = {domain.number for domain in claimed}
    assert len(numbers) == 10
    assert numbers <= set(DOMAINS) - {int(os.environ['ROS_DOMAIN_ID'])}
    for domain in claimed:
        domain.release()


def test_a_domain_is_free_again_after_its_process_was_killed(monkeypatch):
    program = ('from fcos_ros.demo.domain import Domain\n'
               'claimed = Domain()\n'
               'print(claimed.number, flush=True)\n'
               'input()\n')
    with subprocess.Popen([sys.executable, '-c', program], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as other:
        number = int(other.stdout.readline())
        monkeypatch.setattr(module, 'DOMAINS', range(number, number + 1))
        with pytest.raises(RuntimeError, match='are taken'):
            Domain()
        other.kill()
    again = Domain()
    assert again.number == number
    again.release()
