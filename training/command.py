# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Errors for people and an orderly interruption, for the commands of this folder."""

from __future__ import annotations

from collections.abc import Callable
import signal
import sys
from types import FrameType

import torch

from fcos_ros.backends.errors import ModelError
from fcos_ros.core.errors import FrameError
from fcos_ros.evaluation.datasets import DatasetError
from training.run import Run, Training
from training.settings import SettingsError

FAILED, INTERRUPTED = 2, 130
"""Exit codes."""


class Interruption:
    """
    Note Ctrl-C inside the block, so that the training can end between two steps.

    The second Ctrl-C raises KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> Interruption:
        self._handler = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print('\nThe training ends after this step; Ctrl-C again ends it at once.', flush=True)


def train(run: Run, resume: bool) -> Training | None:
    """
    Train until the end.

    :returns: None if it was interrupted.
    """
    training = Training(run, resume)
    with Interruption() as interruption:
        if not training.train(lambda: interruption.requested):
            print(f'Interrupted after step {training.state.step} of {run.settings.steps}: run the '
                  'same command with RESUME=1 to continue.')
            return None
    return training


def guarded(command: Callable[[], int]) -> int:
    """Run a command and return its exit code; print the errors that its user can correct."""
    try:
        return command()
    except (DatasetError, FrameError, ModelError, SettingsError) as error:
        # An error of another process comes with its traceback; the message is the last line.
        message = str(error).rpartition('Error: ')[2] if 'Traceback' in str(error) else error
        print(f'training: {message}', file=sys.stderr)
    except torch.OutOfMemoryError as error:
        print(f'training: the memory of the GPU does not suffice ({error}); use a smaller BATCH '
              'or SIZE', file=sys.stderr)
    except OSError as error:
        print(f'training: {error}; correct it and run the same command with RESUME=1',
              file=sys.stderr)
    except KeyboardInterrupt:
        print('\nInterrupted. RESUME=1 continues after the last saved step.', file=sys.stderr)
        return INTERRUPTED
    return FAILED
