# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The documents agree with the code, with each other, and with the files that they name."""

from pathlib import Path
import re
import shutil
import sys

import pytest

from fcos_ros.backends.base import ModelError
from fcos_ros.backends.onnx import OnnxBackend
from tools import docs

ROOT = Path(__file__).resolve().parent.parent
README, CHINESE = ROOT / 'README.md', ROOT / 'README.zh.md'
DOCUMENTS = [README, CHINESE, ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]
MARKER = re.compile(r'<!-- generated: (\w+) -->\n')
CODE_BLOCK = re.compile(r'^```.*?^```$', re.MULTILINE | re.DOTALL)
PATH = re.compile(r'(?<![\w/.:-])(?:benchmarks|config|docs|fcos_ros|launch|models|test|tools|'
                  r'training)/[\w./-]*\w/?')
MODULE = re.compile(r'`((?:core|backends|runtime|settings|node|evaluation|deploy|demo|cli)/'
                    r'[\w./]*)`')
LINK = re.compile(r'!?\[[^\]]*\]\(([^)\s]+)\)')


def read(path):
    return path.read_text(encoding='utf-8')


def prose(text):
    """Return a document without its code blocks."""
    return CODE_BLOCK.sub('', text)


def table_rows(text):
    """Return the cells of each row of all tables."""
    return [[cell.strip() for cell in line.strip('|').split('|')]
            for line in prose(text).splitlines() if line.startswith('|')]


def code_in_columns(text):
    """Return the code in the first and in the second cell of each row of all tables."""
    return [[re.findall('`([^`]+)`', cell) for cell in row[:2]] for row in table_rows(text)]


def anchors(text):
    """Return the anchors of the headings of a document, as GitHub makes them."""
    headings = re.findall(r'^#+ (.*)$', prose(text), re.MULTILINE)
    return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


GENERATED = [path.relative_to(ROOT) for path, text in docs.generate()
             if path.suffix != '.md' or MARKER.search(text)]


def test_the_generated_parts_are_up_to_date(capsys):
    assert docs.main(['--check']) == 0, capsys.readouterr().err


@pytest.fixture
def copied_documents(tmp_path, monkeypatch):
    """Make `tools.docs` use a copy of the documents."""
    for folder in ('config', 'docs'):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.setattr(docs, 'ROOT', tmp_path)
    return tmp_path


@pytest.mark.parametrize('file', GENERATED, ids=str)
def test_a_stale_generated_part_is_reported_and_written_again(file, copied_documents, capsys):
    path = copied_documents / file
    text = read(path)
    marker = MARKER.search(text)
    start = marker.end() if marker else 0
    stale = f'{text[:start]}a line that is not generated\n{text[start:]}'
    path.write_text(stale, encoding='utf-8')
    assert docs.main(['--check']) == 1
    assert capsys.readouterr().err == f'{file} is out of date: run `make docs`\n'
    assert read(path) == stale, '--check writes nothing'
    assert docs.main([]) == 0
    assert read(path) == text


def test_every_generated_part_is_in_a_document():
    names = [name for path in DOCUMENTS for name in MARKER.findall(read(path))]
    assert sorted(names) == sorted(docs._PARTS)


def test_the_readme_has_at_most_150_lines():
    assert len(read(README).splitlines()) <= 150


def test_the_chinese_readme_has_the_same_code_blocks():
    assert CODE_BLOCK.findall(read(CHINESE)) == CODE_BLOCK.findall(read(README))


def test_the_chinese_readme_has_the_same_code_in_its_tables():
    """Commands, topics, types and names of files are in the first and second columns."""
    assert code_in_columns(read(CHINESE)) == code_in_columns(read(README))


def test_the_chinese_readme_has_the_same_links_and_number_of_headings():
    english, chinese = (prose(read(path)) for path in (README, CHINESE))
    assert set(LINK.findall(chinese)) - {'README.md'} == (
        set(LINK.findall(english)) - {'README.zh.md'})
    levels = [re.findall('^#+', text, re.MULTILINE) for text in (english, chinese)]
    assert levels[0] == levels[1]


@pytest.mark.parametrize(('path', 'link'), [
    pytest.param(path, link, id=f'{path.name}: {link}')
    for path in DOCUMENTS for link in LINK.findall(prose(read(path)))
    if not link.startswith(('http:', 'https:', 'mailto:'))])
def test_every_relative_link_leads_to_a_file_and_a_heading(path, link):
    file, _, anchor = link.partition('#')
    target = (path.parent / file).resolve() if file else path
    assert target.exists()
    assert target.is_relative_to(ROOT)
    if anchor:
        assert anchor in anchors(read(target))


@pytest.mark.parametrize('path', DOCUMENTS, ids=lambda path: path.name)
def test_every_path_in_a_document_exists(path):
    missing = [name for name in PATH.findall(read(path)) if not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize('path', DOCUMENTS, ids=lambda path: path.name)
def test_every_module_in_a_document_exists(path):
    missing = [name for name in MODULE.findall(read(path))
               if not (ROOT / 'fcos_ros' / name).exists()]
    assert missing == []


def test_every_benchmark_is_in_the_document_on_performance():
    text = read(ROOT / 'docs' / 'performance.md')
    missing = [path.name for path in (ROOT / 'benchmarks').glob('*.py') if path.name not in text]
    assert missing == []


def test_the_readme_and_the_error_have_the_same_command_for_onnxruntime(monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ModelError) as caught:
        OnnxBackend(ROOT / 'models' / 'fcos_demo.onnx')
    command = re.search(r'python3 -m pip install [\w -]*onnxruntime', str(caught.value))
    assert command[0] in read(README)
