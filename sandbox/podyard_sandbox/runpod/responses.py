# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON responses with numbers as JavaScript and Go write them: never ``48.0``."""

from __future__ import annotations

import json
import math
from typing import Any

from aiohttp import web

# From this size on, JavaScript and Go write an exponent.
_PLAIN = 1e21


def json_response(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a response with this document."""
    return web.json_response(document, status=status, headers=headers, dumps=dumps)


def dumps(document: Any) -> str:
    """Format the document as JSON text.

    Raises:
        ValueError: it holds a number that JSON cannot.
    """
    return json.dumps(_plain(document), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() and math.fabs(value) < _PLAIN else value
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
