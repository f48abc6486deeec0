# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names for the command line, which is there without torch."""

TARGET_SUFFIXES = {'onnx': '', 'bpu': '_bpu'}
"""The end of a file's name by the target of an export: PCs, and the compiler of the boards."""

FAMILY_NAMES = ('torchvision', 'mmdetection', 'adelaidet')
"""The programs whose checkpoints are read."""
