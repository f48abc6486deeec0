# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the command as a user does."""

from collections.abc import Callable
import sys
from typing import NamedTuple

import pytest

from fcos_ros.cli.main import main


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
