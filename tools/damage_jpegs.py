# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Damage real JPEG files and count how many are refused: `python3 -m tools.damage_jpegs FOLDER`.

The files are those of `tools.fetch_jpegs`. libjpeg prints a line for each damaged file, so send
standard error elsewhere.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
import random
import sys

import cv2
import numpy as np

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.image_file.jpeg_header import Scan, read_structure

END = b'\xff\xd9'

PROGRESSIVE = 'progressive'

LENGTH = 3000
"""Bytes of the longest damage."""

MAX_PIXELS = 4_000_000
"""Maximum size of a file: larger ones take long, and are damaged in the same way."""

Damage = Callable[[bytes, int, int, random.Random], bytes]
"""Return a damaged file, given where the data of one of its scans begin and end."""


def _cut(file: bytes, start: int, stop: int, rng: random.Random) -> bytes:
    return file[:rng.randrange(start + 1, stop)]


def _lose(length: int) -> Damage:
    def damage(file: bytes, start: int, stop: int, rng: random.Random) -> bytes:
        place = rng.randrange(start, max(start + 1, stop - length))
        return file[:place] + file[place + length:]
    return damage


def _overwrite(length: int, value: Callable[[random.Random], bytes]) -> Damage:
    def damage(file: bytes, start: int, stop: int, rng: random.Random) -> bytes:
        place = rng.randrange(start, max(start + 1, stop - length))
        return file[:place] + value(rng) + file[place + length:]
    return damage


def _repeat(length: int) -> Damage:
    def damage(file: bytes, start: int, stop: int, rng: random.Random) -> bytes:
        place = rng.randrange(start, max(start + 1, stop - length))
        return file[:place + length] + file[place:]
    return damage


DAMAGES: Mapping[str, Damage] = {
    'none': lambda file, start, stop, rng: file,
    'none, no end marker': lambda file, start, stop, rng: file[:-2],
    'cut': _cut,
    'cut, end marker': lambda *arguments: _cut(*arguments) + END,
    '16 bytes lost': _lose(16),
    '200 bytes lost': _lose(200),
    f'{LENGTH} bytes lost': _lose(LENGTH),
    f'{LENGTH} bytes zero': _overwrite(LENGTH, lambda rng: bytes(LENGTH)),
    f'{LENGTH} bytes random': _overwrite(LENGTH, lambda rng: rng.randbytes(LENGTH)),
    f'{LENGTH} bytes repeated': _repeat(LENGTH),
}


def main(arguments: list[str]) -> int:
    """Print for each kind of file and damage how many of the files are refused."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, help='folder with JPEG files')
    folder = parser.parse_args(arguments).folder
    paths = sorted(path for path in folder.rglob('*') if path.is_file())
    files = [path.read_bytes() for path in paths]
    rng = random.Random(0)
    total: Counter[tuple[str, str]] = Counter()
    refused: Counter[tuple[str, str]] = Counter()
    for file in files:
        if not _is_good(file):
            continue
        scans = read_structure(np.frombuffer(file, np.uint8)).scans
        kind = _kind(scans)
        start, stop = (rng.choice(scans) if kind == PROGRESSIVE else scans[0])[-2:]
        if stop - start < 2 * LENGTH:
            continue
        end = scans[-1 if kind == PROGRESSIVE else 0].stop
        file = file[:end] + END
        for name, damage in DAMAGES.items():
            key = kind, name
            total[key] += 1
            refused[key] += not _is_decoded(damage(file, start, stop, rng))
    for (kind, name), count in sorted(total.items()):
        print(f'{kind:14} {name:22} {refused[kind, name]:4} of {count}')
    return 0


def _is_good(file: bytes) -> bool:
    """Return whether OpenCV decodes a file, and it is not too large."""
    small = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    return small is not None and small.size * 64 <= MAX_PIXELS


def _kind(scans: Sequence[Scan]) -> str:
    if scans[0].coefficients != (0, 63):
        return PROGRESSIVE
    return 'restarts' if scans[0].interval else 'baseline'


def _is_decoded(file: bytes) -> bool:
    try:
        return Frame.compressed(file).bgr() is not None
    except FrameError:
        return False


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
