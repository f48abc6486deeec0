# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Generation B of the binding."""

from simulator import generation_b

__all__ = ['Model', 'TensorProperties', 'load', 'pyDNNTensor']

Model = generation_b.Model
TensorProperties = generation_b.TensorProperties
pyDNNTensor = generation_b.PyDNNTensor  # noqa: N816 - the vendor's name
load = generation_b.loader(Model, 'x5')
