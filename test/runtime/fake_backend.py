# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An engine that fails when a test wants it to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fcos_ros.backends import Backend, InferenceError
from fcos_ros.core.arrays import Array


class FakeBackend:
    """
    Passes all calls to another engine, and raises errors at given inferences.

    :ivar tensors: the inputs of `infer`, in order.
    :ivar closed: number of calls of `close`.

    :param engine: a loaded model.
    :param errors: the error of an inference by its number, from 1.
    """

    name = 'fake'
    suffixes = ()
    modules = ()
    commands = ()
    uses_bpu = False
    concurrent = True
    holds_gil = False

    def __init__(
        self, engine: Backend, errors: Mapping[int, InferenceError] | None = None,
    ) -> None:
        self.info = engine.info
        self.tensors: list[Array] = []
        self.closed = 0
        self._engine = engine
        self._errors = errors or {}

    def new_input(self) -> Array:
        """Allocate an array for inputs."""
        return self._engine.new_input()

    def infer(self, tensor: Array) -> Sequence[Array]:
        """Run the model, or raise the error of this inference."""
        self.tensors.append(tensor)
        error = self._errors.get(len(self.tensors))
        if error is not None:
            raise error
        return self._engine.infer(tensor)

    def close(self) -> None:
        """Count the call, and release the model."""
        self.closed += 1
        self._engine.close()
