# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Build the wheel of a ROS message package from `package.xml` and `msg/*.msg`.

This is for message packages that are not on PyPI. The generators of the installed ROS wheels write
the C and Python sources. A compiler builds one extension module from them. It contains the type
supports for Fast DDS and for introspection, which Jazzy needs. CMake is not needed, and C++
messages are not built.

Run it with the Python that will use the wheel: `python -m tools.message_wheel FOLDER OUTPUT`.
"""

from __future__ import annotations

import argparse
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
import hashlib
import importlib
import json
import os
from pathlib import Path
import re
import subprocess
import sys
import sysconfig
from tempfile import TemporaryDirectory
from typing import Any
import xml.etree.ElementTree as ElementTree
from zipfile import ZIP_DEFLATED, ZipFile

TYPE_SUPPORTS = ('fastrtps', 'introspection')
"""The type supports of a message, as in `rosidl_typesupport_<name>_c`."""

GENERATORS = {
    'rosidl_generator_c': 'generate_c',
    'rosidl_typesupport_fastrtps_c': 'generate_typesupport_fastrtps_c',
    'rosidl_typesupport_introspection_c': 'generate_c',
}
"""Modules that generate C or C++ sources from definitions, and the function to call in each."""


class TypeHashError(ValueError):
    """A message definition differs from the upstream definition."""


@dataclass(frozen=True)
class Package:
    """
    A folder with `package.xml` and `msg/*.msg`.

    :ivar depends: the packages that `package.xml` names as build or run dependencies.
    """

    folder: Path
    name: str
    version: str
    depends: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> Package:
        """Read `package.xml`."""
        root = ElementTree.parse(folder / 'package.xml').getroot()
        kinds = ('depend', 'build_depend', 'exec_depend')
        depends = sorted({node.text or '' for kind in kinds for node in root.findall(kind)})
        name, version = root.findtext('name', ''), root.findtext('version', '')
        return cls(folder.resolve(), name, version, tuple(depends))

    @property
    def messages(self) -> list[Path]:
        """The message definitions, sorted by name."""
        return sorted(self.folder.glob('msg/*.msg'))

    @property
    def wheel(self) -> str:
        """File name of the wheel for the running Python."""
        return f'ros_{self.name}-{self.version}-{_tag()}.whl'


class WheelBuilder:
    """
    Builds the wheel of one package in a temporary folder.

    :ivar prefix: the folder with `share`, `include` and `lib` of the ROS wheels.
    :ivar depends: direct and indirect dependencies that are message packages. Each comes after
        its own dependencies.
    """

    def __init__(self, package: Package, scratch: Path, prefix: Path = Path(sys.prefix)) -> None:
        self.package = package
        self.scratch = scratch
        self.prefix = prefix
        self.depends = message_packages(package.depends, prefix)

    def build(self, output: Path) -> Path:
        """Build the wheel in the folder `output` and return its path."""
        with open(os.devnull, 'w') as nowhere, redirect_stdout(nowhere):
            self._generate()
        self._link(self._compile())
        output.mkdir(parents=True, exist_ok=True)
        wheel = output / self.package.wheel
        _write_wheel(wheel, _dist_info(self.package), {**self._modules(), **self._share()})
        return wheel

    def _generate(self) -> None:
        """Generate all sources: definitions, type hashes, C, type supports, Python bindings."""
        convert = importlib.import_module('rosidl_adapter').convert_to_idl
        for message in self.package.messages:
            convert(self.package.folder, self.package.name, Path('msg', message.name), self._idl)
        hashes = importlib.import_module('rosidl_generator_type_description')
        folders = [f'{name}:{self.prefix}/share/{name}' for name in self.depends]
        hashes.generate_type_hash(self._arguments(hashes.__name__, include_paths=folders))
        self._compare_with_upstream()
        for generator, function in GENERATORS.items():
            self._run_generator(generator, function)
        (self._output('rosidl_typesupport_c') / 'dispatch.cpp').write_text(
            _dispatch(self.package.name, [path.stem for path in self.package.messages]))
        python = importlib.import_module('rosidl_generator_py')
        python.generate_py(self._arguments('rosidl_generator_py'), ['rosidl_typesupport_c'])

    def _compare_with_upstream(self) -> None:
        """
        Check the type hashes, because nodes with different hashes cannot communicate.

        :raises TypeHashError: a hash differs from that of the upstream definition.
        """
        upstream = json.loads((self.package.folder.parent / 'type_hashes.json').read_text())
        for message in self.package.messages:
            name = f'{self.package.name}/msg/{message.stem}'
            known = json.loads((self._hashes / f'{message.stem}.json').read_text())['type_hashes']
            found = next(it['hash_string'] for it in known if it['type_name'] == name)
            if found != upstream.get(name):
                raise TypeHashError(f'the type hash of {message} is {found}; accepted: '
                                    f'{upstream.get(name)}, as upstream; use the names, types '
                                    'and order of the upstream fields')

    def _run_generator(self, generator: str, function: str) -> None:
        """Run one generator, and write the header that CMake would configure."""
        getattr(importlib.import_module(generator), function)(self._arguments(
            generator,
            ros_interface_files=[str(path) for path in self.package.messages],
            type_description_tuples=[
                f'msg/{path.stem}.idl:{self._hashes}/{path.stem}.json'
                for path in self.package.messages]))
        header = f'{generator}__visibility_control.h'
        text = (self._templates(generator) / f'{header}.in').read_text()
        text = text.replace('@PROJECT_NAME_UPPER@', self.package.name.upper())
        text = text.replace('@PROJECT_NAME@', self.package.name)
        (self._output(generator) / 'msg' / header).write_text(text)

    def _arguments(self, generator: str, **more: Any) -> str:
        """Write the arguments of a generator to a JSON file, and return its path."""
        output = self._output(generator)
        (output / 'msg' / 'detail').mkdir(parents=True, exist_ok=True)
        used = [(name, self.prefix / 'share' / name / 'msg') for name in self.depends]
        arguments = {
            'package_name': self.package.name,
            'output_dir': str(output),
            'template_dir': str(self._templates(generator)),
            'idl_tuples': [f'{self._idl}:msg/{m.stem}.idl' for m in self.package.messages],
            'ros_interface_dependencies': [
                f'{name}:{idl}' for name, folder in used for idl in sorted(folder.glob('*.idl'))],
            'target_dependencies': [],
            **more}
        file = self.scratch / f'{generator}.json'
        file.write_text(json.dumps(arguments))
        return str(file)

    def _compile(self) -> list[Path]:
        """Compile the sources on all cores; C++ first, because it takes longest."""
        units = sorted(self._units(), key=lambda unit: unit.suffix != '.cpp')
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(self._compile_unit, units))

    def _compile_unit(self, unit: Path) -> Path:
        result = unit.with_suffix('.o')
        flags = ['-O2', '-fPIC', '-DNDEBUG', '-w', f'-DROS_PACKAGE_NAME="{self.package.name}"']
        _run([*_compiler(unit.suffix), *flags, *self._includes(), '-c', unit, '-o', result])
        return result

    def _units(self) -> list[Path]:
        """Combine sources of the same kind in one file, which compiles ten times as fast."""
        kinds: dict[str, list[Path]] = defaultdict(list)
        for source in sorted(self.scratch.glob('rosidl_*/**/*.c*')):
            kind = re.sub(r'.*(__\w+|_s|\.ep\.\w+)$', r'\1', source.stem)
            # Descriptions cannot be combined: they define the same file-static names.
            key = source.stem if kind == '__description' else kind
            kinds[f'{source.relative_to(self.scratch).parts[0]}-{key}{source.suffix}'] += [source]
        for name, sources in kinds.items():
            lines = (f'#include "{source}"\n' for source in sources)
            (self.scratch / name).write_text(''.join(lines))
        return [self.scratch / name for name in kinds]

    def _includes(self) -> list[str]:
        """Return the compiler flags for our headers and those of ROS, Python and numpy."""
        numpy = importlib.import_module('numpy')
        ours = [self.scratch / name for name in (*GENERATORS, 'rosidl_generator_py')]
        include = self.prefix / 'include'
        theirs = [include, *(path for path in include.iterdir() if (path / path.name).is_dir())]
        python = [sysconfig.get_path('include'), sysconfig.get_path('platinclude')]
        system = [f'-isystem{path}' for path in (*theirs, *python, numpy.get_include())]
        return [*(f'-I{path}' for path in ours), *system]

    def _link(self, objects: Iterable[Path]) -> None:
        """Link the extension module; its relative rpath leads to the libraries of ROS."""
        kinds = ('generator_c', 'generator_py', 'typesupport_c',
                 *(f'typesupport_{name}_c' for name in TYPE_SUPPORTS))
        names = [f'{package}__rosidl_{kind}' for package in self.depends for kind in kinds]
        names += ['rosidl_runtime_c', 'rosidl_typesupport_c', 'rosidl_typesupport_fastrtps_c',
                  'rosidl_typesupport_fastrtps_cpp', 'rosidl_typesupport_introspection_c',
                  'rmw', 'rcutils', 'rosidl_dynamic_typesupport', 'fastcdr']
        module = self._python / f'{self.package.name}_s__rosidl_typesupport_c.so'
        _run([*_compiler('.cpp'), '-shared', '-s', '-o', module, *objects,
              f'-L{self.prefix / "lib"}', *(f'-l{name}' for name in names),
              '-Wl,--as-needed', '-Wl,-rpath,$ORIGIN/../../..'])

    def _modules(self) -> dict[str, bytes]:
        """Return the Python files and the extension module, by their path in the wheel."""
        (self._python / '__init__.py').touch()
        files = (file for kind in ('*.py', '*.so') for file in sorted(self._python.rglob(kind)))
        return {f'{self.package.name}/{file.relative_to(self._python)}': file.read_bytes()
                for file in files}

    def _share(self) -> dict[str, bytes]:
        """Return the definitions and the ament index, by their path in the wheel."""
        name = self.package.name
        data = f'ros_{name}-{self.package.version}.data/data/share'
        index = f'{data}/ament_index/resource_index'
        stems = [message.stem for message in self.package.messages]
        listed = sorted(f'msg/{stem}.{kind}' for stem in stems for kind in ('idl', 'msg'))
        files = [*self.package.messages, *sorted((self._idl / 'msg').glob('*.idl')),
                 *sorted(self._hashes.glob('*.json'))]
        return {
            f'{data}/{name}/package.xml': (self.package.folder / 'package.xml').read_bytes(),
            **{f'{data}/{name}/msg/{file.name}': file.read_bytes() for file in files},
            f'{index}/packages/{name}': b'',
            f'{index}/rosidl_interfaces/{name}': '\n'.join(listed).encode(),
        }

    @property
    def _idl(self) -> Path:
        return self.scratch / 'idl' / self.package.name

    @property
    def _hashes(self) -> Path:
        return self._output('rosidl_generator_type_description') / 'msg'

    @property
    def _python(self) -> Path:
        return self._output('rosidl_generator_py')

    def _output(self, generator: str) -> Path:
        folder = self.scratch / generator / self.package.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _templates(self, generator: str) -> Path:
        return self.prefix / 'share' / generator / 'resource'


def message_packages(names: Iterable[str], prefix: Path) -> list[str]:
    """Return the message packages among `names` and their dependencies, dependencies first."""
    found: list[str] = []
    for name in sorted(names):
        share = prefix / 'share' / name
        if name in found or not (share / 'msg').is_dir():
            continue
        inner = message_packages(Package.read(share).depends, prefix)
        found += [package for package in (*inner, name) if package not in found]
    return found


def main() -> None:
    """Build the wheel."""
    parser = argparse.ArgumentParser(description='build the wheel of a ROS message package')
    parser.add_argument('folder', type=Path, help='folder with package.xml and msg/*.msg')
    parser.add_argument('output', type=Path, help='folder for the wheel')
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix='message_wheel-') as scratch:
        WheelBuilder(Package.read(arguments.folder), Path(scratch)).build(arguments.output)


def _tag() -> str:
    """Return the tag of the wheel: Python, ABI and platform."""
    python = f'cp{sys.version_info.major}{sys.version_info.minor}'
    platform = re.sub(r'[-.]', '_', sysconfig.get_platform())
    return f'{python}-{python}-{platform}'


def _compiler(suffix: str) -> list[str]:
    """Return the compiler for `.c` or `.cpp` files; `CC` and `CXX` have priority."""
    if suffix == '.cpp':
        return [os.environ.get('CXX', 'g++'), '-std=gnu++17']
    return [os.environ.get('CC', 'gcc'), '-std=gnu11']


def _run(command: Iterable[str | Path]) -> None:
    subprocess.run([str(part) for part in command], check=True)


def _dispatch(package: str, messages: Iterable[str]) -> str:
    """Return C++ code that returns the requested type support of each message."""
    head = ['#include <cstring>',
            '#include "rosidl_runtime_c/message_type_support_struct.h"',
            '#include "rosidl_typesupport_c/identifier.h"', 'extern "C" {']
    return '\n'.join([*head, *(_dispatch_one(package, name) for name in messages), '}\n'])


def _dispatch_one(package: str, name: str) -> str:
    full = f'{package}__msg__{name}'
    support = 'rosidl_message_type_support_t'
    getter = 'get_message_type_support_handle__' + full
    declared = '\n'.join(
        f'const {support} * rosidl_typesupport_{kind}_c__{getter}();' for kind in TYPE_SUPPORTS)
    branches = '\n'.join(
        f'  if (!std::strcmp(id, "rosidl_typesupport_{kind}_c"))'
        f' return rosidl_typesupport_{kind}_c__{getter}();' for kind in TYPE_SUPPORTS)
    return f"""
