# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Profile the threads of a node."""

from __future__ import annotations

import cProfile
import io
import pstats
import time
from typing import Any

LINES = 30
"""Functions of a profile, those with the most time first."""


class ThreadProfile:
    """
    A profile of all threads that run a method, in CPU time; its text is the table.

    :param owner: the class of the method; it is changed.
    """

    def __init__(self, owner: type, name: str) -> None:
        self._title = f'{owner.__name__}.{name}'
        self._profiles: list[cProfile.Profile] = []
        method, profiles = getattr(owner, name), self._profiles

        def profiled(*arguments: Any) -> None:
            # Waiting takes no CPU time.
            profiles.append(cProfile.Profile(time.thread_time))
            profiles[-1].runcall(method, *arguments)
        setattr(owner, name, profiled)

    def __str__(self) -> str:
        return to_text(self._title, *self._profiles)


def to_text(title: str, *profiles: cProfile.Profile | str) -> str:
    """
    Return the table of some profiles together.

    :param profiles: or the files that hold them; at least one.
    """
    text = io.StringIO()
    pstats.Stats(*profiles, stream=text).strip_dirs().sort_stats('tottime').print_stats(LINES)
    return f'{title}\n{text.getvalue()}'


def profile_threads() -> list[ThreadProfile]:
    """Profile the threads of a node that receive images and process frames, from now on."""
    from fcos_ros.node.input.receiver import Receiver
    from fcos_ros.runtime.pool import Pool
    return [ThreadProfile(Receiver, '_run'), ThreadProfile(Pool, '_work')]
