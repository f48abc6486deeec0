# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Properties are tried without hurry, as machines may be busy, and in CI always the same way."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile('core', deadline=None, derandomize='CI' in os.environ)
settings.load_profile('core')
