# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Running detectors seen from outside: `fcos top` and `fcos doctor`."""
