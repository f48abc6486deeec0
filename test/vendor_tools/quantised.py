# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run the quantised network in the Python of the vendor's toolchain.

Usage: python quantised.py NETWORK.onnx TENSORS.npy OUTPUT.npz; TENSORS are NV12, (N, H * W * 3/2).
"""

import sys

from horizon_tc_ui import HB_ONNXRuntime
import numpy as np


def main() -> None:
    """Write each output of each tensor as NAME_INDEX."""
    network, tensors, output = sys.argv[1:]
    session = HB_ONNXRuntime(model_file=network)
    name, = session.input_names
    side = int(np.sqrt(np.load(tensors).shape[1] * 2 / 3))
    results = {}
    for index, nv12 in enumerate(np.load(tensors)):
        luma = nv12[:side * side].reshape(side, side)
        chroma = nv12[side * side:].reshape(side // 2, side // 2, 2)
        # The compiler's input takes the chroma sample of each 2x2 pixels for all of them.
        yuv = np.dstack([luma, chroma.repeat(2, 0).repeat(2, 1)])[None]
        values = session.run(session.output_names, {name: yuv}, input_offset=128)
        results.update({f'{output_name}_{index}': value
                        for output_name, value in zip(session.output_names, values)})
    np.savez(output, **results)


if __name__ == '__main__':
    main()
