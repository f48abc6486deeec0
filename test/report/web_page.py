# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read web pages as a browser does, and check that they need no network and run no script."""

from html.parser import HTMLParser
import re
from xml.etree import ElementTree

HOSTILE = '<script>alert(1)</script>"\'&\x1b[31m‮'
"""A name that would run a script, end an attribute, or change a terminal."""

VOID = {'meta', 'img'}


class WebPage(HTMLParser):
    """
    A page that was parsed.

    :ivar tags: (tag, attributes) of all elements.
    :ivar text: the visible text.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ''
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f'open elements: {self._open}'

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not self._open or self._open[-1] != 'style':
            self.text += data

    def pictures(self):
        return [values['href'] for tag, values in self.tags if tag == 'image']

    def require_self_contained(self):
        assert not {tag for tag, _ in self.tags} & {'script', 'link', 'iframe', 'object'}
        for _, values in self.tags:
            assert not [name for name in values if name.startswith('on')]
            for name in ('href', 'src'):
                assert (values.get(name) or 'data:').startswith('data:')


def parse_svg(svg: str) -> ElementTree.Element:
    """Parse a chart, which must be well-formed XML without addresses."""
    assert not re.search('(href|src)=', svg)
    return ElementTree.fromstring(svg)
