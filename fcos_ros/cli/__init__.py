# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos` and its verbs: each gathers facts into a value, then shows it as text or as JSON."""
