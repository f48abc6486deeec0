# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The compiled library is used where it was built; test_decode.py compares it with numpy."""

from __future__ import annotations

import subprocess

from core.networks import Network
from core.test_decode import assert_same, scene
from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from fcos_ros.core import native
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.nms import nms
from fcos_ros.core.resize import Size
from fcos_ros.runtime.libraries import decoding
from tools.native import LIBRARY, compile_library, find_compiler

COMPILER = find_compiler()
needs_compiler = pytest.mark.skipif(COMPILER is None, reason='there is no C compiler')


@pytest.fixture(autouse=True, scope='module')
def built_library(tmp_path_factory):
    """Use a library that was built for these tests: the checkout may have none."""
    folder, original = tmp_path_factory.mktemp('library'), native.FOLDER
    if COMPILER is not None:
        compile_library(COMPILER, folder / LIBRARY)
    native.FOLDER = folder
    native.load_library.cache_clear()
    yield
    native.FOLDER = original
    native.load_library.cache_clear()


@pytest.fixture
def reload_library():
    """Return a function that loads the library again."""
    yield native.load_library.cache_clear
    native.load_library.cache_clear()


@needs_compiler
def test_the_library_is_built_and_used():
    assert native.load_library() is not None
    assert decoding() == 'C'


def test_without_the_library_numpy_decodes(monkeypatch, reload_library):
    head, outputs = scene(Network(Size(64, 64), 3), np.random.default_rng(0))
    found = make_decoder(head).decode(outputs, Criteria(score_threshold=0.3))
    monkeypatch.setattr(native, 'EXTENSION_SUFFIXES', [])
    reload_library()
    assert decoding().startswith('numpy')
    assert len(found) > 0
    assert_same(make_decoder(head).decode(outputs, Criteria(score_threshold=0.3)), found)


def test_a_decoder_in_c_without_the_library_is_refused(monkeypatch, reload_library):
    monkeypatch.setattr(native, 'FOLDER', native.FOLDER / 'missing')
    reload_library()
    head, _ = scene(Network(Size(64, 64), 3), np.random.default_rng(0))
    with pytest.raises(ValueError, match=r'missing has no _decode.*accepted: .*build'):
        make_decoder(head, is_native=True)


@needs_compiler
def test_a_library_of_another_version_is_not_used(monkeypatch, reload_library):
    monkeypatch.setattr(native, 'VERSION', native.VERSION + 1)
    reload_library()
    assert native.load_library() is None


@needs_compiler
@pytest.mark.parametrize('content', [b'', b'no library'])
def test_a_damaged_library_is_not_used(content, tmp_path, monkeypatch, reload_library):
    (tmp_path / LIBRARY).write_bytes(content)
    monkeypatch.setattr(native, 'FOLDER', tmp_path)
    reload_library()
    assert native.load_library() is None


@needs_compiler
@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 300), st.sampled_from([1, 3, 80]),
       st.sampled_from([0.0, 0.3, 0.6, 1.0]), st.sampled_from([1, 7, 1000]))
def test_nms_keeps_the_same_boxes_in_parts_of_the_wanted_size(
        seed, count, classes, threshold, wanted):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 30, (count, 2))
    boxes = np.hstack([corners, corners + rng.integers(0, 20, (count, 2))]).astype(np.float32)
    class_ids, scores = rng.integers(0, classes, count), rng.integers(1, 50, count) / 50
    parts = list(native.nms_in_c(boxes, scores, class_ids, threshold, wanted))
    assert all(part.size <= wanted for part in parts)
    found = np.concatenate(parts) if parts else np.empty(0, np.intp)
    np.testing.assert_array_equal(found, nms(boxes, scores, class_ids, threshold))


@needs_compiler
def test_the_source_has_no_warnings(tmp_path):
    assert COMPILER is not None
    compile_library(COMPILER, tmp_path / 'library.so',
                    ['-Werror', '-Wconversion', '-Wshadow', '-pedantic'])


@needs_compiler
def test_a_build_that_fails_leaves_no_library(tmp_path):
    assert COMPILER is not None
    with pytest.raises(subprocess.CalledProcessError):
        compile_library(COMPILER, tmp_path / 'library.so', ['--no-such-option'])
    assert list(tmp_path.iterdir()) == []
