# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Train networks with labelled images: `make train`. Not installed with the package."""

import os

# The modules import onnxruntime themselves, which else sends events to its vendor.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
