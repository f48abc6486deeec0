# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Set-up and checks of a checkout. `make` runs them; they are not installed."""

import sys

if sys.version_info < (3, 7):  # noqa: UP036 (an older Python cannot parse the other modules)
    sys.exit('Python is {}.{}; accepted: 3.10 to 3.13. Install one with:\n'
             '  sudo apt install python3.11 python3.11-venv python3.11-dev'
             .format(*sys.version_info))
