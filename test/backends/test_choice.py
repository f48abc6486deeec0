# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The engine for a model file is chosen by name or by suffix, from attributes of the engines."""

from pathlib import Path

import pytest

from fcos_ros import backends
from fcos_ros.backends import BACKENDS, BY_SUFFIX, ModelError, choose
from fcos_ros.backends.hbm_runtime import HbmRuntimeBackend
from fcos_ros.backends.hobot_dnn import HobotDnnBackend
from fcos_ros.backends.libdnn import LibdnnBackend
from fcos_ros.backends.onnx import OnnxBackend

ENGINES = [OnnxBackend, HobotDnnBackend, HbmRuntimeBackend, LibdnnBackend]


def test_backends_maps_the_name_of_each_engine_to_its_class():
    assert list(BACKENDS.items()) == [(engine.name, engine) for engine in ENGINES]


def test_by_suffix_maps_each_suffix_of_an_engine_to_its_class():
    assert dict(BY_SUFFIX) == {
        suffix: engine for engine in ENGINES for suffix in engine.suffixes}
    assert set(BY_SUFFIX) == {'.onnx', '.bin', '.hbm'}


def test_two_engines_have_neither_the_same_name_nor_the_same_suffix():
    assert len(BACKENDS) == len(ENGINES)
    assert len(BY_SUFFIX) == sum(len(engine.suffixes) for engine in ENGINES)


@pytest.mark.parametrize('engine', ENGINES, ids=list(BACKENDS))
def test_every_engine_states_its_properties_in_class_attributes(engine):
    assert isinstance(engine.name, str)
    assert all(suffix == suffix.lower() and suffix[0] == '.' for suffix in engine.suffixes)
    for attribute in ('uses_bpu', 'concurrent', 'holds_gil'):
        assert isinstance(getattr(engine, attribute), bool)


@pytest.mark.parametrize(('file', 'engine'), [
    ('model.onnx', OnnxBackend), ('MODEL.ONNX', OnnxBackend), ('model.bin', HobotDnnBackend),
    ('model.hbm', HbmRuntimeBackend),
])
def test_auto_chooses_by_the_suffix_of_the_file(file, engine):
    assert choose(Path(file)) is engine


@pytest.mark.parametrize('name', BACKENDS)
def test_a_named_engine_is_chosen_for_any_suffix(name):
    assert choose(Path('model.weights'), name) is BACKENDS[name]


@pytest.mark.parametrize('file', ['model.weights', 'model', 'onnx'])
def test_an_unknown_suffix_is_refused_with_the_accepted_ones(file):
    with pytest.raises(ModelError, match=r"the suffix '.*'; accepted: \.onnx, \.bin, \.hbm; or"):
        choose(Path(file))


def test_an_unknown_engine_is_refused_with_the_accepted_ones():
    with pytest.raises(
        ModelError,
        match="backend is 'tensorrt'; accepted: auto, onnx, hobot_dnn, hbm_runtime, libdnn",
    ):
        choose(Path('model.onnx'), 'tensorrt')


def test_load_creates_the_chosen_engine(monkeypatch):
    created = []
    monkeypatch.setitem(backends.BY_SUFFIX, '.new', lambda *arguments: created.append(arguments))
    backends.load(Path('model.new'), threads=3)
    assert created == [(Path('model.new'), 3)]
