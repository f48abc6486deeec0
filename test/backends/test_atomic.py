# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files are replaced as a whole, several of them together."""

import pytest

from fcos_ros.backends.atomic import replace_file, replace_files


def test_all_files_are_written(tmp_path):
    contents = {tmp_path / name: name.encode() for name in ('a.yaml', 'b.json', 'c.bin')}
    replace_files(contents)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == contents


def test_if_one_cannot_be_written_all_stay_as_they_are(tmp_path):
    old = tmp_path / 'a.yaml'
    old.write_bytes(b'old')
    with pytest.raises(FileNotFoundError):
        replace_files({old: b'new', tmp_path / 'missing' / 'b.bin': b'new'})
    assert old.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [old]


def test_a_link_stays_a_link_and_permissions_are_kept(tmp_path):
    target, link = tmp_path / 'target', tmp_path / 'link'
    target.write_bytes(b'old')
    target.chmod(0o640)
    link.symlink_to(target)
    replace_file(link, b'new')
    assert link.is_symlink()
    assert target.read_bytes() == b'new'
    assert target.stat().st_mode & 0o777 == 0o640
