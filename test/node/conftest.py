# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The model and the graph that most tests of the node use."""

from node.squares import graph, model

__all__ = ['graph', 'model']
