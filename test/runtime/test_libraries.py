# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The versions of the package and of its libraries."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path
from xml.etree import ElementTree

from fcos_ros.runtime import libraries


def no_distribution(name):
    raise PackageNotFoundError(name)


def test_a_checkout_that_is_not_installed_has_the_version_of_package_xml(monkeypatch):
    monkeypatch.setattr(libraries, 'version', no_distribution)
    manifest = ElementTree.parse(Path(__file__).parents[2] / 'package.xml')
    assert libraries.library_versions()['fcos_ros'] == manifest.findtext('version')


def test_an_unknown_version_is_left_out(monkeypatch):
    monkeypatch.setattr(libraries, 'version', no_distribution)
    monkeypatch.setattr(libraries, 'own_share', lambda: None)
    assert libraries.package_version() == ''
    assert 'fcos_ros' not in libraries.library_versions()