#include "{package}/msg/detail/{_snake_case(name)}__functions.h"
{declared}
static const {support} * find_{full}(const {support} * own, const char * id) {{
  if (!std::strcmp(id, own->typesupport_identifier)) return own;
{branches}
  return nullptr;
}}
static {support} support_{full} = {{
  nullptr, nullptr, find_{full}, &{full}__get_type_hash,
  &{full}__get_type_description, &{full}__get_type_description_sources}};
const {support} * rosidl_typesupport_c__{getter}() {{
  support_{full}.typesupport_identifier = rosidl_typesupport_c__typesupport_identifier;
  return &support_{full};
}}"""


def _snake_case(name: str) -> str:
    """Return the name of the files that rosidl generates for a message, such as hbm_msg480_p."""
    name = re.sub(r'(.)([A-Z][a-z]+)', r'\1_\2', name)
    return re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name).lower()


def _dist_info(package: Package) -> dict[str, bytes]:
    """Return the metadata files by their path in the wheel."""
    folder = f'ros_{package.name}-{package.version}.dist-info'
    metadata = f'Metadata-Version: 2.1\nName: ros-{package.name}\nVersion: {package.version}\n'
    wheel = f'Wheel-Version: 1.0\nGenerator: fcos_ros\nRoot-Is-Purelib: false\nTag: {_tag()}\n'
    # RECORD comes last, because it lists the other files.
    return {f'{folder}/METADATA': metadata.encode(), f'{folder}/WHEEL': wheel.encode(),
            f'{folder}/RECORD': b''}


def _write_wheel(wheel: Path, info: Mapping[str, bytes], files: Mapping[str, bytes]) -> None:
    """Write the archive; it is renamed when complete, as other processes may read the cache."""
    *_, record = info
    contents = {path: data for path, data in (*files.items(), *info.items()) if path != record}
    lines = [f'{path},sha256={_digest(data)},{len(data)}' for path, data in contents.items()]
    contents[record] = '\n'.join([*lines, f'{record},,\n']).encode()
    unfinished = wheel.with_suffix('.part')
    with ZipFile(unfinished, 'w', ZIP_DEFLATED) as archive:
        for path, data in contents.items():
            archive.writestr(path, data)
    unfinished.replace(wheel)


def _digest(data: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
