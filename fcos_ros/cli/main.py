# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The command `fcos`.

Its exit code is 0 for success, 1 if a model is not an FCOS network or failed, 2 if the command or
a file cannot be used, 130 if the user interrupted it, and 141 if the reader of its output ended.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
import signal
import sys

from fcos_ros.backends import InferenceError, ModelError
from fcos_ros.cli import (
    bag,
    bench,
    convert,
    detect,
    doctor,
    evaluate,
    export_network,
    import_network,
    info,
    mine,
    record,
    replay,
    report,
    top,
)
from fcos_ros.cli.output import (
    discard_stdout,
    escape_unknown_characters,
    open_closed_streams,
    printable_lines,
)
from fcos_ros.core.errors import FrameError
from fcos_ros.node.observer.start import RosError
from fcos_ros.offline.bags.library import BagLibraryError
from fcos_ros.offline.frames import OfflineError
from fcos_ros.recording.values import RecordingError
from fcos_ros.runtime.end_signals import INTERRUPTED, INTERRUPTED_MESSAGE
from fcos_ros.runtime.workers import WorkerError

VERBS = {
    'detect': detect,
    'bag': bag,
    'mine': mine,
    'record': record,
    'replay': replay,
    'info': info,
    'bench': bench,
    'eval': evaluate,
    'export': export_network,
    'import': import_network,
    'convert': convert,
    'top': top,
    'doctor': doctor,
    'report': report,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    open_closed_streams()
    escape_unknown_characters()
    if not sys.stdout:
        print('fcos: stdout is closed; to discard the output, add > /dev/null', file=sys.stderr)
        return 2
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except OSError as error:
        discard_stdout()
        if isinstance(error, BrokenPipeError):  # such as `fcos ... | head`
            return 128 + signal.SIGPIPE
        print(f'fcos: {error}', file=sys.stderr)
        return 2
    return code


def _run(arguments: Sequence[str] | None) -> int:
    # The prefix into which pip installs the share folder; a sourced ROS 2 has priority.
    os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as end:  # it printed its help or an error
        return int(end.code or 0)
    try:
        code: int = VERBS[options.verb].run(options)
    except (BagLibraryError, FrameError, ModelError, OfflineError, RecordingError,
            RosError) as error:
        print(f'{parser.prog} {options.verb}: {printable_lines(str(error))}', file=sys.stderr)
        return 2
    except (InferenceError, WorkerError) as error:
        print(f'{parser.prog} {options.verb}: the model failed: {printable_lines(str(error))}',
              file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(INTERRUPTED_MESSAGE, end='', file=sys.stderr)
        return INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='fcos', description='Describe, measure, judge, export and convert FCOS models; watch '
                                      'running detectors.')
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='VERB')
    for name, verb in VERBS.items():
        verb.add_options(verbs.add_parser(name, help=verb.SUMMARY, description=verb.__doc__))
    return parser


if __name__ == '__main__':
    raise SystemExit(main())
