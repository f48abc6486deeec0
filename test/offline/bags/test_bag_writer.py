# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag that cannot be written leaves nothing."""

import pytest

from fcos_ros.offline.bags.writer import STORAGES, BagWriter
from fcos_ros.offline.files import OutputError


@pytest.mark.parametrize('storage', STORAGES)
def test_a_bag_that_cannot_be_opened_leaves_nothing(tmp_path, storage):
    name = 'a' * 252  # a folder may have this name, but not with the suffix of a file
    with pytest.raises(OutputError, match='cannot be written'), \
            BagWriter(tmp_path / name, storage):
        pass
    assert not list(tmp_path.iterdir())
