# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the pictures, videos and streams that a user names on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
import os
from pathlib import Path
import re

from fcos_ros.core.text import natural_key
from fcos_ros.offline.frames import SourceError
from fcos_ros.offline.pictures import SUFFIXES as PICTURE_SUFFIXES, Picture, Pictures
from fcos_ros.offline.video import Video

VIDEO_SUFFIXES = frozenset({
    '.avi', '.flv', '.h264', '.h265', '.m4v', '.mjpeg', '.mjpg', '.mkv', '.mov', '.mp4', '.mpeg',
    '.mpg', '.ts', '.webm', '.wmv'})
"""Suffixes of video files, in lower case; a file that is named may have another one."""

BAG_SUFFIXES = frozenset({'.bag', '.db3', '.mcap'})
"""Suffixes of recordings of ROS, which another verb reads."""

SCHEMES = ('http://', 'https://', 'rtsp://', 'rtmp://', 'rtp://', 'udp://', 'tcp://')
"""The beginnings of addresses of streams."""

PICTURES_A_SOURCE = 500
"""
Pictures of a folder that form one source, unless objects are tracked.

Each job loads the model. With fewer pictures, that would take a larger share of its time. With
more, fewer machines could share a folder.
"""


@dataclass(frozen=True)
class InputOptions:
    """
    How inputs are read.

    :ivar stride: use every so many frames of a video, or pictures of a folder.
    :ivar limit: maximum number of used frames of each video or stream; 0 for all.
    :ivar whole_folders: whether all pictures of a folder are one sequence, as for tracking.
    """

    stride: int = 1
    limit: int = 0
    whole_folders: bool = False


def find_sources(texts: Sequence[str], options: InputOptions) -> list[Pictures | Video]:
    """
    Return the sources of the inputs: those of files in the order of their names, then streams.

    :param texts: pictures, videos, folders, patterns such as `a/*.jpg`, cameras or addresses.
    :raises SourceError: an input does not exist, or a folder has no pictures and videos.
    """
    live = [text for text in texts if _is_live(text)]
    files = list(dict.fromkeys(
        path for text in texts if text not in live for path in _files(text)))
    root = Path(os.path.commonpath([path.absolute().parent for path in files])) if files else None
    pictures = [Picture(path, _label(path, root)) for path in files if _is_picture(path)]
    videos = [Video(str(path.absolute()), _label(path, root), options.stride, limit=options.limit)
              for path in files if not _is_picture(path)]
    _require_different(pictures, videos)
    streams = [Video(text, re.sub(r'\W+', '_', text).strip('_'), options.stride, live=True,
                     limit=options.limit) for text in dict.fromkeys(live)]
    return [*_by_folder(pictures, options), *videos, *streams]


def _is_live(text: str) -> bool:
    return text.startswith(('/dev/', *SCHEMES))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES


def _files(text: str) -> Iterator[Path]:
    """Yield the files that one text of the user stands for."""
    path = Path(text).expanduser()
    if path.is_dir():
        yield from _media(text, path.iterdir())
    elif path.is_file():
        if path.suffix.lower() in BAG_SUFFIXES:
            raise SourceError(f'{text} is a recording of ROS; run: fcos bag {text} OUT')
        yield path
    elif has_magic(text):
        yield from _media(text, map(Path, glob(str(path), recursive=True)))
    elif path.exists():
        raise SourceError(f'{text} is neither a file nor a folder; accepted: pictures, videos, '
                          'folders, /dev/videoN and addresses')
    else:
        raise SourceError(f'{text} does not exist; accepted: pictures, videos, folders, patterns '
                          'such as "a/*.jpg", /dev/videoN and addresses')


def _media(text: str, paths: Iterable[Path]) -> list[Path]:
    """Return the pictures and videos among some paths, in the order in which people count."""
    suffixes = PICTURE_SUFFIXES | VIDEO_SUFFIXES
    found = [path for path in paths if path.suffix.lower() in suffixes and path.is_file()]
    if not found:
        raise SourceError(f'{text} has no pictures and no videos; accepted: files that end in '
                          f'{", ".join(sorted(suffixes))}')
    return sorted(found, key=lambda path: natural_key(str(path)))


def _label(path: Path, root: Path | None) -> str:
    return path.absolute().relative_to(root or '/').as_posix()


def _require_different(pictures: Iterable[Picture], videos: Iterable[Video]) -> None:
    """Refuse files whose outputs would have the same names, such as 1.jpg and 1.png."""
    seen: dict[str, str] = {}
    for label in (*(picture.label for picture in pictures), *(video.label for video in videos)):
        stem = str(Path(label).with_suffix(''))
        if stem in seen:
            raise SourceError(f'{seen[stem]} and {label} differ in their suffixes only, so their '
                              'results would have the same names; rename one, or run the command '
                              'for each')
        seen[stem] = label


def _by_folder(pictures: Iterable[Picture], options: InputOptions) -> Iterator[Pictures]:
    """Yield a source for each folder, or several for a large one."""
    folders: dict[str, list[Picture]] = {}
    for picture in pictures:
        folders.setdefault(str(picture.path.parent), []).append(picture)
    for folder, content in folders.items():
        used = content[::options.stride]
        length = len(used) if options.whole_folders else PICTURES_A_SOURCE
        for start in range(0, len(used), length):
            part = tuple(Picture(picture.path.absolute(), picture.label)
                         for picture in used[start:start + length])
            name = f'{folder}, {len(part)} pictures' if len(part) > 1 else str(part[0].path)
            yield Pictures(name if start == 0 else f'{name} from {start + 1}', part)
