# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the page's server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fcos_ros.settings.schema import Option

LOCALHOST = 'localhost'

LIBRARY = 'aiohttp'
"""The library that the server needs."""

MISSING = (f'{LIBRARY} is not installed, so the page cannot be served; run '
           f'`sudo apt install python3-{LIBRARY}` or `python3 -m pip install {LIBRARY}`')
"""The report that the library is missing, with the remedy."""

ADDRESS_MARK = 'The page: '
"""The start of each line in which the server prints an address of the page."""

OPTIONS: Mapping[str, Option] = {
    'web_host': Option(
        LOCALHOST, 'Address on which the page is served. localhost serves this machine only; '
        '0.0.0.0 or :: serves all networks, and other machines then need the printed token.'),
    'web_port': Option(8088, 'Port of the page. 0 chooses a free one.', limits=(0, 65535)),
    'web_public_view': Option(
        False, 'Let other machines view the page without the token. Changes still need it.'),
    'web_names': Option(
        ('',), 'Further host names under which browsers may open the page, such as '
        '[robot.example.org]. Addresses and the name of the machine are always accepted.'),
    'web_rate': Option(
        15.0, 'Maximum number of pictures per second and camera on the page.',
        limits=(0.1, 60.0)),
    'web_width': Option(
        960, 'Maximum width of pictures that the server makes, in pixels. JPEG images of a camera '
        'are sent as they are.', limits=(64, 8192)),
    'web_quality': Option(
        75, 'JPEG quality of pictures that the server makes.', limits=(1, 100)),
}
"""The parameters that are also arguments of the launch file, by name."""

PARAMETERS: Mapping[str, Option] = {
    'detector': Option('fcos', 'Name of the node that the page shows, relative to the namespace '
                       'of the server.'),
    **OPTIONS,
}
"""All parameters of the server."""


@dataclass(frozen=True)
class WebSettings:
    """The values of `PARAMETERS`; fields have the names of the parameters without `web_`."""

    detector: str
    host: str
    port: int
    public_view: bool
    names: Sequence[str]
    rate: float
    width: int
    quality: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> WebSettings:
        """
        Check values and return the settings; a missing value is the default.

        :raises ValueError: a value is not accepted.
        """
        given = {name: option.given(values.get(name, option.default))
                 for name, option in PARAMETERS.items()}
        complaints = [f'{name} {complaint}' for name, option in PARAMETERS.items()
                      if (complaint := option.complaint(given[name]))]
        if complaints:
            raise ValueError('; '.join(complaints))
        return cls(**{name.removeprefix('web_'): value for name, value in given.items()})
