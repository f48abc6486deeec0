# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the command as a user does."""

from collections.abc import Callable, Iterator
import json
from pathlib import Path
import sys
from types import ModuleType
from typing import NamedTuple

from onnx_models import LABELS, write_fcos
import pytest

from fcos_ros.cli.main import main
from fcos_ros.recording.writer import Entry, RecordingWriter

BOARD = Path(__file__).parents[1] / 'board'


class CommandResult(NamedTuple):
    """Exit code, stdout and stderr of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def fcos(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> Callable[..., CommandResult]:
    """Return a function that runs `fcos` in this process; it also captures native output."""
    monkeypatch.setenv('AMENT_PREFIX_PATH', sys.prefix)

    def run(*arguments: object) -> CommandResult:
        capfd.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        return CommandResult(code, *capfd.readouterr())
    return run


@pytest.fixture(scope='session')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model of three named classes that detects white squares."""
    path = tmp_path_factory.mktemp('model') / 'squares.onnx'
    return write_fcos(path, half_box=8.0, metadata={'labels': json.dumps(LABELS)})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a folder for results, which is not there yet."""
    return tmp_path / 'out'


@pytest.fixture
def interrupt_recording(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function after which the third frame of each new recording is an interrupt."""
    write = RecordingWriter.write

    def interrupt(writer: RecordingWriter, entry: Entry) -> None:
        if writer.frames == 2:
            raise KeyboardInterrupt
        write(writer, entry)
    return lambda: monkeypatch.setattr(RecordingWriter, 'write', interrupt)


@pytest.fixture
def tiny_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """Set up a simulated RDK X5, and return the module that writes models for it."""
    monkeypatch.syspath_prepend(str(BOARD))
    monkeypatch.syspath_prepend(str(BOARD / 'simulator' / 'images' / 'x5'))
    monkeypatch.setenv('FCOS_SIM_DIR', str(tmp_path / 'cores'))
    import tiny_models
    yield tiny_models
    for name in list(sys.modules):
        if name.split('.')[0] == 'hobot_dnn':
            del sys.modules[name]
