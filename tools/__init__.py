# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Set-up and checks: run by make, never installed."""

import sys

if sys.version_info < (3, 7):  # noqa: UP036 (an older Python could not even read the rest)
    sys.exit('Python 3.10 to 3.13 is needed, and this is {}.{}. Install one with:\n'
             '  sudo apt install python3.11 python3.11-venv python3.11-dev'
             .format(*sys.version_info))
