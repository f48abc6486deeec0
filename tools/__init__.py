# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Set-up and checks: run by make, never installed."""
