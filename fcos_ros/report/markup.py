# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Text and colours of web pages and SVG.

Every text from outside passes `text`. Names of classes, files and nodes may hold any characters.
"""

from __future__ import annotations

from html import escape

from fcos_ros.core.labels import printable

SERIES_COLOURS = 8
"""Number of colours of series in a chart; CSS classes `s0` to `s7`."""

_LIGHT = ('--ink:#1c2733;--faint:#5d6b79;--grid:#d9e0e7;--paper:#ffffff;--panel:#f4f7fa;'
          '--good:#1a7f4b;--bad:#b3261e;--heat:36 99 168;'
          '--s0:#2463a8;--s1:#c2571a;--s2:#1a7f4b;--s3:#8a3fa0;--s4:#a3820c;--s5:#b3261e;'
          '--s6:#0d7f8c;--s7:#6b5b4b')
_DARK = ('--ink:#e6ebf0;--faint:#9aa7b4;--grid:#36414d;--paper:#12181f;--panel:#1b242d;'
         '--good:#5cc98d;--bad:#f2857c;--heat:96 160 230;'
         '--s0:#6aa7e8;--s1:#f0955a;--s2:#5cc98d;--s3:#c98fe0;--s4:#dcbf4e;--s5:#f2857c;'
         '--s6:#58c4d1;--s7:#b9a58f')

CHART_STYLE = (
    f':root{{{_LIGHT}}}@media(prefers-color-scheme:dark){{:root{{{_DARK}}}}}'
    'svg.chart{font:12px system-ui,sans-serif;background:var(--paper)}'
    'svg.chart text{fill:var(--ink)}svg.chart .faint{fill:var(--faint)}'
    'svg.chart .grid{stroke:var(--grid);fill:none}svg.chart .axis{stroke:var(--faint);fill:none}'
    'svg.chart .line{fill:none;stroke-width:2}svg.chart .cell{fill:rgb(var(--heat))}'
    'svg.chart .all{stroke:var(--ink);stroke-width:3;fill:none}svg.chart .all.key{fill:var(--ink)}'
    + ''.join(f'svg.chart .s{number}{{stroke:var(--s{number})}}'
              f'svg.chart .f{number}{{fill:var(--s{number})}}'
              for number in range(SERIES_COLOURS)))
"""The style of charts, for bright and for dark screens."""


def text(value: object) -> str:
    """Return a value as text for XML and HTML, also inside of quotes."""
    return escape(printable(str(value)))


def shortened(value: str, length: int) -> str:
    """Cut a text to a number of characters."""
    return value if len(value) <= length else f'{value[:length - 1]}…'
