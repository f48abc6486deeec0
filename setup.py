# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build the package for colcon and pip; name, version and license come from `package.xml`."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import Extension, find_packages, setup

MANIFEST = ElementTree.parse('package.xml').getroot()
NAME = MANIFEST.findtext('name')
MAINTAINER = MANIFEST.find('maintainer')


def share_files():
    """Yield each folder below `share` with its files, as setuptools expects."""
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
    package_data={f'{NAME}.web': ['static/*']},
    data_files=list(share_files()),
    # Without a C compiler the package works as well, and decodes with numpy.
    ext_modules=[Extension(
        'fcos_ros.core._decode', ['fcos_ros/core/decode.c'], libraries=['m'], optional=True,
        # Contraction would make results depend on the processor.
        extra_compile_args=['-std=c11', '-O3', '-ffp-contract=off'])],
    python_requires='>=3.10',
    # The dependencies are in package.xml: pip's numpy and OpenCV would hide those of ROS 2.
    extras_require={'onnx': ['onnxruntime'], 'test': ['hypothesis', 'pytest']},
    zip_safe=False,
    entry_points={'console_scripts': [
        'fcos = fcos_ros.cli.__main__:main',
        'fcos_demo = fcos_ros.demo.__main__:main',
        'fcos_demo_camera = fcos_ros.demo.camera_program:main',
        'fcos_node = fcos_ros.node.__main__:main',
        'fcos_web = fcos_ros.web.__main__:main',
    ]},
)
