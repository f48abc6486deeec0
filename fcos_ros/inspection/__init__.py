# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Facts about running detectors, and what is wrong with them: `fcos top` and `fcos doctor`."""
