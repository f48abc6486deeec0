# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The package `hbm_runtime` of RDK S100."""

from pathlib import Path
import sys

sys.path.append(str(Path(__file__).parents[4]))

from simulator.hbm import hbDNNDataType, hbDNNQuantiType, runtime

__all__ = ['HB_HBMRuntime', 'hbDNNDataType', 'hbDNNQuantiType']

HB_HBMRuntime = runtime('s100', split=True)
