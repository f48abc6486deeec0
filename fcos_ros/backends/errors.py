# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The errors of inference engines."""

from __future__ import annotations


class ModelError(ValueError):
    """A file cannot be used as a model. The message says what is wrong and what to do."""


class EngineMissingError(ModelError):
    """The engine for a file cannot be imported on this machine; the file itself may be good."""


class InferenceError(RuntimeError):
    """The engine failed on one input; the next input may succeed."""


class EngineError(InferenceError):
    """
    The engine failed and may keep failing.

    The model must be loaded again, in a new process when the engine holds the GIL.
    """


class LateError(InferenceError):
    """
    The inference timed out, and the engine may still use the memory of this input.

    Do not use that memory again: `Backend.new_input` returns other memory while there is any.
    """
