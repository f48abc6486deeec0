# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Check the language of code and documents: `python3 -m tools.words`.

It finds words that have a plainer term, first words of docstrings that name no action, and
sentences with a what-clause as their subject. `--figures` prints measures of the language of a
checkout instead. Standard library only.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterable, Iterator, Sequence
import io
from pathlib import Path
import re
from statistics import median
import subprocess
import sys
import tokenize
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

WORDS = {
    'anew': 'again', 'anybody': 'a subscriber, a user', 'book': 'count', 'books': 'statistics',
    'farewell': 'exit timeout', 'in vain': 'without success', 'lane': 'stream',
    'ledger': 'counts', 'legend': 'labels', 'napper': 'sleeping worker',
    'nobody': 'no publisher, no user', 'patience': 'timeout', 'recipe': 'config',
    'seat': 'slot', 'thereof': 'of it', 'ticket': 'context', 'whoever': 'a user, a caller',
    'whosoever': 'a user, a caller',
}
"""Words that are not used, with the term to use instead."""

FIRST_WORDS = {
    'be': 'the action', 'have': 'Let, or the action', 'say': 'Return, Log', 'see': 'View, Return',
    'tell': 'Return, Log', 'what': 'a noun or a verb', 'whatever': 'a noun or a verb',
    'who': 'a noun or a verb', 'whoever': 'a noun or a verb', 'nobody': 'a noun or a verb',
}
"""First words that docstrings do not begin with, and what they begin with instead."""

SUBJECTS = re.compile(r'(?:^|[.:;]\s+)(What(?:ever)?|Who(?:ever)?)\s[^?]*?(?:[.!]|$)')
"""Sentences with a clause as their subject; questions are allowed."""

ALLOWED: frozenset[tuple[str, str]] = frozenset()
"""Pairs of a file and a word that has another meaning there, such as a book in an image."""

SKIPPED = ('tools/words.py', 'test/tools/test_words.py', 'LICENSE')
CODE, TEXT = ('.py',), ('.md', '.rst', '.yaml', '.yml', '.xml', '.toml', '.cfg')


class Passage(NamedTuple):
    """
    Words for people: a docstring, a comment, a text of the program, or a line of a document.

    :ivar kind: 'function' (its docstring), 'docstring' (any other), 'comment', 'string' or
        'document'.
    """

    file: str
    line: int
    kind: str
    text: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the findings; return 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('files', nargs='*', help='instead of all files of the checkout')
    parser.add_argument('--root', type=Path, default=ROOT, help='of the checkout')
    parser.add_argument('--figures', action='store_true', help='print measures of the language')
    options = parser.parse_args(arguments)
    files = options.files or list(_tracked(options.root))
    passages = [passage for file in files for passage in read(options.root, file)]
    if options.figures:
        for name, value in figures(passages):
            print(f'{name}: {value}')
        return 0
    findings = [finding for passage in passages for finding in check(passage)]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


def check(passage: Passage) -> Iterator[str]:
    """Yield the findings in a passage, one sentence each."""
    place = f'{passage.file}:{passage.line}'
    for word, better in WORDS.items():
        if (passage.file, word) not in ALLOWED and _contains(passage.text, word):
            yield f'{place}: "{word}" is not used here; write: {better}'
    if passage.kind in ('function', 'docstring'):
        first = _first_word(passage.text)
        if first in FIRST_WORDS:
            yield f'{place}: a docstring begins with "{first}"; write: {FIRST_WORDS[first]}'
    if passage.kind != 'string':
        for found in SUBJECTS.finditer(' '.join(passage.text.split())):
            yield f'{place}: "{found[1]} ..." is the subject of a sentence; name the thing first'


def read(root: Path, file: str) -> Iterator[Passage]:
    """Yield the passages of a file; none of one that holds no words for people."""
    path = root / file
    if file in SKIPPED or not path.is_file():
        return
    if path.suffix in CODE:
        source = path.read_text(encoding='utf-8')
        yield from _docstrings_and_strings(file, source)
        yield from _comments(file, source)
    elif path.suffix in TEXT or path.name == 'Makefile':
        for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
            yield Passage(file, number, 'document', line)


