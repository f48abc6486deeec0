# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The model and the graph that most tests of the node begin with."""

from graph import Graph
from onnx_models import write_fcos
import pytest


@pytest.fixture(scope='session')
def model(tmp_path_factory):
    """Write a network that sees a white square of 8 pixels as a box of 16, a cube."""
    path = tmp_path_factory.mktemp('model') / 'squares.onnx'
    return str(write_fcos(path, half_box=8.0, metadata={'labels': '["cube", "ball", "cone"]'}))


@pytest.fixture
def graph(model):
    """Run a node with that model, its camera and its listener connected."""
    with Graph(model=model) as running:
        yield running.wait_until_connected()
