# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages in: subscription, discovery of publishers, time stamps, conversion to frames."""
