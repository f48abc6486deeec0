# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The program `fcos`: `python -m fcos_ros.cli`, `ros2 run fcos_ros fcos`; see `main.py`.

A signal ends it with exit code 130 from its first line on, also during its imports.
"""

from __future__ import annotations

from typing import NoReturn

from fcos_ros.runtime.end_signals import EndSignals, exit_as_interrupted, exit_process


def main() -> NoReturn:
    """Run the command."""
    signals = EndSignals(exit_as_interrupted)
    from fcos_ros.cli.main import main as run  # takes a second on a board
    signals.interrupt_main_thread()
    exit_process(run())


if __name__ == '__main__':
    main()
