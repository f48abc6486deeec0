# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The results of a run as files."""
