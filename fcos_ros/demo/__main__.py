# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The program of the demo: `python -m fcos_ros.demo`; see `run.py`.

A signal ends it with exit code 130 from its first line on, also during its imports.
"""

from __future__ import annotations

from typing import NoReturn

from fcos_ros.runtime.end_signals import EndSignals, exit_as_interrupted, exit_process


def main() -> NoReturn:
    """Run the demo."""
    signals = EndSignals(exit_as_interrupted)
    from fcos_ros.demo.run import run  # takes a second or more
    exit_process(run(signals))


if __name__ == '__main__':
    main()
