# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The check of the language finds each kind of finding, and the checkout has none."""

import subprocess

import pytest

from tools import words
from tools.words import FIRST_WORDS, ROOT, WORDS, Passage, check, figures, main, read

GOOD_SAMPLE = '''\
"""
Count frames.

Every frame is counted once. What happens to a damaged frame? It fails.
"""

LIMIT = 3
"""Maximum number of frames, whatever their size."""


class Counter:
    """
    The counts of one camera.

    :ivar total: number of frames; see `count`.
    """

    @property
    def what(self) -> str:
        """The name of what is counted."""
        return 'a bookcase without patients'

    def count(self, text='the word', lane=0) -> None:
        """Add a frame, unless somebody says what to do instead."""
        # Frames are counted here, as the caller knows what they are.
        seat = text
'''
"""Words that contain a word that is not used, questions, and names in code are allowed."""


def findings(folder, source, file='sample.py'):
    """Return the findings in a file with this source."""
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(source, encoding='utf-8')
    return [finding for passage in read(folder, file) for finding in check(passage)]


def test_the_checkout_has_no_findings(capsys):
    assert main([]) == 0, capsys.readouterr().out


def test_a_good_sample_has_no_findings(tmp_path):
    assert findings(tmp_path, GOOD_SAMPLE) == []


@pytest.mark.parametrize(('file', 'source'), [
    ('a.py', '"""Load the {}."""'),
    ('a.py', 'def f():\n    """Load the {}."""'),
    ('a.py', 'class A:\n    x = 1\n    """Number of the {}."""'),
    ('a.py', 'x = 1  # the {} of it'),
    ('a.py', 'raise ValueError("the {} is missing")'),
    ('a.py', 'log(f"the {} of {{x}} is missing")'),
    ('a.md', '# Title\n\nThe {} is here.'),
    ('a.rst', 'The {} is here.'),
    ('a.yaml', 'key: 1  # the {} of it'),
    ('Makefile', 'help:\n\t@echo the {} of it'),
], ids=['docstring of a module', 'docstring of a function', 'docstring of a field', 'comment',
        'text', 'f-string', 'Markdown', 'reStructuredText', 'YAML', 'Makefile'])
@pytest.mark.parametrize('word', WORDS)
def test_a_word_that_is_not_used_is_found_in_every_kind_of_passage(tmp_path, file, source, word):
    for written in (word, word.capitalize()):
        found = findings(tmp_path, source.format(written), file)
        line = source.split('{}')[0].count('\n') + 1
        assert found == [f'{file}:{line}: "{word}" is not used here; write: {WORDS[word]}']


@pytest.mark.parametrize('word', FIRST_WORDS)
@pytest.mark.parametrize('source', [
    '"""{} it so."""', 'class A:\n    """{} it so."""', 'def f():\n    """{} it so."""',
    'async def f():\n    """\n    {} it so.\n    """', 'x = 1\n"""{} it so."""',
], ids=['module', 'class', 'function', 'coroutine', 'constant'])
def test_a_first_word_that_names_no_action_is_found_in_every_docstring(tmp_path, source, word):
    found = findings(tmp_path, source.format(word.capitalize()))
    expected = f'a docstring begins with "{word}"; write: {FIRST_WORDS[word]}'
    assert sum(finding.endswith(expected) for finding in found) == 1


@pytest.mark.parametrize('source', ['x = 1  # See the table.', 'print("Tell me more about it")'])
def test_the_first_word_of_comments_and_texts_is_free(tmp_path, source):
    assert findings(tmp_path, source) == []


@pytest.mark.parametrize(('sentence', 'subject'), [
    ('What is cut off costs one frame.', 'What'),
    ('Count frames. Whatever is late is dropped.', 'Whatever'),
    ('Two rules hold: Who comes late waits.', 'Who'),
    ('The first rule; What is late\nis dropped.', 'What'),
])
@pytest.mark.parametrize('source', [
    'class A:\n    """The rules. {}"""', 'x = 1\n# The rules. {}'],
    ids=['docstring', 'comment'])
