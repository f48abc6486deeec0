# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Show running detectors live: rates, latency of each stage, frames by fate, workers, memory.

It reads /diagnostics only, so it works over ssh and costs the detectors nothing. A detector that
ends and comes back is followed. Press q to end.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
import json
import os
import sys
from typing import TYPE_CHECKING

from fcos_ros.cli.options import node_name, seconds
from fcos_ros.cli.screen import END_KEY, Screen, terminal_style
from fcos_ros.inspection.waterfall import DIM, Line, Style, draw, fit
from fcos_ros.node.observer.start import open_session

if TYPE_CHECKING:
    from fcos_ros.node.observer.session import Report, Session

SUMMARY = 'show running detectors live'

SETTLING = 1.2
"""Seconds after the first report; each detector reports once a second."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument('--node', type=node_name, default='', metavar='NAME',
                        help='Show only the node of this name.')
    parser.add_argument('--once', action='store_true', help='Print one picture and end.')
    parser.add_argument('--json', action='store_true',
                        help='Print JSON: one object for each period, in one line.')
    parser.add_argument('--period', type=seconds(0.1, 3600.0), default=1.0, metavar='S',
                        help='Seconds between two pictures. [1]')
    parser.add_argument('--timeout', type=seconds(0.1, 3600.0), default=10.0, metavar='S',
                        help='Seconds to wait for a detector with --once. [10]')


def run(options: argparse.Namespace) -> int:
    """Show the detectors; return 1 if --once finds none."""
    with open_session('fcos_top') as session:
        return _once(session, options) if options.once else _follow(session, options)


def _once(session: Session, options: argparse.Namespace) -> int:
    if session.wait(options.timeout, lambda: bool(_reports(session, options))):
        session.wait(SETTLING)
    reports = _reports(session, options)
    if options.json:
        print(to_json(reports))
    elif reports:
        print('\n'.join(to_lines(reports, terminal_style())))
    if not reports:
        print(f'fcos top: {_absence(options)}', file=sys.stderr)
    return 0 if reports else 1


def _follow(session: Session, options: argparse.Namespace) -> int:
    if options.json:
        while True:
            session.wait(options.period)
            print(to_json(_reports(session, options)), flush=True)
    with Screen() as screen:
        while True:
            style = terminal_style()
            lines = to_lines(_reports(session, options), style)
            screen.draw(lines or [fit(Line(_absence(options)), style)],
                        fit(Line(f'{END_KEY}: end', DIM), style))
            if session.wait(options.period, screen.end_pressed):
                return 0


def _reports(session: Session, options: argparse.Namespace) -> list[Report]:
    return [report for report in session.reports() if options.node in {'', report.status.name}]


def _absence(options: argparse.Namespace) -> str:
    state = f'{options.node} has not reported' if options.node else 'no detector reports'
    return (f'{state} on /diagnostics in domain {os.environ.get("ROS_DOMAIN_ID") or 0}; '
            '`fcos doctor` looks for the reason')


def to_lines(reports: list[Report], style: Style) -> list[str]:
    """Draw the newest reports."""
    return draw([(report.status, report.age()) for report in reports], style)


def to_json(reports: list[Report]) -> str:
    """Convert the newest reports to one JSON object in one line."""
    return json.dumps({'nodes': [
        {**asdict(report.status), 'seconds_since_report': round(report.age(), 3)}
        for report in reports]})
