# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The engine for a model file is chosen by name or by suffix, from attributes of the engines."""

from importlib import invalidate_caches
from pathlib import Path
import sys

import pytest

from fcos_ros import backends
from fcos_ros.backends import BACKENDS, ModelError, choose
from fcos_ros.backends.base import LoadOptions
from fcos_ros.backends.bpu_sim import BpuSimBackend
from fcos_ros.backends.hbm_runtime import HbmRuntimeBackend
from fcos_ros.backends.hobot_dnn import HobotDnnBackend
from fcos_ros.backends.libdnn import LibdnnBackend
from fcos_ros.backends.onnx import OnnxBackend
from fcos_ros.core.resize import Size

ENGINES = [OnnxBackend, HobotDnnBackend, HbmRuntimeBackend, LibdnnBackend, BpuSimBackend]


def test_backends_maps_the_name_of_each_engine_to_its_class():
    assert list(BACKENDS.items()) == [(engine.name, engine) for engine in ENGINES]


@pytest.mark.parametrize('engine', ENGINES, ids=list(BACKENDS))
def test_every_engine_states_its_properties_in_class_attributes(engine):
    assert isinstance(engine.name, str)
    assert all(suffix == suffix.lower() and suffix[0] == '.' for suffix in engine.suffixes)
    assert all(isinstance(name, str) for name in (*engine.modules, *engine.commands))
    for attribute in ('uses_bpu', 'concurrent', 'holds_gil'):
        assert isinstance(getattr(engine, attribute), bool)
    assert isinstance(engine.crash_advice, str)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that makes only these modules of vendors importable."""
    for module in ('hobot_dnn', 'hobot_dnn_rdkx5', 'hbm_runtime'):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.delenv('FCOS_BPU_TOOLS', raising=False)

    def make(*modules):
        for module in modules:
            (tmp_path / f'{module}.py').write_text('raise SystemExit("imported in this process")')
        invalidate_caches()
    return make


@pytest.mark.parametrize(('modules', 'file', 'engine'), [
    ([], 'model.onnx', OnnxBackend),
    ([], 'MODEL.ONNX', OnnxBackend),
    (['hobot_dnn', 'hbm_runtime'], 'model.bin', HobotDnnBackend),
    (['hobot_dnn_rdkx5', 'hbm_runtime'], 'model.bin', HobotDnnBackend),
    (['hbm_runtime'], 'model.bin', HbmRuntimeBackend),
    (['hbm_runtime'], 'model.hbm', HbmRuntimeBackend),
    (['hobot_dnn'], 'model.hbm', HbmRuntimeBackend),
    # The error of the first engine says how to install it.
    ([], 'model.bin', HobotDnnBackend),
    ([], 'model.hbm', HbmRuntimeBackend),
])
def test_auto_chooses_an_installed_engine_by_the_suffix_of_the_file(
        install, modules, file, engine):
    install(*modules)
    assert choose(Path(file)) is engine


@pytest.mark.parametrize(('modules', 'engine'), [
    ([], BpuSimBackend), (['hobot_dnn'], HobotDnnBackend), (['hbm_runtime'], HbmRuntimeBackend)])
def test_on_a_pc_with_the_simulator_auto_chooses_it(
        install, tmp_path, monkeypatch, modules, engine):
    install(*modules)
    tools = tmp_path / 'tools'
    tools.mkdir()
    (tools / 'hbdk-sim').touch(0o755)
    monkeypatch.setenv('FCOS_BPU_TOOLS', str(tools))
    assert choose(Path('model.bin')) is engine


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
        match=("backend is 'tensorrt'; accepted: auto, onnx, hobot_dnn, hbm_runtime, libdnn, "
               'bpu_sim'),
    ):
        choose(Path('model.onnx'), 'tensorrt')


def test_load_creates_the_chosen_engine(monkeypatch, tmp_path):
    created = []
    monkeypatch.setitem(backends.BACKENDS, 'new', lambda *arguments: created.append(arguments))
    path = tmp_path / 'model.onnx'
    path.write_bytes(b'model')
    backends.load(path, 'new', threads=3, input_size=Size(64, 32))
    assert created == [(path, LoadOptions(3, Size(64, 32), None))]
