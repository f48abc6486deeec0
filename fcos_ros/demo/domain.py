# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Claim a ROS domain that no other demo, test or benchmark of this machine uses."""

from __future__ import annotations

from contextlib import suppress
import random
import socket

DOMAINS = range(1, 102)
"""Domains whose ports no operating system assigns to clients; without 0, which robots use."""


class Domain:
    """
    A claim on a ROS domain, until `release` or until the process ends in any way.

    Other processes in the same network namespace get another domain, if they use this class.

    :ivar number: the value for `ROS_DOMAIN_ID`.
    :raises RuntimeError: all domains are taken.
    """

    def __init__(self) -> None:
        for number in random.sample(DOMAINS, len(DOMAINS)):
            self._claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            with suppress(OSError):
                # An abstract socket name belongs to one process; the kernel frees it at its end.
                self._claim.bind(f'\0fcos_ros ROS domain {number}')
                self.number = number
                return
            self._claim.close()
        raise RuntimeError(f'all ROS domains from {DOMAINS[0]} to {DOMAINS[-1]} are taken')

    def release(self) -> None:
        """Free the domain for other processes."""
        self._claim.close()
