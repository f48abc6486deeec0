# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The browser that takes the picture of the page, played by a program."""

import sys

import pytest

from fcos_ros.demo.browser import BrowserFailed, save_screenshot

REFUSE_ALL = f"""#!{sys.executable}
import json, os
rest = b''
while part := os.read(3, 65536):
    *messages, rest = (rest + part).split(b'\\0')
    for message in messages:
        error = {{'id': json.loads(message)['id'], 'error': {{'message': 'no room'}}}}
        os.write(4, json.dumps(error).encode() + b'\\0')
"""


@pytest.mark.parametrize(('text', 'reason'), [
    (REFUSE_ALL, 'refuses Target.createTarget: .*no room'),
    ('#!/bin/sh\n', 'has ended'),
])
def test_a_browser_that_fails_is_reported(tmp_path, text, reason):
    program = tmp_path / 'browser'
    program.write_text(text)
    program.chmod(0o755)
    with pytest.raises(BrowserFailed, match=f'the browser {reason}'):
        save_screenshot(str(program), 'http://localhost/', tmp_path / 'page.png')
    assert not (tmp_path / 'page.png').exists()
