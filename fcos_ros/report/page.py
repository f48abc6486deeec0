# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A web page of one file: sections of tables, charts and pictures; no script and no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fcos_ros.report.markup import CHART_STYLE, text
from fcos_ros.report.picture import PICTURE_STYLE

_STYLE = (
    'body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);'
    'margin:0 auto;padding:24px;max-width:1120px}h1{font-size:24px;margin:0 0 4px}'
    'h2{font-size:18px;margin:32px 0 8px;border-bottom:1px solid var(--grid)}'
    'p{margin:6px 0}.faint{color:var(--faint)}.good{color:var(--good)}.bad{color:var(--bad)}'
    '.wide{overflow-x:auto}svg.chart{max-width:100%;height:auto}'
    'table{border-collapse:collapse;margin:8px 0}th,td{padding:3px 12px 3px 0;text-align:right;'
    'border-bottom:1px solid var(--grid);font-variant-numeric:tabular-nums}'
    'th:first-child,td:first-child{text-align:left}'
    'table.facts th,table.facts td{text-align:left;overflow-wrap:break-word;vertical-align:top}'
    'figure{margin:12px 0;padding:12px;background:var(--panel)}'
    'figcaption{overflow-wrap:anywhere;margin-bottom:6px}'
    '.grid{display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(400px,1fr))}'
    '.grid figure{margin:0}'
    '.pair{display:flex;flex-wrap:wrap;gap:8px}.pair>div{flex:1 1 320px;min-width:0}'
    'svg.picture{width:100%;height:auto;display:block}' + PICTURE_STYLE)

_HEAD = ('<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
         '<meta name="color-scheme" content="light dark">'
         # A browser that shows the page loads nothing, whatever a name in it says.
         '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
         'style-src \'unsafe-inline\'; img-src data:">')


@dataclass(frozen=True)
class Section:
    """
    A part of a page.

    :ivar parts: HTML, whose texts are escaped.
    """

    title: str
    parts: Sequence[str]


def page(title: str, summary: str, sections: Sequence[Section]) -> str:
    """Return the HTML of a page; sections without parts are left out."""
    return '\n'.join([
        f'<!doctype html>\n<html lang="en"><head>{_HEAD}<title>{text(title)}</title>'
        f'<style>{CHART_STYLE}{_STYLE}</style></head><body>',
        f'<h1>{text(title)}</h1>', f'<p>{text(summary)}</p>',
        *(f'<section><h2>{text(section.title)}</h2>\n' + '\n'.join(section.parts) + '</section>'
          for section in sections if section.parts),
        '</body></html>']) + '\n'


def paragraph(content: object, kind: str = '') -> str:
    """Return a paragraph; `kind` is `faint`, `good` or `bad`."""
    return f'<p class="{kind}">{text(content)}</p>'


def table(rows: Sequence[Sequence[object]], kind: str = '') -> str:
    """Return a table, whose first row is the head; `kind` is '' for numbers or `facts`."""
    head, *body = rows
    lines = [_row('th', head), *(_row('td', row) for row in body)]
    return f'<div class="wide"><table class="{kind}">{"".join(lines)}</table></div>'


def chart(svg: str) -> str:
    """Return a chart that scrolls on a narrow screen."""
    return f'<div class="wide">{svg}</div>'


def figure(caption: str, images: Sequence[tuple[str, str]]) -> str:
    """
    Return pictures side by side.

    :param images: title and SVG of each.
    """
    shown = ''.join(f'<div><span class="faint">{text(title)}</span>{svg}</div>'
                    for title, svg in images)
    return (f'<figure><figcaption>{text(caption)}</figcaption><div class="pair">{shown}</div>'
            '</figure>')


def grid(figures: Sequence[str]) -> str:
    """Return figures in columns."""
    return f'<div class="grid">{"".join(figures)}</div>'


def _row(tag: str, cells: Sequence[object]) -> str:
    return f'<tr>{"".join(f"<{tag}>{text(cell)}</{tag}>" for cell in cells)}</tr>'
