# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos mine` has the same results on a cluster as on one machine."""

from __future__ import annotations

import json

import cv2
import numpy as np
from offline.bags.bag_files import PERIOD, START, image, write
import pytest

pytest.importorskip('distributed')

BAGS = 2


@pytest.fixture
def bags(tmp_path):
    """Return bags of doubtful objects, and a file that is no bag."""
    paths = []
    for bag in range(BAGS):
        rows = []
        for number in range(8):
            rng = np.random.default_rng(10 * bag + number)
            pixels = cv2.resize(rng.integers(0, 100, (8, 8, 3)).astype(np.uint8), (128, 128),
                                interpolation=cv2.INTER_NEAREST)
            pixels[24:32, 40:48] = 202
            rows.append(('/image', START + number * PERIOD, image(pixels, START)))
        paths.append(write(tmp_path / f'bag_{bag}', rows))
    broken = tmp_path / 'broken.mcap'
    broken.write_bytes(b'noise')
    return [*paths, broken]


def test_mined_frames_are_the_same_as_of_one_machine(fcos, model, bags, tmp_path):
    one, many = tmp_path / 'one', tmp_path / 'many'
    fcos('mine', *bags, '--out', one, '--model', model, '--count', '4')
    result = fcos('mine', *bags, '--out', many, '--model', model, '--count', '4', '--cluster',
                  'local:2')
    assert result.code == 1, result.err
    assert json.loads((one / 'annotations.json').read_text()) == json.loads(
        (many / 'annotations.json').read_text())
    pictures = [sorted((path.name, path.read_bytes()) for path in folder.rglob('*.jpg'))
                for folder in (one, many)]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 4 * BAGS
