# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Find out why there are no detections, or late or wrong ones.

It watches the ROS graph for some seconds, tries the model on a live image, and looks at the board
and at the machine. Each finding has the command that mends it. Nothing is changed. Without ROS 2,
everything but the graph is looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
import json
import sys
import textwrap

from fcos_ros.cli.options import node_name, seconds
from fcos_ros.cli.output import Progress, printable_lines, stdout_to_stderr
from fcos_ros.cli.screen import terminal_style
from fcos_ros.inspection.doctor import Examination, inspect
from fcos_ros.inspection.finding import Severity
from fcos_ros.node.observer.start import look_at_graph

SUMMARY = 'find out why there are no or bad detections'

SECONDS = 5.0
"""How long the graph is watched: a detector reports once a second."""

COLOURS = {Severity.ERROR: '31', Severity.WARNING: '33', Severity.NOTE: '2'}

TICKS = 10
"""Steps of the progress bar in one second."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument('--node', type=node_name, default='', metavar='NAME',
                        help='Look only at the detector of this name.')
    parser.add_argument('--model', default='', metavar='MODEL',
                        help='Look at this model if no detector runs.')
    parser.add_argument('--seconds', type=seconds(2.0, 3600.0), default=SECONDS, metavar='S',
                        help=f'How long to watch the graph. [{SECONDS:g}]')
    parser.add_argument('--json', action='store_true', help='Print JSON.')


def run(options: argparse.Namespace) -> int:
    """Print the findings; return 1 if something is wrong."""
    progress = Progress(round(TICKS * options.seconds), sys.stderr)
    ticks = 0

    def advance(passed: float) -> None:
        nonlocal ticks
        done = round(TICKS * passed)
        progress.advance(done - ticks)
        ticks = done

    with stdout_to_stderr():
        progress.begin('watching the ROS graph')
        try:
            result = inspect(lambda: look_at_graph(options.node, options.seconds, advance),
                             options.model)
        finally:
            progress.end()
    print(to_json(result) if options.json else '\n'.join(to_lines(result)))
    return 0 if result.healthy else 1


def to_json(result: Examination) -> str:
    """Convert a result to one JSON object."""
    return json.dumps({
        'healthy': result.healthy, 'looked_at': dict(result.looked_at),
        'findings': [{**asdict(finding), 'severity': finding.severity.name.lower()}
                     for finding in result.findings]}, indent=2)


def to_lines(result: Examination) -> Iterator[str]:
    """Yield what was looked at, each finding with its command, and their number."""
    style = terminal_style()
    width = max(style.width, 40)
    for area, seen in result.looked_at.items():
        yield from textwrap.wrap(f'{area:<9}{printable_lines(seen)}', width,
                                 subsequent_indent=' ' * 9)
    for finding in result.findings:
        yield ''
        word = finding.severity.name.lower()
        text = f'{finding.area}: {" ".join(printable_lines(finding.text).split())}'
        lines = textwrap.wrap(text, width - 9, break_on_hyphens=False)
        colour = COLOURS[finding.severity] if style.colour else ''
        head = f'\x1b[{colour}m{word:<9}\x1b[0m' if colour else f'{word:<9}'
        yield f'{head}{lines[0]}'
        yield from (f'{"":<9}{line}' for line in lines[1:])
        # A command is not wrapped, so that it can be copied.
        yield f'{"":<9}$ {printable_lines(finding.cure)}'
    yield ''
    yield summary(result)


def summary(result: Examination) -> str:
    """Return the number of findings of each severity."""
    counts = {severity: sum(finding.severity == severity for finding in result.findings)
              for severity in reversed(Severity)}
    found = ', '.join(f'{count} {severity.name.lower()}{"s" if count > 1 else ""}'
                      for severity, count in counts.items() if count)
    return f'found: {found}' if found else 'found: nothing wrong'
