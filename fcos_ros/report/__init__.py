# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reports for people: charts as SVG, and web pages of one file that need no network."""