def test_a_clause_as_the_subject_is_found(tmp_path, source, sentence, subject):
    if source.endswith('# The rules. {}'):
        sentence = sentence.replace('\n', '\n# ')
    found = findings(tmp_path, source.format(sentence))
    assert found == [
        f'sample.py:2: "{subject} ..." is the subject of a sentence; name the thing first']


@pytest.mark.parametrize('sentence', [
    'What does it cost?', 'The caller knows what it costs.', 'Frames are late. Why? What then?'])
def test_a_question_is_not_a_clause_as_the_subject(tmp_path, sentence):
    assert findings(tmp_path, f'x = 1  # {sentence}') == []


def test_a_word_with_another_meaning_is_allowed_in_its_file_only(tmp_path, monkeypatch):
    source = 'LABELS = "a book, a tie"\nPLACE = "a seat"'
    monkeypatch.setattr(words, 'ALLOWED', {('core/labels.py', 'book')})
    assert findings(tmp_path, source, 'core/labels.py') == [
        'core/labels.py:2: "seat" is not used here; write: slot']
    assert len(findings(tmp_path, source, 'core/other.py')) == 2


def test_every_allowed_word_is_in_its_file(monkeypatch):
    allowed = words.ALLOWED
    monkeypatch.setattr(words, 'ALLOWED', frozenset())
    for file, word in allowed:
        found = [finding for passage in read(ROOT, file) for finding in check(passage)]
        assert any(f'"{word}" is not used here' in finding for finding in found), (file, word)


@pytest.mark.parametrize('file', [
    'image.png', 'LICENSE', 'tools/words.py', 'test/tools/test_words.py', 'missing.md'])
def test_binary_files_the_license_and_the_lists_of_words_are_not_read(tmp_path, file):
    if file != 'missing.md':
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text('nobody')
    assert list(read(tmp_path, file)) == []


@pytest.fixture
def sample_folder(tmp_path):
    (tmp_path / 'good.md').write_text('All is well.\n')
    (tmp_path / 'bad.md').write_text('Two lines.\nThere is nobody.\n')
    return tmp_path


FINDING = 'bad.md:2: "nobody" is not used here; write: no publisher, no user\n'


def test_the_command_prints_the_findings_of_the_given_files(sample_folder, capsys):
    root = ['--root', str(sample_folder)]
    assert main([*root, 'good.md']) == 0
    assert capsys.readouterr().out == ''
    assert main([*root, 'good.md', 'bad.md']) == 1
    assert capsys.readouterr().out == FINDING


def test_the_command_reads_all_files_of_a_folder_without_git(sample_folder, capsys):
    (sample_folder / '.hidden').mkdir()
    (sample_folder / '.hidden' / 'a.md').write_text('nobody')
    assert main(['--root', str(sample_folder)]) == 1
    assert capsys.readouterr().out == FINDING


def test_the_command_does_not_read_files_that_git_ignores(sample_folder, capsys):
    subprocess.run(['git', 'init', '-q', sample_folder], check=True)
    (sample_folder / '.gitignore').write_text('ignored.md\n')
    (sample_folder / 'ignored.md').write_text('nobody')
    assert main(['--root', str(sample_folder)]) == 1
    assert capsys.readouterr().out == FINDING


def test_the_figures_measure_a_sample():
    measured = dict(figures([
        Passage('README.md', 1, 'document', 'One two three. Nobody is here.'),
        Passage('fcos_ros/a.py', 1, 'docstring', 'Tell it.'),
        Passage('fcos_ros/a.py', 3, 'function', 'Return it.'),
        Passage('fcos_ros/a.py', 5, 'function', 'Whoever calls waits. What is late waits.'),
    ]))
    assert measured['README words'] == 6
    assert measured['words in a sentence of the README, median'] == 3
    assert measured['docstrings'] == 3
    assert measured['docstrings of functions'] == 2
    assert measured['docstrings of functions that begin with a plain verb'] == '50%'
    assert measured['docstrings that begin with a word that is not used'] == 2
    assert measured['words that are not used'] == 2
    assert measured['sentences with a clause as their subject'] == 1
