# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The package `hbm_runtime` of RDK X5, from RDK OS 3.5 on."""

from pathlib import Path
import sys

sys.path.append(str(Path(__file__).parents[4]))

from simulator.hbm import hbDNNDataType, hbDNNQuantiType, runtime

__all__ = ['HB_HBMRuntime', 'hbDNNDataType', 'hbDNNQuantiType']

HB_HBMRuntime = runtime('x5')
