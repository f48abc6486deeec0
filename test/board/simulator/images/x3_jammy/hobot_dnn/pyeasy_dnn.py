# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Generation C of the binding."""

from simulator import generation_b

__all__ = ['Model', 'TensorProperties', 'load', 'pyDNNTensor']

Model = generation_b.OldModel
TensorProperties = generation_b.OldTensorProperties
pyDNNTensor = generation_b.PyDNNTensor  # noqa: N816 - the vendor's name
load = generation_b.loader(Model, 'x3')
