# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures, videos and a stream of white squares, for the models of `onnx_models`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Event, Thread

import cv2
from onnx_models import white_square

SIZE = 128


def write_pictures(folder: Path, columns: Iterable[int], suffix: str = '.png') -> list[Path]:
    """Write a picture for each column of cells, named 1.png and so on; -1 is a broken one."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, column in enumerate(columns, 1):
        file = cv2.imencode(suffix, white_square(SIZE, max(column, 0), 3))[1].tobytes()
        paths.append(folder / f'{number}{suffix}')
        paths[-1].write_bytes(file if column >= 0 else file[:len(file) // 2])
    return paths


def write_video(path: Path, columns: Sequence[int], rate: float = 10.0,
                codec: str = 'mp4v') -> Path:
    """Write a video with a frame for each column of cells."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), rate, (SIZE, SIZE))
    assert writer.isOpened()
    for column in columns:
        writer.write(white_square(SIZE, column, 3))
    writer.release()
    return path


@contextmanager
def mjpeg_server(columns: Sequence[int] | None = None) -> Iterator[str]:
    """
    Serve frames as cameras of networks do, and return the address.

    :param columns: of the squares; None for an endless stream.
    """
    stopped = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
            self.end_headers()
            try:
                for column in columns or (number % 14 for number in count()):
                    file = cv2.imencode('.jpg', white_square(SIZE, column, 3))[1].tobytes()
                    self.wfile.write(b'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: '
                                     b'%d\r\n\r\n%b\r\n' % (len(file), file))
                    if stopped.wait(0.01):
                        return
            except OSError:  # the reader has closed the connection
                pass

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f'http://127.0.0.1:{server.server_port}/stream.mjpg'
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
