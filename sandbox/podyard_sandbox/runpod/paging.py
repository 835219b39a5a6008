# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paging: ``limit`` and ``cursor`` of the query, and the response's ``pagination``."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from podyard_sandbox.faults import Faults
from podyard_sandbox.runpod.problems import invalid
from podyard_sandbox.runpod.resources.store import Pageable
from podyard_sandbox.runpod.validation import number

_MAX = 1000  # a page

Item = TypeVar("Item", bound=Pageable)


def page(
    query: Mapping[str, str], faults: Faults, name: str, items: Sequence[Item]
) -> tuple[list[Item], dict[str, Any]]:
    """Return the items of the requested page, and the response's other fields.

    Args:
        name: of the list in the response; a cursor of another list is refused.

    Raises:
        Problem: 422 if limit or cursor is malformed.
    """
    limit = number(query, "limit", _MAX, low=1, high=_MAX)
    after = _number(query["cursor"], name) if "cursor" in query else 0
    if (fault := faults.trigger("small-pages")) is not None:
        limit = min(limit, max(1, fault.params["size"]))
    if faults.trigger("older-service") is not None:
        return list(items), {}
    rest = [item for item in items if item.seq > after]
    shown, more = rest[:limit], len(rest) > limit
    cursor = base64.urlsafe_b64encode(f"{name}:{shown[-1].seq}".encode()).decode() if more else None
    return shown, {"pagination": {"hasNextPage": more, "nextCursor": cursor}}


def _number(cursor: str, name: str) -> int:
    """Return the number of the item after which a page begins."""
    try:
        plain = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        plain = ""
    if not re.fullmatch(rf"{name}:\d{{1,9}}", plain):
        raise invalid(["$.cursor: the cursor does not belong to this list"])
    return int(plain.removeprefix(f"{name}:"))
