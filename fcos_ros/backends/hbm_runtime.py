# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Compiled models on the BPU of RDK S100, and of RDK X5 from RDK OS 3.5 on, by `hbm_runtime`.

On X5 a model takes one NV12 tensor; on S100 it takes the Y plane and the UV plane as two tensors.
Outputs belong to the run that made them, and may have gaps where the memory was padded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.backends.base import EngineError, InferenceError, ModelError, TensorFacts
from fcos_ros.backends.compiled import (
    WRONG_BOARD,
    describe,
    nv12_input,
    require_tensor,
    showing,
)
from fcos_ros.core.head import OutputSpec, Scale
from fcos_ros.core.preprocess import InputSpec

NAME = 'hbm_runtime'

DTYPES = {'S8': 'int8', 'U8': 'uint8', 'S16': 'int16', 'U16': 'uint16', 'S32': 'int32',
          'F16': 'float16', 'F32': 'float32'}
"""The runtime's names of types that numpy has, too."""

Feed = Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]]
"""Turns the tensor into the runtime's inputs by name."""


class HbmRuntimeBackend:
    """
    A compiled model in `hbm_runtime`.

    :param path: the `.hbm` file, on X5 the `.bin` file; of several models in it, the first.
    :param threads: without meaning here.
    :raises ModelError: when the runtime cannot be imported, or the file is for another board or
        not an FCOS.
    """

    concurrent = False
    # Releases for S100 later than those read may let go of it.
    holds_gil = True

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._lock = Lock()
        self._runtime = _open(path)
        self._model: str = self._runtime.model_names[0]
        self._names: list[str] = list(self._runtime.output_names[self._model])
        with showing(*(_facts(self._runtime, self._model, side) for side in ('input', 'output'))):
            spec, self._feed = _input(path, self._runtime, self._model)
            self.info = describe(path, NAME, self._model, spec, self._probe(path, spec))

    def new_input(self) -> NDArray[Any]:
        """Allocate an array to write inputs into, which the runtime will copy."""
        return np.empty(self.info.input.shape, self.info.input.dtype)

    def infer(self, tensor: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Run the model once; see `Backend.infer`."""
        require_tensor(tensor, self.info.input)
        return self._run(tensor)

    def close(self) -> None:
        """Free the model."""
        self._runtime = None

    def _run(self, tensor: NDArray[Any]) -> list[NDArray[Any]]:
        feed = {self._model: self._feed(tensor)}
        try:
            # A second run on the same object would be refused while one is under way.
            with self._lock:
                outputs = self._runtime.run(feed)[self._model]
            return [np.ascontiguousarray(outputs[name]) for name in self._names]
        except Exception as error:
            raise EngineError(f'{NAME} failed ({type(error).__name__}: {error})') from error

    def _probe(self, path: Path, spec: InputSpec) -> list[OutputSpec]:
        """Learn the outputs by running a dark image."""
        try:
            arrays = self._run(np.zeros(spec.shape, np.uint8))
        except InferenceError as error:
            raise ModelError(f'{path} does not run: {error}') from error
        quants = self._runtime.output_quants[self._model]
        return [OutputSpec(name, array.shape, array.dtype, _scale(path, name, array, quants[name]))
                for name, array in zip(self._names, arrays)]


def _open(path: Path) -> Any:
    try:
        from hbm_runtime import HB_HBMRuntime
    except Exception as error:
        raise ModelError(
            f'{path} needs {NAME}, which cannot be imported ({error}): the image of the board '
            'brings it, on X5 from RDK OS 3.5 on in its package hobot-spdev, on S100 in '
            'hobot-dnn (pip installs the build for S100, which is of no use on X5); a virtual '
            'environment sees it only if made with --system-site-packages') from error
    if not path.is_file():
        raise ModelError(f'{path} is not a file: give the path of a .hbm or .bin file')
    try:
        return HB_HBMRuntime(str(path))
    except Exception as error:
        raise ModelError(f'{NAME} cannot load {path} ({type(error).__name__}: {error}): '
                         f'{WRONG_BOARD}') from error


def _facts(runtime: Any, model: str, side: str) -> list[TensorFacts]:
    """Tell of the tensors of one side, `input` or `output`, what the runtime does."""
    names, shapes, dtypes, quants = (
        getattr(runtime, f'{side}_{what}')[model] for what in (
            'names', 'shapes', 'dtypes', 'quants'))
    return [TensorFacts(name, DTYPES.get(dtypes[name].name, dtypes[name].name),
                        tuple(map(int, shapes[name])), _scales(quants[name])) for name in names]


def _scales(quant: Any) -> tuple[float, ...]:
    scaled = quant.quant_type.name == 'SCALE'
    return tuple(map(float, np.ravel(quant.scale))) if scaled else ()


def _input(path: Path, runtime: Any, model: str) -> tuple[InputSpec, Feed]:
    """Read the canvas off one NV12 tensor, or off the two tensors of its planes."""
    names: list[str] = list(runtime.input_names[model])
    shapes = [tuple(map(int, runtime.input_shapes[model][name])) for name in names]
    kinds = [runtime.input_dtypes[model][name].name for name in names]
    if len(names) == 1:
        return nv12_input(path, names[0], kinds[0], shapes[0]), lambda tensor: {names[0]: tensor}
    if kinds == ['U8', 'U8']:
        (_, height, width, *_), chroma = shapes
        if shapes[0] == (1, height, width, 1) and chroma == (1, height // 2, width // 2, 2):
            spec = nv12_input(path, names[0], 'NV12', (1, height, width, 3))
            return spec, _planes(names, shapes)
    found = ', '.join(f'{name} {kind}{list(shape)}'
                      for name, kind, shape in zip(names, kinds, shapes))
    raise ModelError(f'{path} takes {found}; accepted: one input of type NV12, or two of type U8 '
                     'for its planes, (1, H, W, 1) and (1, H/2, W/2, 2)')


def _planes(names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> Feed:
    _, height, width, _ = shapes[0]
    luma = height * width

    def feed(tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        return {names[0]: tensor[:luma].reshape(shapes[0]),
                names[1]: tensor[luma:].reshape(shapes[1])}
    return feed


def _scale(path: Path, name: str, array: NDArray[Any], quant: Any) -> Scale | None:
    if quant.quant_type.name != 'SCALE':
        return None
    scale = np.array(quant.scale, np.float32).reshape(-1)
    if np.any(quant.zero_point):
        raise ModelError(f'{path}: output {name} has zero points other than 0: compile it with '
                         'symmetric quantisation')
    if scale.size > 1 and array.shape[quant.axis] != scale.size:
        raise ModelError(f'{path}: output {name} {list(array.shape)} has {scale.size} scales '
                         f'along its axis {quant.axis}')
    return scale
