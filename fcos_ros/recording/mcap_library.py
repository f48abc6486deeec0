# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The library that reads and writes MCAP files. It may be missing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def mcap() -> Any:
    """
    Return the parts of mcap that we use, as attributes.

    :raises ImportError: it is not installed.
    """
    from mcap import reader, records, stream_reader, writer
    return SimpleNamespace(
        records=records, StreamReader=stream_reader.StreamReader,
        breakup_chunk=stream_reader.breakup_chunk, make_reader=reader.make_reader,
        Writer=writer.Writer)
