# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Record the outputs of the compiled demo network for the tests: `python -m tools.record_outputs`.

The vendor's simulator computes them, so the tests need no toolchain. `make convert-demo` runs this
after it has compiled the network again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fcos_ros.backends import load
from fcos_ros.core.frame import Frame
from fcos_ros.core.preprocess import Preprocessor
from fcos_ros.demo.scenes import render

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / 'models' / 'fcos_demo_x5.bin'
RECORDING = ROOT / 'test' / 'recorded' / 'fcos_demo_x5.npz'
SEEDS = range(3)


def main() -> None:
    """Write the integers of each output and scene as NAME_SEED."""
    backend = load(MODEL, 'bpu_sim')
    preprocessor = Preprocessor(backend.info.input)
    recorded: dict[str, Any] = {}
    for seed in SEEDS:
        tensor, _ = preprocessor.prepare(Frame.from_bgr(render(seed).image))
        for spec, values in zip(backend.info.outputs, backend.infer(tensor)):
            recorded[f'{spec.name}_{seed}'] = np.array(values)
    backend.close()
    RECORDING.parent.mkdir(exist_ok=True)
    np.savez_compressed(RECORDING, **recorded)
    print(f'wrote {RECORDING.relative_to(ROOT)}')


if __name__ == '__main__':
    main()
