# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about the request that is being answered, besides the request itself."""

from __future__ import annotations

import uuid
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Exchange:
    """One request and its response.

    Attributes:
        id: for the x-request-id header.
        authenticated: whether the key was valid, so that the response carries the quota.
        empty_for: seconds for which the response shows the minute's quota as used up.
        only_pod: the id of the pod whose own key was used, if any.
        mutation: the GraphQL mutation, if any.
        pod_id, name, fault: for the ledger: which pod the request was about, and which fault hit it.
    """

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    authenticated: bool = False
    empty_for: int | None = None
    only_pod: str | None = None
    mutation: str | None = None
    pod_id: str | None = None
    name: str | None = None
    fault: str | None = None


_current: ContextVar[Exchange] = ContextVar("exchange")


def begin() -> Exchange:
    """Start the exchange of a request that has just come in."""
    exchange = Exchange()
    _current.set(exchange)
    return exchange


def current() -> Exchange:
    """Return the exchange of the request that this task answers."""
    return _current.get()
