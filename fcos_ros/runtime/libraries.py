# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The versions of this package, of Python, and of the libraries and engines that are used."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
import platform
from xml.etree import ElementTree

import cv2
import numpy as np

from fcos_ros.core.native import load_library
from fcos_ros.runtime.model_path import own_share

PACKAGE = 'fcos_ros'

ENGINE_PACKAGES = ('onnxruntime', 'hobot-dnn', 'hobot-dnn-rdkx5', 'hbm-runtime')
"""Python distributions of inference engines; the version of each installed one is reported."""


def library_versions() -> dict[str, str]:
    """Return the version of each library that is installed, by its name."""
    found = {'Python': platform.python_version(), 'numpy': np.__version__,
             'OpenCV': cv2.__version__, 'decoding': decoding()}
    own = package_version()
    if own:
        found[PACKAGE] = own
    for name in ENGINE_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def package_version() -> str:
    """Return the version of this package, also in a checkout; empty if it is unknown."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        share = own_share()
        return ElementTree.parse(share / 'package.xml').findtext('version', '') if share else ''


def decoding() -> str:
    """Return with what the outputs of networks are decoded."""
    return 'C' if load_library() else 'numpy, as fcos_ros was installed without a C compiler'
