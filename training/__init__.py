# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trains the network of the demo; no part of the product."""
