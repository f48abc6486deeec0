# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""As RDK X5 has it."""

from pathlib import Path
import sys

sys.path.append(str(Path(__file__).parents[4]))
