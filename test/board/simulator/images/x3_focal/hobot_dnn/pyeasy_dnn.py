# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Generation A of the binding."""

from simulator.generation_a import Model, PyDNNTensor, TensorProperties, loader

__all__ = ['Model', 'PyDNNTensor', 'TensorProperties', 'load']

load = loader('x3')
