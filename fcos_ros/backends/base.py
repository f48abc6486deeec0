# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an inference engine looks like to the rest of the house."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from fcos_ros.core.decode import Criteria
from fcos_ros.core.head import Head, OutputSpec
from fcos_ros.core.labels import Labels
from fcos_ros.core.preprocess import InputSpec


class ModelError(ValueError):
    """The file cannot be used as a model: what was found, what is accepted, what to do."""


@dataclass(frozen=True)
class TensorFacts:
    """
    What a file says of one of its inputs or outputs, whatever it is for.

    :ivar dtype: its name.
    :ivar shape: a side that is left open is a word.
    :ivar scale: of a quantised tensor, one for each channel or one for all.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    scale: tuple[float, ...] = ()

    @classmethod
    def of(cls, spec: InputSpec | OutputSpec) -> TensorFacts:
        """See an input or an output of an FCOS as any tensor."""
        scale = getattr(spec, 'scale', None)
        return cls(spec.name, spec.dtype.name, spec.shape,
                   () if scale is None else tuple(map(float, scale)))


class UnfitModelError(ModelError):
    """
    The file was read, but it is not an FCOS that can be used.

    :ivar inputs: what it takes; likewise `outputs`.
    """

    def __init__(self, complaint: str, inputs: Sequence[TensorFacts],
                 outputs: Sequence[TensorFacts]) -> None:
        super().__init__(complaint)
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)


class InferenceError(RuntimeError):
    """The engine failed on one input; the next input may succeed."""


class EngineError(InferenceError):
    """
    The engine failed and may go on failing.

    The model must be loaded anew, in a new process where the engine holds the GIL.
    """


class LateError(InferenceError):
    """
    The engine did not end in time, and may still be at work in the memory of this input.

    The memory is not to be used again: `Backend.new_input` gives other, as long as there is any.
    """


@dataclass(frozen=True)
class ModelInfo:
    """
    A loaded model, described once and never asked again.

    :ivar name: the model's own name, or the file's stem.
    :ivar path: the file it was loaded from.
    :ivar backend: the name under which the engine stands in the table of backends.
    :ivar input: the one tensor the model takes.
    :ivar outputs: its output tensors, in the order in which `Backend.infer` returns them.
    :ivar head: which output is what of which stride.
    :ivar labels: the names of its classes.
    :ivar criteria: what its maker would keep of its detections.
    """

    name: str
    path: Path
    backend: str
    input: InputSpec
    outputs: tuple[OutputSpec, ...]
    head: Head
    labels: Labels
    criteria: Criteria


class Backend(Protocol):
    """
    One loaded model in one inference engine.

    :ivar info: the model.
    :ivar concurrent: whether several threads may call `infer` at once.
    :ivar holds_gil: whether Python stands still during `infer`; such an engine belongs in a
        process of its own.
    """

    info: ModelInfo
    concurrent: bool
    holds_gil: bool

    def __init__(self, path: Path, threads: int = 1) -> None:
        """
        Load a model.

        :param threads: CPU threads of one inference, where the engine has such a choice.
        :raises ModelError: when the engine or the file cannot be used.
        """
        ...

    def new_input(self) -> NDArray[Any]:
        """
        Allocate an array to write inputs into, where the engine can read it without a copy.

        :raises InferenceError: when there is no memory left; `LateError` when that is because
            the engine does not end what it was given.
        """
        ...

    def infer(self, tensor: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """
        Run the model on one input of exactly `info.input`'s shape and dtype.

        The arrays returned hold until the next call from the same thread.

        :raises InferenceError: when the engine fails; `EngineError` or `LateError` when what is
            to be done then is more than to try the next input.
        """
        ...

    def close(self) -> None:
        """Give back what the engine holds, once; the object is of no use afterwards."""
        ...
