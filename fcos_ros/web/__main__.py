# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The program of the page's server: `python -m fcos_ros.web`, `ros2 run fcos_ros fcos_web`.

A signal ends it with exit code 0 from its first line on, also during its imports.
"""

from __future__ import annotations

from typing import NoReturn

from fcos_ros.runtime.end_signals import EndSignals, exit_process, exit_without_error


def main() -> NoReturn:
    """Serve the page until a signal ends it."""
    signals = EndSignals(exit_without_error)
    from fcos_ros.web.web_node import run  # takes a second or more
    exit_process(run(signals))


if __name__ == '__main__':
    main()
