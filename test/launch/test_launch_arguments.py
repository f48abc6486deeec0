# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the arguments of the launch files mean, as users write them."""

from pathlib import Path

import pytest

from fcos_ros.node.launch_arguments import parameter_file

CONFIG = Path(__file__).resolve().parents[2] / 'config'


@pytest.mark.parametrize('file', sorted(CONFIG.glob('*.yaml')), ids=lambda file: file.name)
def test_a_parameter_file_of_ours_is_found_by_its_name(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parameter_file(file.name, CONFIG) == file


def test_a_parameter_file_of_the_user_counts_more(tmp_path, monkeypatch):
    (tmp_path / 'fcos.yaml').touch()
    monkeypatch.chdir(tmp_path)
    assert parameter_file('fcos.yaml', CONFIG).samefile(tmp_path / 'fcos.yaml')
    assert parameter_file(str(tmp_path / 'fcos.yaml'), CONFIG) == tmp_path / 'fcos.yaml'


@pytest.mark.parametrize('given', ['nowhere.yaml', '/nowhere/fcos.yaml'])
def test_a_parameter_file_that_is_not_there_is_called_as_the_user_called_it(given):
    assert parameter_file(given, CONFIG) == Path(given)