def figures(passages: Sequence[Passage]) -> Iterator[tuple[str, object]]:
    """Yield name and value of each measure."""
    product = [passage for passage in passages
               if passage.file.startswith(('fcos_ros/', 'launch/'))]
    docstrings = [passage.text for passage in product
                  if passage.kind in ('function', 'docstring')]
    functions = [passage.text for passage in product if passage.kind == 'function']
    verbs = sum(_first_word(text) in VERBS for text in functions)
    found = sum(_contains(passage.text, word) for passage in passages for word in WORDS)
    readme = [passage.text for passage in passages if passage.file == 'README.md']
    lengths = sorted(map(len, map(str.split, _sentences(readme))))
    yield 'README lines', len(readme)
    yield 'README words', sum(len(line.split()) for line in readme)
    if lengths:
        yield 'words in a sentence of the README, median', median(lengths)
        yield 'words in a sentence of the README, 90 percent', lengths[len(lengths) * 9 // 10]
    yield 'docstrings', len(docstrings)
    yield 'docstrings of functions', len(functions)
    yield 'docstrings of functions that begin with a plain verb', (
        f'{verbs / max(1, len(functions)):.0%}')
    yield 'docstrings that begin with a word that is not used', sum(
        _first_word(text) in FIRST_WORDS for text in docstrings)
    yield 'words that are not used', found
    yield 'sentences with a clause as their subject', sum(
        bool(SUBJECTS.search(' '.join(text.split()))) for text in docstrings)


VERBS = frozenset(re.findall('[a-z]+', """
    abort accept add allocate append apply ask assign attach begin build calculate call check
    choose clear close collect compare compute configure convert copy count create cut declare
    decode delete deliver describe destroy detect determine discard divide do draw drop encode
    end enter estimate evaluate exit fail fill filter find finish fit follow forget format free
    generate get give group handle hold ignore initialise insert install interpolate invert
    join keep leave let limit list load log look make map mark match measure merge move note
    number open order parse pause pick place prepare print process publish put queue raise read
    receive record reduce refuse release remember remove rename render repeat replace report
    require reset resize restore return run save scale search select send set show sort split
    start stop store submit subscribe summarise suppress swap take test time track train
    transform translate try undo unsubscribe update use validate view wait wake warn watch
    write yield
"""))
"""Plain verbs that docstrings of functions begin with."""


def _sentences(lines: Iterable[str]) -> list[str]:
    """Return the sentences of a document without its tables, commands and headings."""
    kept, code = [], False
    for line in lines:
        if line.startswith('```'):
            code = not code
        elif not code:
            kept.append('' if line.startswith(('|', '#', '!', '<', '    ')) else line)
    paragraphs = re.split(r'\n\s*\n', '\n'.join(kept))
    sentences = [sentence for paragraph in paragraphs
                 for sentence in re.split(r'(?<=[.!?:])\s+', ' '.join(paragraph.split()))]
    return [sentence for sentence in sentences if sentence]


def _contains(text: str, word: str) -> bool:
    return re.search(rf'\b{word}\b', text, re.IGNORECASE) is not None


def _first_word(text: str) -> str:
    found = re.match(r'\W*(\w+)', text)
    return found[1].lower() if found else ''


def _docstrings_and_strings(file: str, source: str) -> Iterator[Passage]:
    tree = ast.parse(source, file)
    docstrings = set()
    for node in ast.walk(tree):
        body = getattr(node, 'body', None)
        for statement in body if isinstance(body, list) else ():
            # Also the texts behind a constant or a field.
            value = getattr(statement, 'value', None)
            if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant) \
                    and isinstance(value.value, str):
                docstrings.add(id(value))
                yield Passage(file, value.lineno, _kind(node), value.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) \
                and id(node) not in docstrings and ' ' in node.value:
            yield Passage(file, node.lineno, 'string', node.value)


def _kind(node: ast.AST) -> str:
    """Return 'function' for one that does something; a property is described by a noun."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return 'docstring'
    decorators = [getattr(decorator, 'id', '') for decorator in node.decorator_list]
    return 'docstring' if 'property' in decorators else 'function'


def _comments(file: str, source: str) -> Iterator[Passage]:
    """Yield comments; lines that follow each other are one passage."""
    start, last = 0, -1
    lines: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != last + 1 and lines:
            yield Passage(file, start, 'comment', ' '.join(lines))
            lines = []
        if not lines:
            start = token.start[0]
        lines.append(token.string.lstrip('# '))
        last = token.start[0]
    if lines:
        yield Passage(file, start, 'comment', ' '.join(lines))


def _tracked(root: Path) -> Iterator[str]:
    """Yield the files of a checkout, or of a folder without git."""
    try:
        done = subprocess.run(['git', '-C', str(root), 'ls-files', '-co', '--exclude-standard'],
                              check=True, capture_output=True, text=True)
        yield from done.stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        for path in sorted(root.rglob('*')):
            if not any(part.startswith('.') for part in path.relative_to(root).parts):
                yield str(path.relative_to(root))


if __name__ == '__main__':
    sys.exit(main())
