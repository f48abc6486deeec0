# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `fcos`: each verb collects its results in one value, then prints text or JSON."""
