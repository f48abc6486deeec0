# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos eval far-scenes` shows what the parameter `tiles` gains."""

import json
from pathlib import Path

MODEL = Path(__file__).parents[2] / 'models' / 'fcos_demo.onnx'


def test_tiles_of_a_parameter_file_find_far_toys(fcos, tmp_path):
    params = tmp_path / 'tiles.yaml'
    params.write_text('/fcos:\n  ros__parameters:\n    tiles: auto\n    tiles_budget: 1.0\n')

    def figures(*options):
        result = fcos('eval', 'far-scenes', '--model', MODEL, '--images', '3', '--json', *options)
        assert result.code == 0, result.err
        return json.loads(result.out)
    whole, tiled = figures(), figures('--params', params)
    assert whole['images'] == tiled['images'] == 3
    assert tiled['small'] - whole['small'] > 0.05
    assert tiled['ap'] - whole['ap'] > 0.2
    assert tiled['precision'] > 0.7
