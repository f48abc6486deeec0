# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tools for JPEG files explain themselves, and take no option for a folder."""

import pytest

from tools import damage_jpegs, fetch_jpegs


@pytest.mark.parametrize('tool', [damage_jpegs, fetch_jpegs], ids=lambda tool: tool.__name__)
@pytest.mark.parametrize(('arguments', 'code'), [(['--help'], 0), (['--hlep'], 2), ([], 2)])
def test_a_tool_explains_its_use(tool, arguments, code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        tool.main(arguments)
    assert end.value.code == code
    assert 'folder' in ''.join(capsys.readouterr())
    assert not list(tmp_path.iterdir())
