# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training of the demo network. It is not installed with the package."""
