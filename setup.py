# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Builds the package for colcon and for pip; `package.xml` holds name, version and license."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

MANIFEST = ElementTree.parse('package.xml').getroot()
NAME = MANIFEST.findtext('name')
MAINTAINER = MANIFEST.find('maintainer')


def share_files():
    """List what goes below `share`, folder by folder, as setuptools wants it."""
    yield 'share/ament_index/resource_index/packages', [f'resource/{NAME}']
    yield f'share/{NAME}', ['package.xml']
    for folder in ('config', 'launch', 'models'):
        files = [str(file) for file in sorted(Path(folder).glob('*')) if file.is_file()]
        yield f'share/{NAME}/{folder}', files


setup(
    name=NAME,
    version=MANIFEST.findtext('version'),
    description=MANIFEST.findtext('description'),
    license=MANIFEST.findtext('license'),
    maintainer=MAINTAINER.text,
    maintainer_email=MAINTAINER.get('email'),
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    data_files=list(share_files()),
    python_requires='>=3.10',
    # What it needs stands in package.xml: pip would put a second numpy or OpenCV before ROS 2's.
    extras_require={'onnx': ['onnxruntime'], 'test': ['hypothesis', 'pytest']},
    zip_safe=False,
    entry_points={'console_scripts': [
        'fcos = fcos_ros.cli.main:main',
        'fcos_demo = fcos_ros.demo.__main__:main',
        'fcos_demo_camera = fcos_ros.demo.camera:main',
        'fcos_node = fcos_ros.node.fcos_node:main',
    ]},
)
