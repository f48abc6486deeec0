# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The protocol of an inference engine, and the description of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fcos_ros.backends.errors import ModelError
from fcos_ros.backends.metadata import Metadata
from fcos_ros.core.arrays import Array
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.head import AnyHead, OutputSpec
from fcos_ros.core.labels import Labels
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.resize import Size

NOTHING_STATED = Metadata()


@dataclass(frozen=True)
class TensorInfo:
    """
    One input or output, as the model file describes it.

    :ivar dtype: the name of the type.
    :ivar shape: a word stands for a side whose length is not fixed.
    :ivar scale: factors of a quantised tensor, one for each channel or one for all; empty for
        other tensors.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    scale: tuple[float, ...] = ()

    @classmethod
    def of(cls, spec: InputSpec | OutputSpec) -> TensorInfo:
        """Describe an input or an output of an FCOS network."""
        scale = getattr(spec, 'scale', None)
        return cls(spec.name, spec.dtype.name, spec.shape,
                   () if scale is None else tuple(map(float, scale)))


class UnfitModelError(ModelError):
    """
    A file was read, but it is not an FCOS network that can be used.

    :ivar inputs: the inputs of the model; likewise `outputs`.
    """

    def __init__(self, reason: str, inputs: Sequence[TensorInfo],
                 outputs: Sequence[TensorInfo]) -> None:
        super().__init__(reason)
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)


@dataclass(frozen=True)
class ModelInfo:
    """
    The description of a loaded model.

    :ivar name: the model's own name, or the file's name without its suffix.
    :ivar path: the file it was loaded from.
    :ivar backend: the name of its engine in `BACKENDS`.
    :ivar input: the one input tensor.
    :ivar outputs: the output tensors, in the order in which `Backend.infer` returns them.
    :ivar head: the meaning of each output.
    :ivar labels: the names of its classes.
    :ivar criteria: the thresholds that its author recommends.
    :ivar metadata: what its author states.
    :ivar notes: what is assumed because nothing is stated.
    :ivar warnings: what is likely wrong.
    """

    name: str
    path: Path
    backend: str
    input: InputSpec
    outputs: tuple[OutputSpec, ...]
    head: AnyHead
    labels: Labels
    criteria: Criteria
    metadata: Metadata = NOTHING_STATED
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """The number of classes; there may be fewer labels."""
        return self.head.num_classes


@dataclass(frozen=True)
class LoadOptions:
    """
    Choices of the user for loading a model.

    :ivar threads: CPU threads of one inference, where the engine offers the choice.
    :ivar input_size: size of the input of a model that leaves it open; None for its own.
    :ivar metadata: what is stated about the model; None reads it from its files.
    """

    threads: int = 1
    input_size: Size | None = None
    metadata: Metadata | None = None


DEFAULT_OPTIONS = LoadOptions()


class Backend(Protocol):
    """
    One loaded model in one inference engine. All attributes but `info` belong to the class.

    :ivar name: the name of the engine, for parameters and messages.
    :ivar suffixes: suffixes of the files for which `auto` chooses this engine.
    :ivar modules: Python modules one of which the engine needs; empty if it needs none.
    :ivar crash_advice: what to do if the process dies while this engine loads a model; empty for
        nothing in particular.
    :ivar commands: commands that the engine needs, all of them.
    :ivar uses_bpu: whether it runs on the BPU of a board.
    :ivar concurrent: whether several threads may call `infer` at the same time.
    :ivar holds_gil: whether `infer` holds the GIL; such an engine runs in a process of its own.
    :ivar info: the description of the model.
    """

    name: str
    suffixes: tuple[str, ...]
    modules: tuple[str, ...]
    crash_advice: str
    commands: tuple[str, ...]
    uses_bpu: bool
    concurrent: bool
    holds_gil: bool
    info: ModelInfo

    def __init__(self, path: Path, options: LoadOptions = DEFAULT_OPTIONS) -> None:
        """
        Load a model.

        :raises ModelError: the engine or the file cannot be used.
        """
        ...

    def new_input(self) -> Array:
        """
        Allocate an array for inputs, in memory that the engine reads without a copy if it can.

        :raises InferenceError: there is no memory left; `LateError` if late inferences hold it.
        """
        ...

    def infer(self, tensor: Array) -> Sequence[Array]:
        """
        Run the model on one input that has the shape and dtype of `info.input`.

        The returned arrays are valid until the next call from the same thread.

        :raises InferenceError: the engine failed. `EngineError` and `LateError` need more than
            another attempt.
        """
        ...

    def close(self) -> None:
        """Release the model. The object must not be used afterwards."""
        ...
