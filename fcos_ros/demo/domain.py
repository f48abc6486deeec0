# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS domain of one's own, so that no other graph of this machine is heard."""

from __future__ import annotations

from contextlib import suppress
import random
import socket

DOMAINS = range(1, 102)
"""Those whose ports no operating system hands out otherwise; without 0, which robots use."""


class Domain:
    """
    A domain that is claimed until it is released or the process ends, however that happens.

    Whoever else claims one in this way, on the same network of this machine, gets another.

    :ivar number: what `ROS_DOMAIN_ID` should be.
    :raises RuntimeError: all are taken.
    """

    def __init__(self) -> None:
        for number in random.sample(DOMAINS, len(DOMAINS)):
            self._claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            with suppress(OSError):
                # A name without a file: the kernel gives it to one only, and takes it back.
                self._claim.bind(f'\0fcos_ros ROS domain {number}')
                self.number = number
                return
            self._claim.close()
        raise RuntimeError(f'all ROS domains from {DOMAINS[0]} to {DOMAINS[-1]} are taken')

    def release(self) -> None:
        """Let another have the domain."""
        self._claim.close()
