# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""As RDK X3 has it under Ubuntu 22.04."""

from pathlib import Path
import sys

sys.path.append(str(Path(__file__).parents[4]))
