# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An output in a graph, to which a test gives detections."""

from pathlib import Path

from node.graph import Graph
import pytest
from waiting import wait_until

from fcos_ros.backends import load


@pytest.fixture
def unconfigured_graph(model):
    """Return a graph whose node is not configured."""
    with Graph(model=model, autostart=False) as running:
        yield running


@pytest.fixture
def open_output(unconfigured_graph, model):
    """
    Return a function that opens an output with the prefix '~/test/' and activates the node.

    It returns the output and a list, to which the messages of the output are appended.
    """
    graph = unconfigured_graph

    def run(open_function, message_type, topic):
        graph.transit('configure')
        output = open_function(graph.node, '~/test/', load(Path(model)).info)
        graph.transit('activate')
        received = []
        graph.listen(message_type, f'fcos/test/{topic}', received)
        wait_until(output.wanted)
        return output, received
    return run
