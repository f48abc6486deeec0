# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The fixtures of tests that let a node detect white squares."""

from node.graph import Graph
from onnx_models import write_fcos
import pytest


@pytest.fixture(scope='session')
def model(tmp_path_factory):
    """Write a network that detects a white square of 8 pixels as a cube of 16 pixels."""
    path = tmp_path_factory.mktemp('model') / 'squares.onnx'
    return str(write_fcos(path, half_box=8.0, metadata={'labels': '["cube", "ball", "cone"]'}))


@pytest.fixture
def graph(model):
    """Run a node with that model, connected to a camera and a subscription."""
    with Graph(model=model) as running:
        yield running.wait_until_connected()
