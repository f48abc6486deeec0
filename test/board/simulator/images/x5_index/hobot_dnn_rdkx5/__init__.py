# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The package `hobot_dnn_rdkx5` of PyPI for RDK X5."""

from pathlib import Path
import sys

sys.path.append(str(Path(__file__).parents[4]))
